/* SPDX-License-Identifier: MIT */
/*
 * Events: a loop that waits by a poller (poller.h) and calls back when something happens to a descriptor, a
 * time comes, a signal arrives, or another thread asks for it. It needs no fibers; run in one, it suspends
 * only that.
 *
 * What is waited for is a watcher. It belongs to its loop and is started when it is made. A callback may stop
 * or free its own watcher, any other one, and the loop itself: a watcher that was stopped or freed is not
 * called any more, even if its event has been seen already. Nothing is allocated when events come.
 *
 * Each turn calls every watcher that has an event once at most, so none can keep the others from being
 * called; only a callback that does not return can. Work that takes long belongs to a thread or to
 * ly_offload, with a posted watcher to bring back the result.
 *
 * A loop and its watchers are used by one task at a time. Only ly_watcher_post and ly_events_stop may be
 * called from elsewhere, signal handlers included. A child after fork(2) has to leave them alone.
 */
#ifndef LANYARD_EVENT_H
#define LANYARD_EVENT_H

#include <lanyard/error.h>
#include <lanyard/poller.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ly_events;
struct ly_watcher;

/*
 * Called when a watcher's event has come. what: for a descriptor its events (LY_POLL_IN ...); for a timer how
 * often its time has come since the last call; for a signal its number; else 0. arg: as given.
 */
typedef void ly_watch_fn(struct ly_watcher *w, unsigned what, void *arg);

/* ---- the loop ---- */

/*
 * Make a loop. poller: names as of ly_poller_open; NULL: the best there is.
 * Returns 0, -ENOMEM, or an error of ly_poller_open.
 */
LY_API int ly_events_open(struct ly_events **ret_events, const char *poller);

/* Free the loop and all of its watchers. Inside a callback the loop ends once that has returned. NULL is
 * accepted. */
LY_API void ly_events_free(struct ly_events *e);

/* The name of its poller. Static. */
LY_API const char *ly_events_poller(const struct ly_events *e);

/*
 * Wait and call back until ly_events_stop, or until no watcher is started.
 * Returns 0, -EBUSY (it runs already), or why waiting failed: -ECANCELED, -ETIMEDOUT (by the scopes around
 * the caller), -ENOMEM. It may be run again. Suspends.
 */
LY_API int ly_events_run(struct ly_events *e);

/* Have ly_events_run return when the callback that it is in has: the run that is under way, or else the next.
 * What has been seen and not been told yet is told by the run after it. From any thread, and from a signal
 * handler. */
LY_API void ly_events_stop(struct ly_events *e);

/* ---- watchers ---- */

/*
 * Each of these makes a watcher and starts it. ret_watcher may be NULL: the callback gets it anyway. On
 * failure nothing is left. */

/*
 * Call fn while a descriptor is ready, which is level triggered: what is left unread is told again.
 *
 * fd      borrowed; stop or free its watchers before it is closed. Several watchers may watch one
 * events  LY_POLL_IN, PRI, OUT, RDHUP. HUP, ERR and NVAL are told besides; after NVAL (the descriptor was
 *         closed) the watcher is stopped
 *
 * Returns 0, -EINVAL, -ENOMEM, or an error of ly_poller_register.
 */
LY_API int ly_watch_fd(struct ly_watcher **ret_watcher, struct ly_events *e, int fd, unsigned events,
                       ly_watch_fn *fn, void *arg);

/* Call fn once, when the peer of a connection sends no more or the connection has failed, even if nobody
 * reads. what: LY_POLL_RDHUP, HUP, ERR, NVAL. Returns what ly_watch_fd does; -EOPNOTSUPP by select. */
LY_API int ly_watch_close(struct ly_watcher **ret_watcher, struct ly_events *e, int fd, ly_watch_fn *fn,
                          void *arg);

/*
 * Call fn after first_ms milliseconds (0: in the next turn), and then every every_ms (0: no more). A loop
 * that is late does not call more often to catch up, and the times do not drift. Returns 0, -EINVAL
 * (negative), -ENOMEM.
 */
LY_API int ly_watch_timer(struct ly_watcher **ret_watcher, struct ly_events *e, int64_t first_ms,
                          int64_t every_ms, ly_watch_fn *fn, void *arg);

/*
 * Call fn after a signal was delivered to this process. While it is watched the signal has a handler of the
 * loop's; afterwards what it had before. Several deliveries may be told as one.
 * Returns 0, -EINVAL (no signal, or one that cannot be caught), -EBUSY (another loop watches it), -ENOMEM.
 */
LY_API int ly_watch_signal(struct ly_watcher **ret_watcher, struct ly_events *e, int signal_number,
                           ly_watch_fn *fn, void *arg);

/* Call fn in every turn, after all others. While one is started the loop does not sleep. Returns 0, -ENOMEM.
 */
LY_API int ly_watch_idle(struct ly_watcher **ret_watcher, struct ly_events *e, ly_watch_fn *fn, void *arg);

/* Call fn in the loop after ly_watcher_post: from a callback, to do something later; from another thread, to
 * have the loop do it. Returns 0, -ENOMEM. */
LY_API int ly_watch_post(struct ly_watcher **ret_watcher, struct ly_events *e, ly_watch_fn *fn, void *arg);

/* Have a watcher of ly_watch_post called; several posts before the call count as one, and those while it is
 * stopped as none. From any thread and from signal handlers, while the watcher exists. */
LY_API void ly_watcher_post(struct ly_watcher *w);

/* Start a watcher that was stopped, or has fired for the last time; a timer begins with its first time.
 * Returns 0 (also if it is started) or an error of the function that makes such a watcher. */
LY_API int ly_watcher_start(struct ly_watcher *w);

/* Not to be called any more until it is started again. Harmless if it is stopped. */
LY_API void ly_watcher_stop(struct ly_watcher *w);

/* Stop it and free it. NULL is accepted. */
LY_API void ly_watcher_free(struct ly_watcher *w);

/* Call fn(arg), with the watcher's arg, when it is freed, by itself or with its loop: to free what arg points
 * to. fn must not use the loop. NULL: nothing. */
LY_API void ly_watcher_on_free(struct ly_watcher *w, void (*fn)(void *arg));

/* Whether it is started: it was not stopped since, and has not fired for the last time. */
LY_API bool ly_watcher_is_started(const struct ly_watcher *w);

/* Its loop. */
LY_API struct ly_events *ly_watcher_loop(const struct ly_watcher *w);

/* Its descriptor; -1 if it watches none. */
LY_API int ly_watcher_fd(const struct ly_watcher *w);

/* Change what a watcher of ly_watch_fd waits for. Returns 0, -EINVAL (another kind, or other events), or an
 * error of ly_poller_modify, nothing being changed then. */
LY_API int ly_watcher_set_events(struct ly_watcher *w, unsigned events);

/* Change the times of a timer and start it anew. Returns 0 or -EINVAL (another kind, negative). */
LY_API int ly_watcher_set_timer(struct ly_watcher *w, int64_t first_ms, int64_t every_ms);

#ifdef __cplusplus
}
#endif
#endif
