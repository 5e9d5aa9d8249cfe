/* SPDX-License-Identifier: MIT */
/* Sockets: accepting, receiving and sending. */
#include "net/address.h"
#include "net/sock.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define PIECES_MAX 1024 /* of one call: the kernel's UIO_MAXIOV */

/* ---- accepting ---- */

bool ly__listener_is_shut_down(const struct ly__io *listener)
{
    struct pollfd p = {.fd = listener->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && p.revents & POLLRDHUP;
}

static int accept_descriptor(struct ly_sock *l, struct sockaddr *address, socklen_t *length)
{
    int64_t deadline = ly__sock_deadline(l);
    if (l->family != AF_UNIX)
        return ly__io_accept(&l->io, address, length, deadline);
    for (;;) {
        int r = ly__io_accept(&l->io, address, length, LY__NOWAIT);
        if (r == -EAGAIN && ly__listener_is_shut_down(&l->io))
            return -EINVAL;
        if (r != -EAGAIN || deadline == LY__NOWAIT)
            return r;
        r = ly__io_wait(&l->io, LY__IN, deadline);
        if (r < 0)
            return r;
    }
}

int ly_accept(struct ly_sock *listener, struct ly_sock **ret_sock, struct ly_address *ret_peer)
{
    struct ly_address peer = {0};
    socklen_t length = sizeof peer.u;

    int fd = ret_peer ? accept_descriptor(listener, &peer.u.any, &length)
                      : accept_descriptor(listener, NULL, NULL);
    if (fd < 0)
        return fd;
    struct ly_tls *tls = listener->is_tls ? ly__tls_sock_of(listener)->tls : NULL;
    int r = ly__sock_wrap_tls(ret_sock, fd, listener->family, listener->type, listener->proto, tls);
    if (r < 0) {
        close(fd);
        return r;
    }
    if (ret_peer) {
        ly__address_set_length(&peer, length, listener->type);
        *ret_peer = peer;
    }
    return 0;
}

/* ---- receiving ---- */

static ssize_t clamp(ssize_t got, size_t n)
{
    return got > 0 && (size_t)got > n ? (ssize_t)n : got;
}

static ssize_t receive_urgent(struct ly_sock *s, void *buf, size_t n, int flags)
{
    struct iovec piece = {.iov_base = buf, .iov_len = n};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1};
    return ly__recvmsg_apart(s, &m, flags);
}

static __attribute__((noinline)) ssize_t receive(struct ly_sock *s, void *buf, size_t n)
{
    if (n == 0)
        return s->io.fd < 0 ? -EBADF : 0;
    return ly__sock_recv(s, buf, n, 0, ly__sock_deadline(s));
}

/* Neither a time-out nor TLS: the way of most servers' bytes, kept short. */
static inline bool is_common(const struct ly_sock *s)
{
    return __builtin_expect(s->timeout_ms == LY_FOREVER && !s->is_tls, 1);
}

LY__HOT ssize_t ly_recv(struct ly_sock *s, void *buf, size_t n)
{
    if (is_common(s) && __builtin_expect(n > 0, 1))
        return ly__io_recv(&s->io, buf, n, 0, LY_NEVER);
    return receive(s, buf, n);
}

/* Fill buf as far as the peer has bytes. What came before an error counts as the result. */
static ssize_t receive_filling(struct ly_sock *s, char *buf, size_t n, int flags)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = ly__sock_recv(s, buf + got, n - got, flags, LY_NEVER);
        if (r <= 0)
            return got > 0 ? (ssize_t)got : r;
        got += (size_t)r;
    }
    return (ssize_t)got;
}

ssize_t ly_recv_flags(struct ly_sock *s, void *buf, size_t n, int flags)
{
    bool fill = flags & MSG_WAITALL && !(flags & (MSG_PEEK | MSG_OOB | MSG_DONTWAIT | MSG_TRUNC)) &&
                s->timeout_ms == LY_FOREVER && s->type == SOCK_STREAM;

    if (n == 0)
        return s->io.fd < 0 ? -EBADF : 0;
    if (s->is_tls && flags & ~(MSG_PEEK | MSG_DONTWAIT | MSG_WAITALL))
        return -EOPNOTSUPP;
    if (fill)
        return receive_filling(s, buf, n, flags);
    int64_t deadline = flags & MSG_DONTWAIT ? LY__NOWAIT : ly__sock_deadline(s);
    if (flags & MSG_OOB)
        /* Urgent bytes do not make a socket readable: they are there or they are not (EINVAL). */
        return receive_urgent(s, buf, n, flags);
    return clamp(ly__sock_recv(s, buf, n, flags, deadline), n);
}

ssize_t ly_recvall(struct ly_sock *s, void *buf, size_t n)
{
    int64_t deadline = ly__sock_deadline(s);
    char *at = buf;
    size_t rest = n;

    if (n == 0 && s->io.fd < 0)
        return -EBADF;
    while (rest > 0) {
        ssize_t r = ly__sock_recv(s, at, rest, 0, deadline);
        if (r <= 0)
            return r < 0 ? r : LY_EEOF;
        at += r;
        rest -= (size_t)r;
    }
    return (ssize_t)n;
}

ssize_t ly_recvfrom(struct ly_sock *s, void *buf, size_t n, int flags, struct ly_address *ret_from)
{
    struct ly_address from = {0};
    struct iovec piece = {.iov_base = buf, .iov_len = n};
    struct msghdr m = {.msg_name = &from.u, .msg_namelen = sizeof from.u, .msg_iov = &piece, .msg_iovlen = 1};
    int64_t deadline = flags & MSG_DONTWAIT ? LY__NOWAIT : ly__sock_deadline(s);

    ssize_t r = s->is_tls ? ly_recv_flags(s, buf, n, flags) : ly__io_recvmsg(&s->io, &m, flags, deadline);
    if (r >= 0 && ret_from) {
        ly__address_set_length(&from, s->type == SOCK_STREAM ? 0 : m.msg_namelen, s->type);
        *ret_from = from;
    }
    return clamp(r, n);
}

/* ---- sending ---- */

static __attribute__((noinline)) int send_rest(struct ly_sock *s, const char *at, size_t rest, int flags,
                                               int64_t deadline)
{
    do {
        ssize_t r = ly__io_send(&s->io, at, rest, flags, deadline);
        if (r < 0)
            return (int)r;
        at += r;
        rest -= (size_t)r;
    } while (rest > 0);
    return 0;
}

ssize_t ly_send(struct ly_sock *s, const void *buf, size_t n)
{
    return ly_send_flags(s, buf, n, 0);
}

ssize_t ly_send_flags(struct ly_sock *s, const void *buf, size_t n, int flags)
{
    if (s->is_tls && flags & MSG_OOB)
        return -EOPNOTSUPP;
    int64_t deadline = flags & MSG_DONTWAIT ? LY__NOWAIT : ly__sock_deadline(s);
    ssize_t sent = ly__sock_send(s, buf, n, flags, deadline);

    if (sent < 0 || (size_t)sent == n || deadline != LY_NEVER)
        return sent;
    /* As a blocking send(2): what has gone counts, an error after it shows at the next call. */
    size_t done = (size_t)sent;
    while (done < n) {
        sent = ly__sock_send(s, (const char *)buf + done, n - done, flags, LY_NEVER);
        if (sent < 0)
            break;
        done += (size_t)sent;
    }
    return (ssize_t)done;
}

static int send_secured(struct ly_sock *s, const struct iovec *iov, int count, int64_t deadline)
{
    ssize_t r = ly__tls_ops_of(s)->send(s, iov, (size_t)count, true, deadline);
    return r < 0 ? (int)r : 0;
}

static __attribute__((noinline)) int send_bounded(struct ly_sock *s, const void *buf, size_t n)
{
    int64_t deadline = ly__sock_deadline(s);
    struct iovec piece = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
    return s->is_tls ? send_secured(s, &piece, 1, deadline) : send_rest(s, buf, n, 0, deadline);
}

LY__HOT int ly_sendall(struct ly_sock *s, const void *buf, size_t n)
{
    if (!is_common(s))
        return send_bounded(s, buf, n);
    ssize_t r = ly__io_send(&s->io, buf, n, 0, LY_NEVER);
    if (r < 0)
        return (int)r;
    return (size_t)r == n ? 0 : send_rest(s, (const char *)buf + r, n - (size_t)r, 0, LY_NEVER);
}

/* Skip n bytes of the message's pieces, and pieces that are empty. */
static void advance(struct msghdr *m, size_t n)
{
    while (m->msg_iovlen > 0 && n >= m->msg_iov->iov_len) {
        n -= m->msg_iov->iov_len;
        m->msg_iov->iov_len = 0;
        m->msg_iov++;
        m->msg_iovlen--;
    }
    if (n > 0) {
        m->msg_iov->iov_base = (char *)m->msg_iov->iov_base + n;
        m->msg_iov->iov_len -= n;
    }
}

int ly__sock_sendallv(struct ly_sock *s, struct iovec *iov, int count, int flags, int64_t deadline)
{
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = (size_t)count};
    if (s->is_tls)
        return send_secured(s, iov, count, deadline);
    do {
        ssize_t r = ly__io_sendmsg(&s->io, &m, flags, deadline);
        if (r < 0)
            return (int)r;
        advance(&m, (size_t)r);
    } while (m.msg_iovlen > 0);
    return 0;
}

int ly_sendallv(struct ly_sock *s, struct iovec *iov, int count, int flags)
{
    if (count < 0 || count > PIECES_MAX)
        return -EINVAL;
    return ly__sock_sendallv(s, iov, count, flags, ly__sock_deadline(s));
}

ssize_t ly_sendto(struct ly_sock *s, const void *buf, size_t n, int flags, const struct ly_address *to)
{
    struct ly_address name = *to;
    struct iovec piece = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
    struct msghdr m = {.msg_name = &name.u, .msg_namelen = name.length, .msg_iov = &piece, .msg_iovlen = 1};
    int64_t deadline = flags & MSG_DONTWAIT ? LY__NOWAIT : ly__sock_deadline(s);
    if (to->length > sizeof to->u)
        return -EINVAL;
    if (s->is_tls)
        return s->io.fd < 0 ? -EBADF : -EOPNOTSUPP;
    return ly__io_sendmsg(&s->io, &m, flags, deadline);
}

/* ---- ending ---- */

/* Not every kind of wait sees it: select(2) does not call a full Unix socket writable, though a send would
 * fail. */
LY__HOT int ly_shutdown(struct ly_sock *s, int how)
{
    int r = s->is_tls ? ly__tls_ops_of(s)->shutdown(s, how) : 0;
    if (shutdown(s->io.fd, how) < 0)
        return -errno;
    ly__io_look_again(&s->io);
    return r;
}
