/* SPDX-License-Identifier: MIT */
/*
 * Messages: pieces, addresses, ancillary data and passed descriptors.
 *
 * A descriptor that arrives is open in this process from that moment on, whether or not anybody looks. So
 * none is ever left in ancillary data: those that the caller asked for are handed over as numbers, the others
 * are closed, and what held them is taken out of the caller's buffer. A receive without ancillary data needs
 * no care: the kernel then drops them itself.
 *
 * The kernel rounds the room for ancillary data up, so one descriptor more than asked for may arrive; and it
 * puts credentials before descriptors, so the room on our stack has some to spare for them.
 *
 * Urgent bytes and queued errors do not make a socket readable: asking for them never waits, and says nothing
 * about the socket's readiness.
 */
#include "net/address.h"
#include "net/sock.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#define PIECES_MAX 1024  /* of one call: the kernel's UIO_MAXIOV */
#define BESIDES_MAX 1024 /* bytes of other ancillary data that go with descriptors */
#define CARRIES_PIDFD 4  /* SCM_PIDFD, which the headers do not have yet */
#define FDS_SPACE CMSG_SPACE(LY_FDS_MAX * sizeof(int))

union control {
    struct cmsghdr aligned;
    char bytes[FDS_SPACE + BESIDES_MAX];
};

static int64_t deadline_for(const struct ly_sock *s, int flags)
{
    return flags & MSG_DONTWAIT ? LY__NOWAIT : ly__sock_deadline(s);
}

/* ---- receiving ---- */

ssize_t ly__recvmsg_apart(struct ly_sock *s, struct msghdr *m, int flags)
{
    ssize_t r;
    if (s->io.fd < 0)
        return -EBADF;
    do
        r = recvmsg(s->io.fd, m, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

/* Where the descriptors of a message go. */
struct taker {
    int *fds;
    size_t room, count;
    bool lost; /* some were closed for want of room */
};

static void take(struct taker *t, const struct cmsghdr *c)
{
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
        int fd;
        memcpy(&fd, (const char *)CMSG_DATA(c) + i * sizeof fd, sizeof fd);
        if (t->count < t->room) {
            t->fds[t->count++] = fd;
        } else {
            close(fd);
            t->lost = true;
        }
    }
}

static bool carries_descriptors(const struct cmsghdr *c)
{
    return c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
}

/* Take the descriptors out of the message's ancillary data and close the gaps. */
static void take_all(struct msghdr *m, struct taker *t)
{
    char *start = m->msg_control;
    size_t at = 0, kept = 0;

    while (at + sizeof(struct cmsghdr) <= m->msg_controllen) {
        const struct cmsghdr *c = (const struct cmsghdr *)(const void *)(start + at);
        size_t left = m->msg_controllen - at, n = CMSG_ALIGN(c->cmsg_len);
        if (c->cmsg_len < sizeof *c || c->cmsg_len > left)
            break;               /* not by this kernel */
        n = n < left ? n : left; /* the last one may lack its padding */
        if (carries_descriptors(c)) {
            take(t, c);
        } else {
            memmove(start + kept, start + at, n);
            kept += n;
        }
        at += n;
    }
    m->msg_controllen = kept;
}

/* The process descriptors of a message that nobody will look at. */
static void close_pidfds(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        int fd;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != CARRIES_PIDFD || c->cmsg_len < CMSG_LEN(sizeof fd))
            continue;
        memcpy(&fd, CMSG_DATA(c), sizeof fd);
        if (fd >= 0)
            close(fd);
    }
}

/* Into the first piece that has room: a stream may give less than there is room for. */
static ssize_t receive_secured(struct ly_sock *s, struct msghdr *m, int flags)
{
    m->msg_controllen = 0;
    m->msg_namelen = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++)
        if (m->msg_iov[i].iov_len > 0)
            return ly_recv_flags(s, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len, flags & ~MSG_WAITALL);
    return ly_recv_flags(s, NULL, 0, flags);
}

static ssize_t receive(struct ly_sock *s, struct msghdr *m, int flags)
{
    /* Of a datagram the whole length is wanted; with a stream the same flag would throw bytes away. */
    if (s->type != SOCK_STREAM)
        flags |= MSG_TRUNC;
    if (s->is_tls)
        return receive_secured(s, m, flags);
    if (flags & (MSG_OOB | MSG_ERRQUEUE))
        return ly__recvmsg_apart(s, m, flags);
    return ly__io_recvmsg(&s->io, m, flags, deadline_for(s, flags));
}

static size_t room_of(const struct iovec *iov, size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += iov[i].iov_len;
    return n;
}

/* What the kernel filled in, as the caller is told. Returns the bytes received. */
static ssize_t tell(const struct ly_sock *s, struct ly_sock_message *m, const struct msghdr *h, size_t got,
                    const struct taker *t)
{
    size_t room = room_of(m->iov, m->iov_count);
    if (m->address)
        ly__address_set_length(m->address, s->type == SOCK_STREAM ? 0 : h->msg_namelen, s->type);
    m->fd_count = t->count;
    m->flags = h->msg_flags & ~MSG_CMSG_CLOEXEC;
    if (t->lost)
        m->flags |= MSG_CTRUNC;
    m->length = got;
    if (got <= room)
        return (ssize_t)got;
    m->flags |= MSG_TRUNC;
    return (ssize_t)room;
}

ssize_t ly_recvmsg(struct ly_sock *s, struct ly_sock_message *m, int flags)
{
    union control own;
    struct msghdr h = {.msg_iov = m->iov, .msg_iovlen = m->iov_count};
    struct taker t = {.fds = m->fds, .room = m->fd_count};
    bool is_own = !m->control && m->fd_count > 0;

    if (m->iov_count > PIECES_MAX || m->fd_count > LY_FDS_MAX)
        return -EINVAL;
    if (m->address) {
        h.msg_name = &m->address->u;
        h.msg_namelen = sizeof m->address->u;
    }
    h.msg_control = is_own ? own.bytes : m->control;
    h.msg_controllen = is_own ? sizeof own.bytes : m->control ? m->control_length : 0;
    ssize_t r = receive(s, &h, flags);
    if (r < 0)
        return r;
    if (is_own)
        close_pidfds(&h);
    if (h.msg_control)
        take_all(&h, &t);
    if (m->control)
        m->control_length = h.msg_controllen;
    return tell(s, m, &h, (size_t)r, &t);
}

ssize_t ly_recv_fds(struct ly_sock *s, void *buf, size_t n, int *fds, size_t *count, int *ret_flags)
{
    struct iovec piece = {.iov_base = buf, .iov_len = n};
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1, .fds = fds, .fd_count = *count};
    ssize_t r = ly_recvmsg(s, &m, 0);
    if (r < 0)
        return r;
    *count = m.fd_count;
    if (ret_flags)
        *ret_flags = m.flags;
    return r;
}

/* ---- sending ---- */

/* The caller's ancillary data, and behind it the descriptors. Returns the bytes, or -EINVAL. */
static ssize_t add_descriptors(union control *own, const struct ly_sock_message *m)
{
    size_t before = m->control ? CMSG_ALIGN(m->control_length) : 0, n = m->fd_count * sizeof(int);
    struct cmsghdr head = {.cmsg_len = CMSG_LEN(n), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};

    if (before > BESIDES_MAX)
        return -EINVAL;
    memset(own->bytes, 0, before + CMSG_SPACE(n));
    if (before > 0)
        memcpy(own->bytes, m->control, m->control_length);
    memcpy(own->bytes + before, &head, sizeof head);
    memcpy(own->bytes + before + CMSG_LEN(0), m->fds, n);
    return (ssize_t)(before + CMSG_SPACE(n));
}

ssize_t ly_sendmsg(struct ly_sock *s, const struct ly_sock_message *m, int flags)
{
    union control own;
    struct msghdr h = {.msg_iov = m->iov, .msg_iovlen = m->iov_count};

    if (m->iov_count > PIECES_MAX || m->fd_count > LY_FDS_MAX ||
        (m->address && m->address->length > sizeof m->address->u))
        return -EINVAL;
    if (s->is_tls && (m->address || m->control || m->fd_count > 0 || flags & MSG_OOB))
        return s->io.fd < 0 ? -EBADF : -EOPNOTSUPP;
    if (m->address) {
        h.msg_name = &m->address->u;
        h.msg_namelen = m->address->length;
    }
    h.msg_control = m->control;
    h.msg_controllen = m->control ? m->control_length : 0;
    if (m->fd_count > 0) {
        /* Neither would be refused by the kernel, and the descriptors would be lost. */
        if (s->family != AF_UNIX)
            return s->io.fd < 0 ? -EBADF : -EOPNOTSUPP;
        if (s->type == SOCK_STREAM && room_of(m->iov, m->iov_count) == 0)
            return -EINVAL;
        ssize_t length = add_descriptors(&own, m);
        if (length < 0)
            return length;
        h.msg_control = own.bytes;
        h.msg_controllen = (size_t)length;
    }
    return ly__sock_sendmsg(s, &h, flags, deadline_for(s, flags));
}

ssize_t ly_send_fds(struct ly_sock *s, const void *buf, size_t n, const int *fds, size_t count)
{
    struct iovec piece = {.iov_base = (void *)(uintptr_t)buf, .iov_len = n};
    struct ly_sock_message m = {
        .iov = &piece, .iov_count = 1, .fds = (int *)(uintptr_t)fds, .fd_count = count};
    return ly_sendmsg(s, &m, 0);
}
