/* SPDX-License-Identifier: MIT */
/*
 * Sockets, with the semantics of Python's: time-outs belong to the socket, a signal never ends a call early,
 * an orderly end reads as 0, and every descriptor is close-on-exec.
 *
 * Time-out (milliseconds): LY_FOREVER waits, 0 does not wait (-EAGAIN), n gives -ETIMEDOUT after at least n.
 * Scopes' deadlines and cancellation (fiber.h) apply besides. After ly_sock_close every call gives -EBADF.
 * Sending to a closed peer gives -EPIPE; no signal is raised. Two tasks may use the two directions of a
 * socket at once.
 */
#ifndef LANYARD_SOCKET_H
#define LANYARD_SOCKET_H

#include <lanyard/address.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ly_sock;
struct ly_tls;

/* ---- life ---- */

/* socket(2), blocking, close-on-exec. Flags in type set close-on-exec anyway; SOCK_NONBLOCK gives time-out 0.
 * Returns 0 or -errno: -EPERM is what SOCK_RAW gives without CAP_NET_RAW (raw(7)). */
LY_API int ly_socket(struct ly_sock **ret_sock, int family, int type, int proto);

/* Wrap a descriptor, taken on success only; family, type and protocol are asked of it.
 * Returns 0, -EINVAL (negative), -EBADF, -ENOTSOCK, -ENOMEM. */
LY_API int ly_sock_from_fd(struct ly_sock **ret_sock, int fd);

/* socketpair(2) of Unix stream sockets, or of another family (-EOPNOTSUPP: it has no pairs), type and
 * protocol, with flags in the type as ly_socket takes them. Return 0 or -errno. */
LY_API int ly_socketpair(struct ly_sock **ret_a, struct ly_sock **ret_b);
LY_API int ly_socketpair_of(struct ly_sock **ret_a, struct ly_sock **ret_b, int family, int type, int proto);

/*
 * Another object and descriptor for the same connection, which ends with the last of them. It has the
 * socket's time-out, and is close-on-exec even if the socket is not. Returns 0, -EBADF, -EMFILE, -ENOMEM.
 */
LY_API int ly_sock_dup(const struct ly_sock *s, struct ly_sock **ret_copy);

/* Close the descriptor; the object stays and answers -EBADF. Fibers of the same loop that wait in it get
 * -EBADF; to wake other threads, call ly_shutdown and wait for them first. Twice is harmless. While files are
 * open over the socket (file.h) it goes on as before, and is closed with the last of them. */
LY_API void ly_sock_close(struct ly_sock *s);

/* Close and free. NULL is accepted. No other task may still use the object; files that are open over it may,
 * and the last of them frees it. */
LY_API void ly_sock_free(struct ly_sock *s);

/* Give the descriptor away, open, and blocking if the socket's time-out was LY_FOREVER; the object is then
 * closed. Returns it, or -EBADF. */
LY_API int ly_sock_detach(struct ly_sock *s);

/* The descriptor, or -1 after close. */
LY_API int ly_sock_fileno(const struct ly_sock *s);

/* ---- making connections ---- */

struct ly_connect_options {
    /* for each address tried, then the socket's own; 0 here means the default: see ly_set_default_timeout */
    int64_t timeout_ms;
    /* local address to bind first, as text and of the same scheme; NULL: the system's choice, which for a
     * Unix datagram socket is no address, so that nobody can answer ("unix-dgram:" gives it one) */
    const char *source;
    /* with a "tls://" address, and only there: the context, a client's (tls.h); it is kept as long as needed.
     * tls_name: the name that the server's certificate must be for; NULL: the address's host. The handshake
     * takes place in the first call that receives or sends */
    struct ly_tls *tls;
    const char *tls_name;
};

/*
 * Make a socket of the address's type and connect it, trying each address of a host's name in order. A
 * datagram socket that is connected sends to that address and receives from nobody else.
 *
 * options   NULL for the defaults
 *
 * Returns 0 or the last address's error: -ECONNREFUSED, -ETIMEDOUT, -ENOENT, ..., -EPROTOTYPE (a source of
 * another scheme), -EINVAL ("tls://" without a context, or the reverse), or one of ly_resolve's. Suspends.
 */
LY_API int ly_connect(struct ly_sock **ret_sock, const char *address,
                      const struct ly_connect_options *options);

/*
 * connect(2) of an existing socket, whose results are those of Python's connect_ex but for the time-out:
 *
 *   0               connected; for datagrams: they go to this address and come from it alone
 *   -EINPROGRESS    at time-out 0: the attempt goes on. Once the socket is writable SO_ERROR tells how it
 *                   ended; calling again gives 0, or -EINPROGRESS, or the error
 *   -ETIMEDOUT      at another time-out (connect_ex gives EAGAIN there): the attempt goes on all the same,
 *                   and calling again waits further
 *   -EISCONN        it was connected before
 *   -EAGAIN         at time-out 0: a Unix listener's backlog is full; nothing has begun
 *   -ECONNREFUSED, -ENOENT, -ENETUNREACH, -EPROTOTYPE (a Unix socket of another type), ...
 *
 * -EINVAL: the address is longer than any. A signal does not begin it anew. Suspends.
 */
LY_API int ly_sock_connect(struct ly_sock *s, const struct ly_address *address);

struct ly_listen_options {
    int backlog;        /* 0: min(SOMAXCONN, 128) as the system caps it */
    bool reuse_port;    /* SO_REUSEPORT */
    bool no_reuse_addr; /* leave SO_REUSEADDR off (TCP) */
    bool v6only;        /* IPv6 sockets take no IPv4 clients */
    /* permission bits of a Unix socket's file, set before anyone can connect; 0: by the umask */
    int mode;
    bool replace_stale; /* remove a Unix socket's file first if nobody listens on it */
    /* where to tell what failed, as text: "bind to tcp://127.0.0.1:80: EACCES (permission denied)"; NULL:
     * nowhere. why_size: its bytes; best LY_LISTEN_WHY */
    char *why;
    size_t why_size;
    /* with a "tls://" address, and only there: the context, a server's (tls.h); it is kept as long as needed
     */
    struct ly_tls *tls;
};
#define LY_LISTEN_WHY (LY_ADDRESS_TEXT + 160)

/*
 * Make a socket of the address's type, bind and listen; a datagram socket is bound only. SO_REUSEADDR is set
 * for TCP; an empty host listens on IPv6 and IPv4 both.
 * Returns 0 or an error of ly_resolve, bind(2), listen(2), -EINVAL ("tls://" without a context, or the
 * reverse); on failure nothing stays open.
 */
LY_API int ly_listen(struct ly_sock **ret_sock, const char *address, const struct ly_listen_options *options);

/* As ly_listen, without listen(2): for datagrams, and for a listener that is to be made ready first. */
LY_API int ly_bind(struct ly_sock **ret_sock, const char *address, const struct ly_listen_options *options);

/* bind(2). A Unix address without a name gets one of the system's choice. */
LY_API int ly_sock_bind(struct ly_sock *s, const struct ly_address *address);
/* listen(2); a negative backlog counts as 0. */
LY_API int ly_sock_listen(struct ly_sock *s, int backlog);

/* Take one connection. ret_peer may be NULL. The new socket has the default time-out, whatever the
 * listener's. Returns 0, -EAGAIN, -ETIMEDOUT, -EINVAL (not listening, or shut down), -EOPNOTSUPP (datagrams),
 * -EMFILE, ... Suspends. */
LY_API int ly_accept(struct ly_sock *listener, struct ly_sock **ret_sock, struct ly_address *ret_peer);

/* ---- bytes ---- */

/* Receive what is there, at most n bytes; n 0 returns 0 without asking. 0 is the peer's orderly end; with
 * datagrams, an empty one. Errors: -EAGAIN, -ETIMEDOUT, -ECANCELED, -ECONNRESET, -ENOTCONN, -EBADF. Suspends.
 * Source: recv(2). */
LY_API ssize_t ly_recv(struct ly_sock *s, void *buf, size_t n);

/* As ly_recv with recv(2)'s flags: MSG_PEEK, MSG_DONTWAIT, MSG_WAITALL, MSG_OOB. With MSG_TRUNC the result is
 * clamped to n; ly_recvmsg tells a cut datagram's length. */
LY_API ssize_t ly_recv_flags(struct ly_sock *s, void *buf, size_t n, int flags);

#define LY_LENT_MAX 65536 /* most bytes that a lent buffer holds */

/*
 * As ly_recv, into memory that is lent: taken only when bytes have come, so a handler that waits holds no
 * buffer, and the same few buffers, still warm in the caches, serve all connections of a loop. Give it back
 * by ly_lent_return, best before the next call that suspends.
 *
 * n          1..LY_LENT_MAX
 * ret_bytes  the bytes; the caller's until returned, to read and to write
 *
 * Returns the bytes received; 0 at the peer's orderly end, and errors, lend nothing. Errors: those of
 * ly_recv, -EINVAL (n out of range), -ENOMEM. Suspends.
 */
LY_API ssize_t ly_recv_lent(struct ly_sock *s, size_t n, void **ret_bytes);

/* Give back what ly_recv_lent lent, in the same thread. NULL is accepted. */
LY_API void ly_lent_return(void *bytes);

/* Receive exactly n bytes. Returns n, LY_EEOF if the peer ends first, or an error of ly_recv. Suspends. */
LY_API ssize_t ly_recvall(struct ly_sock *s, void *buf, size_t n);

/* Send: without a time-out all n bytes, else what fits now (at least 1). Errors: -EAGAIN, -ETIMEDOUT,
 * -ECANCELED, -EPIPE, -ECONNRESET, -EBADF. Suspends. Source: send(2). */
LY_API ssize_t ly_send(struct ly_sock *s, const void *buf, size_t n);
LY_API ssize_t ly_send_flags(struct ly_sock *s, const void *buf, size_t n, int flags);

/* Send all n bytes; the socket's time-out bounds the whole call. Returns 0 or an error of ly_send, after
 * which an unknown part has gone. Suspends. */
LY_API int ly_sendall(struct ly_sock *s, const void *buf, size_t n);

/* As ly_sendall for a list of up to 1024 pieces. iov is used up as it goes (its entries change). flags:
 * MSG_MORE or 0. */
LY_API int ly_sendallv(struct ly_sock *s, struct iovec *iov, int count, int flags);

/* recvfrom(2), sendto(2). ret_from may be NULL; its length is 0 where there is no address. */
LY_API ssize_t ly_recvfrom(struct ly_sock *s, void *buf, size_t n, int flags, struct ly_address *ret_from);
LY_API ssize_t ly_sendto(struct ly_sock *s, const void *buf, size_t n, int flags,
                         const struct ly_address *to);

/* ---- messages ---- */

#define LY_FDS_MAX 253 /* descriptors that one message can carry: the kernel's SCM_MAX_FD */

/* A message with all that can go with it. What is not wanted is NULL and 0. */
struct ly_sock_message {
    struct iovec *iov; /* the pieces of its bytes; borrowed, the entries stay as they are */
    size_t iov_count;  /* 0..1024 */
    /* sending: to whom; receiving: becomes the sender, as ly_recvfrom's */
    struct ly_address *address;
    /* ancillary data as of cmsg(3). control_length: its bytes; receiving: the room, which becomes what came.
     * Passed descriptors need room in it too, but are never left in it. */
    void *control;
    size_t control_length;
    /* passed descriptors. fd_count: how many, 0..LY_FDS_MAX; receiving: the room, which becomes what came.
     * Received ones belong to the caller and are close-on-exec: see ly_fd_set_inheritable. */
    int *fds;
    size_t fd_count;
    /* received only: MSG_TRUNC (the datagram was longer than the pieces), MSG_CTRUNC (ancillary data or
     * descriptors did not fit and are lost), MSG_EOR, MSG_OOB, MSG_ERRQUEUE */
    int flags;
    size_t length; /* received only: of the whole datagram, also of a cut one; of a stream's bytes */
};

/*
 * Receive into several pieces, with the sender, ancillary data and descriptors. Descriptors that were not
 * asked for, or that do not fit, are closed.
 *
 * flags   as of ly_recv_flags, and MSG_ERRQUEUE; neither MSG_OOB nor MSG_ERRQUEUE waits, and MSG_WAITALL does
 *         not fill the pieces
 *
 * Returns the bytes stored, never more than the pieces hold. Errors: those of ly_recv, -EINVAL (more than
 * 1024 pieces or LY_FDS_MAX descriptors; no urgent byte). Suspends. Source: recvmsg(2), unix(7).
 */
LY_API ssize_t ly_recvmsg(struct ly_sock *s, struct ly_sock_message *m, int flags);

/*
 * Send from several pieces, by one call: a stream may take fewer bytes than there are.
 * Returns the bytes sent. Errors: those of ly_send, -EINVAL (as above, or more than 1024 bytes of ancillary
 * data beside descriptors; descriptors without a byte on a stream), -EOPNOTSUPP (descriptors over another
 * family than AF_UNIX), -EMSGSIZE, -EBADF (also of a descriptor to pass). Suspends. Source: sendmsg(2).
 */
LY_API ssize_t ly_sendmsg(struct ly_sock *s, const struct ly_sock_message *m, int flags);

/*
 * Send bytes (on a stream at least one) and with the first of them copies of count descriptors, over a Unix
 * socket. The caller's own stay open. Returns and errors as ly_sendmsg. Suspends.
 */
LY_API ssize_t ly_send_fds(struct ly_sock *s, const void *buf, size_t n, const int *fds, size_t count);

/*
 * Receive bytes and the descriptors that come with them.
 *
 * fds         where they go; close-on-exec
 * count       the room, 0..LY_FDS_MAX, which becomes their number; further ones are closed
 * ret_flags   as flags of struct ly_sock_message: MSG_CTRUNC tells that some were closed; may be NULL
 *
 * Returns and errors as ly_recvmsg. Suspends.
 */
LY_API ssize_t ly_recv_fds(struct ly_sock *s, void *buf, size_t n, int *fds, size_t *count, int *ret_flags);

/* Have programs that this process starts inherit a descriptor, or not. Returns 0 or -EBADF. */
LY_API int ly_fd_set_inheritable(int fd, bool inheritable);

/* ---- files ---- */

/*
 * Send count bytes (0: up to the end) of the file fd from offset on; the file's position ends at offset +
 * sent. Falls back to read and send where the kernel refuses sendfile(2). From the first call on, SIGPIPE is
 * ignored in this process unless it has a handler. The socket's time-out bounds each wait. Returns the bytes
 * sent (fewer than count when the file ends early). Errors: -EINVAL (time-out 0, datagram socket, negative
 * numbers), those of read(2) and ly_send. Suspends.
 */
LY_API int64_t ly_sendfile(struct ly_sock *s, int fd, int64_t offset, int64_t count);

/* shutdown(2): how is SHUT_RD, SHUT_WR or SHUT_RDWR. Returns 0, -ENOTCONN, -EINVAL, -EBADF. */
LY_API int ly_shutdown(struct ly_sock *s, int how);

/* ---- attributes ---- */

/* Set the time-out in milliseconds: LY_FOREVER, 0 or up to 2^53 (see ly_milliseconds). Returns 0 or -EINVAL.
 */
LY_API int ly_sock_set_timeout(struct ly_sock *s, int64_t ms);
LY_API int64_t ly_sock_timeout(const struct ly_sock *s);

/* Time-out LY_FOREVER (true) or 0 (false); whether it is not 0. The descriptor itself never blocks. */
LY_API void ly_sock_set_blocking(struct ly_sock *s, bool blocking);
LY_API bool ly_sock_blocking(const struct ly_sock *s);

/* The time-out of sockets that are made, accepted or connected from now on, in the whole process; LY_FOREVER
 * at first. Copies keep their original's. Returns 0 or -EINVAL, as above. */
LY_API int ly_set_default_timeout(int64_t ms);
LY_API int64_t ly_default_timeout(void);

/* Have programs that this process starts inherit the socket, or not. Return 0 (asked: 1 if they do), -EBADF.
 */
LY_API int ly_sock_set_inheritable(struct ly_sock *s, bool inheritable);
LY_API int ly_sock_inheritable(const struct ly_sock *s);

/* setsockopt(2) with an int, or any bytes; value may be NULL with a length. Returns 0 or -errno. */
LY_API int ly_sock_set_int(struct ly_sock *s, int level, int name, int value);
LY_API int ly_sock_set_option(struct ly_sock *s, int level, int name, const void *value, socklen_t length);

/* getsockopt(2). *length is the room (1..1024) and becomes what the kernel filled. Returns 0, -EINVAL or
 * -errno. */
LY_API int ly_sock_get_int(const struct ly_sock *s, int level, int name, int *ret_value);
LY_API int ly_sock_get_option(const struct ly_sock *s, int level, int name, void *value, socklen_t *length);

/* getsockname(2), getpeername(2). Return 0, -ENOTCONN, -EBADF. */
LY_API int ly_sock_local(const struct ly_sock *s, struct ly_address *ret_address);
LY_API int ly_sock_peer(const struct ly_sock *s, struct ly_address *ret_address);

/* What it was made as: AF_INET, AF_INET6, AF_UNIX...; SOCK_STREAM, SOCK_DGRAM...; the protocol's number. */
LY_API int ly_sock_family(const struct ly_sock *s);
LY_API int ly_sock_type(const struct ly_sock *s);
LY_API int ly_sock_proto(const struct ly_sock *s);

#ifdef __cplusplus
}
#endif
#endif
