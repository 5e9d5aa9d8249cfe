/* SPDX-License-Identifier: MIT */
/* Inside of event loops: event.c turns, event_watch.c has a table of the kinds of watchers, event_signal.c
 * what the process shares. */
#ifndef LY_REACTOR_EVENT_H
#define LY_REACTOR_EVENT_H

#include "base/list.h"
#include "fiber/timer.h"
#include <lanyard/event.h>
#include <stdatomic.h>

#define LY__EVENT_BATCH 256 /* descriptors told in a turn; the poller brings the others in the next */

/* A kind of watcher: how one begins and ceases to listen. */
struct ly__watch_kind {
    int (*start)(struct ly_watcher *w);
    void (*stop)(struct ly_watcher *w);
};

extern const struct ly__watch_kind ly__watch_fd, ly__watch_close, ly__watch_timer, ly__watch_signal,
    ly__watch_idle, ly__watch_post;

struct ly_watcher {
    struct ly_events *loop;
    const struct ly__watch_kind *kind;
    ly_watch_fn *fn;
    void *arg;
    void (*freed)(void *arg);
    struct ly__list in_loop; /* among all of the loop's */
    struct ly__list pending; /* among those to call: the loop's pending or arrived */
    struct ly__list listed;  /* signal, idle: among the started ones of this kind */
    unsigned what;           /* what fn will be told */
    bool started;
    union {
        struct {
            int fd;
            unsigned events;
            struct ly_watcher *next; /* the next started one of this descriptor */
        } fd;
        struct {
            struct ly__timer timer;
            int64_t first_ms, every_ms;
            int64_t due; /* when it fires next */
        } timer;
        int signal_number;
        struct {
            atomic_bool posted;      /* on the loop's stack of posted ones */
            struct ly_watcher *next; /* there */
        } post;
    } at;
};

/* What is known of a descriptor; they lie in an array, by number. */
struct ly__event_fd {
    struct ly_watcher *first; /* its started watchers */
    bool registered;
};

struct ly_events {
    struct ly_poller *poller;
    struct ly__event_fd *fds;
    int fds_capacity;
    struct ly__timers timers;
    size_t timer_count;      /* timer watchers, started or not: the heap has room for them all */
    struct ly__list all;     /* watchers */
    struct ly__list pending; /* to be called in this turn, in order */
    struct ly__list arrived; /* posted ones, to be called in the next */
    struct ly__list signals; /* started watchers */
    struct ly__list idle;
    size_t started;
    _Atomic(struct ly_watcher *) posted; /* by whichever thread, the newest first */
    _Atomic uint64_t raised;             /* bit n - 1: signal n was delivered */
    atomic_bool sleeping;                /* it waits, or is about to: who posts has to wake it */
    atomic_bool stop;
    bool running;
    bool closing; /* freed by a callback: run frees the rest */
    struct ly_poller_event events[LY__EVENT_BATCH];
};

/* Have a started watcher called in this turn. */
void ly__event_pend(struct ly_watcher *w, unsigned what);

/* Take over what other threads have posted. */
void ly__events_take_posted(struct ly_events *e);

/* Wake the loop if it sleeps. Async-signal-safe. */
void ly__events_wake(struct ly_events *e);

#endif
