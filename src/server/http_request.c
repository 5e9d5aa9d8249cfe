/* SPDX-License-Identifier: MIT */
/* What a handler sees of a request, and reading its body. */
#include "server/http.h"
#include "wire/http.h"
#include <errno.h>

#define BODY_TIMEOUT 20000
#define LEAST_RATE 500 /* bytes a second that a body has to come with, beyond its time-out */
#define DROP_MAX 65536 /* bytes of a body that are read for nothing, to keep the connection */
#define PIECE 16384    /* read at once into a buffer that grows */

const struct ly_http_head *ly_http_request(const struct ly_http *x)
{
    return &x->head;
}

const char *ly_http_path(const struct ly_http *x)
{
    return ly_buffer_bytes(&x->bytes) + x->path;
}

const char *ly_http_rest(const struct ly_http *x)
{
    return ly_buffer_bytes(&x->bytes) + x->rest;
}

bool ly_http_field(const struct ly_http *x, const char *name, struct ly_http_text *ret_value)
{
    return ly_http_head_find(&x->head, name, NULL, ret_value);
}

bool ly_http_trailer(const struct ly_http *x, const char *name, struct ly_http_text *ret_value)
{
    return ly_http_head_find(&x->trailers, name, NULL, ret_value);
}

ssize_t ly_http_parameter(const struct ly_http *x, const char *name, char *ret_value, size_t cap)
{
    return ly_http_form_get(x->head.query, name, ret_value, cap);
}

struct ly_request *ly_http_connection(const struct ly_http *x)
{
    return x->rq;
}

void *ly_http_user(const struct ly_http *x)
{
    return x->site->user;
}

int ly_http_credentials(const struct ly_http *x, char *text, size_t cap, const char **ret_user,
                        const char **ret_password)
{
    struct ly_http_text value, second;
    int from = 0;
    if (!ly_http_head_find(&x->head, "Authorization", &from, &value))
        return -ENOENT;
    if (ly_http_head_find(&x->head, "Authorization", &from, &second))
        return LY_EHTTP;
    return ly_http_basic(value, text, cap, ret_user, ret_password);
}

/* ---- the body ---- */

/* The client that waits for it is told to go on. Once the answer has begun it is too late for that, and one
 * that has sent its body does not wait. */
static int tell_to_continue(struct ly_http *x)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    bool waits = x->head.expects_continue && !x->continued && x->stage == LY__HTTP_WAITING &&
                 ly_stream_buffered(x->stream) == 0;
    x->continued = true;
    if (!waits)
        return 0;
    int r = ly_stream_write(x->stream, text, sizeof text - 1);
    return r < 0 ? r : ly_http_flush(x);
}

static int64_t deadline(struct ly_http *x)
{
    int64_t ms = ly__http_timeout(x->site->body_timeout_ms, BODY_TIMEOUT);
    ly_sock_set_timeout(x->rq->sock, LY_FOREVER); /* unless the deadline says otherwise */
    if (ms == LY_FOREVER)
        return LY_NEVER;
    if (x->read_since == 0)
        x->read_since = ly_now();
    return x->read_since + ms * 1000000 + x->received / LEAST_RATE * 1000000000;
}

ssize_t ly_http_read(struct ly_http *x, void *buf, size_t n)
{
    if (ly__http_body_is_over(x))
        return 0;
    ssize_t r = tell_to_continue(x);
    if (r == 0)
        r = ly__http_body_read(x->stream, &x->body, buf, n, &x->trailers, deadline(x));
    if (r > 0)
        x->received += r;
    if (r == -ETIMEDOUT && !ly_cancelled()) {
        x->refusal = 408;
        x->why = "the body did not come in time";
    } else if (x->body.refusal) {
        x->refusal = x->body.refusal;
        x->why = x->body.why;
    } else if (r < 0) {
        x->refusal = 400;
        x->why = "the body did not come whole";
    }
    x->close = x->close || r < 0;
    return r;
}

int ly_http_read_all(struct ly_http *x, size_t max, struct ly_http_text *ret_body)
{
    ssize_t n = 1;
    if (x->body.framing == LY_HTTP_LENGTH && x->body.left > 0 && (uint64_t)x->body.left > max)
        n = LY_ETOOBIG;
    while (n > 0) {
        char *place;
        size_t length = x->content.length, room = max - length < PIECE ? max - length + 1 : PIECE;
        int r = ly_buffer_reserve(&x->content, room, &place);
        if (r < 0)
            return r;
        n = ly_http_read(x, place, room);
        if (n > 0 && (size_t)n > max - length)
            n = LY_ETOOBIG;
        if (n > 0)
            ly_buffer_commit(&x->content, (size_t)n);
    }
    if (n == LY_ETOOBIG) {
        x->refusal = 413;
        x->why = "the body is too long";
    }
    *ret_body = (struct ly_http_text){ly_buffer_bytes(&x->content), x->content.length};
    return (int)n;
}

bool ly__http_drop_body(struct ly_http *x)
{
    char dropped[4096];
    size_t total = 0;
    if (x->head.expects_continue && !x->continued)
        return false; /* it may come or not */
    if (x->body.framing == LY_HTTP_LENGTH && x->body.left > DROP_MAX)
        return false;
    if (ly_stream_buffered(x->stream) == 0 && ly_http_flush(x) < 0)
        return false;
    for (;;) {
        ssize_t n = ly_http_read(x, dropped, sizeof dropped);
        total += n > 0 ? (size_t)n : 0;
        if (n <= 0 || total > DROP_MAX)
            return n == 0;
    }
}
