/* SPDX-License-Identifier: MIT */
/*
 * One TLS connection: the calls of socket.h on it.
 *
 * OpenSSL works on two buffers (tls_bio.c), and what moves bytes between these and the descriptor is here. A
 * call goes round: let OpenSSL do what it can; where it wants input, send what it wrote, wait, receive,
 * again. Only the waits suspend, and they are outside of `lock` and of OpenSSL: its queue of errors belongs
 * to the thread, so it is read right behind the call that filled it.
 *
 * Room for a record is made before OpenSSL is given bytes to encrypt, so writing never has to be taken up
 * again: what was taken is encrypted, and goes out in order, by this call or, where a time-out ends it, by
 * the next one in either direction.
 *
 * A failed send does not end receiving: what the peer said before it went away, an alert most of all, is
 * still there to be read.
 */
#include "net/tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#define PIECES 64 /* that the kernel is given at a time */

/* ---- the descriptor ---- */

static void set_ready(struct ly__io *io, enum ly__dir dir, bool ready)
{
    atomic_store_explicit(&io->ready[dir], ready, memory_order_relaxed);
}

/* Wait outside of the lock. Meanwhile others may have come and gone: look again at everything. */
static int wait_for(struct ly_sock *s, struct ly__tls_conn *c, enum ly__dir dir, int64_t deadline)
{
    if (deadline == LY__NOWAIT)
        return -EAGAIN;
    pthread_mutex_unlock(&c->lock);
    int r = ly__io_wait(&s->io, dir, deadline);
    pthread_mutex_lock(&c->lock);
    return c->closed ? -EBADF : r;
}

/* As flush, where the kernel makes the records. */
static int settle(struct ly_sock *s, struct ly__tls_conn *c, int64_t deadline)
{
    int r = 0;
    while (r == 0 && !c->out_error) {
        int w = ly__tls_kernel_settle(c->kernel, s->io.fd);
        if (w == 0)
            return 0;
        if (w != -EAGAIN) {
            c->out_error = w;
            break;
        }
        set_ready(&s->io, LY__OUT, false);
        r = wait_for(s, c, LY__OUT, deadline);
    }
    return r < 0 ? r : c->out_error;
}

/* Send all that OpenSSL has written. Returns 0, an error of sending, or -EAGAIN, -ETIMEDOUT and the like,
 * after which the rest still waits. */
static int flush(struct ly_sock *s, struct ly__tls_conn *c, int64_t deadline)
{
    struct ly__tls_bytes *out = &c->out;
    if (ly__tls_kernel_is_on(c->kernel))
        return settle(s, c, deadline);
    while (out->start < out->end) {
        ssize_t r = -1;
        errno = EAGAIN;
        if (deadline == LY__NOWAIT || ly__io_is_ready(&s->io, LY__OUT))
            r = send(s->io.fd, out->at + out->start, out->end - out->start, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r >= 0) {
            out->start += (size_t)r;
        } else if (errno == EAGAIN) {
            set_ready(&s->io, LY__OUT, false);
            int w = wait_for(s, c, LY__OUT, deadline);
            if (w < 0)
                return w;
        } else if (errno != EINTR) {
            c->out_error = -errno;
            break;
        }
    }
    ly__tls_bytes_free(out);
    return c->out_error;
}

/* Whether OpenSSL's own buffers, of a record each, outlive the record in hand. */
static void keep_buffers(struct ly__tls_conn *c, bool keep)
{
    if (c->keeps == keep)
        return;
    c->keeps = keep;
    if (keep)
        SSL_clear_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
    else
        SSL_set_mode(c->ssl, SSL_MODE_RELEASE_BUFFERS);
}

/* How much to receive next time, where this time n bytes of size came: as much as the peer has ready, so that
 * it takes few calls, and no more. */
static void learn(struct ly__tls_conn *c, size_t n, size_t size)
{
    c->flows = n == size;
    c->room = c->flows && size < LY__TLS_FLOW ? 4 * size : n < size / 4 ? size / 4 : size;
}

/* Receive into the empty buffer. Returns 0 (there is something new: bytes, the end, or other tasks' doing)
 * or an error. */
static int fill(struct ly_sock *s, struct ly__tls_conn *c, int64_t deadline)
{
    struct ly__tls_bytes *in = &c->in;
    if (deadline != LY__NOWAIT && !ly__io_is_ready(&s->io, LY__IN)) {
        ly__tls_bytes_free(in);
        int w = wait_for(s, c, LY__IN, deadline);
        if (w < 0 || in->start < in->end || c->ended)
            return w;
    }
    in->start = in->end = 0;
    int r = ly__tls_bytes_reserve(in, c->room > LY__TLS_WRAPPED ? c->room : LY__TLS_WRAPPED);
    if (r < 0)
        return r;
    ssize_t n = recv(s->io.fd, in->at, in->size, MSG_DONTWAIT);
    if (n < 0) {
        r = -errno;
        ly__tls_bytes_free(in);
        if (r == -EINTR)
            return 0;
        if (r != -EAGAIN)
            return r;
        set_ready(&s->io, LY__IN, false);
        return deadline == LY__NOWAIT ? r : 0;
    }
    c->ended = n == 0;
    c->heard = c->heard || n > 0;
    in->end = (size_t)n;
    learn(c, in->end, in->size);
    if (n > 0 && (size_t)n < in->size && !s->io.stops_short)
        set_ready(&s->io, LY__IN, false);
    return 0;
}

/* ---- going on ---- */

/* A call of OpenSSL gave no success. Returns -EAGAIN (it wants input), 0 (the peer's closing message), or the
 * error, which stays. */
static int outcome(struct ly__tls_conn *c, int r)
{
    int what = SSL_get_error(c->ssl, r);
    if (what == SSL_ERROR_WANT_READ)
        return -EAGAIN;
    if (what == SSL_ERROR_ZERO_RETURN) {
        c->got_close = true;
        return 0;
    }
    return c->error = ly__tls_failed(&c->code);
}

/*
 * OpenSSL wants input. Output goes first: the peer may be waiting for it. Where it cannot go, only the
 * handshake waits for it; later, whoever sends sees to that. OpenSSL never hears of TCP's end, which is one
 * for receiving only.
 */
static int get_more(struct ly_sock *s, struct ly__tls_conn *c, int64_t deadline)
{
    if (c->ended) {
        c->got_close = c->deaf;
        return c->deaf ? 0 : LY_ECUT;
    }
    int r = flush(s, c, c->is_up ? LY__NOWAIT : deadline);
    if (r == 0 || c->is_up)
        return fill(s, c, deadline);
    /* The handshake is stuck. What the peer has said to that has come, or never will. */
    int f = c->out_error ? fill(s, c, LY__NOWAIT) : r;
    return f == -EAGAIN ? r : f;
}

static int allowed(void)
{
    struct ly__task *t = ly__task_now;
    return t ? ly__task_allowed(t) : 0;
}

/* Do the handshake unless it is done. */
static int shake(struct ly_sock *s, struct ly__tls_conn *c, int64_t deadline)
{
    while (!c->is_up) {
        if (c->error)
            return c->error;
        int r = SSL_do_handshake(c->ssl);
        if (r == 1) {
            c->is_up = true;
            break;
        }
        r = outcome(c, r);
        if (r == -EAGAIN)
            r = get_more(s, c, deadline);
        if (c->got_close) /* in the middle of it: the peer's closing message, or our own deafness */
            r = c->error = c->deaf ? LY_ECUT : LY_EEOF;
        if (r < 0) {
            flush(s, c, LY__NOWAIT); /* an alert that says why */
            return r;
        }
    }
    return 0;
}

/* ---- receiving ---- */

/* Bytes that are there: of as many records as have come. Returns as recv(2). */
static ssize_t take(struct ly__tls_conn *c, char *buf, size_t n, int flags)
{
    size_t got = 0, more;
    while (got < n && !c->got_close && !c->error) {
        keep_buffers(c, c->flows || c->in.end - c->in.start > LY__TLS_WRAPPED);
        int r = flags & MSG_PEEK ? SSL_peek_ex(c->ssl, buf, n, &more)
                                 : SSL_read_ex(c->ssl, buf + got, n - got, &more);
        if (r != 1) {
            r = outcome(c, r);
            if (r == -EAGAIN && got == 0)
                return r;
            break;
        }
        got += more;
        if (flags & MSG_PEEK)
            break;
    }
    return got > 0 ? (ssize_t)got : c->got_close ? 0 : c->error;
}

static ssize_t receive(struct ly_sock *s, struct ly__tls_conn *c, void *buf, size_t n, int flags,
                       int64_t deadline)
{
    ssize_t r = shake(s, c, deadline);
    if (r == LY_ECUT && !c->heard && SSL_is_server(c->ssl))
        return 0; /* a client that came and went; nothing was cut */
    while (r == 0) {
        r = take(c, buf, n, flags);
        if (r != -EAGAIN)
            break;
        r = get_more(s, c, deadline);
    }
    if (c->in.start == c->in.end && !c->flows)
        ly__tls_bytes_free(&c->in);
    return r;
}

static ssize_t tls_recv(struct ly_sock *s, void *buf, size_t n, int flags, int64_t deadline)
{
    int r = allowed();
    struct ly__tls_conn *c = r < 0 ? NULL : ly__tls_enter(s, &r);
    if (!c)
        return r;
    ssize_t got = receive(s, c, buf, n, flags, deadline);
    ly__tls_leave(c);
    if (got >= 0)
        ly__fiber_pay();
    return got;
}

/* ---- sending ---- */

/* Pieces that are still to be sent. */
struct pieces {
    const struct iovec *iov;
    size_t count, offset; /* offset: into the first */
};

static void skip(struct pieces *p, size_t n)
{
    p->offset += n;
    while (p->count > 0 && p->offset >= p->iov->iov_len) {
        p->offset -= p->iov->iov_len;
        p->iov++;
        p->count--;
    }
}

/* The bytes of the next record: where they lie if one piece has enough, else gathered in scratch. */
static const void *next_record(const struct pieces *p, unsigned char *scratch, size_t *ret_n)
{
    struct pieces rest = *p;
    size_t n = rest.iov->iov_len - rest.offset, got = 0;
    if (n >= LY__TLS_RECORD || rest.count == 1) {
        *ret_n = n < LY__TLS_RECORD ? n : LY__TLS_RECORD;
        return (const char *)rest.iov->iov_base + rest.offset;
    }
    while (rest.count > 0 && got < LY__TLS_RECORD) {
        n = rest.iov->iov_len - rest.offset;
        n = n < LY__TLS_RECORD - got ? n : LY__TLS_RECORD - got;
        memcpy(scratch + got, (const char *)rest.iov->iov_base + rest.offset, n);
        got += n;
        skip(&rest, n);
    }
    *ret_n = got;
    return scratch;
}

/* Encrypt one record. Returns its bytes or an error. */
static ssize_t put_record(struct ly__tls_conn *c, struct pieces *p)
{
    size_t n, written = 0;
    bool last = p->count == 1 && p->iov->iov_len - p->offset <= LY__TLS_RECORD;
    int r = ly__tls_bytes_reserve(&c->out, last || c->out.at ? LY__TLS_WRAPPED : LY__TLS_ROOM);
    if (r < 0)
        return r;
    /* What is gathered lies where OpenSSL, which copies first, will have its record put. */
    const void *bytes = next_record(p, c->out.at + c->out.end, &n);
    keep_buffers(c, !last);
    r = SSL_write_ex(c->ssl, bytes, n, &written);
    if (r != 1) {
        r = outcome(c, r);
        return r == 0 || r == -EAGAIN ? (c->error = LY_ETLS) : r;
    }
    skip(p, written);
    return (ssize_t)written;
}

/* Have the kernel send, in records that it makes. Returns the bytes, -EAGAIN or an error. */
static ssize_t put_to_kernel(struct ly_sock *s, struct ly__tls_conn *c, struct pieces *p)
{
    struct iovec iov[PIECES];
    if (ly__tls_kernel_check(c) < 0)
        return c->error;
    size_t count = p->count < PIECES ? p->count : PIECES;
    memcpy(iov, p->iov, count * sizeof *iov);
    iov->iov_base = (char *)iov->iov_base + p->offset;
    iov->iov_len -= p->offset;
    ssize_t r = ly__tls_kernel_send(c->kernel, s->io.fd, iov, count);
    if (r < 0)
        return r == -EAGAIN ? r : (c->out_error = (int)r);
    skip(p, (size_t)r);
    return r;
}

static bool is_full(const struct ly__tls_bytes *out)
{
    return out->end + LY__TLS_WRAPPED > LY__TLS_ROOM;
}

static ssize_t send_pieces(struct ly_sock *s, struct ly__tls_conn *c, struct pieces *p, bool all,
                           int64_t deadline)
{
    ssize_t sent = 0, r = 0;
    while (p->count > 0 && r >= 0) {
        r = c->error ? c->error : c->out_error ? c->out_error : c->sent_close ? -EPIPE : 0;
        if (r == 0 && is_full(&c->out)) {
            r = flush(s, c, deadline);
            if (r == 0 && !all && sent > 0)
                return sent;
            continue;
        }
        if (r == 0)
            r = ly__tls_kernel_is_on(c->kernel) ? put_to_kernel(s, c, p) : put_record(c, p);
        sent += r > 0 ? r : 0;
        if (r == -EAGAIN && (all || sent == 0))
            r = flush(s, c, deadline);
    }
    if (r >= 0 || c->out.start < c->out.end) {
        int f = flush(s, c, deadline);
        r = r < 0 ? r : f;
    }
    return r < 0 && (all || sent == 0) ? r : sent;
}

static ssize_t tls_send(struct ly_sock *s, const struct iovec *iov, size_t count, bool all, int64_t deadline)
{
    struct pieces p = {.iov = iov, .count = count};
    int r = allowed();
    struct ly__tls_conn *c = r < 0 ? NULL : ly__tls_enter(s, &r);
    if (!c)
        return r;
    skip(&p, 0);
    ssize_t sent = shake(s, c, deadline);
    /* What the handshake or a time-out left there goes out with it: a segment of its own would have the peer
     * wait for the kernel's patience with small ones. */
    if (sent == 0)
        sent = send_pieces(s, c, &p, all, deadline);
    ly__tls_leave(c);
    if (sent >= 0)
        ly__fiber_pay();
    return sent;
}

/* For a file: have the kernel make the records. */
static int tls_to_kernel(struct ly_sock *s, int64_t deadline)
{
    int r = -EOPNOTSUPP;
    struct ly__tls_conn *c = ly__tls_kernel_is_there() ? ly__tls_enter(s, &r) : NULL;
    if (!c)
        return r;
    r = shake(s, c, deadline);
    if (r == 0)
        r = c->kernel && !c->kernel->unfit ? flush(s, c, deadline) : -EOPNOTSUPP;
    if (r == 0)
        r = c->error ? c->error : c->sent_close ? -EPIPE : 0;
    if (r == 0)
        r = c->kernel->on ? ly__tls_kernel_check(c) : ly__tls_kernel_begin(c, s->io.fd);
    ly__tls_leave(c);
    return r;
}

/* The file is sent as far as it went: what sendfile(2) left in front of TCP goes on its way. */
static int tls_from_kernel(struct ly_sock *s, bool is_cut, int64_t deadline)
{
    int r;
    struct ly__tls_conn *c = ly__tls_enter(s, &r);
    if (!c)
        return r;
    c->kernel->unsure = true;
    if (is_cut)
        ly__tls_kernel_push(s->io.fd);
    r = settle(s, c, deadline);
    ly__tls_leave(c);
    return r;
}

/* ---- ending ---- */

/* Put the closing message behind what goes out. */
static void put_close(struct ly__tls_conn *c)
{
    if (!c->is_up || c->sent_close || c->error || c->out_error)
        return;
    c->sent_close = true;
    SSL_shutdown(c->ssl);
    ERR_clear_error();
}

static int tls_shutdown(struct ly_sock *s, int how)
{
    int r;
    if (!atomic_load(&ly__tls_sock_of(s)->conn))
        return 0;
    struct ly__tls_conn *c = ly__tls_enter(s, &r);
    if (!c)
        return 0; /* shutdown(2) will say so */
    if (how == SHUT_RD || how == SHUT_RDWR)
        c->deaf = true;
    if (how == SHUT_WR || how == SHUT_RDWR) {
        put_close(c);
        r = flush(s, c, ly__sock_deadline(s));
        r = c->out_error ? 0 : r; /* the peer has gone */
    } else {
        r = 0;
    }
    ly__tls_leave(c);
    return r;
}

static void tls_close(struct ly_sock *s)
{
    struct ly__tls_conn *c = atomic_exchange(&ly__tls_sock_of(s)->conn, NULL);
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    put_close(c);
    if (s->io.fd >= 0)
        flush(s, c, LY__NOWAIT);
    c->closed = true;
    ly__tls_leave(c);
}

const struct ly__tls_ops ly__tls_calls = {
    .recv = tls_recv,
    .send = tls_send,
    .shutdown = tls_shutdown,
    .close = tls_close,
    .begin = ly__tls_begin,
    .to_kernel = tls_to_kernel,
    .from_kernel = tls_from_kernel,
    .why = ly_tls_why,
    .free_context = ly__tls_context_free,
};

/* ---- by hand ---- */

int ly_tls_handshake(struct ly_sock *s)
{
    if (!s->is_tls)
        return -EINVAL;
    int r = allowed();
    struct ly__tls_conn *c = r < 0 ? NULL : ly__tls_enter(s, &r);
    if (!c)
        return r;
    int64_t deadline = ly__sock_deadline(s);
    r = shake(s, c, deadline);
    if (r == 0)
        r = flush(s, c, deadline);
    ly__tls_leave(c);
    return r;
}
