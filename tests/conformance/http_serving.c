/* SPDX-License-Identifier: MIT */
/* S104 to S106: statuses, connections and handlers of HTTP, over every policy, reactor and stream
 * transport. */
#include "http_site.h"

ROW(S104_every_status_can_be_produced, ALL | STREAMS)
{
    static const int statuses[] = {200, 201, 204, 301, 304, 400, 401, 403, 404, 418, 451, 500, 502, 503, 599};
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        char text[100];
        snprintf(text, sizeof text, "GET /status/%d" FIELDS "\r\n", statuses[i]);
        send_text(&k, text);
        assert_int_equal(receive(&k), statuses[i]);
        assert_int_equal(k.length == 0, statuses[i] == 204 || statuses[i] == 304);
    }
    send_text(&k, "GET /nothing" FIELDS "\r\n");
    assert_int_equal(receive(&k), 204);
    end_client(&k);
    end_server(&s);
}

ROW(S104_what_is_protected_asks_for_credentials, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    struct ly_http_text value;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /private" FIELDS "\r\nGET /private" FIELDS "Authorization: Basic QW5uOmI=\r\n\r\n"
                  "GET /private" FIELDS "Authorization: Basic QW5uOmE6Yg==\r\n\r\n");
    assert_int_equal(receive(&k), 401);
    assert_true(ly_http_head_find(&k.head, "WWW-Authenticate", NULL, &value));
    assert_true(ly_http_text_is(value, "Basic realm=\"the \\\"inner\\\" circle\", charset=\"UTF-8\""));
    assert_int_equal(receive(&k), 401);
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "in");
    end_client(&k);
    end_server(&s);
}

ROW(S104_a_handler_that_fails_is_answered_by_500_and_told, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /fails" FIELDS "\r\n"), 500);
    expect_closed(&k);
    end_client(&k);
    AWAIT(counted(3) == 1);
    assert_int_equal(counted(2), EIO);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S104_an_answer_that_cannot_be_completed_is_seen_to_be_cut, ALL | STREAMS)
{
    static const char *const requests[] = {"GET /fails-late" FIELDS "\r\nGET /hello" FIELDS "\r\n",
                                           "GET /promises" FIELDS "\r\nGET /hello" FIELDS "\r\n"};
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    int end;
    begin_site(c, &s, &site);
    for (size_t i = 0; i < 2; i++) {
        begin_client(&k, &s);
        send_text(&k, requests[i]);
        assert_int_equal(receive_part(&k, LY_HTTP_GET, &end), 200);
        assert_int_equal(end, LY_EEOF);
        expect_body(&k, "half");
        end_client(&k);
    }
    end_server(&s);
}

/* Where requests run at the same time in one process, which is what counts them. */
ROW(S104_one_too_many_is_answered_by_503, FIBERS | THREADING | STREAMS)
{
    struct ly_http_site site = {.max_busy = 1};
    struct served s;
    struct client a, b;
    struct ly_http_text value;
    begin_site(c, &s, &site);
    begin_client(&a, &s);
    send_text(&a, "PUT /echo" FIELDS "Content-Length: 4\r\n\r\n");
    AWAIT(counted(0) == 1);
    assert_int_equal(once(&b, &s, "GET /hello" FIELDS "\r\n"), 503);
    assert_true(ly_http_head_find(&b.head, "Retry-After", NULL, &value));
    send_text(&a, "done");
    assert_int_equal(receive(&a), 200);
    expect_body(&a, "done");
    send_text(&b, "GET /hello" FIELDS "\r\n");
    AWAIT(__atomic_load_n(&site.busy, __ATOMIC_RELAXED) == 0);
    int status = receive(&b);
    assert_true(status == 200 || status == 503); /* a may not have left its handler when b came */
    end_client(&a);
    end_client(&b);
    end_server(&s);
}

ROW(S105_a_connection_serves_many_requests, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (int i = 0; i < 50; i++) {
        send_text(&k, i % 2 ? "GET /hello" FIELDS "\r\n"
                            : "POST /hello" FIELDS "Content-Length: 6\r\n\r\nname=b");
        assert_int_equal(receive(&k), 200);
        expect_body(&k, i % 2 ? "hello, world" : "hello, b");
    }
    end_client(&k);
    end_server(&s);
    assert_int_equal(counted(3), 0);
}

ROW(S105_requests_sent_at_once_are_answered_in_their_order, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    char text[8000] = "";
    size_t n = 0;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "GET /hello?name=%d" FIELDS "%s\r\n", i,
                              i == 99 ? "Connection: close\r\n" : "");
    send_text(&k, text);
    for (int i = 0; i < 100; i++) {
        char expected[40];
        snprintf(expected, sizeof expected, "hello, %d", i);
        assert_int_equal(receive(&k), 200);
        expect_body(&k, expected);
        assert_int_equal(k.head.keep_alive, i < 99);
    }
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S105_bodies_that_nobody_reads_do_not_become_requests, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "POST /none" FIELDS "Content-Length: 26\r\n\r\nGET /fails HTTP/1.1\r\nA: \r\n"
                  "POST /none" FIELDS "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n"
                  "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 404);
    assert_int_equal(receive(&k), 404);
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S105_what_follows_a_connect_is_no_request, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "CONNECT a:1" FIELDS "\r\nGET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 405);
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S105_old_clients_are_kept_if_they_ask, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_int_equal(receive(&k), 200);
    send_text(&k, "GET /hello HTTP/1.0\r\n\r\n");
    assert_int_equal(receive(&k), 200);
    expect_closed(&k);
    end_client(&k);
    begin_client(&k, &s);
    send_text(&k, "PUT /echo HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 3\r\n\r\nabc");
    assert_int_equal(receive(&k), 200); /* no chunks for it: the end of the connection ends the answer */
    assert_false(k.head.chunked);
    expect_body(&k, "abc");
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S105_a_slow_client_does_not_block_others, CONCURRENT | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client slow[3], k;
    begin_site(c, &s, &site);
    for (int i = 0; i < 3; i++)
        begin_client(&slow[i], &s);
    send_text(&slow[0], "GET /hel");
    send_text(&slow[1], "POST /hello" FIELDS "Content-Length: 8\r\n\r\nnam");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
        end_client(&k);
    }
    send_text(&slow[0], "lo" FIELDS "\r\n");
    send_text(&slow[1], "e=Ann");
    assert_int_equal(receive(&slow[0]), 200);
    assert_int_equal(receive(&slow[1]), 200);
    expect_body(&slow[1], "hello, Ann");
    for (int i = 0; i < 3; i++)
        end_client(&slow[i]);
    end_server(&s);
}

ROW(S105_a_client_that_is_too_slow_is_told_408, ALL | STREAMS)
{
    static const struct {
        const char *text;
        int status;
    } said[] = {{"GET /hello HTT", 408},
                {"POST /hello" FIELDS "Content-Length: 8\r\n\r\nnam", 408},
                {"GET /hello" FIELDS "\r\n", 200}}; /* and then the end without a word: nothing was asked */
    struct ly_http_site site = {.head_timeout_ms = 30, .body_timeout_ms = 30, .idle_timeout_ms = 30};
    struct served s;
    struct client k[3];
    struct ly_server *server = open_site(c, &site);
    for (int i = 0; i < 3; i++) { /* before they are served, so that they are no slower than meant */
        open_client(&k[i], dial(server));
        send_text(&k[i], said[i].text);
    }
    serve(&s, server);
    AWAIT(c->policy != LY_FORKING || counted(ARRIVALS) == 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(receive(&k[i]), said[i].status);
        expect_closed(&k[i]);
        end_client(&k[i]);
    }
    end_server(&s);
    assert_int_equal(counted(3), 0);
}

ROW(S105_an_idle_connection_gives_way_where_requests_run_one_after_the_other, SEQUENTIAL | STREAMS)
{
    struct ly_http_site site = {.idle_timeout_ms = LY_FOREVER};
    struct served s;
    struct client idle, k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&idle, &s, "GET /hello" FIELDS "\r\n"), 200);
    send_text(&idle, "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&idle), 200);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    expect_closed(&idle);
    end_client(&idle);
    end_client(&k);
    end_server(&s);
}

/* A client that was told that it may go on would take the end for a failure of the server. */
ROW(S105_an_answer_says_that_its_connection_gives_way, SEQUENTIAL | STREAMS)
{
    struct ly_http_site site = {.idle_timeout_ms = LY_FOREVER};
    struct served s;
    struct client first, k;
    begin_site(c, &s, &site);
    begin_client(&first, &s);
    begin_client(&k, &s);
    send_text(&first, "GET /hello" FIELDS "\r\nGET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&first), 200);
    assert_true(first.head.keep_alive);
    assert_int_equal(receive(&first), 200);
    assert_false(first.head.keep_alive);
    expect_closed(&first);
    send_text(&k, "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 200);
    assert_true(k.head.keep_alive);
    end_client(&first);
    end_client(&k);
    end_server(&s);
}

ROW(S105_idle_connections_give_way_at_the_cap, FIBERS | THREADING | STREAMS)
{
    struct ly_http_site site = {.routes = routes, .idle_timeout_ms = LY_FOREVER};
    struct served s;
    struct client idle, k;
    make_file();
    serve(&s, open_server(c, (struct ly_server_options){
                                 .handler.handle = ly_http_serve, .user = &site, .max_requests = 1}));
    assert_int_equal(once(&idle, &s, "GET /hello" FIELDS "\r\n"), 200);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    expect_closed(&idle);
    end_client(&idle);
    end_client(&k);
    end_server(&s);
}

ROW(S106_a_site_answers_to_its_own_names, ALL | STREAMS)
{
    static const struct {
        const char *host;
        int status;
    } hosts[] = {{"localhost", 200},
                 {"LOCALHOST:80", 200},
                 {"[::1]", 200},
                 {"[::1]:8080", 200},
                 {"localhost.", 421},
                 {"evil.example", 421},
                 {"localhost.evil.example:80", 421}};
    static const char *const names[] = {"localhost", "[::1]", NULL};
    struct ly_http_site site = {.hosts = names};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        char text[100];
        snprintf(text, sizeof text, "GET /hello HTTP/1.1\r\nHost: %s\r\n\r\n", hosts[i].host);
        send_text(&k, text);
        assert_int_equal(receive(&k), hosts[i].status);
    }
    send_text(&k, "GET http://evil.example/hello HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_int_equal(receive(&k), 421);
    send_text(&k, "GET /hello HTTP/1.0\r\n\r\n");
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S105_a_client_that_asks_nothing_is_left, ALL | STREAMS)
{
    struct ly_http_site site = {.idle_timeout_ms = 30};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
    assert_int_equal(counted(3), 0);
}

ROW(S105_a_client_that_does_not_read_is_left, ALL | STREAMS)
{
    struct ly_http_site site = {.send_timeout_ms = 30};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "GET /endless" FIELDS "\r\n");
    AWAIT(counted(5) == 1);
    end_client(&k);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    end_client(&k);
    end_server(&s);
    assert_int_equal(counted(3), 0);
}

ROW(S105_a_connection_ends_after_so_many_requests, ALL | STREAMS)
{
    struct ly_http_site site = {.max_requests = 3,
                                .head_timeout_ms = LY_FOREVER,
                                .body_timeout_ms = LY_FOREVER,
                                .idle_timeout_ms = LY_FOREVER,
                                .send_timeout_ms = LY_FOREVER};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (int i = 0; i < 3; i++) {
        send_text(&k, "POST /hello" FIELDS "Content-Length: 8\r\n\r\nname");
        send_text(&k, "=Ann");
        assert_int_equal(receive(&k), 200);
        assert_int_equal(k.head.keep_alive, i < 2);
    }
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S105_a_body_is_asked_for_when_it_is_read, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "PUT /echo" FIELDS "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_int_equal(receive(&k), 100);
    send_text(&k, "body");
    assert_int_equal(receive(&k), 200);
    expect_body(&k, "body");
    assert_true(k.head.keep_alive);
    send_text(&k, "PUT /none" FIELDS "Expect: 100-continue\r\nContent-Length: 4\r\n\r\n");
    assert_int_equal(receive(&k), 404); /* refused before it is sent */
    assert_false(k.head.keep_alive);
    expect_closed(&k);
    end_client(&k);
    end_server(&s);
}

ROW(S105_chunks_come_and_go, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    struct ly_http_text value;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    send_text(&k, "PUT /echo" FIELDS
                  "Transfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nSum: 7\r\n\r\n"
                  "GET /hello" FIELDS "\r\n");
    assert_int_equal(receive(&k), 200);
    assert_true(k.head.chunked);
    expect_body(&k, "abc01234567897");
    assert_true(ly_http_head_find(&k.trailers, "count", NULL, &value));
    assert_true(ly_http_text_is(value, "8"));
    assert_int_equal(receive(&k), 200);
    end_client(&k);
    end_server(&s);
}

ROW(S105_an_idle_connection_does_not_hold_up_the_end, ALL | STREAMS)
{
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "\r\n"), 200);
    if (c->policy == LY_FORKING) /* a child does not hear of the end before the drain is over */
        end_client(&k);
    int64_t start = ly_now();
    end_server(&s);
    assert_true(ms_since(start) < 10000);
    if (c->policy != LY_FORKING) {
        expect_closed(&k);
        end_client(&k);
    }
}

ROW(S106_each_path_has_its_handler, ALL | STREAMS)
{
    static const struct {
        const char *target, *body;
        int status;
    } requests[] = {
        {"/a/", "", 200},
        {"/a/x/y", "x/y", 200},
        {"/a/%78//./y/../z", "x/z", 200},
        {"/a/b", "b", 200},
        {"/a", "404 Not Found\n", 404},
        {"/hello/", "404 Not Found\n", 404},
        {"/h%65llo", "hello, world", 200},
        {"//hello", "hello, world", 200},
        {"/x/../hello", "hello, world", 200},
        {"http://other/hello?name=b", "hello, b", 200},
        {"/", "404 Not Found\n", 404},
    };
    struct ly_http_site site = {0};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    begin_client(&k, &s);
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        char text[200];
        snprintf(text, sizeof text, "GET %s" FIELDS "\r\n", requests[i].target);
        send_text(&k, text);
        assert_int_equal(receive(&k), requests[i].status);
        expect_body(&k, requests[i].body);
    }
    end_client(&k);
    end_server(&s);
}

ROW(S106_each_exchange_is_recorded, ALL | STREAMS)
{
    struct ly_http_site site = {.log = note_record};
    struct served s;
    struct client k;
    begin_site(c, &s, &site);
    assert_int_equal(once(&k, &s, "GET /hello" FIELDS "Connection: close\r\n\r\n"), 200);
    expect_closed(&k);
    end_client(&k);
    AWAIT(counted(4) == 1);
    assert_int_equal(notes->number[0], 200);
    assert_int_equal(notes->number[1], 12);
    assert_int_equal(notes->number[2], 6);
    assert_int_equal(once(&k, &s, "nonsense\r\n"), 400);
    expect_closed(&k);
    end_client(&k);
    AWAIT(counted(4) == 2);
    assert_int_equal(notes->number[0], 400);
    assert_int_equal(notes->number[2], 0);
    end_server(&s);
}

MATRIX_MAIN(RUN(S104_every_status_can_be_produced), RUN(S104_what_is_protected_asks_for_credentials),
            RUN(S104_a_handler_that_fails_is_answered_by_500_and_told),
            RUN(S104_an_answer_that_cannot_be_completed_is_seen_to_be_cut),
            RUN(S104_one_too_many_is_answered_by_503), RUN(S105_a_connection_serves_many_requests),
            RUN(S105_requests_sent_at_once_are_answered_in_their_order),
            RUN(S105_bodies_that_nobody_reads_do_not_become_requests),
            RUN(S105_what_follows_a_connect_is_no_request), RUN(S105_old_clients_are_kept_if_they_ask),
            RUN(S105_a_slow_client_does_not_block_others), RUN(S105_a_client_that_is_too_slow_is_told_408),
            RUN(S105_an_idle_connection_gives_way_where_requests_run_one_after_the_other),
            RUN(S105_an_answer_says_that_its_connection_gives_way),
            RUN(S105_idle_connections_give_way_at_the_cap), RUN(S106_a_site_answers_to_its_own_names),
            RUN(S105_a_client_that_asks_nothing_is_left), RUN(S105_a_client_that_does_not_read_is_left),
            RUN(S105_a_connection_ends_after_so_many_requests), RUN(S105_a_body_is_asked_for_when_it_is_read),
            RUN(S105_chunks_come_and_go), RUN(S105_an_idle_connection_does_not_hold_up_the_end),
            RUN(S106_each_path_has_its_handler), RUN(S106_each_exchange_is_recorded))
