/* SPDX-License-Identifier: MIT */
/* Bodies, decoded from memory at once and byte by byte, and over a stream. */
#include "http_cut.h"
#include <lanyard/lanyard.h>

static struct ly_http_head head_of(enum ly_http_kind kind, const char *text)
{
    struct ly_http_head h;
    ly_http_head_init(&h, kind, NULL);
    assert_int_equal(ly_http_head_parse(&h, text, strlen(text)), strlen(text));
    return h;
}

static struct ly_http_head chunked(void)
{
    return head_of(LY_HTTP_REQUEST, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
}

/* Decode all, at most `step` bytes at a time. Returns the bytes taken or the error; the content is in out. */
static ssize_t decode(struct ly_http_body *b, const char *bytes, size_t n, size_t step, char *out,
                      size_t *ret_length)
{
    size_t at = 0;
    *ret_length = 0;
    while (at < n && !b->done) {
        struct ly_http_text content;
        size_t give = n - at < step ? n - at : step;
        char *exact = malloc(give > 0 ? give : 1);
        assert_non_null(exact);
        memcpy(exact, bytes + at, give);
        ssize_t r = ly_http_body_decode(b, exact, give, &content);
        if (r > 0) {
            memcpy(out + *ret_length, content.bytes, content.length);
            *ret_length += content.length;
        }
        free(exact);
        if (r < 0)
            return r;
        assert_in_range(r, 1, give);
        at += (size_t)r;
    }
    return (ssize_t)at;
}

/* The same answer whatever the cut. */
static ssize_t decode_cut(const struct ly_http_head *h, int64_t limit, const char *bytes, size_t n, char *out,
                          size_t *ret_length, struct ly_http_body *ret_body)
{
    ssize_t r = 0;
    for (size_t step = 1; step <= n; step++) {
        struct ly_http_body b;
        size_t length;
        char other[256];
        assert_int_equal(ly_http_body_init(&b, h, 0, limit), 0);
        ssize_t one = decode(&b, bytes, n, step, other, &length);
        if (step > 1) {
            assert_int_equal(one, r);
            assert_int_equal(b.refusal, ret_body->refusal);
            assert_int_equal(b.done, ret_body->done);
        }
        r = one;
        *ret_body = b;
        *ret_length = length;
        memcpy(out, other, length);
    }
    return r;
}

static void expect_chunks(const char *bytes, const char *content, size_t trailers)
{
    struct ly_http_head h = chunked();
    struct ly_http_body b;
    char out[256];
    size_t length, n = strlen(bytes);
    assert_int_equal(decode_cut(&h, 1000, bytes, n, out, &length, &b), n - trailers);
    assert_true(b.done);
    assert_int_equal(length, strlen(content));
    assert_memory_equal(out, content, length);
}

static void chunks_are_put_together(void **state)
{
    (void)state;
    expect_chunks("5\r\nhello\r\n0\r\n\r\n", "hello", 2);
    expect_chunks("5\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\n", "hello world", 8);
    expect_chunks("0\r\n\r\n", "", 2);
    expect_chunks("000\r\n\r\n", "", 2);
    expect_chunks("0a\r\n0123456789\r\n00\r\n\r\n", "0123456789", 2);
    expect_chunks("A\r\n0123456789\r\n0\r\n\r\n", "0123456789", 2);
    expect_chunks("2\r\n\r\n\r\n0\r\n\r\n", "\r\n", 2);
}

static void extensions_are_checked_and_passed_over(void **state)
{
    (void)state;
    expect_chunks("5;a\r\nhello\r\n0;b\r\n\r\n", "hello", 2);
    expect_chunks("5;a=b;c=\"d;\\\"\\r e\"\r\nhello\r\n0\r\n\r\n", "hello", 2);
    expect_chunks("5 ; a = b ; c\r\nhello\r\n0\r\n\r\n", "hello", 2);
    expect_chunks("5;a=\"\"\r\nhello\r\n0\r\n\r\n", "hello", 2);
}

static void malformed_chunks_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {BYTES("\r\n")},
        {BYTES(" 5\r\nhello\r\n")},
        {BYTES("5 \r\nhello\r\n")},
        {BYTES("5\nhello\r\n")},
        {BYTES("5\rhello\r\n")},
        {BYTES("5\r\nhello\n")},
        {BYTES("5\r\nhello!\r\n")},
        {BYTES("5\r\nhelloX\n")},
        {BYTES("5\r\nhello\rX")},
        {BYTES("5\r\nhello\r\n\r\n")},
        {BYTES("-5\r\n")},
        {BYTES("+5\r\n")},
        {BYTES("0x5\r\n")},
        {BYTES("g\r\n")},
        {BYTES("5;\r\n")},
        {BYTES("5;=b\r\n")},
        {BYTES("5;a=\r\n")},
        {BYTES("5;a=b c\r\n")},
        {BYTES("5;a b\r\n")},
        {BYTES("5;a=\"b\r\n")},
        {BYTES("5;a=\"b\"c\r\n")},
        {BYTES("5;a=\"\\\r\"\r\n")},
        {BYTES("5;a\nb\r\n")},
        {BYTES("5;a=b\n")},
        {BYTES("5;a\0\r\n")},
        {BYTES("5\0\r\n")},
        {BYTES("5;a \r\n")},
        {BYTES("1000000000000000\r\n")},
        {BYTES("0000000000000005\r\n")},
        {BYTES("fffffffffffffffff\r\n")},
    };
    struct ly_http_head h = chunked();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ly_http_body b;
        char out[256];
        size_t length;
        ssize_t r = decode_cut(&h, INT64_MAX, bad[i].bytes, bad[i].n, out, &length, &b);
        if (r != LY_EHTTP)
            print_message("# row %zu\n", i);
        assert_int_equal(r, LY_EHTTP);
        assert_int_equal(b.refusal, 400);
        assert_int_equal(ly_http_body_decode(&b, "0", 1, &(struct ly_http_text){0}), LY_EHTTP);
    }
}

static void extensions_have_a_limit(void **state)
{
    (void)state;
    struct ly_http_head h = chunked();
    struct ly_http_body b;
    struct ly_http_text content;
    static char bytes[6000] = "5;";
    memset(bytes + 2, 'a', sizeof bytes - 2);
    assert_int_equal(ly_http_body_init(&b, &h, 0, 1000), 0);
    assert_int_equal(ly_http_body_decode(&b, bytes, 4000, &content), 4000);
    assert_int_equal(ly_http_body_decode(&b, bytes + 2, 1000, &content), LY_EHTTP);
    assert_int_equal(b.refusal, 400);
}

static void a_body_may_take_its_limit_and_not_a_byte_more(void **state)
{
    (void)state;
    struct ly_http_body b;
    char out[256];
    size_t length;
    struct ly_http_head h = chunked();
    assert_int_equal(decode_cut(&h, 6, BYTES("3\r\nabc\r\n3\r\nabc\r\n0\r\n"), out, &length, &b), 19);
    assert_int_equal(decode_cut(&h, 5, BYTES("3\r\nabc\r\n3\r\nabc\r\n0\r\n"), out, &length, &b), LY_ETOOBIG);
    assert_int_equal(b.refusal, 413);
    h = head_of(LY_HTTP_REQUEST, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\n");
    assert_int_equal(ly_http_body_init(&b, &h, 0, 6), 0);
    assert_int_equal(ly_http_body_init(&b, &h, 0, 5), LY_ETOOBIG);
    assert_int_equal(b.refusal, 413);
    h = head_of(LY_HTTP_RESPONSE, "HTTP/1.0 200 OK\r\n\r\n");
    assert_int_equal(ly_http_body_init(&b, &h, LY_HTTP_GET, 5), 0);
    assert_int_equal(ly_http_body_decode(&b, "12345", 5, &(struct ly_http_text){0}), 5);
    assert_int_equal(ly_http_body_decode(&b, "6", 1, &(struct ly_http_text){0}), LY_ETOOBIG);
}

static void a_length_ends_where_it_says(void **state)
{
    (void)state;
    struct ly_http_body b;
    char out[256];
    size_t length;
    struct ly_http_head h =
        head_of(LY_HTTP_REQUEST, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_int_equal(decode_cut(&h, 5, BYTES("helloGET / HTTP/1.1"), out, &length, &b), 5);
    assert_int_equal(length, 5);
    assert_true(b.done);
}

static enum ly_http_framing framing(const char *text, unsigned method)
{
    struct ly_http_body b;
    struct ly_http_head h = head_of(LY_HTTP_RESPONSE, text);
    assert_int_equal(ly_http_body_init(&b, &h, method, 1000), 0);
    assert_int_equal(b.done, b.framing == LY_HTTP_NO_BODY || (b.framing == LY_HTTP_LENGTH && b.left == 0));
    return b.framing;
}

static void what_follows_a_response_is_decided_by_status_method_and_fields(void **state)
{
    (void)state;
    static const char plain[] = "HTTP/1.1 200 OK\r\n\r\n",
                      length[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
                      chunks[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_int_equal(framing(plain, LY_HTTP_GET), LY_HTTP_CLOSE);
    assert_int_equal(framing(length, LY_HTTP_GET), LY_HTTP_LENGTH);
    assert_int_equal(framing(chunks, LY_HTTP_GET), LY_HTTP_CHUNKED);
    assert_int_equal(framing(length, LY_HTTP_HEAD), LY_HTTP_NO_BODY);
    assert_int_equal(framing(chunks, LY_HTTP_HEAD), LY_HTTP_NO_BODY);
    assert_int_equal(framing(plain, LY_HTTP_CONNECT), LY_HTTP_NO_BODY);
    assert_int_equal(framing("HTTP/1.1 403 No\r\nContent-Length: 3\r\n\r\n", LY_HTTP_CONNECT),
                     LY_HTTP_LENGTH);
    assert_int_equal(framing("HTTP/1.1 100 Continue\r\n\r\n", LY_HTTP_PUT), LY_HTTP_NO_BODY);
    assert_int_equal(framing("HTTP/1.1 204 None\r\nContent-Length: 3\r\n\r\n", LY_HTTP_GET), LY_HTTP_NO_BODY);
    assert_int_equal(framing("HTTP/1.1 304 Same\r\nContent-Length: 3\r\n\r\n", LY_HTTP_GET), LY_HTTP_NO_BODY);
}

/* ---- on a stream ---- */

/* A stream that gives these bytes, then the end. */
static struct ly_stream *stream_of(const char *bytes, size_t n)
{
    struct ly_sock *a, *b;
    struct ly_stream *s;
    assert_int_equal(ly_socketpair(&a, &b), 0);
    assert_int_equal(ly_sendall(a, bytes, n), 0);
    ly_sock_free(a);
    assert_int_equal(ly_stream_open(&s, b, NULL), 0);
    return s;
}

static void a_response_is_received_with_its_trailers(void **state)
{
    (void)state;
    struct ly_stream *s = stream_of(BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                          "5\r\nhello\r\n6\r\n world\r\n0\r\nSum: 7\r\n\r\n"
                                          "HTTP/1.1 204 None\r\n\r\n"));
    struct ly_http_head h, trailers;
    struct ly_http_body b;
    struct ly_http_text sum;
    char out[64];
    size_t n = 0;
    ly_http_head_init(&h, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_recv(s, &h), 1);
    assert_int_equal(ly_http_body_init(&b, &h, LY_HTTP_GET, 100), 0);
    ssize_t r;
    while ((r = ly_http_body_read(s, &b, out + n, 4, &trailers)) > 0)
        n += (size_t)r;
    assert_int_equal(r, 0);
    assert_int_equal(n, 11);
    assert_memory_equal(out, "hello world", 11);
    assert_true(ly_http_head_find(&trailers, "sum", NULL, &sum));
    expect_text(sum, "7");
    assert_int_equal(ly_http_body_read(s, &b, out, 4, &trailers), 0);
    ly_http_head_init(&h, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_recv(s, &h), 1);
    assert_int_equal(h.status, 204);
    ly_http_head_init(&h, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_recv(s, &h), 0);
    ly_stream_close(s);
}

static void an_end_in_the_middle_is_told(void **state)
{
    (void)state;
    static const char *const cut[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"};
    for (size_t i = 0; i < sizeof cut / sizeof *cut; i++) {
        struct ly_stream *s = stream_of(cut[i], strlen(cut[i]));
        struct ly_http_head h;
        struct ly_http_body b;
        char out[64];
        ssize_t r;
        ly_http_head_init(&h, LY_HTTP_RESPONSE, NULL);
        assert_int_equal(ly_http_head_recv(s, &h), 1);
        assert_int_equal(ly_http_body_init(&b, &h, LY_HTTP_GET, 100), 0);
        while ((r = ly_http_body_read(s, &b, out, sizeof out, NULL)) > 0)
            ;
        assert_int_equal(r, LY_EEOF);
        ly_stream_close(s);
    }
    struct ly_http_head h;
    struct ly_stream *s = stream_of(BYTES("HTTP/1.1 2"));
    ly_http_head_init(&h, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_recv(s, &h), LY_EEOF);
    ly_stream_close(s);
}

static void a_body_without_length_goes_to_the_end(void **state)
{
    (void)state;
    struct ly_stream *s = stream_of(BYTES("HTTP/1.0 200 OK\r\n\r\nall of it"));
    struct ly_http_head h;
    struct ly_http_body b;
    char out[64];
    ly_http_head_init(&h, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_recv(s, &h), 1);
    assert_int_equal(ly_http_body_init(&b, &h, LY_HTTP_GET, 100), 0);
    assert_int_equal(ly_http_body_read(s, &b, out, sizeof out, NULL), 9);
    assert_int_equal(ly_http_body_read(s, &b, out, sizeof out, NULL), 0);
    assert_true(b.done);
    ly_stream_close(s);
}

static void bad_trailers_refuse_the_body(void **state)
{
    (void)state;
    struct ly_stream *s = stream_of(BYTES("0\r\nContent-Length: 5\r\n\r\n"));
    struct ly_http_head h = chunked();
    struct ly_http_body b;
    char out[8];
    assert_int_equal(ly_http_body_init(&b, &h, 0, 100), 0);
    assert_int_equal(ly_http_body_read(s, &b, out, sizeof out, NULL), LY_EHTTP);
    assert_int_equal(b.refusal, 400);
    ly_stream_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_put_together),
        cmocka_unit_test(extensions_are_checked_and_passed_over),
        cmocka_unit_test(malformed_chunks_are_refused),
        cmocka_unit_test(extensions_have_a_limit),
        cmocka_unit_test(a_body_may_take_its_limit_and_not_a_byte_more),
        cmocka_unit_test(a_length_ends_where_it_says),
        cmocka_unit_test(what_follows_a_response_is_decided_by_status_method_and_fields),
        cmocka_unit_test(a_response_is_received_with_its_trailers),
        cmocka_unit_test(an_end_in_the_middle_is_told),
        cmocka_unit_test(a_body_without_length_goes_to_the_end),
        cmocka_unit_test(bad_trailers_refuse_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
