/* SPDX-License-Identifier: MIT */
/*
 * The event loop.
 *
 * A turn waits, collects all that has happened into one list of watchers, and calls these one after another.
 * A watcher is on the list once at most, and stopping it takes it off; so whatever a callback stops, frees or
 * closes, nothing that is gone is called, and the list never has to be walked while it changes. What
 * callbacks set off joins the list of the next turn: everybody is called before anybody is called again.
 *
 * A poster pushes, then looks at sleeping; the loop sets sleeping, then looks at what was posted: in
 * sequentially consistent order one of the two always sees the other.
 */
#include "reactor/event.h"
#include <errno.h>
#include <stdlib.h>

int ly_events_open(struct ly_events **ret_events, const char *poller)
{
    struct ly_events *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    int r = ly_poller_open(&e->poller, poller);
    if (r < 0) {
        free(e);
        return r;
    }
    ly__list_init(&e->all);
    ly__list_init(&e->pending);
    ly__list_init(&e->arrived);
    ly__list_init(&e->signals);
    ly__list_init(&e->idle);
    *ret_events = e;
    return 0;
}

static void destroy(struct ly_events *e)
{
    ly_poller_free(e->poller);
    ly__timers_done(&e->timers);
    free(e->fds);
    free(e);
}

void ly_events_free(struct ly_events *e)
{
    struct ly__list *first;
    if (!e)
        return;
    while ((first = ly__list_first(&e->all)))
        ly_watcher_free(ly__container_of(first, struct ly_watcher, in_loop));
    if (e->running)
        e->closing = true;
    else
        destroy(e);
}

const char *ly_events_poller(const struct ly_events *e)
{
    return ly_poller_name(e->poller);
}

/* ---- from elsewhere ---- */

void ly__events_wake(struct ly_events *e)
{
    if (atomic_load(&e->sleeping))
        ly_poller_wake(e->poller);
}

void ly_events_stop(struct ly_events *e)
{
    atomic_store(&e->stop, true);
    ly__events_wake(e);
}

void ly_watcher_post(struct ly_watcher *w)
{
    struct ly_events *e = w->loop;
    if (w->kind != &ly__watch_post || atomic_exchange(&w->at.post.posted, true))
        return;
    struct ly_watcher *head = atomic_load_explicit(&e->posted, memory_order_relaxed);
    do
        w->at.post.next = head;
    while (!atomic_compare_exchange_weak(&e->posted, &head, w));
    ly__events_wake(e);
}

void ly__events_take_posted(struct ly_events *e)
{
    struct ly_watcher *w = atomic_exchange(&e->posted, NULL), *in_order = NULL;
    while (w) {
        struct ly_watcher *next = w->at.post.next;
        w->at.post.next = in_order;
        in_order = w;
        w = next;
    }
    while (in_order) {
        w = in_order;
        in_order = w->at.post.next;
        atomic_store(&w->at.post.posted, false);
        if (w->started && ly__list_empty(&w->pending))
            ly__list_append(&e->arrived, &w->pending);
    }
}

/* ---- a turn ---- */

void ly__event_pend(struct ly_watcher *w, unsigned what)
{
    w->what |= what;
    if (ly__list_empty(&w->pending))
        ly__list_append(&w->loop->pending, &w->pending);
}

/* How long a turn may wait, in milliseconds. */
static int64_t patience(struct ly_events *e)
{
    if (!ly__list_empty(&e->pending) || !ly__list_empty(&e->arrived) || !ly__list_empty(&e->idle) ||
        atomic_load(&e->posted) || atomic_load(&e->raised) || atomic_load(&e->stop))
        return 0;
    int64_t next = ly__timers_next(&e->timers);
    if (next == LY_NEVER)
        return LY_FOREVER;
    int64_t left = next - ly_now();
    return left <= 0 ? 0 : (left + 999999) / 1000000;
}

static void collect_fd(struct ly_events *e, const struct ly_poller_event *event)
{
    const unsigned always = LY_POLL_HUP | LY_POLL_ERR | LY_POLL_NVAL;
    if (event->fd >= e->fds_capacity)
        return;
    for (struct ly_watcher *w = e->fds[event->fd].first; w; w = w->at.fd.next)
        if (event->events & (w->at.fd.events | always))
            ly__event_pend(w, event->events & (w->at.fd.events | always));
}

static void collect_signals(struct ly_events *e)
{
    uint64_t raised = atomic_exchange(&e->raised, 0);
    ly__list_each (it, &e->signals) {
        struct ly_watcher *w = ly__container_of(it, struct ly_watcher, listed);
        if (raised >> (w->at.signal_number - 1) & 1)
            ly__event_pend(w, (unsigned)w->at.signal_number);
    }
}

static void collect_posted(struct ly_events *e)
{
    struct ly__list *first;
    ly__events_take_posted(e);
    while ((first = ly__list_first(&e->arrived))) {
        ly__list_remove(first);
        ly__list_append(&e->pending, first);
    }
}

static void collect(struct ly_events *e, int count)
{
    for (int i = 0; i < count; i++)
        collect_fd(e, &e->events[i]);
    collect_signals(e);
    if (e->timers.count)
        ly__timers_fire(&e->timers, ly_now());
    collect_posted(e);
    ly__list_each (it, &e->idle)
        ly__event_pend(ly__container_of(it, struct ly_watcher, listed), 0);
}

/* What fires once is stopped before its callback, which may then start it again. */
static bool fires_once(const struct ly_watcher *w, unsigned what)
{
    return w->kind == &ly__watch_close || (w->kind == &ly__watch_timer && w->at.timer.every_ms == 0) ||
           (w->kind == &ly__watch_fd && what & LY_POLL_NVAL);
}

static void call_pending(struct ly_events *e)
{
    struct ly__list *first;
    while (!atomic_load(&e->stop) && !e->closing && (first = ly__list_first(&e->pending))) {
        struct ly_watcher *w = ly__container_of(first, struct ly_watcher, pending);
        unsigned what = w->what;
        ly__list_remove(first);
        w->what = 0;
        if (fires_once(w, what))
            ly_watcher_stop(w);
        w->fn(w, what, w->arg); /* w may be gone afterwards */
    }
}

static int turn(struct ly_events *e)
{
    atomic_store(&e->sleeping, true);
    int n = ly_poller_wait(e->poller, e->events, LY__EVENT_BATCH, patience(e));
    atomic_store(&e->sleeping, false);
    if (n < 0)
        return n;
    collect(e, n);
    call_pending(e);
    return 0;
}

int ly_events_run(struct ly_events *e)
{
    int r = 0;
    if (e->running)
        return -EBUSY;
    e->running = true;
    call_pending(e); /* what an earlier run left */
    while (r == 0 && !atomic_load(&e->stop) && e->started > 0)
        r = turn(e);
    e->running = false;
    atomic_store(&e->stop, false);
    if (e->closing)
        destroy(e);
    return r;
}
