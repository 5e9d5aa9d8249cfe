/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "server/server.h"

static int nothing(struct ly_request *rq)
{
    (void)rq;
    return 0;
}

static int open_server(void **state)
{
    struct ly_server *s = NULL;
    int r = ly_server_open(
        &s, &(struct ly_server_options){.address = "tcp://127.0.0.1:0", .handler.handle = nothing});
    *state = s;
    return r;
}

static int close_server(void **state)
{
    ly_server_close(*state);
    return 0;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static void asking_moves_one_stage_on_and_rings(void **state)
{
    struct ly_server *s = *state;
    assert_int_equal(ly__serving_begin(s), 0);
    assert_true(ly__accepts(s));
    assert_false(readable(s->stop_fd));
    ly__shutdown_ask(s);
    assert_int_equal(atomic_load(&s->stage), LY__DRAINING);
    assert_true(readable(s->stop_fd));
    assert_false(readable(s->cancel_fd));
    ly__shutdown_ask(s);
    assert_int_equal(atomic_load(&s->stage), LY__CANCELLING);
    assert_true(readable(s->cancel_fd));
    ly__shutdown_ask(s);
    assert_int_equal(atomic_load(&s->stage), LY__CANCELLING);
    ly__serving_end(s);
}

static void nothing_of_the_last_serving_is_left(void **state)
{
    struct ly_server *s = *state;
    assert_int_equal(ly__serving_begin(s), 0);
    ly__shutdown_ask(s);
    ly__serving_end(s);
    ly__shutdown_ask(s);
    assert_int_equal(atomic_load(&s->stage), LY__IDLE);
    assert_int_equal(ly__serving_begin(s), 0);
    assert_true(ly__accepts(s));
    assert_false(readable(s->stop_fd));
    ly__serving_end(s);
}

static void only_one_serves_at_a_time(void **state)
{
    struct ly_server *s = *state;
    assert_int_equal(ly__serving_begin(s), 0);
    assert_int_equal(ly__serving_begin(s), -EBUSY);
    ly__serving_end(s);
}

static void the_first_failure_is_the_one_kept(void **state)
{
    struct ly_server *s = *state;
    assert_int_equal(ly__serving_begin(s), 0);
    ly__serving_fail(s, -EINVAL, false);
    assert_int_equal(atomic_load(&s->stage), LY__DRAINING);
    ly__serving_fail(s, -ECANCELED, true);
    assert_int_equal(atomic_load(&s->stage), LY__CANCELLING);
    assert_int_equal(atomic_load(&s->failure), -EINVAL);
    ly__serving_end(s);
}

static void the_drain_lasts_as_the_options_say(void **state)
{
    struct ly_server *s = *state;
    assert_int_equal(ly__drain_deadline(s), LY_NEVER);
    s->options.drain_ms = LY_POLL;
    assert_true(ly__drain_deadline(s) <= ly_now());
    s->options.drain_ms = 60000;
    int64_t left = ly__drain_deadline(s) - ly_now();
    assert_true(left > 0 && left <= INT64_C(60000000000));
}

static void *ask_once_serving(void *server)
{
    while (!ly__accepts(server))
        sched_yield();
    ly_server_shutdown(server);
    return NULL;
}

static void an_end_that_was_asked_for_is_no_error_even_without_a_drain(void **state)
{
    struct ly_server *s;
    (void)state;
    struct ly_server_options options = {.address = "tcp://127.0.0.1:0",
                                        .policy = LY_SEQUENTIAL,
                                        .handler.handle = nothing,
                                        .drain_ms = LY_POLL};
    assert_int_equal(ly_server_open(&s, &options), 0);
    for (int i = 0; i < 500; i++) { /* the two ways in which the server hears of it are in no order */
        pthread_t asker;
        assert_int_equal(pthread_create(&asker, NULL, ask_once_serving, s), 0);
        assert_int_equal(ly_serve_forever(s), 0);
        assert_int_equal(pthread_join(asker, NULL), 0);
    }
    ly_server_close(s);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, open_server, close_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SERVER(asking_moves_one_stage_on_and_rings),
        WITH_SERVER(nothing_of_the_last_serving_is_left),
        WITH_SERVER(only_one_serves_at_a_time),
        WITH_SERVER(the_first_failure_is_the_one_kept),
        WITH_SERVER(the_drain_lasts_as_the_options_say),
        cmocka_unit_test(an_end_that_was_asked_for_is_no_error_even_without_a_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
