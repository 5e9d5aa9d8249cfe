/* SPDX-License-Identifier: MIT */
/* Parts B (errors) and C: what happens to one request. */
#include "matrix.h"
#include <netinet/in.h>
#include <netinet/tcp.h>

/* What the hook was told last; forked children share it. */
static void keep_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    note(where[0]);
    notes->number[0] = error;
    count(0);
}

static int read_byte(struct ly_request *rq)
{
    char byte;
    ssize_t n = ly_recv(rq->sock, &byte, 1);
    return n < 0 ? (int)n : 0;
}

static int note_setup(struct ly_request *rq)
{
    (void)rq;
    note('S');
    return 0;
}

static int note_finish(struct ly_request *rq)
{
    (void)rq;
    note('F');
    return 0;
}

static int note_handle(struct ly_request *rq)
{
    note('H');
    int r = read_byte(rq);
    return r < 0 ? r : ly_sendall(rq->sock, "done", 4);
}

/* Serve one client, which gets this answer and then the end. */
static void one_client(struct ly_server *server, const char *answer)
{
    struct served s;
    serve(&s, server);
    struct ly_sock *client = dial(server);
    say(client, "x");
    expect(client, answer);
    expect_end(client);
    hang_up(client);
    end_server(&s);
}

/* ---- verify_request ---- */

static int refuse(struct ly_request *rq)
{
    (void)rq;
    note('V');
    return 0;
}

ROW(C26_a_refused_client_reads_the_end, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){
                                 .handler = {note_setup, note_handle, note_finish},
                                 .hooks = {.verify_request = refuse, .handle_error = keep_error}}));
    struct ly_sock *client = dial(s.server);
    expect_end(client);
    hang_up(client);
    AWAIT(stats_of(s.server).active == 0);
    assert_int_equal(stats_of(s.server).refused, 1);
    assert_int_equal(stats_of(s.server).failed, 0);
    end_server(&s);
    assert_string_equal(notes->letters, "V");
}

static int fail_to_verify(struct ly_request *rq)
{
    (void)rq;
    return -EACCES;
}

ROW(C27_an_error_of_verify_request_refuses_and_is_told, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){
                                 .handler.handle = note_handle,
                                 .hooks = {.verify_request = fail_to_verify, .handle_error = keep_error}}));
    struct ly_sock *client = dial(s.server);
    expect_end(client);
    hang_up(client);
    end_server(&s);
    assert_string_equal(notes->letters, "v");
    assert_int_equal(notes->number[0], -EACCES);
}

/* ---- errors ---- */

static int fail_first(struct ly_request *rq)
{
    int r = read_byte(rq);
    count(1);
    if (r < 0 || counted(1) == 1)
        return r < 0 ? r : LY_EFRAME;
    return ly_sendall(rq->sock, "good", 4);
}

ROW(C28_an_error_is_told_and_the_server_goes_on, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = fail_first,
                                                        .hooks.handle_error = keep_error}));
    struct ly_sock *client = dial(s.server);
    say(client, "x");
    expect_end(client);
    hang_up(client);
    client = dial(s.server);
    say(client, "x");
    expect(client, "good");
    hang_up(client);
    end_server(&s);
    assert_int_equal(counted(0), 1);
    assert_int_equal(notes->number[0], LY_EFRAME);
}

static int fail_plainly(struct ly_request *rq)
{
    int r = read_byte(rq);
    return r < 0 ? r : LY_EFRAME;
}

/* Have standard error written into a pipe; returns what it was. */
static int capture_errors(int *ret_read)
{
    int p[2], old = dup(2);
    assert_int_equal(pipe(p), 0);
    dup2(p[1], 2);
    close(p[1]);
    *ret_read = p[0];
    return old;
}

/* A client that has connected and said "x" before its server serves, so that no time-out counts before. */
static struct ly_sock *say_before_serving(struct served *s, struct ly_server *server)
{
    struct ly_sock *client = dial(server);
    say(client, "x");
    serve(s, server);
    return client;
}

/* What the server reports of one client that says "x"; the client's address in *ret_peer. */
static const char *report_of(const struct cell *c, struct ly_server_options o, char *ret_peer)
{
    static char report[4096];
    struct served s;
    struct ly_address me;
    int from, old = capture_errors(&from);
    struct ly_sock *client = say_before_serving(&s, open_server(c, o));
    int r = ly_sock_local(client, &me);
    expect_end(client);
    hang_up(client);
    end_server(&s);
    dup2(old, 2);
    close(old);
    ssize_t n = read(from, report, sizeof report - 1);
    close(from);
    assert_int_equal(r, 0);
    assert_true(n > 0);
    report[n] = 0;
    ly_address_format(&me, ret_peer, LY_ADDRESS_TEXT);
    return report;
}

ROW(C30_the_default_report_names_operation_peer_and_error, ALL)
{
    char peer[LY_ADDRESS_TEXT];
    const char *report = report_of(c, (struct ly_server_options){.handler.handle = fail_plainly}, peer);
    assert_non_null(strstr(report, "----------------------------------------\n"));
    assert_non_null(strstr(report, peer));
    assert_non_null(strstr(report, "failed in handle"));
    assert_non_null(strstr(report, "LY_EFRAME"));
    assert_non_null(strstr(report, ly_error_text(LY_EFRAME)));
    assert_non_null(strstr(report, "fail_plainly")); /* no call of the library failed: the step's function */
    assert_null(strstr(report, "latest last"));
}

/* Not inlined, so that it is a link of the chain. */
static __attribute__((noinline)) int wait_in_vain(struct ly_request *rq)
{
    int r = read_byte(rq);
    return r < 0 ? r : 1;
}

static int fail_deeper(struct ly_request *rq)
{
    int r = read_byte(rq);
    r = r < 0 ? r : wait_in_vain(rq);
    note(r < 0 ? 'e' : '?'); /* so that the call is none that this function ends with */
    return r;
}

ROW(C30_the_default_report_has_the_chain_of_calls, ALL)
{
    char peer[LY_ADDRESS_TEXT];
    const char *report = report_of(
        c, (struct ly_server_options){.handler.handle = fail_deeper, .request_timeout_ms = 5}, peer);
    assert_non_null(strstr(report, "ETIMEDOUT"));
    const char *handler = strstr(report, "latest last:\n  fail_deeper");
    assert_non_null(handler);
    const char *deeper = strstr(handler, "  wait_in_vain");
    assert_non_null(deeper);
    assert_null(strstr(report, "ly__request_run"));
}

/* ---- order ---- */

static int let_in(struct ly_request *rq)
{
    (void)rq;
    note('V');
    return 1;
}

ROW(C31_verify_setup_handle_finish_then_the_end, ALL)
{
    one_client(open_server(c, (struct ly_server_options){.handler = {note_setup, note_handle, note_finish},
                                                         .hooks.verify_request = let_in}),
               "done");
    assert_string_equal(notes->letters, "VSHF");
}

static int close_it(struct ly_request *rq)
{
    int r = note_handle(rq);
    ly_shutdown(rq->sock, SHUT_WR);
    ly_sock_close(rq->sock);
    return r;
}

ROW(C32_a_handler_may_close_its_connection, ALL)
{
    one_client(open_server(c, (struct ly_server_options){.handler.handle = close_it,
                                                         .hooks.handle_error = keep_error}),
               "done");
    assert_int_equal(counted(0), 0);
}

static int check_request(struct ly_request *rq)
{
    note(rq->state == NULL ? 'N' : '?');
    note(ly_server_user(rq->server) == notes ? 'U' : '?');
    struct ly_address peer;
    note(ly_sock_peer(rq->sock, &peer) == 0 && ly_address_equal(&peer, &rq->peer) ? 'P' : '?');
    note(rq->peer.type == ly_sock_type(rq->sock) ? 'T' : '?');
    rq->state = notes;
    return 0;
}

static int check_state(struct ly_request *rq)
{
    note(rq->state == notes ? 'K' : '?');
    return note_handle(rq);
}

static int check_finish(struct ly_request *rq)
{
    note(rq->state == notes ? 'K' : '?');
    return 0;
}

ROW(C33_setup_handle_and_finish_share_one_request, ALL)
{
    one_client(
        open_server(c, (struct ly_server_options){.handler = {check_request, check_state, check_finish},
                                                  .user = notes}),
        "done");
    assert_string_equal(notes->letters, "NUPTKHK");
}

static int fail_handle(struct ly_request *rq)
{
    int r = note_handle(rq);
    return r < 0 ? r : -EIO;
}

ROW(C34_finish_runs_even_if_handle_fails, ALL)
{
    one_client(open_server(c, (struct ly_server_options){.handler = {note_setup, fail_handle, note_finish},
                                                         .hooks.handle_error = keep_error}),
               "done");
    assert_string_equal(notes->letters, "SHhF");
    assert_int_equal(notes->number[0], -EIO);
}

static int fail_setup(struct ly_request *rq)
{
    int r = read_byte(rq);
    if (r == 0)
        r = ly_sendall(rq->sock, "no", 2);
    return r < 0 ? r : -EPERM;
}

ROW(C35_after_a_failed_setup_nothing_else_runs, ALL)
{
    one_client(open_server(c, (struct ly_server_options){.handler = {fail_setup, note_handle, note_finish},
                                                         .hooks.handle_error = keep_error}),
               "no");
    assert_string_equal(notes->letters, "s");
    assert_int_equal(notes->number[0], -EPERM);
}

static int fail_finish(struct ly_request *rq)
{
    (void)rq;
    return -ENOSPC;
}

ROW(C36_what_was_sent_arrives_although_finish_fails, ALL)
{
    one_client(open_server(c, (struct ly_server_options){.handler = {NULL, note_handle, fail_finish},
                                                         .hooks.handle_error = keep_error}),
               "done");
    assert_string_equal(notes->letters, "Hf");
    assert_int_equal(notes->number[0], -ENOSPC);
}

static int own_state(struct ly_request *rq)
{
    char mine, answer;
    note(rq->state == NULL ? 'N' : '?');
    ssize_t n = ly_recv(rq->sock, &mine, 1);
    rq->state = &mine;
    if (n > 0)
        n = ly_sendall(rq->sock, "ok", 2);
    if (n == 0)
        n = ly_recv(rq->sock, &answer, 1);
    return n > 0 ? ly_sendall(rq->sock, rq->state, 1) : (int)n;
}

ROW(C37_requests_share_no_state, CONCURRENT)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = own_state}));
    struct ly_sock *one = dial(s.server), *two = dial(s.server);
    say(one, "1");
    expect(one, "ok");
    say(two, "2");
    expect(two, "ok");
    say(one, "x");
    expect(one, "1");
    say(two, "x");
    expect(two, "2");
    hang_up(one);
    hang_up(two);
    end_server(&s);
    assert_string_equal(notes->letters, "NN");
}

/* ---- options put on each connection ---- */

static int wait_for_more(struct ly_request *rq)
{
    int r = read_byte(rq);
    return r < 0 ? r : read_byte(rq);
}

ROW(C40_the_request_timeout_bounds_each_call, ALL)
{
    struct served s;
    struct ly_server *server = open_server(c, (struct ly_server_options){.handler.handle = wait_for_more,
                                                                         .request_timeout_ms = 20,
                                                                         .hooks.handle_error = keep_error});
    int64_t start = ly_now();
    struct ly_sock *client = say_before_serving(&s, server);
    expect_end(client);
    assert_true(ms_since(start) >= 20);
    hang_up(client);
    end_server(&s);
    assert_int_equal(notes->number[0], -ETIMEDOUT);
}

ROW(C40_a_client_that_says_nothing_is_given_up_too, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler = {note_setup, wait_for_more, note_finish},
                                                        .request_timeout_ms = 20,
                                                        .hooks.handle_error = keep_error}));
    for (int i = 0; i < 2; i++) {
        int64_t start = ly_now();
        struct ly_sock *client = dial(s.server);
        expect_end(client);
        assert_true(ms_since(start) >= 20);
        hang_up(client);
    }
    end_server(&s);
    assert_int_equal(notes->number[0], -ETIMEDOUT);
    assert_string_equal(notes->letters, "ShFShF");
}

static int tell_no_delay(struct ly_request *rq)
{
    int on = -1;
    char byte;
    ssize_t n = ly_recv(rq->sock, &byte, 1); /* a close with unread bytes would reset the connection */
    int r = n < 0 ? (int)n : ly_sock_get_int(rq->sock, IPPROTO_TCP, TCP_NODELAY, &on);
    return r < 0 ? r : ly_sendall(rq->sock, on ? "on" : "off", on ? 2 : 3);
}

ROW(C41_no_delay_is_set_when_asked_for, ALL | TCP_ONLY)
{
    struct ly_server_options o = {.handler.handle = tell_no_delay, .no_delay = true};
    struct ly_server *server = open_server(c, o);
    struct served s;
    serve(&s, server);
    exchange(server, "x", "on");
    end_server(&s);
    o.no_delay = false;
    server = open_server(c, o);
    serve(&s, server);
    exchange(server, "x", "off");
    end_server(&s);
}

MATRIX_MAIN(RUN(C26_a_refused_client_reads_the_end), RUN(C27_an_error_of_verify_request_refuses_and_is_told),
            RUN(C28_an_error_is_told_and_the_server_goes_on),
            RUN(C30_the_default_report_names_operation_peer_and_error),
            RUN(C30_the_default_report_has_the_chain_of_calls),
            RUN(C31_verify_setup_handle_finish_then_the_end), RUN(C32_a_handler_may_close_its_connection),
            RUN(C33_setup_handle_and_finish_share_one_request), RUN(C34_finish_runs_even_if_handle_fails),
            RUN(C35_after_a_failed_setup_nothing_else_runs),
            RUN(C36_what_was_sent_arrives_although_finish_fails), RUN(C37_requests_share_no_state),
            RUN(C40_the_request_timeout_bounds_each_call),
            RUN(C40_a_client_that_says_nothing_is_given_up_too), RUN(C41_no_delay_is_set_when_asked_for))
