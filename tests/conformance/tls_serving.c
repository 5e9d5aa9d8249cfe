/* SPDX-License-Identifier: MIT */
/* Servers with TLS: the same handlers, in each policy and on each reactor. */
#include "matrix.h"

#include "../certificates.h"

static struct certificate own;
static struct ly_tls *server_tls, *client_tls;

static void make_contexts(void)
{
    if (server_tls)
        return;
    certificate_make(&own, "DNS:localhost,IP:127.0.0.1", NULL, 30);
    assert_int_equal(
        ly_tls_open(&server_tls,
                    &(struct ly_tls_options){.server = true, .certificate = own.pem, .key = own.key}),
        0);
    assert_int_equal(ly_tls_open(&client_tls, &(struct ly_tls_options){.verify = LY_TLS_VERIFY_NONE}), 0);
}

static struct ly_server *open_tls(const struct cell *c, struct ly_server_options o)
{
    make_contexts();
    o.tls = server_tls;
    o.handler.setup = arrive;
    o.address = o.listener ? NULL : "tls://127.0.0.1:0";
    return open_server(c, o);
}

static struct ly_sock *dial_tls(const struct ly_server *server)
{
    struct ly_sock *plain = dial_and_arrive(server), *s = NULL;
    assert_int_equal(ly_tls_wrap(&s, plain, client_tls, NULL), 0);
    return s;
}

static void exchange_tls(const struct ly_server *server, const char *text)
{
    struct ly_sock *s = dial_tls(server);
    say(s, text);
    expect(s, text);
    assert_int_equal(ly_shutdown(s, SHUT_WR), 0);
    expect_end(s);
    ly_sock_free(s);
}

/* Every error of a request is kept. */
static void keep_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    if (strcmp(where, "handle") == 0)
        notes->number[counted(1) % 8] = error;
    count(1);
}

ROW(the_handler_is_the_same_as_without_tls, ALL | TCP_ONLY)
{
    struct served s;
    serve(&s, open_tls(c, (struct ly_server_options){.handler.handle = echo}));
    for (int i = 0; i < 3; i++)
        exchange_tls(s.server, "hello");
    end_server(&s);
}

ROW(clients_that_are_slow_or_silent_do_not_hold_up_others, CONCURRENT | TCP_ONLY)
{
    struct served s;
    serve(&s, open_tls(c, (struct ly_server_options){.handler.handle = echo}));
    struct ly_sock *silent = dial_and_arrive(s.server), *slow = dial_and_arrive(s.server),
                   *up = dial_tls(s.server);
    say(slow, "\x16\x03\x01");
    say(up, "one");
    expect(up, "one");
    exchange_tls(s.server, "two");
    say(up, "three");
    expect(up, "three");
    hang_up(up);
    hang_up(slow);
    hang_up(silent);
    end_server(&s);
}

ROW(what_is_no_handshake_ends_with_an_error_of_its_request, ONE_PROCESS | TCP_ONLY)
{
    struct served s;
    char buf[64];
    struct ly_server *server =
        open_tls(c, (struct ly_server_options){.handler.handle = echo, .hooks.handle_error = keep_error});
    serve(&s, server);
    struct ly_sock *client = dial(s.server);
    assert_int_equal(ly_sendall(client, "\x16\x03\x01\0\x05\x02nope", 10), 0);
    assert_true(ly_recv(client, buf, sizeof buf) > 0); /* an alert */
    assert_int_equal(buf[0], 0x15);
    hang_up(client);
    AWAIT(counted(1) == 1);
    client = dial(s.server);
    say(client, "\x16\x03\x01\x02");
    hang_up(client);
    AWAIT(counted(1) == 2);
    assert_int_equal(notes->number[0], LY_ETLS);
    assert_int_equal(notes->number[1], LY_ECUT);
    exchange_tls(s.server, "still there");
    end_server(&s);
}

ROW(a_request_time_out_bounds_the_handshake, ONE_PROCESS | TCP_ONLY)
{
    struct served s;
    serve(&s, open_tls(c, (struct ly_server_options){.handler.handle = echo,
                                                     .hooks.handle_error = keep_error,
                                                     .request_timeout_ms = 30}));
    struct ly_sock *client = dial(s.server);
    say(client, "\x16");
    AWAIT(counted(1) == 1);
    assert_int_equal(notes->number[0], -ETIMEDOUT);
    hang_up(client);
    end_server(&s);
}

ROW(a_shutdown_cancels_handshakes, (THREADING | FIBERS) | TCP_ONLY)
{
    struct served s;
    serve(&s, open_tls(c, (struct ly_server_options){.handler.handle = echo,
                                                     .hooks.handle_error = keep_error,
                                                     .server_speaks_first = true,
                                                     .drain_ms = LY_POLL}));
    struct ly_sock *client = dial(s.server);
    say(client, "\x16");
    AWAIT(stats_of(s.server).active == 1);
    end_server(&s);
    hang_up(client);
}

static int greet(struct ly_request *rq)
{
    return ly_sendall(rq->sock, "welcome", 7);
}

ROW(a_server_may_speak_first, ALL | TCP_ONLY)
{
    struct served s;
    serve(&s, open_tls(c, (struct ly_server_options){.handler.handle = greet, .server_speaks_first = true}));
    struct ly_sock *client = dial_tls(s.server);
    expect(client, "welcome");
    expect_end(client);
    hang_up(client);
    end_server(&s);
}

ROW(a_handler_sees_its_clients_key, ALL | TCP_ONLY)
{
    struct served s;
    uint8_t key[32];
    serve(&s, open_tls(c, (struct ly_server_options){.handler.handle = echo}));
    struct ly_sock *client = dial_tls(s.server);
    assert_int_equal(ly_tls_handshake(client), 0);
    assert_int_equal(ly_tls_peer_key(client, key), 0);
    assert_memory_equal(key, own.identity, sizeof key);
    hang_up(client);
    end_server(&s);
}

ROW(sessions_are_resumed_whoever_serves, ALL | TCP_ONLY)
{
    struct served s;
    static char session[LY_TLS_SESSION_MAX];
    ssize_t length = 0;
    serve(&s, open_tls(c, (struct ly_server_options){.handler.handle = echo,
                                                     .workers = c->policy == LY_FIBERS ? 3 : 0}));
    for (int i = 0; i < 4; i++) {
        struct ly_sock *client = dial_tls(s.server);
        if (length > 0)
            assert_int_equal(ly_tls_set_session(client, session, (size_t)length), 0);
        say(client, "x");
        expect(client, "x");
        assert_int_equal(ly_tls_is_resumed(client), i > 0);
        length = ly_tls_session(client, session, sizeof session);
        assert_true(length > 0);
        hang_up(client);
    }
    end_server(&s);
}

ROW(a_listener_made_for_tls_is_served_with_tls, ALL | TCP_ONLY)
{
    struct served s;
    struct ly_sock *listener;
    make_contexts();
    assert_int_equal(
        ly_listen(&listener, "tls://127.0.0.1:0", &(struct ly_listen_options){.tls = server_tls}), 0);
    serve(&s, open_server(c, (struct ly_server_options){.handler = {.setup = arrive, .handle = echo},
                                                        .listener = listener}));
    exchange_tls(s.server, "hello");
    end_server(&s);
}

ROW(a_server_bound_by_hand_serves_tls, ALL | TCP_ONLY)
{
    struct served s;
    struct ly_server *server =
        open_tls(c, (struct ly_server_options){.handler.handle = echo, .no_bind = true});
    assert_int_equal(ly_server_bind(server), 0);
    assert_int_equal(ly_server_activate(server), 0);
    serve(&s, server);
    exchange_tls(s.server, "hello");
    end_server(&s);
}

static int say_secret(struct ly_http *x)
{
    return ly_http_answer(x, 200, "text/plain", "over TLS", 8);
}

ROW(a_site_is_served_over_it, ALL | TCP_ONLY)
{
    static const struct ly_http_route routes[] = {
        {.methods = LY_HTTP_GET, .path = "/secret", .handle = say_secret}, {.path = NULL}};
    static struct ly_http_site site = {.routes = routes};
    struct served s;
    char answer[1024] = "";
    size_t n = 0;
    ssize_t r;
    serve(&s, open_tls(c, (struct ly_server_options){.handler.handle = ly_http_serve, .user = &site}));
    struct ly_sock *client = dial_tls(s.server);
    say(client, "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n"
                "GET /secret HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    while ((r = ly_recv(client, answer + n, sizeof answer - 1 - n)) > 0)
        n += (size_t)r;
    assert_int_equal(r, 0);
    assert_int_equal(strncmp(answer, "HTTP/1.1 200", 12), 0);
    assert_non_null(strstr(strstr(answer, "over TLS") + 8, "over TLS"));
    hang_up(client);
    end_server(&s);
}

ROW(addresses_and_contexts_that_do_not_fit_are_refused, ALL | TCP_ONLY)
{
    struct ly_server *server;
    struct ly_server_options o = for_cell(c, (struct ly_server_options){.handler.handle = echo});
    make_contexts();
    char why[LY_LISTEN_WHY] = "";
    o.listen.why = why;
    o.listen.why_size = sizeof why;
    o.address = "tls://127.0.0.1:0";
    assert_int_equal(ly_server_open(&server, &o), -EINVAL);
    assert_non_null(strstr(why, "tls"));
    o.tls = client_tls;
    assert_int_equal(ly_server_open(&server, &o), -EINVAL);
    o.tls = server_tls;
    o.address = "tcp://127.0.0.1:0";
    assert_int_equal(ly_server_open(&server, &o), -EINVAL);
    o.address = "udp://127.0.0.1:0";
    assert_int_equal(ly_server_open(&server, &o), -EINVAL);
}

MATRIX_MAIN(RUN(the_handler_is_the_same_as_without_tls),
            RUN(clients_that_are_slow_or_silent_do_not_hold_up_others),
            RUN(what_is_no_handshake_ends_with_an_error_of_its_request),
            RUN(a_request_time_out_bounds_the_handshake), RUN(a_shutdown_cancels_handshakes),
            RUN(a_server_may_speak_first), RUN(a_handler_sees_its_clients_key),
            RUN(sessions_are_resumed_whoever_serves), RUN(a_listener_made_for_tls_is_served_with_tls),
            RUN(a_server_bound_by_hand_serves_tls), RUN(a_site_is_served_over_it),
            RUN(addresses_and_contexts_that_do_not_fit_are_refused))
