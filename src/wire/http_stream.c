/* SPDX-License-Identifier: MIT */
/* Messages over a buffered stream: the loops around the parsers. A head is read where the stream has it; so
 * are trailers. */
#include "wire/http.h"
#include <errno.h>
#include <lanyard/clock.h>

/* Have the next wait on the stream end by the deadline. */
static int bound(struct ly_stream *s, int64_t deadline)
{
    if (deadline == LY_NEVER)
        return 0;
    int64_t left = deadline - ly_now();
    if (left <= 0)
        return -ETIMEDOUT;
    return ly_sock_set_timeout(ly_stream_sock(s), (left + 999999) / 1000000);
}

/* More than `have` bytes of the stream. */
static ssize_t peek_more(struct ly_stream *s, size_t have, const char **ret_bytes, int64_t deadline)
{
    if (ly_stream_buffered(s) <= have) {
        int r = bound(s, deadline);
        if (r < 0)
            return r;
    }
    ssize_t n = ly_stream_peek(s, have + 1, ret_bytes);
    return n == 0 && have > 0 ? LY_EEOF : n;
}

int ly__http_head_recv(struct ly_stream *s, struct ly_http_head *h, int64_t deadline)
{
    size_t have = 0;
    for (;;) {
        const char *bytes;
        ssize_t n = peek_more(s, have, &bytes, deadline);
        if (n <= 0)
            return (int)n;
        ssize_t taken = ly_http_head_parse(h, bytes, (size_t)n);
        if (taken < 0)
            return (int)taken;
        if (taken > 0) {
            ly_stream_consume(s, (size_t)taken);
            return 1;
        }
        have = (size_t)n;
    }
}

int ly_http_head_recv(struct ly_stream *s, struct ly_http_head *h)
{
    return ly__http_head_recv(s, h, LY_NEVER);
}

/* ---- bodies ---- */

static int read_trailers(struct ly_stream *s, struct ly_http_body *b, struct ly_http_head *trailers,
                         int64_t deadline)
{
    struct ly_http_head dropped;
    struct ly_http_head *h = trailers ? trailers : &dropped;
    ly_http_head_init(h, LY_HTTP_TRAILERS, NULL);
    int r = ly__http_head_recv(s, h, deadline);
    if (r < 0 && h->refusal) {
        b->refusal = h->refusal;
        b->why = h->why;
    }
    b->own.ended = r > 0;
    return r == 0 ? LY_EEOF : r < 0 ? r : 0;
}

/* Content that needs no look at it: straight to the caller. */
static ssize_t read_plain(struct ly_stream *s, struct ly_http_body *b, void *buf, size_t n)
{
    struct ly_http_text content;
    if (b->framing != LY_HTTP_CLOSE && (int64_t)n > b->left)
        n = (size_t)b->left;
    ssize_t got = ly_stream_read(s, buf, n);
    if (got == 0 && b->framing == LY_HTTP_CLOSE)
        b->done = true;
    else if (got == 0)
        return LY_EEOF;
    if (got <= 0)
        return got;
    ssize_t r = ly_http_body_decode(b, buf, (size_t)got, &content);
    return r < 0 ? r : got;
}

/* One step through chunks: a piece of content, or 0 when there was only framing. */
static ssize_t read_chunked(struct ly_stream *s, struct ly_http_body *b, void *buf, size_t n)
{
    const char *bytes;
    struct ly_http_text content;
    ssize_t have = ly_stream_peek(s, 1, &bytes);
    if (have <= 0)
        return have == 0 ? LY_EEOF : have;
    /* Framing may take any of it; of content, no more than the caller has room for. */
    ssize_t taken = ly_http_body_decode(b, bytes, (size_t)have < n ? (size_t)have : n, &content);
    if (taken < 0)
        return taken;
    if (content.length > 0)
        memcpy(buf, content.bytes, content.length);
    ly_stream_consume(s, (size_t)taken);
    return (ssize_t)content.length;
}

ssize_t ly__http_body_read(struct ly_stream *s, struct ly_http_body *b, void *buf, size_t n,
                           struct ly_http_head *trailers, int64_t deadline)
{
    ssize_t r = 0;
    if (b->refusal)
        return ly_http_body_decode(b, NULL, 0, &(struct ly_http_text){NULL, 0});
    while (r == 0 && n > 0 && !b->done) {
        if (ly_stream_buffered(s) == 0)
            r = bound(s, deadline);
        if (r < 0)
            return r;
        r = b->framing == LY_HTTP_CHUNKED ? read_chunked(s, b, buf, n) : read_plain(s, b, buf, n);
    }
    if (r == 0 && b->done && b->framing == LY_HTTP_CHUNKED && !b->own.ended)
        r = read_trailers(s, b, trailers, deadline);
    return r;
}

ssize_t ly_http_body_read(struct ly_stream *s, struct ly_http_body *b, void *buf, size_t n,
                          struct ly_http_head *trailers)
{
    return ly__http_body_read(s, b, buf, n, trailers, LY_NEVER);
}
