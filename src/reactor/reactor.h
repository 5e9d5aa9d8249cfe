/* SPDX-License-Identifier: MIT */
/* Reactors: four ways to wait for descriptors, behind one table. To add one: a file with its ops and a row in
 * run.c. */
#ifndef LY_REACTOR_REACTOR_H
#define LY_REACTOR_REACTOR_H

#include "reactor/io.h"

struct ly__reactor_ops {
    const char *name;
    /* Returns 0, or why the kernel refuses it. The calling thread is the one that will use it. */
    int (*open)(struct ly__reactor **ret_reactor);
    void (*close)(struct ly__reactor *r);
    /* Wait until deadline, at most, and deliver what is ready by ly__io_event. */
    void (*turn)(struct ly__reactor *r, int64_t deadline);
    /* Somebody waits for this direction now; report it once it is ready. Returns 0 or -errno. */
    int (*arm)(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir);
    /* Nobody waits for this direction any more. May be NULL. */
    void (*disarm)(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir);
    /* The descriptor goes; on return the kernel holds nothing of it. From another thread only when nobody
     * waits. May be NULL. */
    void (*forget)(struct ly__reactor *r, struct ly__io *io);
    /* Receive by completion, straight into buf. Suspends the calling fiber. NULL: readiness only. */
    ssize_t (*recv)(struct ly__reactor *r, struct ly__io *io, void *buf, size_t n, int flags,
                    int64_t deadline);
};

struct ly__reactor {
    const struct ly__reactor_ops *ops;
    int wake_fd;          /* an eventfd: written to by other threads to end a turn */
    uint32_t id;          /* no other reactor of the process has or had it; not 0 */
    struct ly__list live; /* among all that are open */
};

extern const struct ly__reactor_ops ly__epoll_ops, ly__poll_ops, ly__select_ops, ly__uring_ops;

#define LY__EVENT_IN 1u
#define LY__EVENT_OUT 2u
#define LY__EVENT_END 4u    /* the peer has ended or the connection failed: both directions, for good */
#define LY__EVENT_URGENT 8u /* urgent data: reads stop at its mark (edge-triggered reactors need to know) */

/* What a reactor saw of a descriptor: set the latches and fire the watches. */
void ly__io_event(struct ly__io *io, unsigned events);

/* Let a loop's reactor know the descriptor; it moves there if nobody waits for it elsewhere. Returns 0 or
 * -EBUSY. */
int ly__io_move(struct ly__io *io, struct ly__reactor *r);
static inline int ly__io_attach(struct ly__io *io, struct ly__reactor *r)
{
    return io->reactor == r && io->reactor_id == r->id ? 0 : ly__io_move(io, r);
}

/* The common part of open and close. */
int ly__reactor_init(struct ly__reactor *r, const struct ly__reactor_ops *ops);
void ly__reactor_done(struct ly__reactor *r);

/* Before close: no descriptor is taken out of it from now on. A socket may outlive the loop it was used in.
 */
void ly__reactor_retire(struct ly__reactor *r);

/* Take a descriptor out of the reactor it was last waited for in, if that is still open. */
void ly__reactor_forget(struct ly__io *io);
/* The wake_fd was readable. */
void ly__reactor_drain_wake(struct ly__reactor *r);

/* Milliseconds from now to deadline, rounded up, for poll(2)'s and epoll_wait(2)'s time-out. */
int ly__reactor_ms(int64_t deadline);

/* Run `turn` with what is ready now but no waiting, or with the deadline; open the first usable one of a list
 * of names. */
int ly__reactor_open(struct ly__reactor **ret_reactor, const char *names);

#endif
