/* SPDX-License-Identifier: MIT */
/* What holds of any head, whatever its kind. */
#ifndef LY_FUZZ_HTTP_HEAD_H
#define LY_FUZZ_HTTP_HEAD_H

#include <lanyard/http.h>
#include <stdlib.h>
#include <string.h>

static inline void require(bool holds)
{
    if (!holds)
        abort();
}

static inline void require_inside(const struct ly_http_head *h, struct ly_http_text text, ssize_t length)
{
    if (text.bytes)
        require(text.bytes >= h->bytes && text.bytes + text.length <= h->bytes + length);
}

/* No byte of it ends a line, or is NUL. */
static inline void require_plain(struct ly_http_text text)
{
    for (size_t i = 0; i < text.length; i++)
        require(text.bytes[i] != '\r' && text.bytes[i] != '\n' && text.bytes[i] != 0);
}

static inline void require_fields(const struct ly_http_head *h, ssize_t length)
{
    struct ly_http_text name, value;
    for (int i = 0; i < h->count; i++) {
        ly_http_head_at(h, i, &name, &value);
        require_inside(h, name, length);
        require_inside(h, value, length);
        require(name.length > 0);
        require_plain(name);
        require_plain(value);
    }
    require(!h->chunked || h->content_length < 0);
}

/* Parse at once, and in two pieces and byte by byte: one answer. The pieces are copied, so that reading
 * beyond them is seen. */
static inline ssize_t parse_every_way(struct ly_http_head *h, enum ly_http_kind kind, const uint8_t *data,
                                      size_t size)
{
    const char *bytes = (const char *)data;
    const struct ly_http_limits limits = {.line = 200, .head = 1000, .fields = 10};
    struct ly_http_head slow;
    ssize_t r, again = 0;

    ly_http_head_init(h, kind, &limits);
    r = ly_http_head_parse(h, bytes, size);
    ly_http_head_init(&slow, kind, &limits);
    for (size_t have = 0; have <= size && again == 0; have++) {
        char *piece = malloc(have + 1);
        require(piece != NULL);
        memcpy(piece, bytes, have);
        again = ly_http_head_parse(&slow, piece, have);
        ly_http_head_move(&slow, bytes);
        free(piece);
    }
    require(again == r && slow.refusal == h->refusal && slow.count == h->count);
    require(slow.chunked == h->chunked && slow.content_length == h->content_length);
    require(r <= (ssize_t)size && (r < 0) == (h->refusal != 0));
    require(r >= 0 || r == LY_EHTTP || r == LY_ETOOBIG);
    return r;
}

#endif
