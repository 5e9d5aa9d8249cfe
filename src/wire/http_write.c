/* SPDX-License-Identifier: MIT */
/*
 * Writing heads and chunks.
 *
 * What delimits a body is written here, from what is known of it, and can be written nowhere else: a field of
 * that name is refused. So is every byte that would end a line. The first lines are put together in room
 * reserved once, which is what keeps a small answer's head cheap.
 */
#include "wire/http.h"
#include <errno.h>

#define FIRST_LINES 256 /* the longest status line, Date, and the fields that delimit: below that */

static char *add(char *p, const char *text)
{
    return mempcpy(p, text, strlen(text));
}

static char *add_number(char *p, int64_t number)
{
    char digits[20], *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return mempcpy(p, first, (size_t)(digits + sizeof digits - first));
}

static int append_built(struct ly_buffer *b, const char *text, const char *end)
{
    return ly_buffer_append(b, text, (size_t)(end - text));
}

/* ---- responses ---- */

static bool never_has_body(int status)
{
    return status < 200 || status == 204 || status == 304;
}

static enum ly_http_framing choose_framing(const struct ly_http_head *request, int status, int64_t length)
{
    bool tunnel = request && request->method == LY_HTTP_CONNECT && status < 300;
    if (never_has_body(status) || tunnel)
        return LY_HTTP_NO_BODY;
    if (length >= 0)
        return LY_HTTP_LENGTH;
    return request && request->version >= 11 ? LY_HTTP_CHUNKED : LY_HTTP_CLOSE;
}

static char *add_framing(char *p, enum ly_http_framing framing, int64_t length)
{
    if (framing == LY_HTTP_CHUNKED)
        return add(p, "Transfer-Encoding: chunked\r\n");
    if (framing != LY_HTTP_LENGTH)
        return p;
    return add(add_number(add(p, "Content-Length: "), length), "\r\n");
}

static char *add_connection(char *p, const struct ly_http_head *request, bool keep_alive)
{
    if (!keep_alive)
        return add(p, "Connection: close\r\n");
    return request->version < 11 ? add(p, "Connection: keep-alive\r\n") : p;
}

static char *add_date(char *p)
{
    p = add(p, "Date: ");
    ly_http_date(p);
    return add(p + LY_HTTP_DATE_SIZE - 1, "\r\n");
}

int ly_http_put_response(struct ly_buffer *b, const struct ly_http_head *request, int status, int64_t length,
                         bool close, struct ly_http_answer *ret_answer)
{
    char text[FIRST_LINES];
    if (status < 100 || status > 599)
        return -EINVAL;
    enum ly_http_framing framing = choose_framing(request, status, length);
    bool keep_alive = request && request->keep_alive && !close && framing != LY_HTTP_CLOSE;

    char *p = add_number(add(text, "HTTP/1.1 "), status);
    *p++ = ' ';
    p = add(add(p, ly_http_reason(status)), "\r\n");
    if (status >= 200) {
        p = add_date(p);
        p = add_framing(p, framing, length);
        p = add_connection(p, request, keep_alive);
    }
    int r = append_built(b, text, p);
    if (r < 0)
        return r;
    if (request && request->method == LY_HTTP_HEAD)
        framing = LY_HTTP_NO_BODY;
    *ret_answer = (struct ly_http_answer){.framing = framing, .keep_alive = keep_alive || status < 200};
    return 0;
}

/* ---- requests ---- */

static bool is_all(const char *text, unsigned class)
{
    size_t n = strlen(text);
    return n > 0 && ly__http_skip(text, text + n, class) == text + n;
}

static int append_texts(struct ly_buffer *b, const char *const *texts, size_t count)
{
    char *p;
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += strlen(texts[i]);
    int r = ly_buffer_reserve(b, n, &p);
    if (r < 0)
        return r;
    for (size_t i = 0; i < count; i++)
        p = add(p, texts[i]);
    ly_buffer_commit(b, n);
    return 0;
}

int ly_http_put_request(struct ly_buffer *b, const char *method, const char *target, const char *host,
                        int64_t length)
{
    char framing[64];
    const struct ly_http_text authority = {host, strlen(host)};
    enum ly_http_method known = ly_http_method_of(method, strlen(method));
    bool announces = length > 0 || (known & (LY_HTTP_POST | LY_HTTP_PUT | LY_HTTP_PATCH)) != 0;

    if (!is_all(method, LY__HTTP_TOKEN) || !is_all(target, LY__HTTP_TARGET) ||
        !ly__http_is_authority(authority, false))
        return -EINVAL;
    enum ly_http_framing kind = length < 0 ? LY_HTTP_CHUNKED : announces ? LY_HTTP_LENGTH : LY_HTTP_NO_BODY;
    *add_framing(framing, kind, length) = 0;
    const char *const texts[] = {method, " ", target, " HTTP/1.1\r\nHost: ", host, "\r\n", framing};
    return append_texts(b, texts, sizeof texts / sizeof *texts);
}

/* ---- fields ---- */

static bool is_name(struct ly_http_text name)
{
    const char *end = name.bytes + name.length;
    if (name.length == 0 || ly__http_skip(name.bytes, end, LY__HTTP_TOKEN) != end)
        return false;
    return !(name.length == 14 && ly__http_same(name.bytes, "content-length", 14)) &&
           !(name.length == 17 && ly__http_same(name.bytes, "transfer-encoding", 17));
}

int ly_http_put_field_bytes(struct ly_buffer *b, struct ly_http_text name, struct ly_http_text value)
{
    char *p;
    const char *end = value.bytes + value.length;
    if (!is_name(name) || (value.length > 0 && ly__http_skip_value(value.bytes, end) != end))
        return -EINVAL;
    if (name.length > b->max || value.length > b->max)
        return LY_ETOOBIG;
    int r = ly_buffer_reserve(b, name.length + value.length + 4, &p);
    if (r < 0)
        return r;
    p = mempcpy(mempcpy(p, name.bytes, name.length), ": ", 2);
    if (value.length > 0)
        p = mempcpy(p, value.bytes, value.length);
    memcpy(p, "\r\n", 2);
    ly_buffer_commit(b, name.length + value.length + 4);
    return 0;
}

int ly_http_put_field(struct ly_buffer *b, const char *name, const char *value)
{
    return ly_http_put_field_bytes(b, (struct ly_http_text){name, strlen(name)},
                                   (struct ly_http_text){value, strlen(value)});
}

int ly_http_put_end(struct ly_buffer *b)
{
    return ly_buffer_append(b, "\r\n", 2);
}

/* ---- chunks ---- */

size_t ly_http_chunk_head(char ret_head[LY_HTTP_CHUNK_HEAD], size_t n)
{
    static const char digits[] = "0123456789abcdef";
    int shift = 0;
    while (shift < 60 && n >> shift > 15)
        shift += 4;
    char *p = ret_head;
    for (; shift >= 0; shift -= 4)
        *p++ = digits[n >> shift & 15];
    p = add(p, "\r\n");
    *p = 0;
    return (size_t)(p - ret_head);
}

int ly_http_put_chunk(struct ly_buffer *b, const void *bytes, size_t n)
{
    char head[LY_HTTP_CHUNK_HEAD], *p;
    if (n == 0)
        return 0;
    if (n > b->max)
        return LY_ETOOBIG;
    size_t length = ly_http_chunk_head(head, n);
    int r = ly_buffer_reserve(b, length + n + 2, &p);
    if (r < 0)
        return r;
    p = mempcpy(mempcpy(p, head, length), bytes, n);
    memcpy(p, "\r\n", 2);
    ly_buffer_commit(b, length + n + 2);
    return 0;
}

int ly_http_put_last_chunk(struct ly_buffer *b)
{
    return ly_buffer_append(b, "0\r\n", 3);
}
