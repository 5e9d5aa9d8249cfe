/* SPDX-License-Identifier: MIT */
/*
 * The io_uring reactor.
 *
 * Receiving is by completion, straight into the handler's buffer: the kernel polls first, so the request
 * costs nothing until data is there. Everything else is readiness: a poll request where somebody waits. The
 * first for a descriptor's input is one-shot, since most connections wait in this way for their first byte
 * only; one that waits again, as a receiver into lent buffers does, gets a multishot request, which stays.
 * Sends are tried by the system call, which on a socket with room is the shortest way.
 *
 * Two rules keep the kernel from writing where it should not. A fiber whose receive is in flight stays parked
 * until the final completion has been reaped, on time-out and cancellation too. And a descriptor is closed
 * only after a synchronous cancel of all that is in flight on it: a request holds the socket, so the peer
 * would see no end of the connection otherwise.
 *
 * One io_uring_enter a turn submits and waits.
 */
#include "fiber/park.h"
#include "fiber/trail.h"
#include "reactor/reactor.h"
#include "reactor/ring.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define ENTRIES 1024
#define CQ_ENTRIES 8192

struct op {
    void (*done)(struct op *op, int res, unsigned flags); /* the completion; op may be freed by it */
};

struct poll_op {
    struct op op;      /* first */
    struct ly__io *io; /* NULL: nobody waits any more */
    enum ly__dir dir;
    struct poll_op *next;     /* in the list of spare ones */
    struct poll_op *next_all; /* in the list of all */
    struct uring_reactor *reactor;
};

struct recv_op {
    struct op op; /* first */
    struct ly__fiber *fiber;
    int res;
    unsigned flags;
    bool finished;
};

struct uring_reactor {
    struct ly__reactor base;
    struct io_uring ring;
    bool open;
    struct poll_op *spare;
    struct poll_op *all; /* some may still be in flight when the ring is closed */
    struct op wake;      /* the poll request on wake_fd */
};

static struct uring_reactor *of(struct ly__reactor *r)
{
    return (struct uring_reactor *)(void *)r;
}

static struct io_uring_sqe *get_sqe(struct uring_reactor *u)
{
    return ly__ring_sqe(&u->ring);
}

/* ---- opening ---- */

static void arm_wake(struct uring_reactor *u);

static void wake_done(struct op *op, int res, unsigned flags)
{
    struct uring_reactor *u = ly__container_of(op, struct uring_reactor, wake);
    (void)res;
    ly__reactor_drain_wake(&u->base);
    if (!(flags & IORING_CQE_F_MORE))
        arm_wake(u);
}

static void arm_wake(struct uring_reactor *u)
{
    struct io_uring_sqe *sqe = get_sqe(u);
    if (!sqe)
        return;
    io_uring_prep_poll_multishot(sqe, u->base.wake_fd, POLLIN);
    io_uring_sqe_set_data(sqe, &u->wake);
}

static void uring_close(struct ly__reactor *r)
{
    struct uring_reactor *u = of(r);
    if (u->open)
        ly__ring_close(&u->ring);
    while (u->all) {
        struct poll_op *p = u->all;
        u->all = p->next_all;
        free(p);
    }
    ly__reactor_done(r);
    free(u);
}

static int uring_open(struct ly__reactor **ret_reactor)
{
    struct uring_reactor *u = calloc(1, sizeof *u);
    if (!u)
        return -ENOMEM;
    u->wake.done = wake_done;
    int r = ly__reactor_init(&u->base, &ly__uring_ops);
    if (r == 0)
        r = ly__ring_open(&u->ring, ENTRIES, CQ_ENTRIES, true);
    if (r < 0) {
        uring_close(&u->base);
        return r;
    }
    io_uring_register_ring_fd(&u->ring); /* only makes entering cheaper */
    u->open = true;
    arm_wake(u);
    *ret_reactor = &u->base;
    return 0;
}

/* ---- a turn ---- */

static void reap(struct uring_reactor *u)
{
    struct io_uring_cqe *cqe;
    unsigned head, n = 0;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        struct op *op = io_uring_cqe_get_data(cqe);
        n++;
        if (op)
            op->done(op, cqe->res, cqe->flags);
    }
    io_uring_cq_advance(&u->ring, n);
}

static void uring_turn(struct ly__reactor *r, int64_t deadline)
{
    struct uring_reactor *u = of(r);
    ly__ring_wait(&u->ring, deadline);
    reap(u);
}

/* ---- readiness ---- */

static struct poll_op *new_poll_op(struct uring_reactor *u)
{
    struct poll_op *p = u->spare;
    if (p) {
        u->spare = p->next;
        return p;
    }
    p = malloc(sizeof *p);
    if (p) {
        p->next_all = u->all;
        u->all = p;
    }
    return p;
}

static void spare_poll_op(struct uring_reactor *u, struct poll_op *p)
{
    p->next = u->spare;
    u->spare = p;
}

static void poll_done(struct op *op, int res, unsigned flags)
{
    struct poll_op *p = (struct poll_op *)(void *)op;
    struct ly__io *io = p->io;
    enum ly__dir dir = p->dir;
    unsigned events = dir == LY__IN ? LY__EVENT_IN : LY__EVENT_OUT;

    if (!(flags & IORING_CQE_F_MORE)) {
        spare_poll_op(p->reactor, p);
        if (io) {
            io->at.op[dir] = NULL;
            io->in_flight--;
        }
    }
    if (!io)
        return;
    if (res >= 0 && res & (POLLRDHUP | POLLHUP | POLLERR))
        events |= LY__EVENT_END;
    ly__io_event(io, events);
}

static int uring_arm(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir)
{
    struct uring_reactor *u = of(r);
    if (io->at.op[dir])
        return 0;
    struct poll_op *p = new_poll_op(u);
    struct io_uring_sqe *sqe = p ? get_sqe(u) : NULL;
    if (!sqe) {
        if (p)
            spare_poll_op(u, p);
        return -ENOMEM;
    }
    *p = (struct poll_op){.op.done = poll_done, .io = io, .dir = dir, .next_all = p->next_all, .reactor = u};
    io_uring_prep_poll_add(sqe, io->fd, dir == LY__IN ? POLLIN | POLLPRI | POLLRDHUP : POLLOUT);
    if (dir == LY__IN && io->registered)
        sqe->len = IORING_POLL_ADD_MULTI;
    io->registered = io->registered || dir == LY__IN;
    io_uring_sqe_set_data(sqe, p);
    io->at.op[dir] = p;
    io->in_flight++;
    return 0;
}

/* The completion of the cancelled request finds no io any more and puts the op away. */
static void uring_disarm(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir)
{
    struct poll_op *p = io->at.op[dir];
    if (!p)
        return;
    p->io = NULL;
    io->at.op[dir] = NULL;
    io->in_flight--;
    struct io_uring_sqe *sqe = get_sqe(of(r));
    if (!sqe)
        return;
    io_uring_prep_cancel(sqe, p, 0);
    io_uring_sqe_set_data(sqe, NULL);
}

static void uring_forget(struct ly__reactor *r, struct ly__io *io)
{
    struct uring_reactor *u = of(r);
    struct io_uring_sync_cancel_reg cancel = {
        .fd = io->fd,
        .flags = IORING_ASYNC_CANCEL_FD | IORING_ASYNC_CANCEL_ALL,
        .timeout = {.tv_sec = -1, .tv_nsec = -1},
    };
    if (!io->in_flight)
        return;
    for (int dir = LY__IN; dir <= LY__OUT; dir++) {
        struct poll_op *p = io->at.op[dir];
        if (p) {
            p->io = NULL;
            io->at.op[dir] = NULL;
            io->in_flight--;
        }
    }
    ly__ring_submit(&u->ring);
    io_uring_get_events(&u->ring); /* what is about to be tried again would not be found */
    while (io_uring_register_sync_cancel(&u->ring, &cancel) == -EINTR)
        ;
}

/* ---- receiving ---- */

static void recv_done(struct op *op, int res, unsigned flags)
{
    struct recv_op *p = (struct recv_op *)(void *)op;
    p->res = res;
    p->flags = flags;
    p->finished = true;
    ly__fiber_wake(p->fiber, 0);
}

static void await(const struct recv_op *op)
{
    while (!op->finished)
        ly__park(LY__UNINTERRUPTED, "a receive to be cancelled", LY__WAIT_IO);
}

/* Ask for a receive back. Whether the kernel found it. */
static bool ask_back(struct uring_reactor *u, struct recv_op *op)
{
    struct recv_op back = {.op.done = recv_done, .fiber = op->fiber};
    struct io_uring_sqe *sqe = get_sqe(u);
    if (!sqe) {
        ly__fiber_yield();
        return false;
    }
    io_uring_prep_cancel(sqe, op, 0);
    io_uring_sqe_set_data(sqe, &back);
    await(&back);
    return back.res == 0;
}

/*
 * Take a receive back and wait until the kernel has let go of the buffer. One whose socket was ready when it
 * began is about to be tried and is not found then; should somebody else have received the bytes, it waits
 * on. So it is asked for until it is found, or has ended.
 */
static void cancel_recv(struct uring_reactor *u, struct recv_op *op)
{
    while (!op->finished && !ask_back(u, op))
        ;
    await(op);
}

static ssize_t uring_recv(struct ly__reactor *r, struct ly__io *io, void *buf, size_t n, int flags,
                          int64_t deadline)
{
    struct uring_reactor *u = of(r);
    struct recv_op op = {.op.done = recv_done, .fiber = ly__loop_here->running};
    int allowed = ly__task_allowed(&op.fiber->task);
    if (allowed == 0)
        allowed = ly__io_attach(io, r);
    struct io_uring_sqe *sqe = allowed < 0 ? NULL : get_sqe(u);
    if (!sqe)
        return ly__failed(allowed < 0 ? allowed : -ENOMEM);

    io_uring_prep_recv(sqe, io->fd, buf, n, flags & ~MSG_DONTWAIT);
    sqe->ioprio |= IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_data(sqe, &op);
    io->in_flight++;
    int wait = ly__fiber_park(op.fiber, deadline, "input", LY__WAIT_IO);
    if (!op.finished)
        cancel_recv(u, &op);
    io->in_flight--;
    if (op.res == -ECANCELED)
        return ly__failed(io->fd < 0 ? -EBADF : wait < 0 ? wait : -ECANCELED);
    atomic_store_explicit(&io->ready[LY__IN], (op.flags & IORING_CQE_F_SOCK_NONEMPTY) != 0 || op.res == 0,
                          memory_order_relaxed);
    return op.res < 0 ? ly__failed(op.res) : op.res;
}

const struct ly__reactor_ops ly__uring_ops = {
    .name = "io_uring",
    .open = uring_open,
    .close = uring_close,
    .turn = uring_turn,
    .arm = uring_arm,
    .disarm = uring_disarm,
    .forget = uring_forget,
    .recv = uring_recv,
};
