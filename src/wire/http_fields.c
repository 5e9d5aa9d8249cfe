/* SPDX-License-Identifier: MIT */
/*
 * The fields that decide where a message ends and what becomes of its connection.
 *
 * Each is judged as soon as its line is complete; what they mean together is judged at the end of the head.
 * Two answers to "how long is the body" are refused even where they agree, since another recipient may look
 * at only one of them.
 */
#include "wire/http.h"

enum { CHUNKED_LAST = 1, OTHER_CODING = 2 }; /* own.codings */

static int read_host(struct ly_http_head *h, const char *bytes, const struct ly_http_field *f)
{
    if (h->kind != LY_HTTP_REQUEST)
        return 0;
    if (++h->own.hosts > 1)
        return ly__http_refuse(h, 400, "more than one Host");
    if (!ly__http_is_authority((struct ly_http_text){bytes + f->value, f->value_length}, false))
        return ly__http_refuse(h, 400, "Host names no host");
    h->own.host = f->value;
    h->own.host_n = f->value_length;
    return 0;
}

static int read_length(struct ly_http_head *h, struct ly_http_text value)
{
    if (++h->own.lengths > 1)
        return ly__http_refuse(h, 400, "more than one Content-Length");
    int r = ly__http_number(value, &h->content_length);
    if (r == LY_ETOOBIG)
        return ly__http_refuse(h, 413, "Content-Length is beyond any limit");
    return r < 0 ? ly__http_refuse(h, 400, "Content-Length is no number") : 0;
}

static bool is_token(struct ly_http_text text)
{
    const char *end = text.bytes + text.length;
    return text.length > 0 && ly__http_skip(text.bytes, end, LY__HTTP_TOKEN) == end;
}

static int read_codings(struct ly_http_head *h, struct ly_http_text value)
{
    struct ly_http_text coding;
    while (ly__http_list_next(&value, &coding)) {
        if (!is_token(coding))
            return ly__http_refuse(h, 400, "Transfer-Encoding is no list of codings");
        if (h->own.codings & CHUNKED_LAST)
            return ly__http_refuse(h, 400, "a transfer coding behind chunked");
        h->own.codings |= ly_http_text_is(coding, "chunked") ? CHUNKED_LAST : OTHER_CODING;
    }
    return 0;
}

static int read_connection(struct ly_http_head *h, struct ly_http_text value)
{
    struct ly_http_text option;
    while (ly__http_list_next(&value, &option)) {
        if (option.length == 5 && ly__http_same(option.bytes, "close", 5))
            h->own.close = true;
        else if (option.length == 10 && ly__http_same(option.bytes, "keep-alive", 10))
            h->own.stay = true;
        else if (option.length == 7 && ly__http_same(option.bytes, "upgrade", 7))
            h->upgrade = true;
    }
    return 0;
}

static int read_expect(struct ly_http_head *h, struct ly_http_text value)
{
    if (h->kind != LY_HTTP_REQUEST)
        return 0;
    if (!ly_http_text_is(value, "100-continue"))
        return ly__http_refuse(h, 417, "an expectation that is not known");
    h->own.expects = 1;
    return 0;
}

int ly__http_field_read(struct ly_http_head *h, const char *bytes, const struct ly_http_field *f)
{
    const char *name = bytes + f->name;
    const struct ly_http_text value = {bytes + f->value, f->value_length};
    switch (f->name_length) { /* few names have these lengths */
    case 4:
        if (ly__http_same(name, "host", 4))
            return h->kind == LY_HTTP_TRAILERS ? ly__http_refuse(h, 400, "Host among the trailers")
                                               : read_host(h, bytes, f);
        break;
    case 6:
        if (ly__http_same(name, "expect", 6))
            return read_expect(h, value);
        break;
    case 10:
        if (ly__http_same(name, "connection", 10))
            return read_connection(h, value);
        break;
    case 14:
        if (ly__http_same(name, "content-length", 14))
            return h->kind == LY_HTTP_TRAILERS ? ly__http_refuse(h, 400, "Content-Length among the trailers")
                                               : read_length(h, value);
        break;
    case 17:
        if (ly__http_same(name, "transfer-encoding", 17))
            return h->kind == LY_HTTP_TRAILERS
                       ? ly__http_refuse(h, 400, "Transfer-Encoding among the trailers")
                       : read_codings(h, value);
        break;
    default:
        break;
    }
    return 0;
}

/* RFC 9112, 6.1: a coding that is not known is answered by 501, but without chunked at the end nobody could
 * tell where such a message ends. */
static int check_codings(struct ly_http_head *h)
{
    if (h->own.codings == 0)
        return 0;
    if (h->own.lengths > 0)
        return ly__http_refuse(h, 400, "both Transfer-Encoding and Content-Length");
    if (h->version < 11)
        return ly__http_refuse(h, 400, "Transfer-Encoding in HTTP/1.0");
    if (!(h->own.codings & CHUNKED_LAST))
        return ly__http_refuse(h, 400, "Transfer-Encoding without chunked at the end");
    if (h->own.codings & OTHER_CODING)
        return ly__http_refuse(h, 501, "a transfer coding that is not known");
    h->chunked = true;
    return 0;
}

int ly__http_fields_end(struct ly_http_head *h)
{
    if (h->kind == LY_HTTP_TRAILERS)
        return 0;
    if (h->kind == LY_HTTP_REQUEST && h->version >= 11 && h->own.hosts == 0)
        return ly__http_refuse(h, 400, "no Host");
    h->keep_alive = !h->own.close && (h->version >= 11 || h->own.stay);
    h->expects_continue = h->own.expects && h->version >= 11;
    return check_codings(h);
}
