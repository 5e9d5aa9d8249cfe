/* SPDX-License-Identifier: MIT */
/*
 * Buffered streams.
 *
 * Reading: bytes are received into one buffer of fixed size and shown from it; what is larger than the buffer
 * goes straight to the caller. A wait that times out loses nothing: what came before it stays buffered.
 * Writing: small writes gather; one that does not fit goes out in one sendmsg(2) behind what was gathered,
 * uncopied. A write that failed leaves the peer with an unknown part of it, so the error stays and answers
 * every later write.
 */
#include "net/sock.h"
#include <errno.h>
#include <lanyard/stream.h>
#include <stdlib.h>
#include <string.h>

#define READ_DEFAULT \
    ((size_t)72 << 10) /* so that it holds a frame's header; what is not touched costs nothing */
#define WRITE_DEFAULT ((size_t)16 << 10)

struct ly_stream {
    struct ly_sock *sock;
    char *in; /* NULL until the first read */
    size_t in_start, in_length, in_size;
    char *out; /* NULL until the first write */
    size_t out_length, out_size;
    int out_error; /* of the first write that failed; 0: none did */
    bool borrow;
};

int ly_stream_open(struct ly_stream **ret_stream, struct ly_sock *sock,
                   const struct ly_stream_options *options)
{
    static const struct ly_stream_options defaults = {0};
    const struct ly_stream_options *o = options ? options : &defaults;
    struct ly_stream *s = malloc(sizeof *s);
    if (!s) {
        if (!o->borrow)
            ly_sock_free(sock);
        return -ENOMEM;
    }
    *s = (struct ly_stream){.sock = sock,
                            .in_size = o->read_size ? o->read_size : READ_DEFAULT,
                            .out_size = o->write_size ? o->write_size : WRITE_DEFAULT,
                            .borrow = o->borrow};
    *ret_stream = s;
    return 0;
}

void ly_stream_close(struct ly_stream *s)
{
    if (!s)
        return;
    ly_stream_flush(s);
    if (!s->borrow)
        ly_sock_free(s->sock);
    free(s->in);
    free(s->out);
    free(s);
}

struct ly_sock *ly_stream_sock(struct ly_stream *s)
{
    return s->sock;
}

/* ---- reading ---- */

static char *first(const struct ly_stream *s)
{
    return s->in + s->in_start;
}

/* Receive once behind what is buffered, which must leave room. Returns as ly_recv. */
static ssize_t fill(struct ly_stream *s, int64_t deadline)
{
    if (!s->in) {
        s->in = malloc(s->in_size);
        if (!s->in)
            return -ENOMEM;
    }
    if (s->in_start > 0 && s->in_length > 0)
        memmove(s->in, first(s), s->in_length);
    s->in_start = 0;
    ssize_t r = ly__sock_recv(s->sock, s->in + s->in_length, s->in_size - s->in_length, 0, deadline);
    if (r > 0)
        s->in_length += (size_t)r;
    return r;
}

static size_t take(struct ly_stream *s, char *buf, size_t n)
{
    if (n > s->in_length)
        n = s->in_length;
    if (n > 0)
        memcpy(buf, first(s), n);
    ly_stream_consume(s, n);
    return n;
}

ssize_t ly_stream_read(struct ly_stream *s, void *buf, size_t n)
{
    if (s->in_length == 0 && n > 0) {
        int64_t deadline = ly__sock_deadline(s->sock);
        if (n >= s->in_size)
            return ly__sock_recv(s->sock, buf, n, 0, deadline);
        ssize_t r = fill(s, deadline);
        if (r <= 0)
            return r;
    }
    return (ssize_t)take(s, buf, n);
}

/* Buffer at least n bytes, n being at most the buffer's size. Returns 1, 0 at the end of the stream, or an
 * error. */
static ssize_t gather(struct ly_stream *s, size_t n, int64_t deadline)
{
    ssize_t r = 1;
    while (s->in_length < n && r > 0)
        r = fill(s, deadline);
    return s->in_length >= n ? 1 : r;
}

ssize_t ly_stream_readall(struct ly_stream *s, void *buf, size_t n)
{
    int64_t deadline = ly__sock_deadline(s->sock);
    size_t done = 0;

    /* What fills the buffer goes straight to buf; the rest comes through the buffer, together with what the
     * peer sent behind it. */
    if (n >= s->in_size)
        done = take(s, buf, n);
    while (n - done >= s->in_size && n > done) {
        ssize_t r = ly__sock_recv(s->sock, (char *)buf + done, n - done, 0, deadline);
        if (r <= 0)
            return r < 0 ? r : LY_EEOF;
        done += (size_t)r;
    }
    ssize_t r = gather(s, n - done, deadline);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    take(s, (char *)buf + done, n - done);
    return (ssize_t)n;
}

ssize_t ly_stream_peek(struct ly_stream *s, size_t n, const char **ret_bytes)
{
    if (n > s->in_size)
        return LY_ETOOBIG;
    ssize_t r = gather(s, n, ly__sock_deadline(s->sock));
    if (r < 0)
        return r;
    if (r == 0)
        return s->in_length == 0 ? 0 : LY_EEOF;
    *ret_bytes = first(s);
    return (ssize_t)s->in_length;
}

void ly_stream_consume(struct ly_stream *s, size_t n)
{
    s->in_start += n;
    s->in_length -= n;
    if (s->in_length == 0)
        s->in_start = 0;
}

size_t ly_stream_buffered(const struct ly_stream *s)
{
    return s->in_length;
}

/* Bytes through the first delimiter among the first limit ones, of which the first `seen` are known to hold
 * the start of none; 0: there is none. */
static size_t find(const struct ly_stream *s, size_t seen, size_t limit, const void *delimiter, size_t length)
{
    size_t n = s->in_length < limit ? s->in_length : limit;
    if (n < seen + length)
        return 0;
    const char *at = memmem(first(s) + seen, n - seen, delimiter, length);
    return at ? (size_t)(at - first(s)) + length : 0;
}

ssize_t ly_stream_read_until(struct ly_stream *s, void *buf, size_t cap, const void *delimiter, size_t length)
{
    int64_t deadline = ly__sock_deadline(s->sock);
    size_t limit = cap < s->in_size ? cap : s->in_size;
    size_t seen = 0;

    if (length == 0)
        return -EINVAL;
    for (;;) {
        size_t n = find(s, seen, limit, delimiter, length);
        if (n > 0)
            return (ssize_t)take(s, buf, n);
        if (s->in_length >= limit)
            return LY_ETOOBIG;
        seen = s->in_length >= length ? s->in_length - length + 1 : 0;
        ssize_t r = fill(s, deadline);
        if (r < 0)
            return r;
        if (r == 0)
            return (ssize_t)take(s, buf, s->in_length);
    }
}

/* ---- writing ---- */

/* Send what is gathered and n bytes behind it. */
static int send_out(struct ly_stream *s, const void *bytes, size_t n)
{
    struct iovec iov[2] = {{.iov_base = s->out, .iov_len = s->out_length},
                           {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n}};
    bool gathered = s->out_length > 0;
    int r =
        ly__sock_sendallv(s->sock, iov + !gathered, gathered && n > 0 ? 2 : 1, 0, ly__sock_deadline(s->sock));
    s->out_length = 0;
    s->out_error = r;
    return r;
}

int ly_stream_write(struct ly_stream *s, const void *bytes, size_t n)
{
    if (s->out_error < 0)
        return s->out_error;
    if (n > s->out_size - s->out_length)
        return send_out(s, bytes, n);
    if (n == 0)
        return 0;
    if (!s->out) {
        s->out = malloc(s->out_size);
        if (!s->out)
            return -ENOMEM;
    }
    memcpy(s->out + s->out_length, bytes, n);
    s->out_length += n;
    return s->out_length == s->out_size ? ly_stream_flush(s) : 0;
}

int ly_stream_flush(struct ly_stream *s)
{
    if (s->out_error < 0 || s->out_length == 0)
        return s->out_error;
    return send_out(s, NULL, 0);
}
