/* SPDX-License-Identifier: MIT */
#include "reactor/ring.h"
#include "fiber/context.h"
#include <errno.h>
#include <lanyard/clock.h>
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

#define SUBMIT_TRIES 8
#define OWN (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG)

int ly__ring_open(struct io_uring *ring, unsigned entries, unsigned cq_entries, bool own)
{
    struct io_uring_params params = {
        .flags = (own ? OWN : 0) | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE,
        .cq_entries = cq_entries,
    };
    if (RUNNING_ON_VALGRIND) /* it lets no other thread run while one waits in io_uring_enter */
        return -ENOSYS;
    int r = io_uring_queue_init_params(entries, ring, &params);
    if (r < 0)
        return r;
    if (!(params.features & IORING_FEAT_EXT_ARG)) {
        io_uring_queue_exit(ring);
        return -ENOSYS;
    }
    io_uring_ring_dontfork(ring);
    return 0;
}

/* The kernel may refuse for a moment: a signal came, or completions are waiting that it has no room for,
 * which asking for events makes. */
void ly__ring_submit(struct io_uring *ring)
{
    int r = io_uring_submit(ring);
    for (int i = 0; i < SUBMIT_TRIES && (r == -EINTR || r == -EAGAIN || r == -EBUSY); i++) {
        if (r != -EINTR)
            io_uring_get_events(ring);
        r = io_uring_submit(ring);
    }
}

/* What is in flight holds its sockets, and the kernel takes a ring apart only some time after it was closed:
 * until then an address would stay in use, and a peer would see no end. */
void ly__ring_close(struct io_uring *ring)
{
    struct io_uring_sync_cancel_reg cancel = {
        .fd = -1,
        .flags = IORING_ASYNC_CANCEL_ANY,
        .timeout = {.tv_sec = -1, .tv_nsec = -1},
    };
    ly__ring_submit(ring);
    while (io_uring_register_sync_cancel(ring, &cancel) == -EINTR)
        ;
    io_uring_get_events(ring);
    io_uring_queue_exit(ring);
}

struct io_uring_sqe *ly__ring_sqe(struct io_uring *ring)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
    if (sqe)
        return sqe;
    io_uring_submit(ring);
    return io_uring_get_sqe(ring);
}

void ly__ring_wait(struct io_uring *ring, int64_t deadline)
{
    struct io_uring_cqe *cqe;
    int64_t left = deadline == LY_NEVER ? LY_NEVER : deadline - ly_now();

    if (left <= 0 || io_uring_cq_ready(ring)) {
        if (io_uring_submit_and_get_events(ring) < 0)
            ly__ring_submit(ring); /* the caller may not come back before something has been armed */
        return;
    }
    struct __kernel_timespec wait = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    sigset_t *mask = (sigset_t *)(uintptr_t)ly__signals_hold();
    io_uring_submit_and_wait_timeout(ring, &cqe, 1, left == LY_NEVER ? NULL : &wait, mask);
    ly__signals_release();
}
