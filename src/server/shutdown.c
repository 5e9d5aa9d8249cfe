/* SPDX-License-Identifier: MIT */
/*
 * The end of serving.
 *
 * The stage is one atomic number, moved by compare-and-swap, and two eventfds that become readable when it
 * reaches DRAINING and CANCELLING and stay so until the next ly_serve_forever. Whoever serves waits for them
 * beside the listener: nothing is lost between looking at the stage and waiting, any number of workers can
 * wait for the same descriptor, and asking is an atomic operation and a write(2), fit for a signal handler.
 *
 * A forked child has a copy of the stage but the same eventfds. It may ask the parent to stop, by a flag in
 * shared memory; that flag never means "at once", because a ^C reaches the parent and all its children, and
 * would otherwise always be a second request.
 */
#include "fiber/loop.h"
#include "server/inherit.h"
#include "server/server.h"
#include <errno.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <unistd.h>

__thread struct ly_server *ly__server_here;

int ly__shutdown_open(struct ly_server *s)
{
    ly__list_init(&s->enders);
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd < 0)
        return -errno;
    s->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->cancel_fd < 0)
        return -errno;
    s->reload_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->reload_fd < 0 ? -errno : 0;
}

void ly__shutdown_close(struct ly_server *s)
{
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    if (s->cancel_fd >= 0)
        close(s->cancel_fd);
    if (s->reload_fd >= 0)
        close(s->reload_fd);
}

/* ---- asking ---- */

static void ring(int fd)
{
    static const uint64_t one = 1;
    int keep = errno;
    while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    errno = keep;
}

static void silence(int fd)
{
    uint64_t n;
    while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
}

/* Move the stage from one value to the next, and say so. */
static bool move(struct ly_server *s, int from)
{
    if (!atomic_compare_exchange_strong(&s->stage, &from, from + 1))
        return false;
    ring(from == LY__SERVING ? s->stop_fd : s->cancel_fd);
    return true;
}

/* Serving has begun: what was asked before counts now, and once. */
static void count_early(struct ly_server *s)
{
    int n = atomic_exchange(&s->early, 0);
    if (n > 0)
        move(s, LY__SERVING);
    if (n > 1)
        move(s, LY__DRAINING);
}

/* Who begins to serve sets the stage, then looks at early; here it is the other way round, so that one of the
 * two sees the other. */
static void ask_early(struct ly_server *s)
{
    atomic_fetch_add(&s->early, 1);
    if (atomic_load(&s->stage) != LY__IDLE)
        count_early(s);
}

void ly__shutdown_ask(struct ly_server *s)
{
    if (s->is_child) {
        /* The flag before the bell, so that who is woken sees it and takes no further request; and after it,
         * should the next serving have begun in between. */
        if (s->from_child)
            atomic_store(s->from_child, 1);
        ring(s->stop_fd);
        if (s->from_child)
            atomic_store(s->from_child, 1);
        return;
    }
    atomic_fetch_add(&s->asking, 1);
    if (!move(s, LY__SERVING) && !move(s, LY__DRAINING) && !atomic_load(&s->has_served))
        ask_early(s);
    atomic_fetch_sub(&s->asking, 1);
}

void ly_server_request_shutdown(struct ly_server *s)
{
    ly__shutdown_ask(s);
}

void ly_server_request_reload(struct ly_server *s)
{
    ring(s->reload_fd);
}

void ly__serving_fail(struct ly_server *s, int error, bool cancel)
{
    int none = 0;
    atomic_compare_exchange_strong(&s->failure, &none, error);
    move(s, LY__SERVING);
    if (cancel)
        move(s, LY__DRAINING);
}

int64_t ly__drain_deadline(const struct ly_server *s)
{
    if (s->options.drain_ms == 0)
        return LY_NEVER;
    return s->options.drain_ms == LY_POLL ? ly_now() : ly_deadline(s->options.drain_ms);
}

/* ---- the time of serving ---- */

int ly__serving_begin(struct ly_server *s)
{
    pthread_mutex_lock(&s->lock);
    if (atomic_load(&s->stage) != LY__IDLE) {
        pthread_mutex_unlock(&s->lock);
        return -EBUSY;
    }
    if (s->from_child)
        atomic_store(s->from_child, 0);
    atomic_store(&s->failure, 0);
    atomic_store(&s->loop, ly__loop_here);
    atomic_store(&s->has_served, true);
    atomic_store(&s->stage, LY__SERVING);
    count_early(s);
    pthread_mutex_unlock(&s->lock);
    ly__tell_ready();
    return 0;
}

void ly__serving_end(struct ly_server *s)
{
    struct ly__list *w;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->stage, LY__IDLE);
    atomic_store(&s->loop, NULL);
    while (atomic_load(&s->asking) > 0)
        sched_yield(); /* somebody is between the stage and the eventfd */
    silence(s->stop_fd);
    silence(s->cancel_fd);
    silence(s->reload_fd);
    while ((w = ly__list_first(&s->enders))) {
        ly__list_remove(w);
        ly__waiter_wake(ly__container_of(w, struct ly__waiter, link), 0);
    }
    pthread_mutex_unlock(&s->lock);
}

/* ---- ly_server_shutdown ---- */

static bool within(const struct ly_scope *scope, const struct ly_scope *outer)
{
    while (scope && scope != outer)
        scope = scope->parent;
    return scope != NULL;
}

/* Is the calling task one that serving waits for? Then it must not wait for the end of serving. */
static bool is_inside(struct ly_server *s)
{
    const struct ly__task *t = ly__task_now;
    if (s->is_child || ly__server_here == s)
        return true;
    if (ly__loop_here)
        return atomic_load(&s->loop) == ly__loop_here || ly__fibers_run_in(s, ly__loop_here);
    if (!t || !t->scope)
        return false;
    return within(t->scope, &s->threads) || within(t->scope, atomic_load(&s->serving));
}

/* Not asked after all, if that still waits to be counted. */
static void take_back(struct ly_server *s)
{
    int n = atomic_load(&s->early);
    while (n > 0 && !atomic_compare_exchange_weak(&s->early, &n, n - 1))
        ;
}

/* Wait for the end of serving; the lock is held and is left. early: it has not begun. */
static void await_end(struct ly_server *s, bool early)
{
    struct ly__waiter w;
    ly__waiter_init(&w);
    if (w.task)
        ly__list_append(&s->enders, &w.link);
    pthread_mutex_unlock(&s->lock);
    int r = ly__waiter_wait(&w, LY_NEVER, "the end of serving", LY__WAIT_SHARED);
    if (r == 0 || !w.task)
        return;
    pthread_mutex_lock(&s->lock);
    bool waiting = !ly__list_empty(&w.link);
    ly__list_remove(&w.link);
    if (waiting && early)
        take_back(s);
    pthread_mutex_unlock(&s->lock);
    if (!waiting)
        ly__waiter_wait(&w, LY__UNINTERRUPTED, "the end of serving", LY__WAIT_SHARED);
}

void ly_server_shutdown(struct ly_server *s)
{
    if (is_inside(s)) {
        ly__shutdown_ask(s);
        return;
    }
    pthread_mutex_lock(&s->lock);
    bool idle = atomic_load(&s->stage) == LY__IDLE;
    if (idle && atomic_load(&s->has_served)) {
        pthread_mutex_unlock(&s->lock);
        return;
    }
    ly__shutdown_ask(s);
    await_end(s, idle);
}
