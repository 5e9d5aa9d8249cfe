/* SPDX-License-Identifier: MIT */
/* A chunked body gives the same content however its bytes are cut, and no more than its limit. */
#include <lanyard/http.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define LIMIT 300

struct result {
    ssize_t taken; /* or the error */
    size_t length;
    bool done;
    char content[LIMIT];
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void begin(struct ly_http_body *b)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct ly_http_head h;
    ly_http_head_init(&h, LY_HTTP_RESPONSE, NULL);
    require(ly_http_head_parse(&h, text, sizeof text - 1) == sizeof text - 1);
    require(ly_http_body_init(b, &h, LY_HTTP_GET, LIMIT) == 0);
}

static void decode(const char *bytes, size_t size, size_t step, struct result *ret)
{
    struct ly_http_body b;
    struct ly_http_text content;
    size_t at = 0;
    begin(&b);
    ret->length = 0;
    ret->taken = 0;
    while (at < size && !b.done && ret->taken >= 0) {
        size_t give = size - at < step ? size - at : step;
        ssize_t r = ly_http_body_decode(&b, bytes + at, give, &content);
        if (r > 0) {
            require((size_t)r <= give && content.bytes >= bytes + at);
            require(content.bytes + content.length <= bytes + at + r);
            require(ret->length + content.length <= LIMIT);
            memcpy(ret->content + ret->length, content.bytes, content.length);
            ret->length += content.length;
            at += (size_t)r;
        }
        require(r != 0);
        ret->taken = r < 0 ? r : (ssize_t)at;
    }
    ret->done = b.done;
    require((ret->taken < 0) == (b.refusal != 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 2, 3, 7, 50};
    struct result whole, cut;
    const char *bytes = (const char *)data;
    decode(bytes, size, SIZE_MAX, &whole);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        decode(bytes, size, steps[i], &cut);
        require(cut.taken == whole.taken && cut.done == whole.done && cut.length == whole.length);
        require(memcmp(cut.content, whole.content, whole.length) == 0);
    }
    return 0;
}
