/* SPDX-License-Identifier: MIT */
/* What the list has no row for: draining, cancelling, caps and workers, the same in every policy. */
#include "matrix.h"
#include <sys/wait.h>

static void keep_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    notes->number[0] = error;
    count(0);
}

/* Says that it runs, and where, then waits for what never comes. */
static int wait_forever(struct ly_request *rq)
{
    char byte;
    notes->number[1] = getpid();
    ssize_t n = ly_recv(rq->sock, &byte, 1);
    if (n > 0)
        n = ly_sendall(rq->sock, "on", 2);
    if (n == 0)
        n = ly_recv(rq->sock, &byte, 1);
    return (int)n;
}

/* The same inside a scope of the handler's own. */
static int wait_in_scope(struct ly_request *rq)
{
    struct ly_scope *scope;
    int r = ly_scope_open(&scope, NULL);
    if (r < 0)
        return r;
    r = wait_forever(rq);
    ly_scope_close(scope);
    return r;
}

static int finish(struct ly_request *rq)
{
    (void)rq;
    count(1);
    return 0;
}

/*
 * Wait until a process waits for something. ThreadSanitizer keeps a signal that comes while its process runs,
 * and gives it to the handler at the next atomic operation; a child that was forked beside other threads may
 * begin a wait meanwhile that nothing ends, as its calls are no longer looked after.
 */
static void await_wait(pid_t pid)
{
    char path[40], line[256], state = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    while (state != 'S') {
        sched_yield();
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t n = read(fd, line, sizeof line - 1);
        close(fd);
        assert_true(n > 0);
        line[n] = 0;
        const char *name_ends = strrchr(line, ')');
        state = name_ends ? name_ends[2] : 0;
    }
}

static struct ly_sock *begin(struct ly_server *s)
{
    struct ly_sock *client = dial(s);
    say(client, "x");
    expect(client, "on");
    if (matrix.now->policy == LY_FORKING)
        await_wait((pid_t)notes->number[1]);
    return client;
}

/* The running request was cancelled, its finish ran, and its client reads the end. */
static void check_cancelled(struct served *s, struct ly_sock *client)
{
    char rest[8];
    assert_int_equal(ended(s), 0);
    while (ly_recv(client, rest, sizeof rest) > 0)
        ;
    assert_int_equal(counted(1), 1);
    assert_int_equal(notes->number[0], -ECANCELED);
    hang_up(client);
    ly_server_close(s->server);
}

static struct ly_server_options waiting(int64_t drain_ms)
{
    return (struct ly_server_options){.handler = {.handle = wait_forever, .finish = finish},
                                      .hooks.handle_error = keep_error,
                                      .drain_ms = drain_ms};
}

ROW(requests_are_cancelled_when_the_drain_is_over, ALL)
{
    struct served s;
    serve(&s, open_server(c, waiting(20)));
    struct ly_sock *client = begin(s.server);
    int64_t start = ly_now();
    ly_server_shutdown(s.server);
    assert_true(ms_since(start) >= 20);
    check_cancelled(&s, client);
}

ROW(without_a_drain_requests_are_cancelled_at_once, ALL)
{
    struct served s;
    serve(&s, open_server(c, waiting(LY_POLL)));
    struct ly_sock *client = begin(s.server);
    ly_server_shutdown(s.server);
    check_cancelled(&s, client);
}

ROW(cancelling_reaches_scopes_of_the_handler, ALL)
{
    struct served s;
    struct ly_server_options o = waiting(LY_POLL);
    o.handler.handle = wait_in_scope;
    serve(&s, open_server(c, o));
    struct ly_sock *client = begin(s.server);
    ly_server_shutdown(s.server);
    check_cancelled(&s, client);
}

ROW(a_second_shutdown_cancels_at_once, ALL)
{
    struct served s;
    serve(&s, open_server(c, waiting(0)));
    struct ly_sock *client = begin(s.server);
    ly_server_request_shutdown(s.server);
    ly_server_shutdown(s.server);
    check_cancelled(&s, client);
}

static struct ly_server *to_stop;

static void on_signal(int signal_number)
{
    (void)signal_number;
    ly_server_request_shutdown(to_stop);
}

ROW(a_signal_handler_may_ask_to_stop, ALL)
{
    struct sigaction action = {.sa_handler = on_signal}, old;
    struct served s;
    to_stop = open_server(c, waiting(0));
    serve(&s, to_stop);
    struct ly_sock *client = begin(s.server);
    sigaction(SIGUSR1, &action, &old);
    raise(SIGUSR1);
    raise(SIGUSR1);
    check_cancelled(&s, client);
    sigaction(SIGUSR1, &old, NULL);
}

ROW(silent_connections_are_closed_when_the_drain_begins, FIBERS)
{
    struct served s;
    serve(&s, open_server(c, waiting(0)));
    struct ly_sock *client = dial(s.server);
    AWAIT(stats_of(s.server).accepted == 1);
    ly_server_shutdown(s.server);
    expect_end(client);
    assert_int_equal(ended(&s), 0);
    assert_int_equal(stats_of(s.server).active, 0);
    assert_int_equal(counted(1), 0);
    hang_up(client);
    ly_server_close(s.server);
}

/* ---- scopes around the server ---- */

struct surrounded {
    struct ly_server *server;
    int result;
};

static int serve_as_task(void *arg)
{
    struct surrounded *s = arg;
    s->result = ly_serve_forever(s->server);
    return 0;
}

ROW(C29_cancelling_the_scope_around_it_ends_serving, ALL)
{
    struct surrounded s = {open_server(c, waiting(0)), 1};
    struct ly_scope *scope;
    char rest[8];
    assert_int_equal(ly_scope_open(&scope, NULL), 0);
    assert_int_equal(ly_go(scope, serve_as_task, &s), 0);
    struct ly_sock *client = begin(s.server);
    ly_scope_close(scope);
    while (ly_recv(client, rest, sizeof rest) > 0)
        ;
    hang_up(client);
    ly_server_close(s.server);
    assert_int_equal(s.result, -ECANCELED);
}

/* ---- fibers ---- */

static int greet(struct ly_request *rq)
{
    int r = ly_sendall(rq->sock, "hello", 5);
    return r < 0 ? r : echo(rq);
}

ROW(a_server_may_speak_first, ALL)
{
    struct served s;
    serve(&s,
          open_server(c, (struct ly_server_options){.handler.handle = greet, .server_speaks_first = true}));
    struct ly_sock *client = dial(s.server);
    expect(client, "hello");
    assert_int_equal(ly_shutdown(client, SHUT_WR), 0);
    expect_end(client);
    hang_up(client);
    end_server(&s);
}

static int tell_name(struct ly_request *rq)
{
    char peer[LY_ADDRESS_TEXT];
    ly_address_format(&rq->peer, peer, sizeof peer);
    note(strcmp(ly_name(), peer) == 0 ? '=' : '?');
    return echo(rq);
}

ROW(a_request_is_named_by_its_peer, FIBERS | THREADING)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = tell_name}));
    exchange(s.server, "x", "x");
    end_server(&s);
    assert_string_equal(notes->letters, "=");
}

static void check_workers(const struct cell *c, bool distribute)
{
    struct served s;
    struct ly_sock *client[30];
    serve(&s, open_server(c, (struct ly_server_options){
                                 .handler.handle = echo, .workers = 3, .distribute = distribute}));
    for (int i = 0; i < 30; i++) {
        client[i] = dial(s.server);
        say(client[i], "x");
    }
    for (int i = 0; i < 30; i++)
        expect(client[i], "x");
    struct ly_server_stats one;
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(ly_server_stats(s.server, i, &one), 0);
        sum += one.accepted;
        if (distribute || strcmp(c->transport, "tcp") != 0)
            assert_int_equal(one.accepted, 10);
    }
    assert_int_equal(sum, 30);
    assert_int_equal(ly_server_stats(s.server, 3, &one), -EINVAL);
    for (int i = 0; i < 30; i++)
        hang_up(client[i]);
    AWAIT(stats_of(s.server).active == 0);
    end_server(&s);
}

ROW(workers_share_the_connections, FIBERS)
{
    check_workers(c, false);
}

ROW(one_acceptor_hands_out_in_turn, FIBERS)
{
    check_workers(c, true);
}

ROW(the_cap_counts_over_all_workers, FIBERS)
{
    struct served s;
    struct ly_sock *client[4];
    serve(&s, open_server(
                  c, (struct ly_server_options){.handler.handle = echo, .workers = 2, .max_requests = 2}));
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 4; i++) {
            client[i] = dial(s.server);
            say(client[i], "x");
        }
        AWAIT(stats_of(s.server).active == 2);
        for (int i = 0; i < 4; i++)
            assert_int_equal(ly_shutdown(client[i], SHUT_WR), 0);
        for (int i = 0; i < 4; i++) {
            expect(client[i], "x");
            expect_end(client[i]);
            hang_up(client[i]);
        }
    }
    assert_int_equal(stats_of(s.server).accepted, 80);
    end_server(&s);
}

struct in_fiber {
    const struct cell *cell;
    int result;
};

static int use_from_fiber(void *arg)
{
    struct in_fiber *f = arg;
    struct surrounded s = {open_server(f->cell, (struct ly_server_options){.handler.handle = echo}), 1};
    struct ly_scope *scope;
    if (f->cell->policy == LY_FORKING) {
        f->result = ly_serve_forever(s.server) == -EPERM ? 0 : -1;
        ly_server_close(s.server);
        return 0;
    }
    assert_int_equal(ly_scope_open(&scope, NULL), 0);
    assert_int_equal(ly_go(scope, serve_as_task, &s), 0);
    exchange(s.server, "inside", "inside");
    ly_server_shutdown(s.server);
    assert_int_equal(ly_scope_join(scope), 0);
    ly_scope_close(scope);
    ly_server_close(s.server);
    f->result = s.result;
    return 0;
}

ROW(a_fiber_may_serve_unless_requests_are_processes, ALL)
{
    struct in_fiber f = {c, 1};
    struct ly_run_options o = {.reactor = c->policy == LY_FIBERS ? c->reactor : NULL};
    assert_int_equal(ly_run(use_from_fiber, &f, &o), 0);
    assert_int_equal(f.result, 0);
}

/* ---- options ---- */

ROW(contradicting_options_are_refused, ALL)
{
    struct ly_server *s = NULL;
    struct ly_server_options bad[] = {
        {0},
        {.handler.handle = NULL, .address = "tcp://127.0.0.1:0"},
        {.handler.handle = echo, .workers = -1},
        {.handler.handle = echo, .workers = 257},
        {.handler.handle = echo, .max_requests = -1},
        {.handler.handle = echo, .drain_ms = -1},
        {.handler.handle = echo, .no_bind = true, .listen.replace_stale = true},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct ly_server_options o = for_cell(c, bad[i]);
        assert_int_equal(ly_server_open(&s, &o), -EINVAL);
    }
    char why[LY_LISTEN_WHY] = "";
    struct ly_server_options none = {
        .policy = c->policy, .handler.handle = echo, .listen = {.why = why, .why_size = sizeof why}};
    assert_int_equal(ly_server_open(&s, &none), -EINVAL);
    assert_string_equal(why, "options: EINVAL (an address or a listener is missing)");
}

ROW(a_second_serve_forever_is_refused, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = echo}));
    exchange(s.server, "a", "a");
    assert_int_equal(ly_serve_forever(s.server), -EBUSY);
    assert_int_equal(ly_handle_request(s.server), -EBUSY);
    end_server(&s);
}

ROW(a_listener_that_is_shut_down_ends_serving_with_an_error, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = echo}));
    exchange(s.server, "a", "a");
    assert_int_equal(shutdown(ly_server_fileno(s.server), SHUT_RDWR), 0);
    assert_int_equal(ended(&s), -EINVAL);
    ly_server_close(s.server);
}

MATRIX_MAIN(RUN(requests_are_cancelled_when_the_drain_is_over),
            RUN(without_a_drain_requests_are_cancelled_at_once),
            RUN(cancelling_reaches_scopes_of_the_handler), RUN(a_second_shutdown_cancels_at_once),
            RUN(a_signal_handler_may_ask_to_stop), RUN(silent_connections_are_closed_when_the_drain_begins),
            RUN(C29_cancelling_the_scope_around_it_ends_serving), RUN(a_server_may_speak_first),
            RUN(a_request_is_named_by_its_peer), RUN(workers_share_the_connections),
            RUN(one_acceptor_hands_out_in_turn), RUN(the_cap_counts_over_all_workers),
            RUN(a_fiber_may_serve_unless_requests_are_processes), RUN(contradicting_options_are_refused),
            RUN(a_second_serve_forever_is_refused),
            RUN(a_listener_that_is_shut_down_ends_serving_with_an_error))
