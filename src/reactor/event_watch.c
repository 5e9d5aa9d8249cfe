/* SPDX-License-Identifier: MIT */
/* Watchers: making, starting, stopping and freeing them, by kind. */
#include "reactor/event.h"
#include "reactor/poller.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define MS_MAX (INT64_C(1) << 43) /* of a timer: 278 years */
#define WANTED (LY_POLL_IN | LY_POLL_PRI | LY_POLL_OUT | LY_POLL_RDHUP)

/* ---- descriptors ---- */

static int reserve_fd(struct ly_events *e, int fd)
{
    int capacity = e->fds_capacity ? e->fds_capacity : 64;
    if (fd < e->fds_capacity)
        return 0;
    if (fcntl(fd, F_GETFD) < 0)
        return -EBADF; /* a number that no descriptor has must not make the array long */
    while (capacity <= fd)
        capacity = capacity > INT32_MAX / 2 ? INT32_MAX : capacity * 2;
    struct ly__event_fd *fds = realloc(e->fds, (size_t)capacity * sizeof *fds);
    if (!fds)
        return -ENOMEM;
    memset(fds + e->fds_capacity, 0, (size_t)(capacity - e->fds_capacity) * sizeof *fds);
    e->fds = fds;
    e->fds_capacity = capacity;
    return 0;
}

/*
 * Have the poller watch what the watchers of fd want together. It may have lost the descriptor when that was
 * closed and its number used again, so it is asked for the other thing if it refuses.
 */
static int apply(struct ly_events *e, int fd)
{
    struct ly__event_fd *at = &e->fds[fd];
    unsigned events = 0;
    for (const struct ly_watcher *w = at->first; w; w = w->at.fd.next)
        events |= w->at.fd.events;
    if (!at->first) {
        if (at->registered)
            ly_poller_unregister(e->poller, fd);
        at->registered = false;
        return 0;
    }
    int r = at->registered ? ly_poller_modify(e->poller, fd, events, NULL)
                           : ly_poller_register(e->poller, fd, events, NULL);
    if (r == -ENOENT)
        r = ly_poller_register(e->poller, fd, events, NULL);
    at->registered |= r == 0;
    return r;
}

static void unlink_fd(struct ly_watcher *w)
{
    struct ly_watcher **at = &w->loop->fds[w->at.fd.fd].first;
    while (*at != w)
        at = &(*at)->at.fd.next;
    *at = w->at.fd.next;
}

/* Another watcher's IN would make the poller accept what it cannot tell this one. */
static bool cannot_tell(const struct ly_events *e, unsigned events)
{
    return e->poller->ops->no_rdhup && (events & (LY_POLL_RDHUP | LY_POLL_IN)) == LY_POLL_RDHUP;
}

static int start_fd(struct ly_watcher *w)
{
    struct ly_events *e = w->loop;
    int fd = w->at.fd.fd;
    if (cannot_tell(e, w->at.fd.events))
        return -EOPNOTSUPP;
    /* The array is as long as the number is high; one that no descriptor has must not make it so. */
    int r = fcntl(fd, F_GETFD) < 0 ? -EBADF : reserve_fd(e, fd);
    if (r < 0)
        return r;
    struct ly_watcher **last = &e->fds[fd].first;
    while (*last)
        last = &(*last)->at.fd.next;
    w->at.fd.next = NULL;
    *last = w;
    r = apply(e, fd);
    if (r < 0)
        unlink_fd(w);
    return r;
}

static void stop_fd(struct ly_watcher *w)
{
    unlink_fd(w);
    apply(w->loop, w->at.fd.fd); /* should it fail, what comes in vain finds nobody */
}

/* ---- timers ---- */

static bool is_time(int64_t ms)
{
    return ms >= 0 && ms <= MS_MAX;
}

static void fire(struct ly__timer *t)
{
    struct ly_watcher *w = ly__container_of(t, struct ly_watcher, at.timer.timer);
    int64_t every = w->at.timer.every_ms * 1000000;
    int64_t count = 1;
    if (every > 0) {
        count += (ly_now() - w->at.timer.due) / every;
        w->at.timer.due += count * every;
        ly__timer_set(&w->loop->timers, t, w->at.timer.due);
    }
    unsigned before = w->what; /* it was not called yet since the last time */
    ly__event_pend(w, 0);
    w->what = before + (count < INT32_MAX ? (unsigned)count : INT32_MAX);
}

static int start_timer(struct ly_watcher *w)
{
    w->at.timer.due = w->at.timer.first_ms ? ly_deadline(w->at.timer.first_ms) : ly_now();
    ly__timer_set(&w->loop->timers, &w->at.timer.timer, w->at.timer.due);
    return 0;
}

static void stop_timer(struct ly_watcher *w)
{
    ly__timer_clear(&w->loop->timers, &w->at.timer.timer);
}

/* ---- idle, post ---- */

static int start_idle(struct ly_watcher *w)
{
    ly__list_append(&w->loop->idle, &w->listed);
    return 0;
}

static void stop_idle(struct ly_watcher *w)
{
    ly__list_remove(&w->listed);
}

/* What was posted before it was started counts as nothing. */
static int start_post(struct ly_watcher *w)
{
    ly__events_take_posted(w->loop);
    return 0;
}

static void stop_post(struct ly_watcher *w)
{
    ly__events_take_posted(w->loop);
}

const struct ly__watch_kind ly__watch_fd = {start_fd, stop_fd};
const struct ly__watch_kind ly__watch_close = {start_fd, stop_fd};
const struct ly__watch_kind ly__watch_timer = {start_timer, stop_timer};
const struct ly__watch_kind ly__watch_idle = {start_idle, stop_idle};
const struct ly__watch_kind ly__watch_post = {start_post, stop_post};

/* ---- all kinds ---- */

int ly_watcher_start(struct ly_watcher *w)
{
    if (w->started)
        return 0;
    int r = w->kind->start(w);
    if (r < 0)
        return r;
    w->started = true;
    w->loop->started++;
    return 0;
}

void ly_watcher_stop(struct ly_watcher *w)
{
    if (!w->started)
        return;
    w->kind->stop(w);
    w->started = false;
    w->loop->started--;
    w->what = 0;
    ly__list_remove(&w->pending);
}

void ly_watcher_free(struct ly_watcher *w)
{
    if (!w)
        return;
    struct ly_events *e = w->loop;
    ly_watcher_stop(w);
    if (w->kind == &ly__watch_post)
        ly__events_take_posted(e);
    e->timer_count -= w->kind == &ly__watch_timer;
    ly__list_remove(&w->in_loop);
    if (w->freed)
        w->freed(w->arg);
    free(w);
}

void ly_watcher_on_free(struct ly_watcher *w, void (*fn)(void *arg))
{
    w->freed = fn;
}

bool ly_watcher_is_started(const struct ly_watcher *w)
{
    return w->started;
}

struct ly_events *ly_watcher_loop(const struct ly_watcher *w)
{
    return w->loop;
}

int ly_watcher_fd(const struct ly_watcher *w)
{
    return w->kind == &ly__watch_fd || w->kind == &ly__watch_close ? w->at.fd.fd : -1;
}

int ly_watcher_set_events(struct ly_watcher *w, unsigned events)
{
    if (w->kind != &ly__watch_fd || events & ~WANTED)
        return -EINVAL;
    if (cannot_tell(w->loop, events))
        return -EOPNOTSUPP;
    unsigned before = w->at.fd.events;
    w->at.fd.events = events;
    int r = w->started ? apply(w->loop, w->at.fd.fd) : 0;
    if (r < 0)
        w->at.fd.events = before;
    else if ((w->what &= events | ~WANTED) == 0)
        ly__list_remove(&w->pending);
    return r;
}

int ly_watcher_set_timer(struct ly_watcher *w, int64_t first_ms, int64_t every_ms)
{
    if (w->kind != &ly__watch_timer || !is_time(first_ms) || !is_time(every_ms))
        return -EINVAL;
    ly_watcher_stop(w);
    w->at.timer.first_ms = first_ms;
    w->at.timer.every_ms = every_ms;
    return ly_watcher_start(w);
}

/* ---- making them ---- */

static struct ly_watcher *make(struct ly_events *e, const struct ly__watch_kind *kind, ly_watch_fn *fn,
                               void *arg)
{
    struct ly_watcher *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->loop = e;
    w->kind = kind;
    w->fn = fn;
    w->arg = arg;
    ly__list_init(&w->in_loop);
    ly__list_init(&w->pending);
    ly__list_init(&w->listed);
    return w;
}

/* Start a new one, and let the caller have it. */
static int begin(struct ly_watcher **ret_watcher, struct ly_watcher *w)
{
    if (!w)
        return -ENOMEM;
    int r = w->loop->closing ? -EBADF : ly_watcher_start(w);
    if (r < 0) {
        free(w);
        return r;
    }
    ly__list_append(&w->loop->all, &w->in_loop);
    if (ret_watcher)
        *ret_watcher = w;
    return 0;
}

static int watch_fd(struct ly_watcher **ret_watcher, struct ly_events *e, const struct ly__watch_kind *kind,
                    int fd, unsigned events, ly_watch_fn *fn, void *arg)
{
    if (events & ~WANTED)
        return -EINVAL;
    if (fd < 0)
        return -EBADF;
    struct ly_watcher *w = make(e, kind, fn, arg);
    if (w) {
        w->at.fd.fd = fd;
        w->at.fd.events = events;
    }
    return begin(ret_watcher, w);
}

int ly_watch_fd(struct ly_watcher **ret_watcher, struct ly_events *e, int fd, unsigned events,
                ly_watch_fn *fn, void *arg)
{
    return watch_fd(ret_watcher, e, &ly__watch_fd, fd, events, fn, arg);
}

int ly_watch_close(struct ly_watcher **ret_watcher, struct ly_events *e, int fd, ly_watch_fn *fn, void *arg)
{
    return watch_fd(ret_watcher, e, &ly__watch_close, fd, LY_POLL_RDHUP, fn, arg);
}

int ly_watch_timer(struct ly_watcher **ret_watcher, struct ly_events *e, int64_t first_ms, int64_t every_ms,
                   ly_watch_fn *fn, void *arg)
{
    if (!is_time(first_ms) || !is_time(every_ms))
        return -EINVAL;
    if (ly__timers_reserve(&e->timers, e->timer_count + 1) < 0)
        return -ENOMEM;
    struct ly_watcher *w = make(e, &ly__watch_timer, fn, arg);
    if (w) {
        w->at.timer.timer.fire = fire;
        w->at.timer.first_ms = first_ms;
        w->at.timer.every_ms = every_ms;
    }
    int r = begin(ret_watcher, w);
    e->timer_count += r == 0;
    return r;
}

int ly_watch_signal(struct ly_watcher **ret_watcher, struct ly_events *e, int signal_number, ly_watch_fn *fn,
                    void *arg)
{
    struct ly_watcher *w = make(e, &ly__watch_signal, fn, arg);
    if (w)
        w->at.signal_number = signal_number;
    return begin(ret_watcher, w);
}

int ly_watch_idle(struct ly_watcher **ret_watcher, struct ly_events *e, ly_watch_fn *fn, void *arg)
{
    return begin(ret_watcher, make(e, &ly__watch_idle, fn, arg));
}

int ly_watch_post(struct ly_watcher **ret_watcher, struct ly_events *e, ly_watch_fn *fn, void *arg)
{
    return begin(ret_watcher, make(e, &ly__watch_post, fn, arg));
}
