/* SPDX-License-Identifier: MIT */
#include "http_cut.h"
#include <stdio.h>

static const char request[] =
    "GET /search?q=a+b&x=%41 HTTP/1.1\r\nHost: example.org:8080\r\nAccept: text/html,\t*/*\r\n"
    "X-Empty:\r\nCookie: a=1\r\ncookie:b=2  \r\n\r\n";

static void a_request_is_taken_apart(void **state)
{
    (void)state;
    struct ly_http_head h;
    struct ly_http_text name, value;
    assert_int_equal(parse_cut(&h, LY_HTTP_REQUEST, NULL, BYTES(request)), sizeof request - 1);
    assert_int_equal(h.method, LY_HTTP_GET);
    assert_int_equal(h.form, LY_HTTP_ORIGIN);
    assert_int_equal(h.version, 11);
    expect_text(h.method_text, "GET");
    expect_text(h.target, "/search?q=a+b&x=%41");
    expect_text(h.path, "/search");
    expect_text(h.query, "q=a+b&x=%41");
    expect_text(h.host, "example.org:8080");
    assert_int_equal(h.content_length, -1);
    assert_true(h.keep_alive);
    assert_false(h.chunked);
    assert_int_equal(h.count, 5);
    ly_http_head_at(&h, 1, &name, &value);
    expect_text(name, "Accept");
    expect_text(value, "text/html,\t*/*");
}

static void what_follows_a_head_is_left(void **state)
{
    (void)state;
    struct ly_http_head h;
    static const char two[] = "GET / HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n";
    assert_int_equal(parse_cut(&h, LY_HTTP_REQUEST, NULL, BYTES(two)), 18);
    expect_text(h.path, "/");
}

static void fields_are_found_by_name_whatever_its_case(void **state)
{
    (void)state;
    struct ly_http_head h;
    struct ly_http_text value;
    int from = 0;
    parse_cut(&h, LY_HTTP_REQUEST, NULL, BYTES(request));
    assert_true(ly_http_head_find(&h, "COOKIE", &from, &value));
    expect_text(value, "a=1");
    assert_true(ly_http_head_find(&h, "Cookie", &from, &value));
    expect_text(value, "b=2");
    assert_false(ly_http_head_find(&h, "Cookie", &from, &value));
    assert_true(ly_http_head_find(&h, "x-empty", NULL, &value));
    expect_text(value, "");
    assert_false(ly_http_head_find(&h, "X", NULL, &value));
    assert_false(ly_http_head_find(&h, "", NULL, &value));
}

static void lists_are_searched_in_all_fields_of_the_name(void **state)
{
    (void)state;
    struct ly_http_head h;
    static const char bytes[] = "GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip ,, BR\r\n"
                                "Accept-Encoding:deflate\r\nA:\r\n\r\n";
    assert_true(parse_cut(&h, LY_HTTP_REQUEST, NULL, BYTES(bytes)) > 0);
    assert_true(ly_http_head_lists(&h, "accept-encoding", "gzip"));
    assert_true(ly_http_head_lists(&h, "accept-encoding", "br"));
    assert_true(ly_http_head_lists(&h, "accept-encoding", "deflate"));
    assert_false(ly_http_head_lists(&h, "accept-encoding", "zip"));
    assert_false(ly_http_head_lists(&h, "A", "gzip"));
}

static void the_four_forms_of_targets_are_told_apart(void **state)
{
    (void)state;
    struct ly_http_head h;
    assert_true(parse_cut(&h, LY_HTTP_REQUEST, NULL,
                          BYTES("GET hTTps://B.example:1?q HTTP/1.1\r\nHost: ignored\r\n\r\n")) > 0);
    assert_int_equal(h.form, LY_HTTP_ABSOLUTE);
    expect_text(h.host, "B.example:1");
    expect_text(h.path, "/");
    expect_text(h.query, "q");
    assert_true(parse_cut(&h, LY_HTTP_REQUEST, NULL, BYTES("GET http://b/c/ HTTP/1.0\r\n\r\n")) > 0);
    expect_text(h.host, "b");
    expect_text(h.path, "/c/");
    assert_null(h.query.bytes);
    assert_true(parse_cut(&h, LY_HTTP_REQUEST, NULL, BYTES("CONNECT [::1]:443 HTTP/1.1\r\nHost: x\r\n\r\n")) >
                0);
    assert_int_equal(h.form, LY_HTTP_AUTHORITY);
    expect_text(h.host, "[::1]:443");
    expect_text(h.path, "");
    assert_true(parse_cut(&h, LY_HTTP_REQUEST, NULL, BYTES("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")) > 0);
    assert_int_equal(h.form, LY_HTTP_ASTERISK);
}

static void every_method_is_known_by_its_name_alone(void **state)
{
    (void)state;
    for (unsigned bit = 1; bit <= LY_HTTP_UNLOCK; bit <<= 1) {
        char bytes[64];
        struct ly_http_head h;
        const char *name = ly_http_method_name(bit);
        const char *target = bit == LY_HTTP_CONNECT ? "a:1" : "/";
        int n = snprintf(bytes, sizeof bytes, "%s %s HTTP/1.1\r\nHost: a\r\n\r\n", name, target);
        assert_true(strlen(name) > 2);
        assert_int_equal(parse_cut(&h, LY_HTTP_REQUEST, NULL, bytes, (size_t)n), n);
        assert_int_equal(h.method, bit);
    }
    assert_int_equal(ly_http_method_of("get", 3), LY_HTTP_UNKNOWN);
    assert_int_equal(ly_http_method_of("GETS", 4), LY_HTTP_UNKNOWN);
    assert_string_equal(ly_http_method_name(3), "");
    assert_string_equal(ly_http_method_name(0), "");
}

static bool stays(const char *version, const char *connection)
{
    char bytes[160];
    struct ly_http_head h;
    int n = snprintf(bytes, sizeof bytes, "GET / HTTP/%s\r\nHost: a\r\n%s\r\n", version, connection);
    assert_int_equal(parse_cut(&h, LY_HTTP_REQUEST, NULL, bytes, (size_t)n), n);
    return h.keep_alive;
}

static void connections_stay_by_version_and_wish(void **state)
{
    (void)state;
    assert_true(stays("1.1", ""));
    assert_false(stays("1.1", "Connection: close\r\n"));
    assert_false(stays("1.1", "Connection: keep-alive, CLOSE\r\n"));
    assert_false(stays("1.1", "Connection: keep-alive\r\nConnection: close\r\n"));
    assert_true(stays("1.1", "Connection: closed\r\n"));
    assert_false(stays("1.0", ""));
    assert_true(stays("1.0", "Connection: Keep-Alive\r\n"));
    assert_false(stays("1.0", "Connection: keep-alive, close\r\n"));
}

static void expecting_100_counts_from_1_1_on(void **state)
{
    (void)state;
    struct ly_http_head h;
    assert_true(parse_cut(&h, LY_HTTP_REQUEST, NULL,
                          BYTES("PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")) > 0);
    assert_true(h.expects_continue);
    assert_true(
        parse_cut(&h, LY_HTTP_REQUEST, NULL, BYTES("PUT / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n")) > 0);
    assert_false(h.expects_continue);
}

/* ---- limits ---- */

static ssize_t with_limits(struct ly_http_head *h, const struct ly_http_limits *l, const char *bytes)
{
    return parse_cut(h, LY_HTTP_REQUEST, l, bytes, strlen(bytes));
}

static void a_line_may_take_its_limit_and_not_a_byte_more(void **state)
{
    (void)state;
    struct ly_http_head h;
    const struct ly_http_limits l = {.line = 20};
    assert_true(with_limits(&h, &l, "GET /345 HTTP/1.1\r\nHost: a\r\n\r\n") > 0); /* 19 */
    assert_true(with_limits(&h, &l, "GET /3456 HTTP/1.1\r\nHost: a\r\n\r\n") > 0);
    assert_int_equal(with_limits(&h, &l, "GET /34567 HTTP/1.1\r\nHost: a\r\n\r\n"), LY_ETOOBIG);
    assert_int_equal(h.refusal, 414);
    assert_true(with_limits(&h, &l, "GET / HTTP/1.1\r\nHost: a\r\nA: 345678901234567\r\n\r\n") > 0);
    assert_int_equal(with_limits(&h, &l, "GET / HTTP/1.1\r\nHost: a\r\nA: 3456789012345678\r\n\r\n"),
                     LY_ETOOBIG);
    assert_int_equal(h.refusal, 431);
}

static void a_head_may_take_its_limit_and_not_a_byte_more(void **state)
{
    (void)state;
    struct ly_http_head h;
    const struct ly_http_limits l = {.head = 40};
    assert_int_equal(with_limits(&h, &l, "GET / HTTP/1.1\r\nHost: a\r\nA: 12345678\r\n\r\n"), 40);
    assert_int_equal(with_limits(&h, &l, "GET / HTTP/1.1\r\nHost: a\r\nA: 123456789\r\n\r\n"), LY_ETOOBIG);
    assert_int_equal(h.refusal, 431);
    assert_int_equal(with_limits(&h, &l, "GET /234567890123456789012345678901234567890 HTTP/1.1\r\n"),
                     LY_ETOOBIG);
    assert_int_equal(h.refusal, 414);
}

static void fields_are_counted(void **state)
{
    (void)state;
    struct ly_http_head h;
    const struct ly_http_limits l = {.fields = 2};
    assert_true(with_limits(&h, &l, "GET / HTTP/1.1\r\nHost: a\r\nA:\r\n\r\n") > 0);
    assert_int_equal(with_limits(&h, &l, "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\n\r\n"), LY_ETOOBIG);
    assert_int_equal(h.refusal, 431);
}

static void limits_have_a_most_of_their_own(void **state)
{
    (void)state;
    static char bytes[LY_HTTP_HEAD_MAX + 100];
    struct ly_http_head h;
    const struct ly_http_limits l = {.line = SIZE_MAX, .head = SIZE_MAX, .fields = 1000};
    memset(bytes, 'a', sizeof bytes);
    memcpy(bytes, "GET /", 5);
    ly_http_head_init(&h, LY_HTTP_REQUEST, &l);
    assert_int_equal(ly_http_head_parse(&h, bytes, LY_HTTP_HEAD_MAX - 1), 0);
    assert_int_equal(ly_http_head_parse(&h, bytes, sizeof bytes), LY_ETOOBIG);
    assert_int_equal(h.refusal, 414);
    assert_int_equal(ly_http_head_parse(&h, bytes, sizeof bytes), LY_ETOOBIG); /* and it stays */
}

/* ---- responses ---- */

static void a_response_is_taken_apart(void **state)
{
    (void)state;
    struct ly_http_head h;
    static const char bytes[] =
        "HTTP/1.0 404 Not  Found\r\nContent-Length: 12\r\nConnection: keep-alive\r\n\r\n";
    assert_int_equal(parse_cut(&h, LY_HTTP_RESPONSE, NULL, BYTES(bytes)), sizeof bytes - 1);
    assert_int_equal(h.status, 404);
    assert_int_equal(h.version, 10);
    expect_text(h.reason, "Not  Found");
    assert_int_equal(h.content_length, 12);
    assert_true(h.keep_alive);
}

static void a_head_follows_its_bytes(void **state)
{
    (void)state;
    struct ly_http_head h;
    char copy[sizeof request];
    struct ly_http_text value;
    ly_http_head_init(&h, LY_HTTP_REQUEST, NULL);
    assert_true(ly_http_head_parse(&h, BYTES(request)) > 0);
    memcpy(copy, request, sizeof request);
    ly_http_head_move(&h, copy);
    assert_ptr_equal(h.path.bytes, copy + 4);
    assert_true(ly_http_head_find(&h, "Cookie", NULL, &value));
    assert_in_range((uintptr_t)value.bytes, (uintptr_t)copy, (uintptr_t)(copy + sizeof copy));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_taken_apart),
        cmocka_unit_test(what_follows_a_head_is_left),
        cmocka_unit_test(fields_are_found_by_name_whatever_its_case),
        cmocka_unit_test(lists_are_searched_in_all_fields_of_the_name),
        cmocka_unit_test(the_four_forms_of_targets_are_told_apart),
        cmocka_unit_test(every_method_is_known_by_its_name_alone),
        cmocka_unit_test(connections_stay_by_version_and_wish),
        cmocka_unit_test(expecting_100_counts_from_1_1_on),
        cmocka_unit_test(a_line_may_take_its_limit_and_not_a_byte_more),
        cmocka_unit_test(a_head_may_take_its_limit_and_not_a_byte_more),
        cmocka_unit_test(fields_are_counted),
        cmocka_unit_test(limits_have_a_most_of_their_own),
        cmocka_unit_test(a_response_is_taken_apart),
        cmocka_unit_test(a_head_follows_its_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
