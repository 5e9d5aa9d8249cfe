/* SPDX-License-Identifier: MIT */
/*
 * The io_uring poller.
 *
 * Level-triggered: a poll request for each descriptor that is not in flight, queued at the beginning of a
 * wait and submitted by the same system call that waits. Edge-triggered: a multishot request, which completes
 * at each wake-up of the file's.
 *
 * A completion tells only what woke the request, and that at some time past. So those that came are asked
 * about once more, all by one poll(2) without waiting: what is reported is what is so now, as epoll does it.
 *
 * The ring belongs to one thread, which is cheapest. A poller may not, so when another thread uses it a new
 * ring takes the old one's place and everything is armed again. Once somebody has to wait for the ring's
 * descriptor (a fiber does) it is replaced for good by one that can be polled: what is registered is then
 * armed at once. A ring of the first kind tells only an eventfd registered with it, and not reliably: a
 * completion that was itself caused by writing to an eventfd, such as wake_fd, may be kept from it.
 *
 * A request is known by the count of the registration it was made for; completions of earlier ones are passed
 * over. After remove the kernel holds nothing of the file.
 */
#include "reactor/poller.h"
#include "reactor/ring.h"
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>

#define ENTRIES 256
#define CQ_ENTRIES 1024 /* beyond these the kernel keeps them until there is room */
#define FEW 8           /* entries, where memory for more is not to be had in one piece */
#define BATCH 256
#define WAKE UINT64_MAX
#define NOTHING (UINT64_MAX - 1) /* no descriptor has this number */
#define ANYBODY UINT64_MAX

struct uring_poller {
    struct ly_poller base;
    struct io_uring ring;
    uint64_t owner; /* the thread the ring belongs to; ANYBODY; 0: there is no ring */
    int wake_fd;
    int to_arm;     /* the first of the list of descriptors to arm; -1: none */
    uint32_t waits; /* so far */
    struct pollfd batch[BATCH];
};

static struct uring_poller *of(struct ly_poller *p)
{
    return (struct uring_poller *)(void *)p;
}

static uint64_t this_thread(void)
{
    static _Atomic uint64_t last;
    static __thread uint64_t id;
    if (!id)
        id = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return id;
}

static uint64_t name_of(int fd, uint32_t generation)
{
    return (uint64_t)generation << 32 | (uint32_t)fd;
}

/* ---- the ring ---- */

static void queue(struct uring_poller *u, int fd, struct ly__entry *e)
{
    if (e->queued)
        return;
    e->queued = true;
    e->next = u->to_arm;
    u->to_arm = fd;
}

static void arm_wake(struct uring_poller *u)
{
    struct io_uring_sqe *sqe = ly__ring_sqe(&u->ring);
    if (!sqe)
        return;
    io_uring_prep_poll_multishot(sqe, u->wake_fd, POLLIN);
    io_uring_sqe_set_data64(sqe, WAKE);
}

static void close_ring(struct uring_poller *u)
{
    if (u->owner == this_thread() || u->owner == ANYBODY)
        ly__ring_close(&u->ring);
    else if (u->owner) /* only its own thread could cancel what is in flight; the kernel does, in a moment */
        io_uring_queue_exit(&u->ring);
    u->owner = 0;
}

static int open_ring(struct uring_poller *u, uint64_t owner)
{
    int r = ly__ring_open(&u->ring, ENTRIES, CQ_ENTRIES, owner != ANYBODY);
    if (r == -ENOMEM)
        r = ly__ring_open(&u->ring, FEW, 4 * FEW, owner != ANYBODY);
    if (r < 0)
        return r;
    u->owner = owner;
    arm_wake(u);
    return 0;
}

/* Put another ring in the place of the one there is. */
static int change_ring(struct uring_poller *u, uint64_t owner)
{
    close_ring(u);
    int r = open_ring(u, owner);
    for (int fd = 0; fd < u->base.capacity && r == 0; fd++) {
        struct ly__entry *e = ly__poller_entry(&u->base, fd);
        if (e && !e->spent)
            queue(u, fd, e);
        if (e)
            e->armed = 0;
    }
    return r;
}

/* Have a ring that this thread may use. */
static inline int claim(struct uring_poller *u)
{
    return u->owner == ANYBODY || u->owner == this_thread() ? 0 : change_ring(u, this_thread());
}

/* ---- the table ---- */

static int uring_poller_open(struct ly_poller **ret_poller, int wake_fd)
{
    struct uring_poller *u = calloc(1, sizeof *u);
    if (!u)
        return -ENOMEM;
    u->wake_fd = wake_fd;
    u->to_arm = -1;
    int r = open_ring(u, this_thread());
    if (r < 0) {
        free(u);
        return r;
    }
    *ret_poller = &u->base;
    return 0;
}

static void uring_poller_close(struct ly_poller *p)
{
    close_ring(of(p));
}

static void arm(struct uring_poller *u, int fd, struct ly__entry *e)
{
    struct io_uring_sqe *sqe = ly__ring_sqe(&u->ring);
    unsigned wanted = e->events & LY__POLL_WANTED;
    if (wanted & LY_POLL_PRI) /* of which alone a request does not hear; urgent data wakes these as well */
        wanted |= POLLRDBAND;
    if (!sqe) { /* at the next wait, then */
        queue(u, fd, e);
        return;
    }
    if ((e->events & (LY_POLL_EDGE | LY_POLL_ONESHOT)) == LY_POLL_EDGE)
        io_uring_prep_poll_multishot(sqe, fd, wanted);
    else
        io_uring_prep_poll_add(sqe, fd, wanted);
    io_uring_sqe_set_data64(sqe, name_of(fd, e->generation));
    e->armed = e->generation;
}

static void arm_queued(struct uring_poller *u)
{
    int fd = u->to_arm;
    u->to_arm = -1;
    while (fd >= 0) {
        struct ly__entry *e = &u->base.entries[fd];
        int next = e->next;
        e->queued = false;
        if (e->generation && !e->armed && !e->spent)
            arm(u, fd, e);
        fd = next;
    }
}

/* Arm fd at the next wait, or now if somebody may be waiting for the ring. */
static void arm_soon(struct uring_poller *u, int fd, struct ly__entry *e)
{
    queue(u, fd, e);
    if (u->owner != ANYBODY)
        return;
    arm_queued(u);
    ly__ring_submit(&u->ring);
}

static int uring_poller_add(struct ly_poller *p, int fd, struct ly__entry *e)
{
    int r = claim(of(p));
    if (r == 0)
        arm_soon(of(p), fd, e);
    return r;
}

/* Take a request back, and have the kernel let go of the file. */
static void disarm(struct uring_poller *u, uint64_t name)
{
    struct io_uring_sync_cancel_reg cancel = {
        .addr = name,
        .fd = -1,
        .timeout = {.tv_sec = -1, .tv_nsec = -1},
    };
    ly__ring_submit(&u->ring);
    while (io_uring_register_sync_cancel(&u->ring, &cancel) == -EINTR)
        ;
    io_uring_get_events(&u->ring);
}

static int uring_poller_modify(struct ly_poller *p, int fd, struct ly__entry *e)
{
    struct uring_poller *u = of(p);
    int r = claim(u);
    if (r < 0)
        return r;
    if (e->armed) {
        struct io_uring_sqe *sqe = ly__ring_sqe(&u->ring);
        if (sqe) {
            io_uring_prep_cancel64(sqe, name_of(fd, e->armed), 0);
            io_uring_sqe_set_data64(sqe, NOTHING);
        } else {
            disarm(u, name_of(fd, e->armed));
        }
    }
    e->armed = 0;
    arm_soon(u, fd, e);
    return 0;
}

static int uring_poller_remove(struct ly_poller *p, int fd, struct ly__entry *e)
{
    int r = claim(of(p));
    if (r == 0 && e->armed)
        disarm(of(p), name_of(fd, e->armed));
    return r == -EBADF ? r : 0; /* without a ring the kernel holds nothing either */
}

/* ---- waiting ---- */

/* Note a completion. Returns the descriptor it is about; -1: none that is registered now. */
static int take(struct uring_poller *u, const struct io_uring_cqe *cqe)
{
    bool more = cqe->flags & IORING_CQE_F_MORE;
    if (cqe->user_data == WAKE) {
        ly__poller_woken(&u->base);
        if (!more)
            arm_wake(u);
        return -1;
    }
    int fd = (int)(uint32_t)cqe->user_data;
    struct ly__entry *e = ly__poller_entry(&u->base, fd);
    if (!e || e->armed != cqe->user_data >> 32)
        return -1;
    if (!more) {
        e->armed = 0;
        queue(u, fd, e);
    }
    return cqe->res == -ECANCELED ? -1 : fd;
}

/* What a failed request says of its descriptor, or a good one. */
static short events_of(const struct io_uring_cqe *cqe)
{
    if (cqe->res < 0)
        return cqe->res == -EBADF ? POLLNVAL : POLLERR;
    return (short)cqe->res;
}

/* Put the descriptors of the completions that are there into the batch, each once. */
static int reap(struct uring_poller *u, int max)
{
    struct io_uring_cqe *cqe;
    unsigned head, seen = 0;
    int count = 0;
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        if (count == max)
            break;
        int fd = take(u, cqe);
        seen++;
        if (fd < 0)
            continue;
        struct ly__entry *e = &u->base.entries[fd];
        if (!e->slot) {
            u->batch[count] = (struct pollfd){.fd = fd, .events = (short)(e->events & LY__POLL_WANTED)};
            e->slot = ++count;
        }
        u->batch[e->slot - 1].revents |= events_of(cqe);
    }
    io_uring_cq_advance(&u->ring, seen);
    return count;
}

/* Report fd after the `found` events that this wait has reported; once, though an edge may come again. */
static int add(struct uring_poller *u, struct ly_poller_event *ret_events, int found, const struct pollfd *at)
{
    struct ly__entry *e = &u->base.entries[at->fd];
    unsigned events = (unsigned short)at->revents;
    for (int i = 0; i < found && e->told == u->waits; i++)
        if (ret_events[i].fd == at->fd) {
            ret_events[i].events |= events;
            return found;
        }
    e->told = u->waits;
    ly__poller_report(&ret_events[found], at->fd, e, events);
    return found + 1;
}

/* Ask about the batch, and report what is so. Returns how many events there are now. */
static int report(struct uring_poller *u, struct ly_poller_event *ret_events, int found, int count)
{
    if (count > 0)
        poll(u->batch, (nfds_t)count, 0); /* should it fail, what the completions said stands */
    for (int i = 0; i < count; i++) {
        u->base.entries[u->batch[i].fd].slot = 0;
        if (u->batch[i].revents)
            found = add(u, ret_events, found, &u->batch[i]);
    }
    return found;
}

/* Whoever waits for the ring's descriptor is to look again, since something is still to be armed. */
static void make_readable(struct uring_poller *u)
{
    struct io_uring_sqe *sqe = ly__ring_sqe(&u->ring);
    if (!sqe)
        return;
    io_uring_prep_nop(sqe);
    io_uring_sqe_set_data64(sqe, NOTHING);
    ly__ring_submit(&u->ring);
}

static int uring_poller_wait(struct ly_poller *p, struct ly_poller_event *ret_events, int max,
                             int64_t deadline)
{
    struct uring_poller *u = of(p);
    int r = claim(u);
    if (r < 0)
        return r;
    u->waits++;
    arm_queued(u);
    ly__ring_wait(&u->ring, deadline);
    int n = 0;
    do { /* of those that came, some are not so any more and leave room */
        int room = max - n < BATCH ? max - n : BATCH;
        n = report(u, ret_events, n, reap(u, room));
    } while (n < max && io_uring_cq_ready(&u->ring));
    if (p->shown && u->to_arm >= 0)
        make_readable(u);
    return n;
}

static int uring_poller_pollable(struct ly_poller *p)
{
    struct uring_poller *u = of(p);
    int r = change_ring(u, ANYBODY);
    if (r < 0)
        return r;
    arm_queued(u);
    ly__ring_submit(&u->ring);
    return u->ring.ring_fd;
}

const struct ly__poller_ops ly__poller_uring = {
    .name = "io_uring",
    .open = uring_poller_open,
    .close = uring_poller_close,
    .add = uring_poller_add,
    .modify = uring_poller_modify,
    .remove = uring_poller_remove,
    .wait = uring_poller_wait,
    .pollable = uring_poller_pollable,
    .edge = true,
};
