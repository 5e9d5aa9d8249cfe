/* SPDX-License-Identifier: MIT */
/* An io_uring as the reactor and the poller use it. */
#ifndef LY_REACTOR_RING_H
#define LY_REACTOR_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Open a ring for the calling thread alone (own), by SINGLE_ISSUER and DEFER_TASKRUN: completions are worked
 * off when that thread asks for events, never in between, and TASKRUN_FLAG lets it see from user space that
 * there are some. A ring that is not its thread's own may be used by any, and polled: the kernel interrupts
 * whoever submitted to work off a completion, and the descriptor becomes readable.
 *
 * Returns 0, or why the kernel refuses. The ring is not inherited by children.
 */
int ly__ring_open(struct io_uring *ring, unsigned entries, unsigned cq_entries, bool own);

/* Cancel all that is in flight, wait for that, and close. In the ring's own thread, if it has one. */
void ly__ring_close(struct io_uring *ring);

/* A free entry, having the kernel take the queued ones if there is none; NULL: it takes none now. */
struct io_uring_sqe *ly__ring_sqe(struct io_uring *ring);

/* Have the kernel take what is queued, so that it can be cancelled. */
void ly__ring_submit(struct io_uring *ring);

/* Submit, and wait until there is a completion or the deadline has passed. */
void ly__ring_wait(struct io_uring *ring, int64_t deadline);

#endif
