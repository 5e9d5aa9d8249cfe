/* SPDX-License-Identifier: MIT */
/* A request's head has one reading, however it comes; what was read is within it, and can be written again
 * as a request that is read alike. */
#include "http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_path(struct ly_http_text path)
{
    char *out = malloc(path.length + 1);
    require(out != NULL);
    ssize_t n = ly_http_path_decode(path, out, path.length + 1);
    require(n != LY_ETOOBIG);
    if (n > 0) {
        require(out[0] == '/' && strlen(out) == (size_t)n);
        require(!strstr(out, "//") && !strstr(out, "/./") && !strstr(out, "/../"));
        require(n < 2 || strcmp(out + n - 2, "/.") != 0);
        require(n < 3 || strcmp(out + n - 3, "/..") != 0);
    }
    free(out);
}

/* The same fields again, the framing by the writer. */
static void check_written(const struct ly_http_head *h)
{
    struct ly_buffer b;
    struct ly_http_head back;
    char method[64], target[256], host[256];
    if (h->method_text.length >= sizeof method || h->target.length >= sizeof target ||
        h->host.length >= sizeof host || h->host.length == 0)
        return;
    *(char *)mempcpy(method, h->method_text.bytes, h->method_text.length) = 0;
    *(char *)mempcpy(target, h->target.bytes, h->target.length) = 0;
    *(char *)mempcpy(host, h->host.bytes, h->host.length) = 0;
    ly_buffer_init(&b, 4096);
    require(ly_http_put_request(&b, method, target, host, h->chunked ? -1 : 0) == 0);
    require(ly_http_put_end(&b) == 0);
    ly_http_head_init(&back, LY_HTTP_REQUEST, NULL);
    require(ly_http_head_parse(&back, ly_buffer_bytes(&b), b.length) == (ssize_t)b.length);
    require(back.method == h->method && back.form == h->form && back.chunked == h->chunked);
    require(back.path.length == h->path.length && back.host.length == h->host.length);
    ly_buffer_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ly_http_head h;
    ssize_t r = parse_every_way(&h, LY_HTTP_REQUEST, data, size);
    if (r <= 0)
        return 0;
    require_fields(&h, r);
    require_inside(&h, h.method_text, r);
    require_inside(&h, h.target, r);
    require_inside(&h, h.host, r);
    require_inside(&h, h.path, r);
    require_inside(&h, h.query, r);
    require(h.version == 10 || h.version == 11);
    require(h.version == 10 || h.host.length > 0);
    check_path(h.path);
    if (h.content_length <= 0)
        check_written(&h);
    return 0;
}
