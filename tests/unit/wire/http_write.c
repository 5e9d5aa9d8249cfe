/* SPDX-License-Identifier: MIT */
/* What is written is read back by our own parser, and compared with texts where the bytes matter. */
#include "http_cut.h"
#include <errno.h>
#include <time.h>

static struct ly_http_head request_of(const char *text)
{
    struct ly_http_head h;
    ly_http_head_init(&h, LY_HTTP_REQUEST, NULL);
    assert_int_equal(ly_http_head_parse(&h, text, strlen(text)), strlen(text));
    return h;
}

static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n", head[] = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
                  old[] = "GET / HTTP/1.0\r\n\r\n",
                  old_kept[] = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                  closing[] = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/* The head of an answer, its Date taken out; static. */
static const char *answer(const char *request, int status, int64_t length, bool close,
                          struct ly_http_answer *ret)
{
    static char out[512];
    struct ly_buffer b;
    struct ly_http_head h = request_of(request ? request : get), back;
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_http_put_response(&b, request ? &h : NULL, status, length, close, ret), 0);
    assert_int_equal(ly_http_put_end(&b), 0);
    ly_http_head_init(&back, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_parse(&back, ly_buffer_bytes(&b), b.length), b.length);
    assert_int_equal(back.status, status);
    const char *text = ly_buffer_string(&b), *date = strstr(text, "Date: ");
    size_t before = date ? (size_t)(date - text) : strlen(text);
    memcpy(out, text, before);
    strncpy(out + before, date ? date + 37 : "", sizeof out - before - 1);
    ly_buffer_done(&b);
    return out;
}

static void the_body_is_delimited_as_version_and_length_allow(void **state)
{
    (void)state;
    struct ly_http_answer a;
    assert_string_equal(answer(get, 200, 5, false, &a), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_true(a.keep_alive && a.framing == LY_HTTP_LENGTH);
    assert_string_equal(answer(get, 200, -1, false, &a),
                        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_true(a.keep_alive && a.framing == LY_HTTP_CHUNKED);
    assert_string_equal(answer(old, 200, -1, false, &a), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert_true(!a.keep_alive && a.framing == LY_HTTP_CLOSE);
    assert_string_equal(answer(old_kept, 200, -1, false, &a), "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
    assert_true(!a.keep_alive && a.framing == LY_HTTP_CLOSE);
    assert_string_equal(answer(old_kept, 200, 0, false, &a),
                        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(a.keep_alive);
    assert_string_equal(answer(closing, 404, 7, false, &a),
                        "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\nConnection: close\r\n\r\n");
    assert_false(a.keep_alive);
    assert_string_equal(answer(get, 404, 7, true, &a),
                        "HTTP/1.1 404 Not Found\r\nContent-Length: 7\r\nConnection: close\r\n\r\n");
    assert_false(a.keep_alive);
    assert_string_equal(answer(NULL, 400, 0, false, &a),
                        "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert_false(a.keep_alive);
}

static void what_has_no_body_announces_none(void **state)
{
    (void)state;
    struct ly_http_answer a;
    assert_string_equal(answer(head, 200, 5, false, &a), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    assert_true(a.keep_alive && a.framing == LY_HTTP_NO_BODY);
    assert_string_equal(answer(get, 204, 5, false, &a), "HTTP/1.1 204 No Content\r\n\r\n");
    assert_true(a.keep_alive && a.framing == LY_HTTP_NO_BODY);
    assert_string_equal(answer(get, 304, -1, false, &a), "HTTP/1.1 304 Not Modified\r\n\r\n");
    assert_true(a.framing == LY_HTTP_NO_BODY);
    assert_string_equal(answer(get, 100, 0, false, &a), "HTTP/1.1 100 Continue\r\n\r\n");
    assert_true(a.keep_alive && a.framing == LY_HTTP_NO_BODY);
    assert_string_equal(answer("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 200, -1, false, &a),
                        "HTTP/1.1 200 OK\r\n\r\n");
}

static void statuses_that_no_one_knows_have_an_empty_reason(void **state)
{
    (void)state;
    struct ly_http_answer a;
    struct ly_buffer b;
    assert_string_equal(answer(get, 299, 0, false, &a), "HTTP/1.1 299 \r\nContent-Length: 0\r\n\r\n");
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_http_put_response(&b, NULL, 99, 0, false, &a), -EINVAL);
    assert_int_equal(ly_http_put_response(&b, NULL, 600, 0, false, &a), -EINVAL);
    assert_int_equal(b.length, 0);
    assert_string_equal(ly_http_reason(503), "Service Unavailable");
    assert_string_equal(ly_http_reason(-1), "");
    assert_string_equal(ly_http_reason(1000), "");
    ly_buffer_done(&b);
}

static void fields_cannot_be_injected(void **state)
{
    (void)state;
    struct ly_buffer b;
    static const char *const names[] = {
        "", "A b", "A:", "A\r\nB", "A\n", "\xc3\x84", "Content-Length", "TRANSFER-encoding"};
    static const char *const values[] = {"a\r\nB: c", "a\n", "a\rb", "a\x01", "\x7f"};
    ly_buffer_init(&b, 100);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(ly_http_put_field(&b, names[i], "x"), -EINVAL);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_int_equal(ly_http_put_field(&b, "A", values[i]), -EINVAL);
    assert_int_equal(
        ly_http_put_field_bytes(&b, (struct ly_http_text){"A", 1}, (struct ly_http_text){"b\0c", 3}),
        -EINVAL);
    assert_int_equal(b.length, 0);
    assert_int_equal(ly_http_put_field(&b, "A", "b\tc \xe4"), 0);
    assert_int_equal(ly_http_put_field(&b, "B", ""), 0);
    assert_int_equal(b.length, 15);
    assert_memory_equal(ly_buffer_bytes(&b), "A: b\tc \xe4\r\nB: \r\n", 15);
    ly_buffer_done(&b);
}

static void a_request_is_written_as_it_is_read(void **state)
{
    (void)state;
    struct ly_buffer b;
    struct ly_http_head h;
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_http_put_request(&b, "GET", "/a?b", "host:80", 0), 0);
    assert_int_equal(ly_http_put_field(&b, "Accept", "*/*"), 0);
    assert_int_equal(ly_http_put_end(&b), 0);
    assert_string_equal(ly_buffer_string(&b), "GET /a?b HTTP/1.1\r\nHost: host:80\r\nAccept: */*\r\n\r\n");
    ly_buffer_clear(&b);
    assert_int_equal(ly_http_put_request(&b, "POST", "/", "h", 0), 0);
    assert_string_equal(ly_buffer_string(&b), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n");
    ly_buffer_clear(&b);
    assert_int_equal(ly_http_put_request(&b, "PUT", "/", "h", -1), 0);
    assert_int_equal(ly_http_put_end(&b), 0);
    ly_http_head_init(&h, LY_HTTP_REQUEST, NULL);
    assert_int_equal(ly_http_head_parse(&h, ly_buffer_bytes(&b), b.length), b.length);
    assert_true(h.chunked);
    ly_buffer_clear(&b);
    assert_int_equal(ly_http_put_request(&b, "GET /x", "/", "h", 0), -EINVAL);
    assert_int_equal(ly_http_put_request(&b, "GET", "/ HTTP/1.1\r\nA: b", "h", 0), -EINVAL);
    assert_int_equal(ly_http_put_request(&b, "GET", "/a b", "h", 0), -EINVAL);
    assert_int_equal(ly_http_put_request(&b, "GET", "", "h", 0), -EINVAL);
    assert_int_equal(ly_http_put_request(&b, "GET", "/", "h\r\nA: b", 0), -EINVAL);
    assert_int_equal(ly_http_put_request(&b, "GET", "/", "", 0), -EINVAL);
    assert_int_equal(b.length, 0);
    ly_buffer_done(&b);
}

static void chunks_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *head;
    } heads[] = {
        {1, "1\r\n"}, {15, "f\r\n"}, {16, "10\r\n"}, {4096, "1000\r\n"}, {SIZE_MAX, "ffffffffffffffff\r\n"}};
    char text[LY_HTTP_CHUNK_HEAD];
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++) {
        assert_int_equal(ly_http_chunk_head(text, heads[i].n), strlen(heads[i].head));
        assert_string_equal(text, heads[i].head);
    }
    struct ly_buffer b;
    ly_buffer_init(&b, 100);
    assert_int_equal(ly_http_put_chunk(&b, "hello", 5), 0);
    assert_int_equal(ly_http_put_chunk(&b, "", 0), 0);
    assert_int_equal(ly_http_put_last_chunk(&b), 0);
    assert_int_equal(ly_http_put_field(&b, "Sum", "1"), 0);
    assert_int_equal(ly_http_put_end(&b), 0);
    assert_string_equal(ly_buffer_string(&b), "5\r\nhello\r\n0\r\nSum: 1\r\n\r\n");
    ly_buffer_done(&b);
}

static void what_does_not_fit_leaves_the_buffer_as_it_was(void **state)
{
    (void)state;
    struct ly_buffer b;
    struct ly_http_answer a;
    ly_buffer_init(&b, 10);
    assert_int_equal(ly_http_put_response(&b, NULL, 200, 0, false, &a), LY_ETOOBIG);
    assert_int_equal(ly_http_put_request(&b, "GET", "/", "h", 0), LY_ETOOBIG);
    assert_int_equal(ly_http_put_field(&b, "Name", "12345"), LY_ETOOBIG);
    assert_int_equal(
        ly_http_put_field_bytes(&b, (struct ly_http_text){"A", 1}, (struct ly_http_text){"12345678901", 11}),
        LY_ETOOBIG);
    assert_int_equal(ly_http_put_chunk(&b, "123456", 6), LY_ETOOBIG);
    assert_int_equal(b.length, 0);
    ly_buffer_done(&b);
}

static void the_date_is_that_of_strftime(void **state)
{
    (void)state;
    char ours[LY_HTTP_DATE_SIZE], theirs[64];
    for (int tries = 0; tries < 3; tries++) { /* a second may begin in between */
        time_t now = time(NULL);
        struct tm t;
        ly_http_date(ours);
        gmtime_r(&now, &t);
        strftime(theirs, sizeof theirs, "%a, %d %b %Y %H:%M:%S GMT", &t);
        if (strcmp(ours, theirs) == 0)
            break;
    }
    assert_string_equal(ours, theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_is_delimited_as_version_and_length_allow),
        cmocka_unit_test(what_has_no_body_announces_none),
        cmocka_unit_test(statuses_that_no_one_knows_have_an_empty_reason),
        cmocka_unit_test(fields_cannot_be_injected),
        cmocka_unit_test(a_request_is_written_as_it_is_read),
        cmocka_unit_test(chunks_are_written_as_they_are_read),
        cmocka_unit_test(what_does_not_fit_leaves_the_buffer_as_it_was),
        cmocka_unit_test(the_date_is_that_of_strftime),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
