/* SPDX-License-Identifier: MIT */
/* Reading a head as it may come: at once, byte by byte, and cut in two at every place, always from memory
 * that is exactly as long. Whatever the cut, the answer has to be the same. */
#ifndef LY_TEST_HTTP_CUT_H
#define LY_TEST_HTTP_CUT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/http.h>

#define BYTES(text) (text), sizeof(text) - 1

static inline ssize_t parse_exact(struct ly_http_head *h, const char *bytes, size_t n)
{
    char *exact = malloc(n > 0 ? n : 1);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    ssize_t r = ly_http_head_parse(h, exact, n);
    ly_http_head_move(h, bytes);
    free(exact);
    return r;
}

static inline void expect_same(const struct ly_http_head *a, const struct ly_http_head *b)
{
    assert_int_equal(a->refusal, b->refusal);
    if (a->refusal)
        assert_string_equal(a->why, b->why);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->content_length, b->content_length);
    assert_int_equal(a->chunked, b->chunked);
    assert_int_equal(a->keep_alive, b->keep_alive);
}

/* Parse n bytes in every way; the result of the first is in h. */
static inline ssize_t parse_cut(struct ly_http_head *h, enum ly_http_kind kind,
                                const struct ly_http_limits *limits, const char *bytes, size_t n)
{
    struct ly_http_head other;
    ly_http_head_init(h, kind, limits);
    ssize_t r = parse_exact(h, bytes, n);

    ly_http_head_init(&other, kind, limits);
    ssize_t slow = 0;
    for (size_t have = 1; have <= n && slow == 0; have++)
        slow = parse_exact(&other, bytes, have);
    assert_int_equal(slow, r);
    expect_same(&other, h);

    size_t whole = r > 0 ? (size_t)r : n;
    for (size_t cut = 0; cut < whole; cut++) {
        ly_http_head_init(&other, kind, limits);
        ssize_t first = parse_exact(&other, bytes, cut);
        assert_int_equal(first == 0 ? parse_exact(&other, bytes, n) : first, r);
        expect_same(&other, h);
    }
    return r;
}

static inline void expect_text(struct ly_http_text text, const char *expected)
{
    assert_int_equal(text.length, strlen(expected));
    assert_memory_equal(text.bytes ? text.bytes : "", expected, text.length);
}

#endif
