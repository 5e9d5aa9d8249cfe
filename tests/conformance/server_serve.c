/* SPDX-License-Identifier: MIT */
/* Part B: ly_handle_request, ly_serve_forever, ly_server_shutdown. */
#include "matrix.h"
#include <sys/resource.h>
#include <sys/time.h>

static void await_stage(struct ly_server *s, int stage)
{
    AWAIT(atomic_load(&s->stage) == stage);
}

static void count_timeout(struct ly_server *s)
{
    (void)s;
    count(0);
}

/* ---- one request ---- */

ROW(C10_handle_request_serves_exactly_one, ALL)
{
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = echo});
    struct ly_sock *one = dial(s), *two = dial(s);
    char byte;
    say(one, "a");
    say(two, "b");
    assert_int_equal(ly_shutdown(one, SHUT_WR), 0);
    assert_int_equal(ly_shutdown(two, SHUT_WR), 0);
    assert_int_equal(ly_handle_request(s), 1);
    expect(one, "a");
    expect_end(one);
    assert_int_equal(ly_recv_flags(two, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(ly_handle_request(s), 1);
    expect(two, "b");
    hang_up(one);
    hang_up(two);
    ly_server_close(s);
}

/* Let handle_request wait in vain; returns the milliseconds it took. */
static int64_t wait_in_vain(struct ly_server *s)
{
    int64_t start = ly_now();
    assert_int_equal(ly_handle_request(s), 0);
    return ms_since(start);
}

ROW(C11_handle_request_waits_at_most_its_timeout, ALL)
{
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = echo,
                                                                    .handle_timeout_ms = 20,
                                                                    .hooks.handle_timeout = count_timeout});
    assert_true(wait_in_vain(s) >= 20);
    assert_int_equal(counted(0), 1);
    ly_server_close(s);
}

ROW(C12_the_smaller_of_server_and_listener_timeout_counts, ALL)
{
    struct ly_server_options o = {
        .handler.handle = echo, .handle_timeout_ms = 60000, .hooks.handle_timeout = count_timeout};
    assert_int_equal(ly_listen(&o.listener, fresh_address(c), NULL), 0);
    assert_int_equal(ly_sock_set_timeout(o.listener, 20), 0);
    struct ly_server *s = open_server(c, o);
    int64_t took = wait_in_vain(s);
    assert_true(took >= 20 && took < 60000);
    ly_server_close(s);

    assert_int_equal(ly_listen(&o.listener, fresh_address(c), NULL), 0);
    assert_int_equal(ly_sock_set_timeout(o.listener, 60000), 0);
    o.handle_timeout_ms = 20;
    s = open_server(c, o);
    took = wait_in_vain(s);
    assert_true(took >= 20 && took < 60000);
    assert_int_equal(counted(0), 2);
    ly_server_close(s);
}

ROW(C13_handle_request_without_waiting_is_a_poll, ALL)
{
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = echo,
                                                                    .handle_timeout_ms = LY_POLL,
                                                                    .hooks.handle_timeout = count_timeout});
    wait_in_vain(s);
    assert_int_equal(counted(0), 1);
    struct ly_sock *client = dial(s);
    say(client, "a");
    assert_int_equal(ly_shutdown(client, SHUT_WR), 0);
    assert_int_equal(ly_handle_request(s), 1);
    expect(client, "a");
    hang_up(client);
    ly_server_close(s);
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    count(1);
}

ROW(C14_signals_do_not_change_how_long_it_waits, ALL)
{
    struct sigaction action = {.sa_handler = on_alarm}, old;
    struct itimerval every = {{0, 5000}, {0, 5000}}, never = {{0, 0}, {0, 0}};
    struct ly_server *s =
        open_server(c, (struct ly_server_options){.handler.handle = echo, .handle_timeout_ms = 60});
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &every, NULL);
    while (counted(1) < 2) /* signals that come while this process does not run are one */
        assert_true(wait_in_vain(s) >= 60);
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    ly_server_close(s);
}

/* ---- serve_forever's turns ---- */

static void act(struct ly_server *s)
{
    count(2);
    if (counted(2) == 5)
        ly_server_request_shutdown(s);
}

ROW(C15_serve_forever_ignores_the_timeout, ALL)
{
    struct ly_server *s = open_server(
        c, (struct ly_server_options){.handler.handle = echo,
                                      .handle_timeout_ms = 1,
                                      .poll_interval_ms = 3,
                                      .hooks = {.handle_timeout = count_timeout, .service_actions = act}});
    assert_int_equal(ly_serve_forever(s), 0);
    assert_int_equal(counted(0), 0);
    ly_server_close(s);
}

static void only_count(struct ly_server *s)
{
    (void)s;
    count(2);
}

ROW(C16_service_actions_come_with_and_without_requests, ALL)
{
    struct served s;
    int64_t start = ly_now();
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = echo,
                                                        .poll_interval_ms = 10,
                                                        .hooks.service_actions = only_count}));
    AWAIT(counted(2) >= 3);
    assert_true(ms_since(start) >= 10);
    exchange(s.server, "a", "a");
    int before = counted(2);
    AWAIT(counted(2) > before);
    end_server(&s);
}

/* ---- ending ---- */

ROW(C17_shutdown_from_another_thread_ends_serve_forever, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = echo}));
    exchange(s.server, "hello", "hello");
    end_server(&s);
}

static int greet_and_wait(struct ly_request *rq)
{
    char byte;
    ssize_t n = ly_recv(rq->sock, &byte, 1);
    if (n > 0)
        n = ly_sendall(rq->sock, "started", 7);
    if (n == 0)
        n = ly_recv(rq->sock, &byte, 1);
    note('h');
    return (int)n;
}

static void *shut_down(void *server)
{
    ly_server_shutdown(server);
    note('s');
    return NULL;
}

ROW(C18_a_running_request_is_finished_before_shutdown_returns, ALL)
{
    struct served s;
    pthread_t thread;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = greet_and_wait}));
    struct ly_sock *client = dial(s.server);
    say(client, "x");
    expect(client, "started");
    assert_int_equal(pthread_create(&thread, NULL, shut_down, s.server), 0);
    await_stage(s.server, LY__DRAINING);
    say(client, "y");
    expect_end(client);
    pthread_join(thread, NULL);
    assert_string_equal(notes->letters, "hs");
    assert_int_equal(ended(&s), 0);
    hang_up(client);
    ly_server_close(s.server);
}

static int ask_to_stop(struct ly_request *rq)
{
    char byte;
    ssize_t n = ly_recv(rq->sock, &byte, 1);
    note('h');
    ly_server_shutdown(rq->server);
    return n > 0 ? ly_sendall(rq->sock, "asked", 5) : (int)n;
}

/* Where the serving loop is: kept in its hook, at the end of a turn, from KEEP to GO_ON. */
enum { KEEP, KEPT, GO_ON };

static void stay_in_hook(struct ly_server *s)
{
    (void)s;
    while (counted(KEEP) && !counted(GO_ON)) {
        count(KEPT);
        ly_sleep(1);
    }
}

static void keep_in_hook(void)
{
    count(KEEP);
    AWAIT(counted(KEPT));
}

/* A loop that runs beside its handlers may be just about to accept: what it does then comes before. */
static int ask_between_turns(struct ly_request *rq)
{
    count(KEEP);
    while (matrix.now->policy != LY_SEQUENTIAL && !counted(KEPT))
        ly_sleep(1);
    return ask_to_stop(rq);
}

ROW(C19_after_shutdown_was_asked_nothing_more_is_taken, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = ask_between_turns,
                                                        .poll_interval_ms = 1,
                                                        .hooks.service_actions = stay_in_hook}));
    struct ly_sock *one = dial(s.server);
    say(one, "x");
    expect(one, "asked");
    struct ly_sock *two = dial(s.server);
    say(two, "x");
    count(GO_ON);
    assert_int_equal(ended(&s), 0);
    assert_string_equal(notes->letters, "h");
    char byte;
    assert_int_equal(ly_recv_flags(two, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    hang_up(one);
    hang_up(two);
    ly_server_close(s.server);
}

static bool somebody_waits(struct ly_server *s)
{
    pthread_mutex_lock(&s->lock);
    bool waits = atomic_load(&s->early) > 0;
    pthread_mutex_unlock(&s->lock);
    return waits;
}

ROW(C20_shutdown_before_serving_ends_the_next_serving_at_once, ALL)
{
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = greet_and_wait});
    struct ly_sock *client = dial(s);
    pthread_t thread;
    say(client, "x");
    assert_int_equal(pthread_create(&thread, NULL, shut_down, s), 0);
    AWAIT(somebody_waits(s));
    assert_int_equal(ly_serve_forever(s), 0);
    pthread_join(thread, NULL);
    assert_string_equal(notes->letters, "s");
    hang_up(client);
    ly_server_close(s);
    for (int i = 0; i < 20; i++) {
        struct served pair;
        serve(&pair, open_server(c, (struct ly_server_options){.handler.handle = echo}));
        end_server(&pair);
    }
}

ROW(C20_a_request_to_stop_that_comes_before_serving_counts_once, ALL)
{
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = echo});
    struct served again;
    ly_server_request_shutdown(s);
    assert_int_equal(ly_serve_forever(s), 0);
    serve(&again, s);
    exchange(s, "again", "again");
    end_server(&again);
}

ROW(C21_serve_forever_can_be_run_again, ALL)
{
    struct served s;
    struct ly_server *server = open_server(c, (struct ly_server_options){.handler.handle = echo});
    for (int i = 0; i < 3; i++) {
        serve(&s, server);
        exchange(server, "again", "again");
        ly_server_shutdown(server);
        assert_int_equal(ended(&s), 0);
    }
    ly_server_close(server);
}

ROW(C22_shutdown_after_the_end_has_no_effect, ALL)
{
    struct served s;
    struct ly_server *server = open_server(c, (struct ly_server_options){.handler.handle = echo});
    for (int i = 0; i < 2; i++) {
        serve(&s, server);
        exchange(server, "still", "still");
        ly_server_shutdown(server);
        assert_int_equal(ended(&s), 0);
        ly_server_shutdown(server);
        ly_server_request_shutdown(server);
    }
    ly_server_close(server);
}

static void shut_down_in_hook(struct ly_server *s)
{
    ly_server_shutdown(s);
}

ROW(C23_shutdown_from_a_handler_or_a_hook_only_asks, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = ask_to_stop}));
    struct ly_sock *client = dial(s.server);
    say(client, "x");
    expect(client, "asked");
    assert_int_equal(ended(&s), 0);
    hang_up(client);
    ly_server_close(s.server);

    struct ly_server *hooked = open_server(
        c, (struct ly_server_options){
               .handler.handle = echo, .poll_interval_ms = 1, .hooks.service_actions = shut_down_in_hook});
    assert_int_equal(ly_serve_forever(hooked), 0);
    ly_server_close(hooked);
}

/* ---- accepting in trouble ---- */

static void ignore_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
}

ROW(C24_a_client_that_has_gone_again_does_no_harm, ALL | TCP_ONLY)
{
    struct linger at_once = {1, 0};
    struct served s;
    struct ly_server *server = open_server(
        c, (struct ly_server_options){.handler.handle = echo, .hooks.handle_error = ignore_error});
    for (int i = 0; i < 5; i++) {
        struct ly_sock *client = dial(server);
        assert_int_equal(ly_sock_set_option(client, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
        hang_up(client);
    }
    serve(&s, server);
    exchange(server, "next", "next");
    end_server(&s);
}

static void count_pause(struct ly_server *s, int error)
{
    (void)s;
    notes->number[0] = error;
    count(3);
}

static struct ly_server *open_short_of_descriptors(const struct cell *c)
{
    return open_server(c, (struct ly_server_options){
                              .handler.handle = echo,
                              .poll_interval_ms = 10,
                              .hooks = {.accept_paused = count_pause, .service_actions = stay_in_hook}});
}

/* Let this process open no further descriptor; returns what to put back. Nobody may be in accept(2): it has a
 * descriptor while it looks whether somebody waits, and gives it back. */
static struct rlimit no_more_descriptors(void)
{
    struct rlimit old, now;
    int free_one = dup(0);
    getrlimit(RLIMIT_NOFILE, &old);
    now = old;
    now.rlim_cur = (rlim_t)free_one;
    close(free_one);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
    return old;
}

static int64_t processor_time(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000000 + t.tv_nsec;
}

ROW(C25_without_descriptors_accepting_pauses_and_does_not_spin, ALL)
{
    struct served s;
    struct ly_address a;
    struct ly_sock *client = NULL;
    serve(&s, open_short_of_descriptors(c));
    exchange(s.server, "before", "before");
    AWAIT(stats_of(s.server).active == 0);
    assert_int_equal(ly_server_address(s.server, &a), 0);
    assert_int_equal(ly_socket(&client, a.u.family, a.type, 0), 0);
    keep_in_hook();
    struct rlimit old = no_more_descriptors();
    assert_int_equal(ly_sock_connect(client, &a), 0);
    say(client, "x");
    count(GO_ON);
    while (counted(3) == 0)
        usleep(1000); /* gives the processor away, so that what is measured next is the server's */
    int64_t start = ly_now(), busy = processor_time();
    struct pollfd p = {.fd = ly_sock_fileno(client), .events = POLLIN};
    assert_int_equal(poll(&p, 1, LY__PAUSE_MS * 3 / 2), 0);
    int64_t waited = ly_now() - start;
    busy = processor_time() - busy;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    expect(client, "x");
    assert_true(busy < waited / 2);
    assert_int_equal(counted(3), 1);
    assert_int_equal(notes->number[0], -EMFILE);
    assert_int_equal(stats_of(s.server).pauses, 1);
    hang_up(client);
    end_server(&s);
}

/* A descriptor that a request gives back is used without waiting for the pause to end. */
ROW(C25_a_descriptor_that_becomes_free_ends_the_pause, THREADING | FIBERS)
{
    struct served s;
    struct ly_address a;
    struct ly_sock *waiting = NULL;
    serve(&s, open_short_of_descriptors(c));
    struct ly_sock *open = dial(s.server);
    say(open, "x");
    expect(open, "x");
    assert_int_equal(ly_server_address(s.server, &a), 0);
    assert_int_equal(ly_socket(&waiting, a.u.family, a.type, 0), 0);
    keep_in_hook();
    struct rlimit old = no_more_descriptors();
    assert_int_equal(ly_sock_connect(waiting, &a), 0);
    say(waiting, "y");
    count(GO_ON);
    AWAIT(counted(3) == 1);
    assert_int_equal(ly_shutdown(open, SHUT_WR), 0);
    expect(waiting, "y");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    hang_up(open);
    hang_up(waiting);
    end_server(&s);
}

MATRIX_MAIN(RUN(C10_handle_request_serves_exactly_one), RUN(C11_handle_request_waits_at_most_its_timeout),
            RUN(C12_the_smaller_of_server_and_listener_timeout_counts),
            RUN(C13_handle_request_without_waiting_is_a_poll),
            RUN(C14_signals_do_not_change_how_long_it_waits), RUN(C15_serve_forever_ignores_the_timeout),
            RUN(C16_service_actions_come_with_and_without_requests),
            RUN(C17_shutdown_from_another_thread_ends_serve_forever),
            RUN(C18_a_running_request_is_finished_before_shutdown_returns),
            RUN(C19_after_shutdown_was_asked_nothing_more_is_taken),
            RUN(C20_shutdown_before_serving_ends_the_next_serving_at_once),
            RUN(C20_a_request_to_stop_that_comes_before_serving_counts_once),
            RUN(C21_serve_forever_can_be_run_again), RUN(C22_shutdown_after_the_end_has_no_effect),
            RUN(C23_shutdown_from_a_handler_or_a_hook_only_asks),
            RUN(C24_a_client_that_has_gone_again_does_no_harm),
            RUN(C25_without_descriptors_accepting_pauses_and_does_not_spin),
            RUN(C25_a_descriptor_that_becomes_free_ends_the_pause))
