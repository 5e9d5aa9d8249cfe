/* SPDX-License-Identifier: MIT */
#ifndef LY_NET_SOCK_H
#define LY_NET_SOCK_H

#include "reactor/io.h"
#include <lanyard/socket.h>

/*
 * A socket. An idle connection consists of this and of nothing else, so it is small: addresses are asked of
 * the kernel when somebody wants them. The descriptor is always non-blocking and close-on-exec; whether a
 * call waits is decided by timeout_ms alone.
 */
struct ly_sock {
    struct ly__io io;
    int64_t timeout_ms; /* LY_FOREVER, 0, or milliseconds */
    uint16_t family;    /* AF_... */
    uint8_t type;       /* SOCK_..., without flags */
    /* How many struct ly_file are open over it, LY__SOCK_CLOSED and LY__SOCK_FREED: closing and freeing wait
     * for the last of these. */
    _Atomic uint8_t files;
    int proto;
};

#define LY__SOCK_CLOSED 0x80 /* ly_sock_close was called */
#define LY__SOCK_FREED 0x40  /* ly_sock_free was called */
#define LY__SOCK_FILES 0x3f  /* most files at a time; the mask of their number */

/* A file is opened over the socket: 0, -EBADF (closed), -EMFILE (too many). It ends: what waited for that is
 * done. */
int ly__sock_hold(struct ly_sock *s);
void ly__sock_release(struct ly_sock *s);

extern _Atomic int64_t ly__default_timeout; /* ly_set_default_timeout */

/* A socket in the caller's memory, from a descriptor that is non-blocking and close-on-exec. */
static inline void ly__sock_init(struct ly_sock *s, int fd, int family, int type, int proto)
{
    ly__io_init(&s->io, fd);
    s->io.stops_short = family == AF_UNIX || type != SOCK_STREAM;
    s->timeout_ms = atomic_load_explicit(&ly__default_timeout, memory_order_relaxed);
    s->family = (uint16_t)family;
    s->type = (uint8_t)type;
    atomic_init(&s->files, 0);
    s->proto = proto;
}

/* Wrap a descriptor that is non-blocking and close-on-exec; taken on success only. The time-out is
 * the default. Returns 0 or -ENOMEM. */
int ly__sock_wrap(struct ly_sock **ret_sock, int fd, int family, int type, int proto);

/* When a call that begins now ends: the socket's time-out as a deadline of io.h. */
static inline int64_t ly__sock_deadline(const struct ly_sock *s)
{
    return s->timeout_ms == LY_FOREVER ? LY_NEVER : ly_deadline(s->timeout_ms);
}

#define LY__BACKLOG 128 /* unless said otherwise; the system caps it at net.core.somaxconn */

/* What ly_listen does up to bind(2): options and, for a Unix socket's file, its mode. Stale files stay. */
int ly__sock_bind_for(struct ly_sock *s, const struct ly_address *address, const struct ly_listen_options *o);

/*
 * A Unix listener that was shut down is readable and yet has EAGAIN for a call that does not wait (one that
 * does gets EINVAL): without a look at it, waiting and asking would go in circles.
 */
bool ly__listener_is_shut_down(const struct ly__io *listener);

/* Send all of the pieces by an absolute deadline; as ly_sendallv otherwise. */
int ly__sock_sendallv(struct ly_sock *s, struct iovec *iov, int count, int flags, int64_t deadline);

/* recvmsg(2) of what does not make a socket readable (MSG_OOB, MSG_ERRQUEUE): never waits. */
ssize_t ly__recvmsg_apart(struct ly_sock *s, struct msghdr *m, int flags);

/* Make a descriptor non-blocking and close-on-exec. Returns 0 or -errno. */
int ly__fd_prepare(int fd);

/*
 * Make writing to a pipe or by sendfile(2) without a reader an error instead of a signal: SIGPIPE is ignored
 * from now on, in the whole process, unless it has a handler. These calls have no MSG_NOSIGNAL.
 */
void ly__sigpipe_ignore(void);

#endif
