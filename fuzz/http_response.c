/* SPDX-License-Identifier: MIT */
/* A response's head has one reading, however it comes; so have trailers. */
#include "http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ly_http_head h;
    struct ly_http_body b;
    ssize_t r = parse_every_way(&h, LY_HTTP_RESPONSE, data, size);
    if (r > 0) {
        require_fields(&h, r);
        require_inside(&h, h.reason, r);
        require_plain(h.reason);
        require(h.status >= 100 && h.status < 600);
        require(ly_http_body_init(&b, &h, LY_HTTP_GET, INT64_MAX) == 0);
        require(b.framing != LY_HTTP_LENGTH || b.left == h.content_length);
    }
    r = parse_every_way(&h, LY_HTTP_TRAILERS, data, size);
    if (r > 0) {
        require_fields(&h, r);
        require(h.content_length < 0 && !h.chunked);
    }
    return 0;
}
