/* SPDX-License-Identifier: MIT */
/*
 * Descriptors as the loops know them, and the calls on them that suspend.
 *
 * A struct ly__io is embedded in whatever owns a descriptor (a socket, a pipe). It carries a latch per
 * direction: "a call in this direction may succeed". A call is tried first where the latch says so; EAGAIN
 * clears the latch and parks the task until the reactor sets it. A read that returns fewer bytes than asked
 * for has emptied the socket, so it clears the latch too and saves the call that would only say EAGAIN. That
 * does not hold once the peer has ended (the end is still to be read) or has sent urgent data (TCP stops at
 * its mark), nor for Unix sockets (they stop behind a passed descriptor) and datagrams: there stops_short is
 * set.
 * Descriptors must be non-blocking (sockets: or MSG_DONTWAIT).
 *
 * In a thread the same functions wait with poll(2), together with the cancellation descriptor of the scopes
 * around it.
 */
#ifndef LY_REACTOR_IO_H
#define LY_REACTOR_IO_H

#include "fiber/loop.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct ly__reactor;

enum ly__dir { LY__IN, LY__OUT };

#define LY__NOWAIT ((int64_t)0) /* as a deadline: do not wait, return -EAGAIN */

/*
 * struct ly__watch: who waits for one direction of a descriptor. fire is called once, in the loop's own code,
 * when the descriptor is ready (result 0) or closed (-EBADF). It must not suspend and must not close or free
 * a struct ly__io; it may wake or start fibers.
 */

struct ly__io {
    int fd;                      /* -1: closed */
    _Atomic uint8_t ready[2];    /* the latches */
    uint8_t stops_short;         /* a short read does not mean that the socket is empty */
    uint8_t registered;          /* epoll: it is in the set; io_uring: its input was waited for */
    struct ly__reactor *reactor; /* where it was last waited for; NULL: nowhere yet */
    struct ly__watch *waits[2];  /* by direction, the oldest first */
    union {
        int32_t slot; /* poll: index + 1 of its entry; select: set while known */
        void *op[2];  /* io_uring: the poll operation in flight */
    } at;
    unsigned in_flight;  /* io_uring: operations that the kernel still holds */
    uint32_t reactor_id; /* of reactor, which may have been closed since */
};

void ly__io_init(struct ly__io *io, int fd);

/* Something was done to the descriptor that waiters of the calling loop should look at: they try again. */
void ly__io_look_again(struct ly__io *io);

/* Take the descriptor out of its reactor and close it. Whoever waits gets -EBADF. Harmless when closed. */
void ly__io_close(struct ly__io *io);

/* As ly__io_close, but the descriptor stays open and is returned; -1 when closed. */
int ly__io_release(struct ly__io *io);

/*
 * Take the descriptor out of its reactor until somebody waits for it again; nothing while somebody does. What
 * is registered with epoll costs something for each call on it, as its queue is looked through; this is for
 * who knows that many calls come before the next wait. Only in the loop that it was last waited for in.
 */
void ly__io_leave(struct ly__io *io);

/*
 * Wait for the next time the direction becomes ready, after a call gave EAGAIN. Returns 0, -EAGAIN (deadline
 * LY__NOWAIT), -ETIMEDOUT, -ECANCELED, -EBADF, -ENOMEM.
 */
int ly__io_wait(struct ly__io *io, enum ly__dir dir, int64_t deadline);

/* Wait until the direction is ready, at once if it is now. */
int ly__io_poll(struct ly__io *io, enum ly__dir dir, int64_t deadline);

/*
 * In a loop: have w->fire called when the direction becomes ready (for a descriptor that was never waited
 * for: also if it is now). Returns 0, -ENOMEM, -EBUSY (others wait for it in another loop). ly__io_unwatch
 * takes it back; harmless after it fired.
 */
int ly__io_watch(struct ly__io *io, enum ly__dir dir, struct ly__watch *w);
void ly__io_unwatch(struct ly__io *io, enum ly__dir dir, struct ly__watch *w);

/* Whether a call in this direction may succeed at once. */
static inline bool ly__io_is_ready(const struct ly__io *io, enum ly__dir dir)
{
    return atomic_load_explicit(&io->ready[dir], memory_order_relaxed);
}

/* The calls. flags as of recv(2) and send(2); deadline absolute. Each is retried after EINTR, waits after
 * EAGAIN, and returns what the system call does, or a negative error. Sends never raise SIGPIPE. */
ssize_t ly__io_recv(struct ly__io *io, void *buf, size_t n, int flags, int64_t deadline);
ssize_t ly__io_send(struct ly__io *io, const void *buf, size_t n, int flags, int64_t deadline);
ssize_t ly__io_recvmsg(struct ly__io *io, struct msghdr *m, int flags, int64_t deadline);
ssize_t ly__io_sendmsg(struct ly__io *io, const struct msghdr *m, int flags, int64_t deadline);
ssize_t ly__io_read(struct ly__io *io, void *buf, size_t n, int64_t deadline);
ssize_t ly__io_write(struct ly__io *io, const void *buf, size_t n, int64_t deadline);
/* accept4(2); the new descriptor is non-blocking and close-on-exec. */
int ly__io_accept(struct ly__io *io, struct sockaddr *address, socklen_t *length, int64_t deadline);

/* Any other call: call(io->fd, arg) is made until it returns something else than -EAGAIN or -EINTR. It
 * returns at least 0 or -errno. */
ssize_t ly__io_call(struct ly__io *io, enum ly__dir dir, int64_t deadline, ssize_t (*call)(int fd, void *arg),
                    void *arg);

#endif
