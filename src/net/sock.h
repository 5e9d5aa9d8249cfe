/* SPDX-License-Identifier: MIT */
#ifndef LY_NET_SOCK_H
#define LY_NET_SOCK_H

#include "base/list.h"
#include "reactor/io.h"
#include <lanyard/socket.h>
#include <lanyard/tls.h>

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
    uint16_t proto; /* IPPROTO_... */
    bool is_tls;    /* it is the field of a struct ly__tls_sock */
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
    s->proto = (uint16_t)proto; /* the kernel keeps no more of it */
    s->is_tls = false;
}

/* Wrap a descriptor that is non-blocking and close-on-exec; taken on success only. The time-out is
 * the default. Returns 0 or -ENOMEM. */
int ly__sock_wrap(struct ly_sock **ret_sock, int fd, int family, int type, int proto);

/* When a call that begins now ends: the socket's time-out as a deadline of io.h. */
static inline int64_t ly__sock_deadline(const struct ly_sock *s)
{
    return s->timeout_ms == LY_FOREVER ? LY_NEVER : ly_deadline(s->timeout_ms);
}

/* ---- TLS ---- */

/*
 * What a TLS socket does in place of the system's calls. The table is found through the context, so that what
 * is linked without TLS needs no OpenSSL. deadline: absolute.
 */
struct ly__tls_ops {
    /* Receive; flags MSG_PEEK or 0. */
    ssize_t (*recv)(struct ly_sock *s, void *buf, size_t n, int flags, int64_t deadline);
    /* Send from pieces. all: each of them, and on success nothing is left in the socket; else what fits, as
     * send(2) does. Returns the bytes taken. */
    ssize_t (*send)(struct ly_sock *s, const struct iovec *iov, size_t count, bool all, int64_t deadline);
    int (*shutdown)(struct ly_sock *s, int how);
    /* Before the descriptor is closed. Does not wait. */
    void (*close)(struct ly_sock *s);
    /* Begin a connection of a client to the host of that name. */
    int (*begin)(struct ly_sock *s, const char *name);
    /* Let the kernel make the records of a file that the caller then sends by sendfile(2), and after that see
     * to the rest. is_cut: it came to less than the kernel was told. Return 0; -EOPNOTSUPP, or an error that
     * sending by hand will meet too. */
    int (*to_kernel)(struct ly_sock *s, int64_t deadline);
    int (*from_kernel)(struct ly_sock *s, bool is_cut, int64_t deadline);
    /* ly_tls_why. */
    size_t (*why)(const struct ly_sock *s, char *buf, size_t cap);
    void (*free_context)(struct ly_tls *tls);
};

/* What every context begins with. */
struct ly__tls_base {
    const struct ly__tls_ops *ops;
    atomic_int references;
    bool is_server;
};

struct ly__tls_conn;

/* A socket with TLS. A connection that has not spoken has no more than this. */
struct ly__tls_sock {
    struct ly_tls *tls;                  /* a reference, unless the socket is a server's connection */
    _Atomic(struct ly__tls_conn *) conn; /* NULL: nothing was received or sent yet */
    struct ly_sock sock;
};

static inline struct ly__tls_sock *ly__tls_sock_of(const struct ly_sock *s)
{
    return ly__container_of((uintptr_t)s, struct ly__tls_sock, sock);
}

static inline struct ly__tls_base *ly__tls_base_of(const struct ly_tls *tls)
{
    return (struct ly__tls_base *)(uintptr_t)tls;
}

static inline const struct ly__tls_ops *ly__tls_ops_of(const struct ly_sock *s)
{
    return ly__tls_base_of(ly__tls_sock_of(s)->tls)->ops;
}

struct ly_tls *ly__tls_ref(struct ly_tls *tls);
void ly__tls_unref(struct ly_tls *tls); /* NULL is accepted */

/* Make the field of a struct ly__tls_sock a TLS socket; tls is borrowed. */
static inline void ly__sock_secure(struct ly_sock *s, struct ly_tls *tls)
{
    struct ly__tls_sock *t = ly__tls_sock_of(s);
    t->tls = tls;
    atomic_init(&t->conn, NULL);
    s->is_tls = true;
}

/* As ly__sock_wrap, of a TLS socket, which gets a reference of its own; tls NULL: a plain one. */
int ly__sock_wrap_tls(struct ly_sock **ret_sock, int fd, int family, int type, int proto, struct ly_tls *tls);

/* Replace a plain socket that was just made by a TLS socket. A failure frees it. Returns 0 or -ENOMEM. */
int ly__sock_upgrade(struct ly_sock **sock, struct ly_tls *tls);

/* Whether address and context fit each other: "tls://" with one of that kind, everything else without.
 * Returns 0 or -EINVAL. */
int ly__tls_fits(const char *address, const struct ly_tls *tls, bool is_server);

/* ---- the calls, on either kind ---- */

static inline ssize_t ly__sock_recv(struct ly_sock *s, void *buf, size_t n, int flags, int64_t deadline)
{
    if (__builtin_expect(s->is_tls, 0))
        return ly__tls_ops_of(s)->recv(s, buf, n, flags, deadline);
    return ly__io_recv(&s->io, buf, n, flags, deadline);
}

static inline ssize_t ly__sock_send(struct ly_sock *s, const void *buf, size_t n, int flags, int64_t deadline)
{
    if (__builtin_expect(s->is_tls, 0)) {
        struct iovec piece = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
        return ly__tls_ops_of(s)->send(s, &piece, 1, false, deadline);
    }
    return ly__io_send(&s->io, buf, n, flags, deadline);
}

static inline ssize_t ly__sock_sendmsg(struct ly_sock *s, const struct msghdr *m, int flags, int64_t deadline)
{
    if (__builtin_expect(s->is_tls, 0))
        return ly__tls_ops_of(s)->send(s, m->msg_iov, m->msg_iovlen, false, deadline);
    return ly__io_sendmsg(&s->io, m, flags, deadline);
}

/* Wait until there is something to receive, or the end. Returns as ly__io_poll. */
int ly__sock_poll(struct ly_sock *s, int64_t deadline);

/* Close the descriptor, whoever else may still use the socket. */
void ly__sock_end(struct ly_sock *s);

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
