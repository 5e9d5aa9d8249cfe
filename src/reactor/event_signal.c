/* SPDX-License-Identifier: MIT */
/*
 * Signals for event loops. A signal has one handler in the process, so one loop at a time may have it. The
 * handler notes the number in that loop and wakes it. It may run in any thread, even while the loop lets go
 * of the signal: who lets go waits until no handler is inside, after which none can find the loop any more.
 */
#include "reactor/event.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#define SIGNALS 64

static struct watched {
    _Atomic(struct ly_events *) loop;
    atomic_int inside; /* handlers that may hold the loop's address */
    struct sigaction before;
} watched[SIGNALS + 1];

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void handle(int number)
{
    int saved = errno;
    struct watched *s = &watched[number];
    atomic_fetch_add(&s->inside, 1);
    struct ly_events *e = atomic_load(&s->loop);
    if (e) {
        atomic_fetch_or(&e->raised, UINT64_C(1) << (number - 1));
        ly__events_wake(e);
    }
    atomic_fetch_sub(&s->inside, 1);
    errno = saved;
}

static bool is_watched(struct ly_events *e, int number)
{
    ly__list_each (it, &e->signals)
        if (ly__container_of(it, struct ly_watcher, listed)->at.signal_number == number)
            return true;
    return false;
}

/* With the lock. */
static int take(struct ly_events *e, int number)
{
    struct watched *s = &watched[number];
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART};
    struct ly_events *owner = atomic_load(&s->loop);
    if (owner)
        return owner == e ? 0 : -EBUSY;
    atomic_store(&s->loop, e);
    if (sigaction(number, &action, &s->before) < 0) {
        atomic_store(&s->loop, NULL);
        return -errno;
    }
    return 0;
}

static int start_signal(struct ly_watcher *w)
{
    if (w->at.signal_number < 1 || w->at.signal_number > SIGNALS)
        return -EINVAL;
    pthread_mutex_lock(&lock);
    int r = take(w->loop, w->at.signal_number);
    pthread_mutex_unlock(&lock);
    if (r == 0)
        ly__list_append(&w->loop->signals, &w->listed);
    return r;
}

static void stop_signal(struct ly_watcher *w)
{
    struct watched *s = &watched[w->at.signal_number];
    ly__list_remove(&w->listed);
    if (is_watched(w->loop, w->at.signal_number))
        return;
    pthread_mutex_lock(&lock);
    sigaction(w->at.signal_number, &s->before, NULL);
    atomic_store(&s->loop, NULL);
    while (atomic_load(&s->inside) > 0)
        sched_yield();
    pthread_mutex_unlock(&lock);
    atomic_fetch_and(&w->loop->raised, ~(UINT64_C(1) << (w->at.signal_number - 1)));
}

const struct ly__watch_kind ly__watch_signal = {start_signal, stop_signal};
