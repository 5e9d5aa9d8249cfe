/* SPDX-License-Identifier: MIT */
/* Part E: many requests at once; what threads and processes leave behind. */
#include "matrix.h"
#include <sys/wait.h>

/* Answers the first byte with "on", then waits for a second one and answers "off". */
static int stay(struct ly_request *rq)
{
    char byte;
    ssize_t n = ly_recv(rq->sock, &byte, 1);
    if (n > 0)
        n = ly_sendall(rq->sock, "on", 2);
    if (n == 0)
        n = ly_recv(rq->sock, &byte, 1);
    count(0);
    return n > 0 ? ly_sendall(rq->sock, "off", 3) : (int)n;
}

static struct ly_sock *begin(struct ly_server *s)
{
    struct ly_sock *client = dial(s);
    say(client, "x");
    expect(client, "on");
    return client;
}

static void finish(struct ly_sock *client)
{
    say(client, "x");
    expect(client, "off");
    expect_end(client);
    hang_up(client);
}

ROW(C50_a_running_request_does_not_block_accepting, CONCURRENT)
{
    struct served s;
    struct ly_sock *client[3];
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = stay}));
    for (int i = 0; i < 3; i++)
        client[i] = begin(s.server);
    assert_int_equal(counted(0), 0);
    for (int i = 0; i < 3; i++)
        finish(client[i]);
    end_server(&s);
}

static void note_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
    count(1);
}

static int fail_always(struct ly_request *rq)
{
    char byte;
    return ly_recv(rq->sock, &byte, 1) > 0 ? LY_EFRAME : -EIO;
}

ROW(C51_errors_stay_within_their_request, CONCURRENT)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = fail_always,
                                                        .hooks.handle_error = note_error}));
    for (int i = 0; i < 5; i++) {
        struct ly_sock *client = dial(s.server);
        say(client, "x");
        expect_end(client);
        hang_up(client);
    }
    AWAIT(stats_of(s.server).active == 0);
    assert_int_equal(counted(1), 5);
    assert_int_equal(stats_of(s.server).failed, 5);
    end_server(&s);
}

/* ---- closing ---- */

static void *let_go(void *client)
{
    finish(client);
    return NULL;
}

/* Start one request and leave ly_handle_request while it runs. */
static struct ly_sock *leave_running(struct ly_server *s)
{
    struct ly_sock *client = dial(s);
    say(client, "x");
    assert_int_equal(ly_handle_request(s), 1);
    expect(client, "on");
    return client;
}

static void close_waits(const struct cell *c)
{
    pthread_t thread;
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = stay});
    struct ly_sock *client = leave_running(s);
    assert_int_equal(pthread_create(&thread, NULL, let_go, client), 0);
    ly_server_close(s);
    assert_int_equal(counted(0), 1);
    pthread_join(thread, NULL);
}

ROW(C52_close_waits_for_running_threads, THREADING)
{
    close_waits(c);
}

ROW(C62_close_waits_for_running_children, FORKING)
{
    close_waits(c);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void close_does_not_wait(const struct cell *c)
{
    struct ly_server *s =
        open_server(c, (struct ly_server_options){.handler.handle = stay, .no_block_on_close = true});
    struct ly_sock *client = leave_running(s);
    ly_server_close(s);
    assert_int_equal(counted(0), 0);
    finish(client);
}

ROW(C53_without_block_on_close_threads_outlive_the_server, THREADING)
{
    close_does_not_wait(c);
}

ROW(C62_without_block_on_close_children_can_be_collected_later, FORKING)
{
    int status;
    close_does_not_wait(c);
    assert_true(waitpid(-1, &status, 0) > 0);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static size_t threads_of(struct ly_server *s)
{
    pthread_mutex_lock(&ly__threads_lock);
    size_t n = s->threads.running;
    pthread_mutex_unlock(&ly__threads_lock);
    return n;
}

ROW(C54_finished_requests_are_forgotten, CONCURRENT)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = echo, .poll_interval_ms = 5}));
    exchange(s.server, "first", "first");
    AWAIT(stats_of(s.server).active == 0);
    int before = open_descriptors();
    for (int i = 0; i < 200; i++)
        exchange(s.server, "more", "more");
    AWAIT(stats_of(s.server).active == 0);
    if (c->policy == LY_THREADING)
        AWAIT(threads_of(s.server) == 0);
    if (c->policy == LY_FORKING)
        assert_int_equal(open_descriptors(), before);
    assert_int_equal(stats_of(s.server).accepted, 201);
    end_server(&s);
}

/* ---- processes ---- */

static int tell_pid(struct ly_request *rq)
{
    notes->number[0] = getpid();
    return echo(rq);
}

ROW(C56_each_request_has_its_process_and_the_parent_keeps_no_copy, FORKING)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = tell_pid, .poll_interval_ms = 5}));
    exchange(s.server, "a", "a"); /* reads the end, although the parent never said goodbye */
    int64_t first = notes->number[0];
    exchange(s.server, "b", "b");
    assert_int_not_equal(first, getpid());
    assert_int_not_equal(notes->number[0], getpid());
    assert_int_not_equal(notes->number[0], first);
    end_server(&s);
}

static void at_exit(void)
{
    if (notes)
        count(7);
}

static int fail_on_f(struct ly_request *rq)
{
    char byte = 0;
    ssize_t n = ly_recv(rq->sock, &byte, 1);
    return n < 0 ? (int)n : byte == 'f' ? -EIO : 0;
}

ROW(C57_a_child_leaves_with_0_or_1_and_runs_no_exit_handlers, FORKING)
{
    static bool registered;
    int status[2];
    if (!registered)
        atexit(at_exit);
    registered = true;
    for (int i = 0; i < 2; i++) {
        struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = fail_on_f,
                                                                        .hooks.handle_error = note_error,
                                                                        .no_block_on_close = true});
        struct ly_sock *client = dial(s);
        say(client, i == 0 ? "g" : "f");
        assert_int_equal(ly_handle_request(s), 1);
        ly_server_close(s);
        assert_true(waitpid(-1, &status[i], 0) > 0);
        hang_up(client);
    }
    assert_true(WIFEXITED(status[0]) && WEXITSTATUS(status[0]) == 0);
    assert_true(WIFEXITED(status[1]) && WEXITSTATUS(status[1]) == 1);
    assert_int_equal(counted(1), 1);
    assert_int_equal(counted(7), 0);
}

/* No child of this process has ended without having been waited for. */
static bool no_zombie(void)
{
    siginfo_t info = {0};
    int r = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT);
    return r < 0 || info.si_pid == 0;
}

ROW(C58_ended_children_are_collected_every_turn, FORKING)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = echo, .poll_interval_ms = 5}));
    for (int i = 0; i < 10; i++)
        exchange(s.server, "a", "a");
    AWAIT(stats_of(s.server).active == 0);
    assert_true(no_zombie());
    end_server(&s);
}

ROW(C59_foreign_children_are_left_alone_even_at_the_cap, FORKING)
{
    struct served s;
    int status;
    pid_t foreign = fork();
    if (foreign == 0)
        _exit(72);
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = echo, .max_requests = 1}));
    for (int i = 0; i < 5; i++)
        exchange(s.server, "a", "a");
    end_server(&s);
    assert_int_equal(waitpid(foreign, &status, 0), foreign);
    assert_int_equal(WEXITSTATUS(status), 72);
}

ROW(C60_at_the_cap_accepting_pauses_until_a_request_ends, CONCURRENT)
{
    struct served s;
    struct ly_sock *client[3];
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = stay, .max_requests = 2}));
    client[0] = begin(s.server);
    client[1] = begin(s.server);
    client[2] = dial(s.server);
    say(client[2], "x");
    struct pollfd p = {.fd = ly_sock_fileno(client[2]), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10), 0);
    assert_int_equal(stats_of(s.server).accepted, 2);
    finish(client[0]);
    expect(client[2], "on");
    finish(client[1]);
    finish(client[2]);
    end_server(&s);
}

/* Once the second request runs, the first one ends. */
static void *let_first_go(void *clients)
{
    struct ly_sock **client = clients;
    expect(client[1], "on");
    finish(client[0]);
    return NULL;
}

ROW(C61_the_request_that_reaches_the_cap_is_waited_for_at_once, FORKING | THREADING)
{
    pthread_t thread;
    struct ly_server *s =
        open_server(c, (struct ly_server_options){.handler.handle = stay, .max_requests = 2});
    struct ly_sock *client[] = {leave_running(s), dial(s)};
    say(client[1], "x");
    assert_int_equal(counted(0), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_first_go, (void *)client), 0);
    assert_int_equal(ly_handle_request(s), 1);
    assert_int_equal(counted(0), 1);
    pthread_join(thread, NULL);
    finish(client[1]);
    ly_server_close(s);
}

ROW(C63_handle_request_collects_children, FORKING)
{
    struct ly_server *s =
        open_server(c, (struct ly_server_options){.handler.handle = echo, .handle_timeout_ms = LY_POLL});
    struct ly_sock *client = dial(s);
    say(client, "x");
    assert_int_equal(ly_shutdown(client, SHUT_WR), 0);
    assert_int_equal(ly_handle_request(s), 1);
    expect(client, "x");
    expect_end(client);
    hang_up(client);
    AWAIT(ly_handle_request(s) == 0 && stats_of(s).active == 0);
    assert_true(no_zombie());
    ly_server_close(s);
}

MATRIX_MAIN(RUN(C50_a_running_request_does_not_block_accepting), RUN(C51_errors_stay_within_their_request),
            RUN(C52_close_waits_for_running_threads),
            RUN(C53_without_block_on_close_threads_outlive_the_server),
            RUN(C54_finished_requests_are_forgotten),
            RUN(C56_each_request_has_its_process_and_the_parent_keeps_no_copy),
            RUN(C57_a_child_leaves_with_0_or_1_and_runs_no_exit_handlers),
            RUN(C58_ended_children_are_collected_every_turn),
            RUN(C59_foreign_children_are_left_alone_even_at_the_cap),
            RUN(C60_at_the_cap_accepting_pauses_until_a_request_ends),
            RUN(C61_the_request_that_reaches_the_cap_is_waited_for_at_once),
            RUN(C62_close_waits_for_running_children),
            RUN(C62_without_block_on_close_children_can_be_collected_later),
            RUN(C63_handle_request_collects_children))
