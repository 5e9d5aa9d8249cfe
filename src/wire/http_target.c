/* SPDX-License-Identifier: MIT */
/* Targets of requests: which of the four forms, and their parts. */
#include "wire/http.h"
#include <errno.h>

/* ---- authorities ---- */

static bool is_port(const char *p, const char *end)
{
    int port = 0;
    if (end - p > 5)
        return false;
    for (; p < end; p++) {
        if (!ly__http_is_digit(*p))
            return false;
        port = port * 10 + (*p - '0');
    }
    return port <= 65535;
}

/* The end of "[...]"; NULL if it is none. */
static const char *skip_literal(const char *p, const char *end)
{
    const char *stop = ly__http_skip(p + 1, end, LY__HTTP_LITERAL);
    return stop < end && *stop == ']' && stop > p + 2 ? stop + 1 : NULL;
}

/* The end of a registered name, which may have escapes; NULL if one of them is bad. */
static const char *skip_name(const char *p, const char *end)
{
    for (;;) {
        p = ly__http_skip(p, end, LY__HTTP_NAME);
        if (p == end || *p != '%')
            return p;
        if (end - p < 3 || ly__http_hex(p[1]) < 0 || ly__http_hex(p[2]) < 0)
            return NULL;
        p += 3;
    }
}

bool ly__http_is_authority(struct ly_http_text text, bool needs_port)
{
    const char *p = text.bytes, *end = p + text.length;
    if (text.length == 0)
        return false;
    const char *stop = *p == '[' ? skip_literal(p, end) : skip_name(p, end);
    if (!stop || stop == p)
        return false;
    if (stop == end)
        return !needs_port;
    return *stop == ':' && is_port(stop + 1, end) && (!needs_port || stop + 1 < end);
}

/* ---- forms ---- */

static void split_query(struct ly_http_head *h, const char *path, const char *end)
{
    const char *mark = memchr(path, '?', (size_t)(end - path));
    h->path = (struct ly_http_text){path, (size_t)((mark ? mark : end) - path)};
    if (mark)
        h->query = (struct ly_http_text){mark + 1, (size_t)(end - mark) - 1};
}

static int read_absolute(struct ly_http_head *h)
{
    const char *p = h->target.bytes, *end = p + h->target.length;
    size_t scheme = 0;
    if (h->target.length > 7 && ly__http_same(p, "http", 4))
        scheme = memcmp(p + 4, "://", 3) == 0 ? 7 : 0;
    if (h->target.length > 8 && ly__http_same(p, "https", 5))
        scheme = memcmp(p + 5, "://", 3) == 0 ? 8 : 0;
    if (scheme == 0)
        return ly__http_refuse(h, 400, "the target is of no known form");
    const char *host = p + scheme, *stop = host;
    while (stop < end && *stop != '/' && *stop != '?')
        stop++;
    h->form = LY_HTTP_ABSOLUTE;
    h->host = (struct ly_http_text){host, (size_t)(stop - host)}; /* Host is ignored: RFC 9112, 3.2.2 */
    if (!ly__http_is_authority(h->host, false))
        return ly__http_refuse(h, 400, "the target names no host");
    split_query(h, stop, end);
    if (h->path.length == 0)
        h->path = (struct ly_http_text){host - 1, 1}; /* an empty path is "/", and there is one */
    return 0;
}

int ly__http_target_read(struct ly_http_head *h)
{
    const struct ly_http_text t = h->target;
    if (h->method == LY_HTTP_CONNECT) {
        if (!ly__http_is_authority(t, true))
            return ly__http_refuse(h, 400, "the target of CONNECT is no host and port");
        h->form = LY_HTTP_AUTHORITY;
        h->host = t;
        return 0;
    }
    if (t.length == 1 && t.bytes[0] == '*') {
        if (h->method != LY_HTTP_OPTIONS)
            return ly__http_refuse(h, 400, "the target * of another method than OPTIONS");
        h->form = LY_HTTP_ASTERISK;
        return 0;
    }
    if (t.bytes[0] != '/')
        return read_absolute(h);
    h->form = LY_HTTP_ORIGIN;
    split_query(h, t.bytes, t.bytes + t.length);
    return 0;
}

/* ---- paths ---- */

/* One byte, escaped or not, at *at, which is passed; -1 for a bad escape. */
static int take_byte(struct ly_http_text text, size_t *at)
{
    char c = text.bytes[(*at)++];
    if (c != '%')
        return (unsigned char)c;
    if (text.length - *at < 2)
        return -1;
    int high = ly__http_hex(text.bytes[*at]), low = ly__http_hex(text.bytes[*at + 1]);
    *at += 2;
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Where a path is built: the output, and what was read. */
struct path {
    struct ly_http_text in;
    size_t at; /* in `in` */
    char *out;
    size_t length, cap;
};

static int put(struct path *p, char c)
{
    if (p->length + 1 >= p->cap) /* the zero byte has its place */
        return LY_ETOOBIG;
    p->out[p->length++] = c;
    return 0;
}

static int put_segment(struct path *p)
{
    int r = put(p, '/');
    while (r == 0 && p->at < p->in.length && p->in.bytes[p->at] != '/') {
        int c = take_byte(p->in, &p->at);
        if (c <= 0 || c == '/')
            return LY_EHTTP;
        r = put(p, (char)c);
    }
    return r;
}

/* The segment from `start` on, its slash included, was "." or "..": take it back, and for ".." the one before
 * it. At the end of the path a slash stays. */
static int resolve_dots(struct path *p, size_t start)
{
    size_t n = p->length - start - 1;
    const char *segment = p->out + start + 1;
    if (n == 0 || n > 2 || segment[0] != '.' || segment[n - 1] != '.')
        return 0;
    p->length = start;
    if (n == 2) {
        if (start == 0)
            return LY_EHTTP;
        while (p->out[--p->length] != '/')
            ;
    }
    return p->at == p->in.length ? put(p, '/') : 0;
}

ssize_t ly_http_path_decode(struct ly_http_text path, char *ret_path, size_t cap)
{
    struct path p = {.in = path, .out = ret_path, .cap = cap};
    int r = path.length > 0 && path.bytes[0] == '/' ? 0 : LY_EHTTP;
    while (r == 0 && p.at < path.length) {
        size_t start = p.length;
        while (p.at < path.length && path.bytes[p.at] == '/')
            p.at++;
        r = put_segment(&p);
        if (r == 0)
            r = resolve_dots(&p, start);
    }
    if (r < 0)
        return r;
    ret_path[p.length] = 0;
    return (ssize_t)p.length;
}

/* ---- queries and forms ---- */

ssize_t ly_http_unescape(struct ly_http_text text, bool plus, char *ret_text, size_t cap)
{
    size_t n = 0, at = 0;
    while (at < text.length) {
        bool blank = plus && text.bytes[at] == '+';
        int c = take_byte(text, &at);
        if (c < 0)
            return LY_EHTTP;
        if (n + 1 >= cap)
            return LY_ETOOBIG;
        ret_text[n++] = blank ? ' ' : (char)c;
    }
    if (cap == 0)
        return LY_ETOOBIG;
    ret_text[n] = 0;
    return (ssize_t)n;
}

bool ly_http_form_next(struct ly_http_text *rest, struct ly_http_text *ret_name,
                       struct ly_http_text *ret_value)
{
    while (rest->length > 0) {
        const char *p = rest->bytes, *end = p + rest->length;
        const char *and = memchr(p, '&', rest->length);
        const char *stop = and? and : end;
        rest->bytes = and? and+1 : end;
        rest->length = (size_t)(end - rest->bytes);
        if (stop == p)
            continue;
        const char *equals = memchr(p, '=', (size_t)(stop - p));
        *ret_name = (struct ly_http_text){p, (size_t)((equals ? equals : stop) - p)};
        const char *value = equals ? equals + 1 : stop;
        *ret_value = (struct ly_http_text){value, (size_t)(stop - value)};
        return true;
    }
    return false;
}

/* Whether the text, once decoded, is this name. */
static bool decodes_to(struct ly_http_text text, const char *name)
{
    size_t at = 0, i = 0, n = strlen(name);
    while (at < text.length) {
        int c = text.bytes[at] == '+' ? (at++, ' ') : take_byte(text, &at);
        if (i == n || c != (unsigned char)name[i++])
            return false;
    }
    return i == n;
}

ssize_t ly_http_form_get(struct ly_http_text form, const char *name, char *ret_value, size_t cap)
{
    struct ly_http_text one, value;
    while (ly_http_form_next(&form, &one, &value))
        if (decodes_to(one, name))
            return ly_http_unescape(value, true, ret_value, cap);
    return -ENOENT;
}
