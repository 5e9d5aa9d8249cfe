/* SPDX-License-Identifier: MIT */
/* Answers: whole, in pieces, and those of the library itself. */
#include "server/http.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define SEND_TIMEOUT 30000
#define PIECE ((size_t)64 << 10) /* bytes that have to go within the time-out */
#define DROP_MAX 65536           /* as in http_request.c: a longer body is not read for nothing */

/* ---- sending ---- */

static void bound_sending(struct ly_http *x)
{
    ly_sock_set_timeout(x->rq->sock, ly__http_timeout(x->site->send_timeout_ms, SEND_TIMEOUT));
}

/* Sending has ended with r. */
static int sent(struct ly_http *x, int r)
{
    if (r < 0)
        x->broken = x->lost = true;
    return r;
}

static int send_bytes(struct ly_http *x, const void *bytes, size_t n)
{
    int r = 0;
    for (size_t at = 0; at < n && r == 0; at += PIECE) {
        bound_sending(x);
        r = ly_stream_write(x->stream, (const char *)bytes + at, n - at < PIECE ? n - at : PIECE);
    }
    return sent(x, r);
}

int ly_http_flush(struct ly_http *x)
{
    bound_sending(x);
    return sent(x, ly_stream_flush(x->stream));
}

/* ---- heads ---- */

int ly_http_add(struct ly_http *x, const char *name, const char *value)
{
    if (x->stage != LY__HTTP_WAITING || strcasecmp(name, "connection") == 0 || strcasecmp(name, "date") == 0)
        return -EINVAL;
    return ly_http_put_field(&x->fields, name, value);
}

void ly_http_end_connection(struct ly_http *x)
{
    x->close = true;
}

/* Whether what the client still sends would have to be read for nothing. */
static bool leaves_body(const struct ly_http *x)
{
    if (ly__http_body_is_over(x))
        return false;
    return (x->head.expects_continue && !x->continued) || x->body.refusal ||
           (x->body.framing == LY_HTTP_LENGTH && x->body.left > DROP_MAX);
}

static int put_head(struct ly_http *x, int status, const char *type, int64_t length)
{
    const struct ly_http_head *request = x->head.refusal ? NULL : &x->head;
    bool close = x->close || leaves_body(x) || ly__http_is_draining(x) || ly__http_gives_way(x);
    ly_buffer_clear(&x->out);
    int r = ly_http_put_response(&x->out, request, status, length, close, &x->answer);
    if (r == 0 && x->site->name)
        r = ly_http_put_field(&x->out, "Server", x->site->name);
    if (r == 0 && type)
        r = ly_http_put_field(&x->out, "Content-Type", type);
    if (r == 0)
        r = ly_buffer_append(&x->out, ly_buffer_bytes(&x->fields), x->fields.length);
    return r < 0 ? r : ly_http_put_end(&x->out);
}

int ly_http_begin(struct ly_http *x, int status, const char *type, int64_t length)
{
    if (x->stage != LY__HTTP_WAITING || status < 200)
        return -EINVAL;
    int r = put_head(x, status, type, length);
    if (r < 0)
        return r;
    x->stage = LY__HTTP_BEGUN;
    ly_buffer_clear(&x->fields); /* from now on: trailers */
    x->status = status;
    x->left = x->answer.framing == LY_HTTP_LENGTH ? length : -1;
    return send_bytes(x, ly_buffer_bytes(&x->out), x->out.length);
}

/* ---- bodies ---- */

static int send_chunk(struct ly_http *x, const void *bytes, size_t n)
{
    char head[LY_HTTP_CHUNK_HEAD];
    int r = send_bytes(x, head, ly_http_chunk_head(head, n));
    if (r == 0)
        r = send_bytes(x, bytes, n);
    return r < 0 ? r : send_bytes(x, "\r\n", 2);
}

int ly_http_write(struct ly_http *x, const void *bytes, size_t n)
{
    if (x->stage != LY__HTTP_BEGUN)
        return -EINVAL;
    if (n == 0 || x->answer.framing == LY_HTTP_NO_BODY)
        return 0;
    if (x->answer.framing == LY_HTTP_LENGTH) {
        if (n > (uint64_t)x->left)
            return LY_ETOOBIG;
        x->left -= (int64_t)n;
    }
    x->sent += (int64_t)n;
    return x->answer.framing == LY_HTTP_CHUNKED ? send_chunk(x, bytes, n) : send_bytes(x, bytes, n);
}

int ly_http_add_trailer(struct ly_http *x, const char *name, const char *value)
{
    if (x->stage != LY__HTTP_BEGUN || strcasecmp(name, "host") == 0 || strcasecmp(name, "connection") == 0)
        return -EINVAL;
    return ly_http_put_field(&x->fields, name, value);
}

static int send_last_chunk(struct ly_http *x)
{
    int r = send_bytes(x, "0\r\n", 3);
    if (r == 0)
        r = send_bytes(x, ly_buffer_bytes(&x->fields), x->fields.length);
    return r < 0 ? r : send_bytes(x, "\r\n", 2);
}

int ly__http_end_answer(struct ly_http *x)
{
    if (x->stage != LY__HTTP_BEGUN || x->broken)
        return 0;
    x->stage = LY__HTTP_ENDED;
    if (x->left > 0) {
        x->broken = true; /* the client counts, and notices */
        return 0;
    }
    return x->answer.framing == LY_HTTP_CHUNKED ? send_last_chunk(x) : 0;
}

int ly_http_answer(struct ly_http *x, int status, const char *type, const void *bytes, size_t n)
{
    if (n > INT64_MAX)
        return -EINVAL;
    int r = ly_http_begin(x, status, type, (int64_t)n);
    return r < 0 ? r : ly_http_write(x, bytes, n);
}

/* ---- files ---- */

static int send_file(struct ly_http *x, int fd, int64_t size)
{
    int r = ly_http_flush(x);
    if (r < 0 || size == 0)
        return r;
    int64_t n = ly_sendfile(x->rq->sock, fd, 0, size);
    x->broken = x->broken || n < size; /* it has become shorter, or the client is gone */
    x->left -= n > 0 ? n : 0;
    x->sent += n > 0 ? n : 0;
    return n < 0 ? (int)n : 0;
}

int ly_http_answer_file(struct ly_http *x, int status, const char *type, int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    int r = ly_http_begin(x, status, type, st.st_size);
    if (r < 0 || x->answer.framing == LY_HTTP_NO_BODY)
        return r;
    return send_file(x, fd, st.st_size);
}

/* ---- the library's own ---- */

int ly_http_answer_status(struct ly_http *x, int status)
{
    char text[64];
    int n = snprintf(text, sizeof text, "%d %s\n", status, ly_http_reason(status));
    return ly_http_answer(x, status, "text/plain; charset=utf-8", text, (size_t)n);
}

int ly__http_refuse_request(struct ly_http *x, int status, const char *why)
{
    x->close = true;
    x->why = why;
    ly_buffer_clear(&x->fields);
    if (ly_http_answer_status(x, status) < 0)
        x->broken = true;
    return 0;
}

int ly_http_challenge(struct ly_http *x, const char *realm)
{
    static const char end[] = "\", charset=\"UTF-8\"";
    struct ly_buffer value;
    ly_buffer_init(&value, 1024);
    int r = ly_buffer_append(&value, "Basic realm=\"", 13);
    for (; *realm && r == 0; realm++) {
        if (*realm == '"' || *realm == '\\')
            r = ly_buffer_append(&value, "\\", 1);
        if (r == 0)
            r = ly_buffer_append(&value, realm, 1);
    }
    if (r == 0)
        r = ly_buffer_append(&value, end, sizeof end); /* with its zero byte */
    if (r == 0)
        r = ly_http_add(x, "WWW-Authenticate", ly_buffer_bytes(&value));
    ly_buffer_done(&value);
    return r < 0 ? r : ly_http_answer_status(x, 401);
}
