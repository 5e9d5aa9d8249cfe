/* SPDX-License-Identifier: MIT */
/*
 * Requests and responses that somebody reads in two ways: what proxies and servers have disagreed about, a
 * row each. Every one is refused, with its status, however the bytes are cut.
 */
#include "http_cut.h"

struct row {
    const char *name;
    const char *bytes;
    size_t n;
    int refusal; /* 0: it is read */
};

#define HOST "Host: a\r\n"
#define GET "GET / HTTP/1.1\r\n" HOST
#define POST "POST / HTTP/1.1\r\n" HOST

static const struct row requests[] = {
    /* the first line */
    {"a blank line before it", BYTES("\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"two blank lines before it", BYTES("\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a bare LF before it", BYTES("\nGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"CR before it", BYTES("\rGET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a blank before the method", BYTES(" GET / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"no method", BYTES(" / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a method that is no token", BYTES("GE(T / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a method with NUL", BYTES("GE\0T / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a method above ASCII", BYTES("G\xc3\x8bT / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"an unknown method is read", BYTES("BREW / HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"a method of 32 bytes is read", BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"a method of 33 bytes", BYTES("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST "\r\n"), 501},
    {"two blanks behind the method", BYTES("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a tab behind the method", BYTES("GET\t/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"two blanks behind the target", BYTES("GET /  HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a tab behind the target", BYTES("GET /\tHTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a vertical tab behind the target", BYTES("GET /\vHTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a blank behind the version", BYTES("GET / HTTP/1.1 \r\n" HOST "\r\n"), 400},
    {"a blank in the target", BYTES("GET /a b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"no version, as HTTP/0.9 had", BYTES("GET /\r\n" HOST "\r\n"), 400},
    {"only a method", BYTES("GET\r\n\r\n"), 400},
    {"bare LF behind the first line", BYTES("GET / HTTP/1.1\n" HOST "\r\n"), 400},
    {"bare CR behind the first line", BYTES("GET / HTTP/1.1\r" HOST "\r\n"), 400},
    {"CR CR LF behind the first line", BYTES("GET / HTTP/1.1\r\r\n" HOST "\r\n"), 400},
    /* versions */
    {"HTTP/2.0", BYTES("GET / HTTP/2.0\r\n" HOST "\r\n"), 505},
    {"the preface of HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
    {"HTTP/0.9", BYTES("GET / HTTP/0.9\r\n" HOST "\r\n"), 505},
    {"HTTP/3.1", BYTES("GET / HTTP/3.1\r\n" HOST "\r\n"), 505},
    {"HTTP/1.2 is 1.1 for us", BYTES("GET / HTTP/1.2\r\n" HOST "\r\n"), 0},
    {"HTTP/1.10", BYTES("GET / HTTP/1.10\r\n" HOST "\r\n"), 400},
    {"HTTP/01.1", BYTES("GET / HTTP/01.1\r\n" HOST "\r\n"), 400},
    {"HTTP/1", BYTES("GET / HTTP/1\r\n" HOST "\r\n"), 400},
    {"HTTP/1,1", BYTES("GET / HTTP/1,1\r\n" HOST "\r\n"), 400},
    {"http/1.1 in small letters", BYTES("GET / http/1.1\r\n" HOST "\r\n"), 400},
    {"another protocol", BYTES("GET / ICAP/1.0\r\n" HOST "\r\n"), 400},
    {"HTTP/+1.1", BYTES("GET / HTTP/+1.1\r\n" HOST "\r\n"), 400},
    {"TLS", BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), 400},
    /* targets */
    {"a fragment in the target", BYTES("GET /a#b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a backslash in the target", BYTES("GET /a\\b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a quotation mark in the target", BYTES("GET /\"a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"NUL in the target", BYTES("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"DEL in the target", BYTES("GET /\x7f HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"bytes above ASCII in the target", BYTES("GET /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"what browsers leave in queries", BYTES("GET /?a={b|c}^[d] HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"a relative target", BYTES("GET index.html HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"* with GET", BYTES("GET * HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"* with OPTIONS", BYTES("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"a host and port with GET", BYTES("GET a:80 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a path with CONNECT", BYTES("CONNECT / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"no port with CONNECT", BYTES("CONNECT a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"an empty port with CONNECT", BYTES("CONNECT a: HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"user information with CONNECT", BYTES("CONNECT u@a:80 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"an absolute target", BYTES("GET http://b/ HTTP/1.1\r\n" HOST "\r\n"), 0},
    {"an absolute target without host", BYTES("GET http:///a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"an absolute target with a user", BYTES("GET http://u:p@b/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"an absolute target with a port beyond", BYTES("GET http://b:65536/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"another scheme", BYTES("GET ftp://b/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {"a scheme alone", BYTES("GET http:/b HTTP/1.1\r\n" HOST "\r\n"), 400},
    /* lines of fields */
    {"a blank before the colon", BYTES(GET "A : b\r\n\r\n"), 400},
    {"a tab before the colon", BYTES(GET "A\t: b\r\n\r\n"), 400},
    {"a blank before the first field", BYTES("GET / HTTP/1.1\r\n " HOST "\r\n"), 400},
    {"a folded line", BYTES(GET "A: b\r\n c\r\n\r\n"), 400},
    {"a folded line with a tab", BYTES(GET "A: b\r\n\tc\r\n\r\n"), 400},
    {"a line of blanks", BYTES(GET " \r\n\r\n"), 400},
    {"no name", BYTES(GET ": b\r\n\r\n"), 400},
    {"no colon", BYTES(GET "A b\r\n\r\n"), 400},
    {"a name alone", BYTES(GET "A\r\n\r\n"), 400},
    {"a name in brackets", BYTES(GET "A[]: b\r\n\r\n"), 400},
    {"a name with a slash", BYTES(GET "A/b: c\r\n\r\n"), 400},
    {"a name above ASCII", BYTES(GET "\xc3\x84: b\r\n\r\n"), 400},
    {"a name with NUL", BYTES(GET "A\0: b\r\n\r\n"), 400},
    {"a name behind CR", BYTES(GET "\rA: b\r\n\r\n"), 400},
    {"bare LF behind a field", BYTES(GET "A: b\n\r\n"), 400},
    {"bare LF hides a field", BYTES(GET "A: b\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {"bare CR in a value", BYTES(GET "A: b\rC: d\r\n\r\n"), 400},
    {"CR CR LF behind a field", BYTES(GET "A: b\r\r\n\r\n"), 400},
    {"bare LF at the end", BYTES(GET "\n"), 400},
    {"CR and another byte at the end", BYTES(GET "\rX"), 400},
    {"NUL in a value", BYTES(GET "A: b\0c\r\n\r\n"), 400},
    {"another control character in a value", BYTES(GET "A: b\x01\r\n\r\n"), 400},
    {"DEL in a value", BYTES(GET "A: b\x7f\r\n\r\n"), 400},
    {"a control character after 16 plain ones", BYTES(GET "A: bbbbbbbbbbbbbbbbbbbb\x1f\r\n\r\n"), 400},
    {"a tab in a value", BYTES(GET "A: b\tc\r\n\r\n"), 0},
    {"bytes above ASCII in a value", BYTES(GET "A: \xe4\xb8\xad\r\n\r\n"), 0},
    {"an empty value", BYTES(GET "A:\r\n\r\n"), 0},
    {"a value of blanks", BYTES(GET "A:  \t \r\n\r\n"), 0},
    /* Host */
    {"no Host", BYTES("GET / HTTP/1.1\r\n\r\n"), 400},
    {"no Host with HTTP/1.0", BYTES("GET / HTTP/1.0\r\n\r\n"), 0},
    {"no Host with an absolute target", BYTES("GET http://b/ HTTP/1.1\r\n\r\n"), 400},
    {"Host twice", BYTES(GET HOST "\r\n"), 400},
    {"Host twice, case mixed", BYTES(GET "hOST: a\r\n\r\n"), 400},
    {"Host twice with HTTP/1.0", BYTES("GET / HTTP/1.0\r\n" HOST HOST "\r\n"), 400},
    {"an empty Host", BYTES("GET / HTTP/1.1\r\nHost:\r\n\r\n"), 400},
    {"Host with a path", BYTES("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), 400},
    {"Host with a user", BYTES("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), 400},
    {"Host with a blank", BYTES("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), 400},
    {"Host with a list", BYTES("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"), 400},
    {"Host with a bad port", BYTES("GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n"), 400},
    {"Host with a port beyond", BYTES("GET / HTTP/1.1\r\nHost: a:99999\r\n\r\n"), 400},
    {"Host with only a port", BYTES("GET / HTTP/1.1\r\nHost: :80\r\n\r\n"), 400},
    {"Host with a bad escape", BYTES("GET / HTTP/1.1\r\nHost: a%2\r\n\r\n"), 400},
    {"Host with an open bracket", BYTES("GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"), 400},
    {"Host with an IPv6 address", BYTES("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 0},
    {"Host with an address and letters", BYTES("GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n"), 400},
    /* Content-Length */
    {"a length", BYTES(POST "Content-Length: 5\r\n\r\n"), 0},
    {"leading zeros of a length", BYTES(POST "Content-Length: 0005\r\n\r\n"), 0},
    {"a length with plus", BYTES(POST "Content-Length: +5\r\n\r\n"), 400},
    {"a length with minus", BYTES(POST "Content-Length: -5\r\n\r\n"), 400},
    {"an empty length", BYTES(POST "Content-Length:\r\n\r\n"), 400},
    {"a hexadecimal length", BYTES(POST "Content-Length: 0x5\r\n\r\n"), 400},
    {"a length with a blank in it", BYTES(POST "Content-Length: 5 5\r\n\r\n"), 400},
    {"a length with a fraction", BYTES(POST "Content-Length: 5.0\r\n\r\n"), 400},
    {"a length with an underscore", BYTES(POST "Content-Length: 1_0\r\n\r\n"), 400},
    {"a length as a list", BYTES(POST "Content-Length: 5, 5\r\n\r\n"), 400},
    {"the length twice, alike", BYTES(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"), 400},
    {"the length twice", BYTES(POST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n"), 400},
    {"the length twice, case mixed", BYTES(POST "Content-Length: 5\r\ncontent-LENGTH: 6\r\n\r\n"), 400},
    {"the largest length", BYTES(POST "Content-Length: 9223372036854775807\r\n\r\n"), 0},
    {"a length beyond 63 bits", BYTES(POST "Content-Length: 9223372036854775808\r\n\r\n"), 413},
    {"a length beyond 64 bits", BYTES(POST "Content-Length: 18446744073709551621\r\n\r\n"), 413},
    {"a length beyond, with a sign", BYTES(POST "Content-Length: 99999999999999999999-\r\n\r\n"), 400},
    /* Transfer-Encoding */
    {"chunked", BYTES(POST "Transfer-Encoding: chunked\r\n\r\n"), 0},
    {"CHUNKED", BYTES(POST "Transfer-Encoding: CHUNKED\r\n\r\n"), 0},
    {"chunked and a length", BYTES(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n"), 400},
    {"a length and chunked", BYTES(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {"an unknown coding and a length", BYTES(POST "Content-Length: 5\r\nTransfer-Encoding: x\r\n\r\n"), 400},
    {"chunked in HTTP/1.0", BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {"chunked twice", BYTES(POST "Transfer-Encoding: chunked, chunked\r\n\r\n"), 400},
    {"chunked in two fields", BYTES(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
     400},
    {"gzip, chunked", BYTES(POST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501},
    {"gzip and chunked in two fields",
     BYTES(POST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"), 501},
    {"chunked, gzip", BYTES(POST "Transfer-Encoding: chunked, gzip\r\n\r\n"), 400},
    {"gzip", BYTES(POST "Transfer-Encoding: gzip\r\n\r\n"), 400},
    {"identity", BYTES(POST "Transfer-Encoding: identity\r\n\r\n"), 400},
    {"chunked, identity", BYTES(POST "Transfer-Encoding: chunked, identity\r\n\r\n"), 400},
    {"xchunked", BYTES(POST "Transfer-Encoding: xchunked\r\n\r\n"), 400},
    {"chunked with a parameter", BYTES(POST "Transfer-Encoding: chunked;a=b\r\n\r\n"), 400},
    {"chunked in quotation marks", BYTES(POST "Transfer-Encoding: \"chunked\"\r\n\r\n"), 400},
    {"chunked behind a vertical tab", BYTES(POST "Transfer-Encoding: \vchunked\r\n\r\n"), 400},
    {"chunked behind a tab", BYTES(POST "Transfer-Encoding:\tchunked\r\n\r\n"), 0},
    {"an empty coding", BYTES(POST "Transfer-Encoding:\r\n\r\n"), 400},
    {"an empty coding in a list", BYTES(POST "Transfer-Encoding: ,chunked\r\n\r\n"), 400},
    {"a comma behind chunked", BYTES(POST "Transfer-Encoding: chunked,\r\n\r\n"), 400},
    {"a blank before the colon of a coding", BYTES(POST "Transfer-Encoding : chunked\r\n\r\n"), 400},
    {"chunked on a folded line", BYTES(POST "Transfer-Encoding:\r\n chunked\r\n\r\n"), 400},
    {"a name like it is another field", BYTES(POST "Transfer_Encoding: chunked\r\n\r\n"), 0},
    /* Expect */
    {"an expectation", BYTES(POST "Expect: 100-Continue\r\n\r\n"), 0},
    {"another expectation", BYTES(POST "Expect: tea\r\n\r\n"), 417},
};

static const struct row responses[] = {
    {"a status line", BYTES("HTTP/1.1 200 OK\r\n\r\n"), 0},
    {"an empty reason", BYTES("HTTP/1.1 200 \r\n\r\n"), 0},
    {"no blank behind the status", BYTES("HTTP/1.1 200\r\n\r\n"), 400},
    {"a status of two digits", BYTES("HTTP/1.1 20 OK\r\n\r\n"), 400},
    {"a status of four digits", BYTES("HTTP/1.1 2000 OK\r\n\r\n"), 400},
    {"a status below 100", BYTES("HTTP/1.1 099 OK\r\n\r\n"), 400},
    {"a status above 599", BYTES("HTTP/1.1 600 OK\r\n\r\n"), 400},
    {"a sign before the status", BYTES("HTTP/1.1 +20 OK\r\n\r\n"), 400},
    {"two blanks behind the version", BYTES("HTTP/1.1  200 OK\r\n\r\n"), 400},
    {"another version", BYTES("HTTP/2.0 200 OK\r\n\r\n"), 505},
    {"no version", BYTES("ICY 200 OK\r\n\r\n"), 400},
    {"a blank line before it", BYTES("\r\nHTTP/1.1 200 OK\r\n\r\n"), 400},
    {"bare LF behind it", BYTES("HTTP/1.1 200 OK\n\r\n"), 400},
    {"NUL in the reason", BYTES("HTTP/1.1 200 O\0K\r\n\r\n"), 400},
    {"chunked and a length",
     BYTES("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {"two lengths", BYTES("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), 400},
    {"a coding that is not known", BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: br, chunked\r\n\r\n"), 501},
    {"a coding that does not end", BYTES("HTTP/1.1 200 OK\r\nTransfer-Encoding: br\r\n\r\n"), 400},
    {"a folded line", BYTES("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"), 400},
    {"Host means nothing", BYTES("HTTP/1.1 200 OK\r\nHost: a/b\r\nHost: c\r\n\r\n"), 0},
};

static const struct row trailers[] = {
    {"none", BYTES("\r\n"), 0},
    {"one", BYTES("A: b\r\n\r\n"), 0},
    {"a length", BYTES("Content-Length: 5\r\n\r\n"), 400},
    {"a coding", BYTES("Transfer-Encoding: chunked\r\n\r\n"), 400},
    {"a host", BYTES("Host: a\r\n\r\n"), 400},
    {"a folded line", BYTES("A: b\r\n c\r\n\r\n"), 400},
    {"bare LF", BYTES("\n"), 400},
    {"no name", BYTES(": b\r\n\r\n"), 400},
};

static void expect_rows(enum ly_http_kind kind, const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct ly_http_head h;
        ssize_t r = parse_cut(&h, kind, NULL, rows[i].bytes, rows[i].n);
        if (h.refusal != rows[i].refusal || (r < 0) != (rows[i].refusal != 0))
            print_message("# %s: %zd, refused with %d (%s)\n", rows[i].name, r, h.refusal, h.why);
        assert_int_equal(h.refusal, rows[i].refusal);
        if (rows[i].refusal == 0)
            assert_int_equal(r, rows[i].n);
        else
            assert_int_equal(r, rows[i].refusal == 413 ? LY_ETOOBIG : LY_EHTTP);
    }
    print_message("# %zu rows\n", count);
}

static void requests_have_one_reading_or_none(void **state)
{
    (void)state;
    expect_rows(LY_HTTP_REQUEST, requests, sizeof requests / sizeof *requests);
}

static void responses_have_one_reading_or_none(void **state)
{
    (void)state;
    expect_rows(LY_HTTP_RESPONSE, responses, sizeof responses / sizeof *responses);
}

static void trailers_have_one_reading_or_none(void **state)
{
    (void)state;
    expect_rows(LY_HTTP_TRAILERS, trailers, sizeof trailers / sizeof *trailers);
}

static void every_control_character_is_refused_everywhere(void **state)
{
    (void)state;
    static const char shape[] = "GET /a HTTP/1.1\r\nHost: a\r\nName: value\r\n\r\n";
    char bytes[sizeof shape];
    struct ly_http_head h;
    for (size_t at = 0; at < sizeof shape - 1; at++)
        for (int c = 0; c < 256; c++) {
            bool control = (c < 0x20 && c != '\t') || c == 0x7f;
            memcpy(bytes, shape, sizeof shape);
            if (!control || bytes[at] == '\r' || bytes[at] == '\n')
                continue;
            bytes[at] = (char)c;
            ly_http_head_init(&h, LY_HTTP_REQUEST, NULL);
            ssize_t r = ly_http_head_parse(&h, bytes, sizeof shape - 1);
            assert_true(r < 0);
            assert_int_equal(h.refusal, 400);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_have_one_reading_or_none),
        cmocka_unit_test(responses_have_one_reading_or_none),
        cmocka_unit_test(trailers_have_one_reading_or_none),
        cmocka_unit_test(every_control_character_is_refused_everywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
