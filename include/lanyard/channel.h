/* SPDX-License-Identifier: MIT */
/*
 * Channels and mutexes between tasks.
 *
 * One made inside a loop belongs to the fibers of that loop, costs no lock, and takes part in deadlock
 * detection; give LY_SHARED to use it across loops and threads. One made outside a loop is always shared.
 * Using a channel of one loop from elsewhere without LY_SHARED gives -EPERM.
 */
#ifndef LANYARD_CHANNEL_H
#define LANYARD_CHANNEL_H

#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ly_sharing { LY_LOCAL = 0, LY_SHARED = 1 };

struct ly_chan;

/*
 * Make a channel of items of item_size bytes (1..65536) that holds up to capacity of them (0..2^20; 0: a send
 * waits for a receiver). Returns 0, -EINVAL or -ENOMEM.
 */
LY_API int ly_chan_new(struct ly_chan **ret_chan, size_t item_size, size_t capacity, enum ly_sharing sharing);

/* Free it. NULL is accepted. No task may be waiting in it. */
LY_API void ly_chan_free(struct ly_chan *c);

/* Copy one item in. Suspends while the channel is full. Returns 0, LY_ECLOSED, -EAGAIN (timeout_ms 0),
 * -ETIMEDOUT, -ECANCELED, -EDEADLK, -EPERM, -EINVAL (timeout_ms below LY_FOREVER). */
LY_API int ly_chan_send(struct ly_chan *c, const void *item, int64_t timeout_ms);

/* Copy one item out. Suspends while the channel is empty. Items sent before ly_chan_end are still received.
 * Returns and errors as of ly_chan_send. */
LY_API int ly_chan_recv(struct ly_chan *c, void *item, int64_t timeout_ms);

/* No more items: sends fail with LY_ECLOSED, receives do when it is empty. May be called twice. */
LY_API void ly_chan_end(struct ly_chan *c);

struct ly_mutex;

/* Make a mutex. It is not recursive. Returns 0 or -ENOMEM. */
LY_API int ly_mutex_new(struct ly_mutex **ret_mutex, enum ly_sharing sharing);
LY_API void ly_mutex_free(struct ly_mutex *m);

/* Lock it; waiters get it in the order in which they came. Suspends. Returns 0, -EAGAIN (timeout_ms 0 and it
 * is held), -ETIMEDOUT, -ECANCELED, -EDEADLK (held by the caller, or every fiber waits), -EPERM,
 * -EINVAL (timeout_ms below LY_FOREVER).
 * A cancelled task, as the handlers are that a shutdown ends, gets -ECANCELED and not the mutex: clean-up
 * that must have it opens a scope with .shield around (fiber.h). */
LY_API int ly_mutex_lock(struct ly_mutex *m, int64_t timeout_ms);

/* Unlock it; only by the task that locked it (-EPERM otherwise). */
LY_API int ly_mutex_unlock(struct ly_mutex *m);

#ifdef __cplusplus
}
#endif
#endif
