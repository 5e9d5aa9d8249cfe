/* SPDX-License-Identifier: MIT */
/* Parts A, B and E for datagram servers: their life, serving and its end, many requests at once. */
#include "datagrams.h"
#include <sys/wait.h>

static const struct ly_server_options echoing = {.handler.handle = give_back};

static int try_open(const struct cell *c, struct ly_server **ret, struct ly_server_options o)
{
    struct ly_server_options filled = for_cell(c, o);
    return ly_server_open(ret, &filled);
}

static const char *text_of(const struct ly_server *s)
{
    static char text[LY_ADDRESS_TEXT];
    struct ly_address a;
    assert_int_equal(ly_server_address(s, &a), 0);
    ly_address_format(&a, text, sizeof text);
    return text;
}

static void keep_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    notes->number[0] = error;
    count(1);
}

/* ---- A: life ---- */

ROW(C1_C6_a_datagram_socket_is_bound_and_does_not_listen, ALL | DATAGRAMS)
{
    struct ly_server *s = open_server(c, echoing);
    struct ly_address a;
    int listens = 1;
    socklen_t length = sizeof listens;
    assert_int_equal(ly_server_address(s, &a), 0);
    assert_int_equal(a.type, SOCK_DGRAM);
    assert_int_not_equal(ly_address_port(&a), 0);
    assert_int_equal(getsockopt(ly_server_fileno(s), SOL_SOCKET, SO_ACCEPTCONN, &listens, &length), 0);
    assert_int_equal(listens, 0);
    ly_server_close(s);
}

ROW(C2_binding_comes_by_hand, ALL | DATAGRAMS)
{
    struct ly_server_options o = echoing;
    o.no_bind = true;
    struct ly_server *s = open_server(c, o);
    assert_int_equal(ly_server_bind(s), 0);
    assert_int_equal(ly_server_activate(s), 0);
    struct ly_sock *client = join(s);
    throw_text(client, "a");
    assert_int_equal(ly_handle_request(s), 1);
    catch_text(client, "a");
    ly_sock_free(client);
    ly_server_close(s);
}

ROW(C3_failing_datagram_servers_leak_no_descriptor, ALL | DATAGRAMS)
{
    struct ly_server *first = open_server(c, echoing), *s = NULL;
    struct ly_server_options taken = echoing;
    taken.address = text_of(first);
    int before = open_descriptors();
    for (int i = 0; i < 100; i++)
        assert_int_equal(try_open(c, &s, taken), -EADDRINUSE);
    assert_int_equal(open_descriptors(), before);
    ly_server_close(first);
}

ROW(C5_reuse_port_lets_two_datagram_servers_hold_one_port, ALL | DATAGRAMS | UDP_ONLY)
{
    struct ly_server_options o = {.handler.handle = give_back, .listen.reuse_port = true};
    struct ly_server *one = open_server(c, o), *two = NULL;
    o.address = text_of(one);
    assert_int_equal(try_open(c, &two, o), 0);
    ly_server_close(two);
    ly_server_close(one);
}

ROW(C7_C8_a_datagram_server_can_be_polled_and_closed, ALL | DATAGRAMS)
{
    int before = open_descriptors();
    struct ly_server *s = open_server(c, echoing);
    struct pollfd p = {.fd = ly_server_fileno(s), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 0);
    struct ly_sock *client = join(s);
    throw_text(client, "x");
    assert_int_equal(poll(&p, 1, 20000), 1);
    ly_sock_free(client);
    ly_server_close(s);
    assert_int_equal(open_descriptors(), before);
}

ROW(a_datagram_socket_may_be_given, ALL | DATAGRAMS)
{
    struct served s;
    struct ly_server_options o = echoing;
    assert_int_equal(ly_bind(&o.listener, fresh_address(c), NULL), 0);
    serve(&s, open_server(c, o));
    ask(s.server, "given", "given");
    end_server(&s);
}

/* ---- B: serving ---- */

static void count_timeout(struct ly_server *s)
{
    (void)s;
    count(2);
}

ROW(C11_C13_handle_request_waits_at_most_its_timeout, ALL | DATAGRAMS)
{
    struct ly_server_options o = echoing;
    o.handle_timeout_ms = 20;
    o.hooks.handle_timeout = count_timeout;
    struct ly_server *s = open_server(c, o);
    int64_t start = ly_now();
    assert_int_equal(ly_handle_request(s), 0);
    assert_true(ms_since(start) >= 20);
    ly_server_close(s);
    o.handle_timeout_ms = LY_POLL;
    s = open_server(c, o);
    assert_int_equal(ly_handle_request(s), 0);
    struct ly_sock *client = join(s);
    throw_text(client, "x");
    assert_int_equal(ly_handle_request(s), 1);
    catch_text(client, "x");
    assert_int_equal(counted(2), 2);
    ly_sock_free(client);
    ly_server_close(s);
}

ROW(C12_the_time_out_of_a_given_socket_counts, ALL | DATAGRAMS)
{
    struct ly_server_options o = echoing;
    o.handle_timeout_ms = 60000;
    assert_int_equal(ly_bind(&o.listener, fresh_address(c), NULL), 0);
    assert_int_equal(ly_sock_set_timeout(o.listener, 20), 0);
    struct ly_server *s = open_server(c, o);
    int64_t start = ly_now();
    assert_int_equal(ly_handle_request(s), 0);
    assert_true(ms_since(start) >= 20 && ms_since(start) < 60000);
    ly_server_close(s);
}

static void act(struct ly_server *s)
{
    (void)s;
    count(3);
}

ROW(C15_C16_service_actions_come_and_handle_timeout_does_not, ALL | DATAGRAMS)
{
    struct served s;
    struct ly_server_options o = echoing;
    o.poll_interval_ms = 5;
    o.handle_timeout_ms = 1;
    o.hooks.handle_timeout = count_timeout;
    o.hooks.service_actions = act;
    serve(&s, open_server(c, o));
    AWAIT(counted(3) >= 3);
    ask(s.server, "a", "a");
    int before = counted(3);
    AWAIT(counted(3) > before);
    assert_int_equal(counted(2), 0);
    end_server(&s);
}

static int ask_to_stop(struct ly_request *rq)
{
    note('h');
    ly_server_shutdown(rq->server);
    return give_back(rq);
}

ROW(C19_C23_a_handler_may_shut_down_and_nothing_more_is_received, ALL | DATAGRAMS)
{
    struct served s;
    struct ly_server *server = open_server(c, (struct ly_server_options){.handler.handle = ask_to_stop});
    struct ly_sock *client = join(server);
    serve(&s, server);
    throw_text(client, "one");
    catch_text(client, "one");
    assert_int_equal(ended(&s), 0);
    throw_text(client, "two");
    struct pollfd p = {.fd = ly_server_fileno(server), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 20000), 1);
    catch_nothing(client);
    assert_string_equal(notes->letters, "h");

    serve(&s, server); /* and again */
    catch_text(client, "two");
    assert_int_equal(ended(&s), 0);
    ly_sock_free(client);
    ly_server_close(server);
}

static int stop_twice(struct ly_request *rq)
{
    ly_server_shutdown(rq->server);
    ly_server_shutdown(rq->server);
    ly_server_request_shutdown(rq->server);
    int r = ly_sleep(60000); /* a second request to stop cancels; from a child it is still the first */
    notes->number[0] = r;
    return 0;
}

ROW(a_handler_that_shuts_down_twice_is_cancelled, ONE_PROCESS | DATAGRAMS)
{
    struct served s;
    struct ly_server *server = open_server(c, (struct ly_server_options){.handler.handle = stop_twice});
    struct ly_sock *client = join(server);
    serve(&s, server);
    throw_text(client, "x");
    assert_int_equal(ended(&s), 0);
    assert_int_equal(notes->number[0], -ECANCELED);
    ly_sock_free(client);
    ly_server_close(server);
}

static void *shut_down(void *server)
{
    ly_server_shutdown(server);
    note('s');
    return NULL;
}

ROW(C20_C22_shutdown_before_and_after_serving, ALL | DATAGRAMS)
{
    struct served s;
    struct ly_server *server = open_server(c, echoing);
    struct ly_sock *client = join(server);
    throw_text(client, "kept");
    ly_server_request_shutdown(server);
    assert_int_equal(ly_serve_forever(server), 0);
    catch_nothing(client);
    for (int i = 0; i < 3; i++) {
        serve(&s, server);
        if (i == 0)
            catch_text(client, "kept");
        ask(server, "again", "again");
        ly_server_shutdown(server);
        assert_int_equal(ended(&s), 0);
        ly_server_shutdown(server);
    }
    ly_sock_free(client);
    ly_server_close(server);
}

static struct ly_server_options staying(int64_t drain_ms)
{
    return (struct ly_server_options){
        .handler.handle = stay, .hooks.handle_error = keep_error, .drain_ms = drain_ms};
}

static struct ly_sock *begin(struct ly_server *s)
{
    struct ly_sock *client = join(s);
    throw_text(client, "x");
    catch_text(client, "on"); /* although the handler goes on: no answer waits while its handler does */
    return client;
}

ROW(C18_a_running_datagram_is_finished_before_shutdown_returns, ALL | DATAGRAMS)
{
    struct served s;
    pthread_t thread;
    serve(&s, open_server(c, staying(0)));
    struct ly_sock *client = begin(s.server);
    assert_int_equal(pthread_create(&thread, NULL, shut_down, s.server), 0);
    AWAIT(atomic_load(&s.server->stage) == LY__DRAINING);
    assert_int_equal(counted(0), 0);
    count(7);
    catch_text(client, "off");
    pthread_join(thread, NULL);
    assert_int_equal(ended(&s), 0);
    assert_int_equal(counted(1), 0);
    ly_sock_free(client);
    ly_server_close(s.server);
}

ROW(datagrams_are_cancelled_when_the_drain_is_over, ALL | DATAGRAMS)
{
    static const int64_t drains[] = {20, LY_POLL};
    for (int i = 0; i < 2; i++) {
        struct served s;
        serve(&s, open_server(c, staying(drains[i])));
        struct ly_sock *client = begin(s.server);
        ly_server_shutdown(s.server);
        assert_int_equal(ended(&s), 0);
        assert_int_equal(notes->number[0], -ECANCELED);
        ly_sock_free(client);
        ly_server_close(s.server);
    }
}

ROW(a_second_shutdown_cancels_datagrams_at_once, ALL | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(c, staying(0)));
    struct ly_sock *client = begin(s.server);
    ly_server_request_shutdown(s.server);
    ly_server_shutdown(s.server);
    assert_int_equal(ended(&s), 0);
    assert_int_equal(notes->number[0], -ECANCELED);
    ly_sock_free(client);
    ly_server_close(s.server);
}

ROW(a_datagram_socket_that_is_shut_down_ends_serving_with_an_error, ALL | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(c, echoing));
    ask(s.server, "a", "a");
    (void)!shutdown(ly_server_fileno(s.server), SHUT_RDWR); /* of UDP it says ENOTCONN, and does it */
    assert_int_equal(ended(&s), -EINVAL);
    ly_server_close(s.server);
}

/* ---- E: many at once ---- */

ROW(C50_a_running_datagram_does_not_block_the_next, CONCURRENT | DATAGRAMS)
{
    struct served s;
    struct ly_sock *client[3];
    serve(&s, open_server(c, staying(0)));
    for (int i = 0; i < 3; i++)
        client[i] = begin(s.server);
    assert_int_equal(counted(0), 0);
    assert_int_equal(stats_of(s.server).active, 3);
    count(7);
    for (int i = 0; i < 3; i++) {
        catch_text(client[i], "off");
        ly_sock_free(client[i]);
    }
    end_server(&s);
}

ROW(C52_C62_close_waits_for_running_datagrams, (FORKING | THREADING) | DATAGRAMS)
{
    struct ly_server *s = open_server(c, staying(20));
    struct ly_sock *client = join(s);
    throw_text(client, "x");
    assert_int_equal(ly_handle_request(s), 1);
    catch_text(client, "on");
    ly_server_close(s);
    assert_int_equal(notes->number[0], -ECANCELED);
    ly_sock_free(client);
}

ROW(C53_C62_datagrams_may_outlive_the_server, (FORKING | THREADING) | DATAGRAMS)
{
    struct ly_server_options o = staying(0);
    o.no_block_on_close = true;
    struct ly_server *s = open_server(c, o);
    struct ly_sock *client = join(s);
    throw_text(client, "x");
    assert_int_equal(ly_handle_request(s), 1);
    catch_text(client, "on");
    ly_server_close(s);
    assert_int_equal(counted(0), 0);
    count(7);
    catch_text(client, "off"); /* by a socket that stays for their sake */
    ly_sock_free(client);
    if (c->policy == LY_FORKING)
        assert_true(waitpid(-1, NULL, 0) > 0);
}

ROW(C54_C58_finished_datagrams_are_forgotten, CONCURRENT | DATAGRAMS)
{
    struct served s;
    struct ly_server_options o = echoing;
    o.poll_interval_ms = 5;
    serve(&s, open_server(c, o));
    ask(s.server, "first", "first");
    AWAIT(stats_of(s.server).active == 0);
    int before = open_descriptors();
    for (int i = 0; i < 100; i++)
        ask(s.server, "more", "more");
    AWAIT(stats_of(s.server).active == 0);
    if (c->policy == LY_FORKING)
        assert_int_equal(open_descriptors(), before);
    assert_int_equal(stats_of(s.server).accepted, 101);
    end_server(&s);
}

static int tell_pid(struct ly_request *rq)
{
    notes->number[0] = getpid();
    return give_back(rq);
}

static int fail_on_f(struct ly_request *rq)
{
    tell_pid(rq);
    return *(const char *)rq->packet == 'f' ? -EIO : 0;
}

ROW(C56_C57_each_datagram_has_its_process_that_leaves_with_0_or_1, FORKING | DATAGRAMS)
{
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = fail_on_f,
                                                                    .hooks.handle_error = keep_error,
                                                                    .no_block_on_close = true});
    struct ly_sock *client = join(s);
    for (int i = 0; i < 2; i++) {
        int status;
        throw_text(client, i == 0 ? "good" : "fails");
        assert_int_equal(ly_handle_request(s), 1);
        catch_text(client, i == 0 ? "good" : "fails");
        assert_int_not_equal(notes->number[0], getpid());
        assert_true(waitpid(-1, &status, 0) > 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), i);
    }
    ly_sock_free(client);
    ly_server_close(s);
}

ROW(C60_at_the_cap_receiving_pauses_until_a_request_ends, CONCURRENT | DATAGRAMS)
{
    struct served s;
    struct ly_server_options o = staying(0);
    o.max_requests = 2;
    serve(&s, open_server(c, o));
    struct ly_sock *one = begin(s.server), *two = begin(s.server), *three = join(s.server);
    throw_text(three, "x");
    struct pollfd p = {.fd = ly_sock_fileno(three), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 10), 0);
    assert_int_equal(stats_of(s.server).active, 2);
    count(7);
    catch_text(one, "off");
    catch_text(two, "off");
    catch_text(three, "on");
    catch_text(three, "off");
    ly_sock_free(one);
    ly_sock_free(two);
    ly_sock_free(three);
    end_server(&s);
}

/* A handler that does not answer: stays until as many requests may end as have begun, and counts its looks.
 */
static int stay_silent(struct ly_request *rq)
{
    (void)rq;
    count(0);
    int r = 0;
    for (int i = counted(0); r == 0 && counted(7) < i; count(1))
        r = ly_sleep(1);
    return r;
}

ROW(C60_what_comes_at_the_cap_needs_nothing_else_to_be_served, CONCURRENT | DATAGRAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = stay_silent, .max_requests = 1}));
    struct ly_sock *client = join(s.server);
    for (int i = 1; i < 6; i += 2) { /* from the second time on, its arrival was waited for before */
        throw_text(client, "the only one that there is room for");
        AWAIT(counted(0) == i);
        throw_text(client, "one more");
        int looks = counted(1);
        AWAIT(counted(1) > looks + 2); /* its arrival is seen, and may not be forgotten */
        count(7);
        AWAIT(counted(0) == i + 1);
        count(7);
        AWAIT(stats_of(s.server).active == 0);
    }
    ly_sock_free(client);
    end_server(&s);
}

static void check_workers(const struct cell *c, bool distribute)
{
    struct served s;
    struct ly_server_options o = {.handler.handle = give_back, .workers = 3, .distribute = distribute};
    serve(&s, open_server(c, o));
    for (int i = 0; i < 50; i++)
        ask(s.server, "to one of three", "to one of three");
    uint64_t sum = 0;
    for (int i = 0; i < 3; i++) {
        struct ly_server_stats one;
        assert_int_equal(ly_server_stats(s.server, i, &one), 0);
        sum += one.accepted;
    }
    assert_int_equal(sum, 50);
    end_server(&s);
}

ROW(workers_share_the_datagrams, FIBERS | DATAGRAMS)
{
    check_workers(c, false);
    check_workers(c, true);
}

ROW(C64_every_policy_serves_datagrams_and_answers_at_once_if_asked_to, ALL | DATAGRAMS)
{
    struct ly_server_options o = echoing;
    for (int i = 0; i < 2; i++) {
        struct served s;
        o.reply_at_once = i == 1;
        serve(&s, open_server(c, o));
        for (int n = 0; n < 20; n++)
            ask(s.server, "many words", "many words");
        end_server(&s);
    }
}

MATRIX_MAIN(RUN(C1_C6_a_datagram_socket_is_bound_and_does_not_listen), RUN(C2_binding_comes_by_hand),
            RUN(C3_failing_datagram_servers_leak_no_descriptor),
            RUN(C5_reuse_port_lets_two_datagram_servers_hold_one_port),
            RUN(C7_C8_a_datagram_server_can_be_polled_and_closed), RUN(a_datagram_socket_may_be_given),
            RUN(C11_C13_handle_request_waits_at_most_its_timeout),
            RUN(C12_the_time_out_of_a_given_socket_counts),
            RUN(C15_C16_service_actions_come_and_handle_timeout_does_not),
            RUN(C19_C23_a_handler_may_shut_down_and_nothing_more_is_received),
            RUN(a_handler_that_shuts_down_twice_is_cancelled), RUN(C20_C22_shutdown_before_and_after_serving),
            RUN(C18_a_running_datagram_is_finished_before_shutdown_returns),
            RUN(datagrams_are_cancelled_when_the_drain_is_over),
            RUN(a_second_shutdown_cancels_datagrams_at_once),
            RUN(a_datagram_socket_that_is_shut_down_ends_serving_with_an_error),
            RUN(C50_a_running_datagram_does_not_block_the_next),
            RUN(C52_C62_close_waits_for_running_datagrams), RUN(C53_C62_datagrams_may_outlive_the_server),
            RUN(C54_C58_finished_datagrams_are_forgotten),
            RUN(C56_C57_each_datagram_has_its_process_that_leaves_with_0_or_1),
            RUN(C60_at_the_cap_receiving_pauses_until_a_request_ends),
            RUN(C60_what_comes_at_the_cap_needs_nothing_else_to_be_served), RUN(workers_share_the_datagrams),
            RUN(C64_every_policy_serves_datagrams_and_answers_at_once_if_asked_to))
