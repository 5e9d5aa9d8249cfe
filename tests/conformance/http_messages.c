/* SPDX-License-Identifier: MIT */
/* S100 to S103 and S14: messages of HTTP, over every policy, reactor and stream transport. */
#include "http_site.h"

ROW(S100_a_request_may_come_in_any_pieces, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    static const char text[] = "POST /hello" FIELDS "Content-Length: 8\r\n\r\nname=Ann";
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof text - 1; i++)
        assert_int_equal(ly_sendall(ly_stream_sock(k.stream), text + i, 1), 0);
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "hello, Ann");
    end_client(&k);
    end_server(&s);
}

ROW(S100_what_is_beyond_a_limit_is_refused, ALL | STREAMS)
{
    struct ly_http_site site = {.limits = {.line = 100, .fields = 4}, .body_max = 20};
    struct served s;
    struct client k;
    char text[400];
    begin_site(c, &s, &site);
    snprintf(text, sizeof text, "GET /%0200d" FIELDS "\r\n", 0);
    assert_int_equal(once(&k, &s, text), 414);
    expect_closed(&k);
    end_client(&k);
    snprintf(text, sizeof text, "GET /" FIELDS "A: %0200d\r\n\r\n", 0);
    assert_int_equal(once(&k, &s, text), 431);
    end_client(&k);
    assert_int_equal(once(&k, &s, "GET /" FIELDS "A: b\r\nA: b\r\nA: b\r\nA: b\r\n\r\n"), 431);
    end_client(&k);
    assert_int_equal(once(&k, &s, "POST /hello" FIELDS "Content-Length: 21\r\n\r\n"), 413);
    expect_closed(&k);
    end_client(&k);
    assert_int_equal(once(&k, &s, "PUT /small" FIELDS "Transfer-Encoding: chunked\r\n\r\nb\r\n"), 413);
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
    assert_int_equal(counted(3), 0); /* a client's mistakes are nobody's failure */
}

ROW(S100_what_is_no_request_is_refused_and_the_next_client_served, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    static const struct {
        const char *text;
        int status;
    } bad[] = {
        {"\x16\x03\x01\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"GET /" FIELDS "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET /" FIELDS "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"GET / HTTP/2.0\r\n", 505},
        {"GET /a/../../b" FIELDS "\r\n", 400},
        {"GET /hello?name=%zz" FIELDS "\r\n", 400},
        {"PUT /echo" FIELDS "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
        {"GET /" FIELDS "Expect: tea\r\n\r\n", 417},
    };
    begin_site(c, &s, &site);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(once(&k, &s, bad[i].text), bad[i].status);
        end_client(&k);
    }
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S101_every_method_is_known, ALL | STREAMS)
{
    static const struct {
        const char *line;
        unsigned method;
        int status;
    } requests[] = {
        {"GET /hello", LY_HTTP_GET, 200},       {"HEAD /hello", LY_HTTP_HEAD, 200},
        {"POST /hello", LY_HTTP_POST, 200},     {"PUT /echo", LY_HTTP_PUT, 204},
        {"DELETE /a/b", LY_HTTP_DELETE, 204},   {"OPTIONS /hello", LY_HTTP_OPTIONS, 204},
        {"OPTIONS *", LY_HTTP_OPTIONS, 204},    {"TRACE /hello", LY_HTTP_TRACE, 405},
        {"CONNECT a:80", LY_HTTP_CONNECT, 405}, {"DELETE /hello", LY_HTTP_DELETE, 405},
        {"BREW /hello", LY_HTTP_UNKNOWN, 501},  {"PATCH /hello", LY_HTTP_PATCH, 501},
        {"get /hello", LY_HTTP_UNKNOWN, 501},   {"BREW /none", LY_HTTP_UNKNOWN, 501},
    };
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    struct ly_http_text allow;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char text[100];
        snprintf(text, sizeof text, "%s" FIELDS "\r\n", requests[i].line);
        send_text(&k, text);
        assert_int_equal(receive_of(&k, requests[i].method), requests[i].status);
        bool allows = ly_http_head_find(&k.head, "Allow", NULL, &allow);
        assert_int_equal(allows, requests[i].status == 405 || requests[i].method == LY_HTTP_OPTIONS);
        if (requests[i].method == LY_HTTP_CONNECT) { /* whose client believes in a tunnel from here on */
            assert_int_equal(ly_http_head_recv(k.stream, &k.head), 0);
            end_client(&k);
            begin_client(&k, &s);
        }
    }
    send_text(&k, "DELETE /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 405);
    assert_true(ly_http_head_find(&k.head, "Allow", NULL, &allow));
    assert_true(ly_http_text_is(allow, "GET, HEAD, POST, OPTIONS"));
    end_client(&k);
    end_server(&s);
}

ROW(S101_head_gives_the_head_of_get_without_its_body, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "HEAD /bytes" FIELDS "\r\nHEAD /file" FIELDS "\r\nHEAD /none" FIELDS "\r\nGET /hello" FIELDS
                  "\r\n");
    assert_int_equal(receive_of(&k, LY_HTTP_HEAD), 200);
    assert_int_equal(k.head.content_length, 256);
    assert_int_equal(receive_of(&k, LY_HTTP_HEAD), 200);
    assert_int_equal(k.head.content_length, FILE_SIZE);
    assert_int_equal(receive_of(&k, LY_HTTP_HEAD), 404);
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "hello, world");
    end_client(&k);
    end_server(&s);
}

ROW(S102_parameters_of_target_and_body_are_decoded, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /hello?x=1&n%61me=a+b%2Bc%26 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "hello, a b+c&");
    send_text(&k, "POST /hello" FIELDS "Content-Length: 18\r\n\r\nname=%E4%B8%AD+x&b");
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "hello, \xe4\xb8\xad x");
    end_client(&k);
    end_server(&s);
}

ROW(S103_any_bytes_are_a_body_with_length_and_type, ALL | STREAMS)
{
    struct ly_http_site site = {.name = "ours"};
    struct served s;
    struct client k;
    struct ly_http_text value;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /bytes" FIELDS "\r\n"), 200);
    assert_int_equal(k.head.content_length, 256);
    for (size_t i = 0; i < 256; i++)
        assert_int_equal((unsigned char)k.body[i], i);
    assert_true(ly_http_head_find(&k.head, "content-type", NULL, &value) &&
                ly_http_text_is(value, "image/png"));
    assert_true(ly_http_head_find(&k.head, "server", NULL, &value) && ly_http_text_is(value, "ours"));
    assert_true(ly_http_head_find(&k.head, "date", NULL, &value));
    assert_int_equal(value.length, 29);
    end_client(&k);
    end_server(&s);
}

ROW(S103_S14_a_file_is_a_body, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /file" FIELDS "\r\nGET /none" FIELDS "\r\nGET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 200);
    assert_int_equal(k.length, FILE_SIZE);
    for (size_t i = 0; i < k.length; i++)
        assert_true(k.body[i] == (char)(i * 7 + i / 251));
    assert_int_equal(receive(&k), 404);
    expect_body(&k, "404 Not Found\n");
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S103_fields_cannot_be_injected, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /injects" FIELDS "\r\n"), 200);
    expect_body(&k, "ok");
    end_client(&k);
    end_server(&s);
}

ROW(S103_an_answer_may_come_while_the_request_does, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    struct ly_http_body body;
    char byte;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "PUT /one-by-one" FIELDS "Content-Length: 4\r\n\r\na");
    ly_http_head_init(&k.head, LY_HTTP_RESPONSE, NULL);
    assert_int_equal(ly_http_head_recv(k.stream, &k.head), 1);
    assert_int_equal(ly_http_body_init(&body, &k.head, LY_HTTP_PUT, 100), 0);
    for (int sent = 'a'; sent < 'e'; sent++) {
        const char next[2] = {(char)(sent + 1), 0};
        assert_int_equal(ly_http_body_read(k.stream, &body, &byte, 1, NULL), 1);
        assert_int_equal(byte, sent + 1);
        if (sent < 'd')
            send_text(&k, next);
    }
    assert_int_equal(ly_http_body_read(k.stream, &body, &byte, 1, NULL), 0);
    send_text(&k, "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

MATRIX_MAIN(RUN(S100_a_request_may_come_in_any_pieces), RUN(S100_what_is_beyond_a_limit_is_refused),
            RUN(S100_what_is_no_request_is_refused_and_the_next_client_served),
            RUN(S101_every_method_is_known), RUN(S101_head_gives_the_head_of_get_without_its_body),
            RUN(S102_parameters_of_target_and_body_are_decoded),
            RUN(S103_any_bytes_are_a_body_with_length_and_type), RUN(S103_S14_a_file_is_a_body),
            RUN(S103_fields_cannot_be_injected), RUN(S103_an_answer_may_come_while_the_request_does))
