/* SPDX-License-Identifier: MIT */
/* Pollers beyond the conformance rows: who waits where, waking, signals, cancellation, reuse. */
#include "../everywhere.h"
#include <errno.h>
#include <lanyard/poller.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static const char *const names[] = {"select", "poll", "epoll", "io_uring"};

static struct ly_poller *now; /* the poller that a body is to use */
static int end[2];            /* a pair of sockets beside it */

static void with(const char *name, ly_task_fn *body, void (*run)(ly_task_fn *))
{
    int r = ly_poller_open(&now, name);
    if (r == LY_ENOREACTOR) {
        print_message("# %s is not usable here\n", name);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, end), 0);
    run(body);
    ly_poller_free(now);
    close(end[0]);
    close(end[1]);
}

static void with_each(ly_task_fn *body, void (*run)(ly_task_fn *))
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        with(names[i], body, run);
}

static int64_t ms_since(int64_t start)
{
    return (ly_now() - start) / 1000000;
}

/* ---- opening ---- */

static void the_best_one_is_taken_where_none_is_named(void **state)
{
    struct ly_poller *p;
    (void)state;
    assert_int_equal(ly_poller_open(&p, NULL), 0);
    assert_string_equal(ly_poller_name(p), "epoll");
    ly_poller_free(p);
    ly_poller_free(NULL);
}

static void the_first_usable_of_a_list_is_taken(void **state)
{
    struct ly_poller *p = NULL;
    (void)state;
    assert_int_equal(ly_poller_open(&p, "kqueue,select,epoll"), 0);
    assert_string_equal(ly_poller_name(p), "select");
    ly_poller_free(p);
    p = NULL;
    assert_int_equal(ly_poller_open(&p, "kqueue"), LY_ENOREACTOR);
    assert_int_equal(ly_poller_open(&p, "epol"), LY_ENOREACTOR);
    assert_int_equal(ly_poller_open(&p, "epoll2"), LY_ENOREACTOR);
    assert_int_equal(ly_poller_open(&p, ",,"), LY_ENOREACTOR);
    assert_int_equal(ly_poller_open(&p, ""), LY_ENOREACTOR);
    assert_null(p);
}

/* ---- who waits ---- */

static int ticks;

static int tick(void *arg)
{
    (void)arg;
    while (ly_sleep(1) == 0)
        ticks++;
    return 0;
}

static int wait_beside_others(void *arg)
{
    struct ly_poller_event e;
    struct ly_scope *scope;
    (void)arg;
    CHECK(ly_scope_open(&scope, NULL) == 0);
    CHECK(ly_go(scope, tick, NULL) == 0);
    ticks = 0;
    for (int64_t start = ly_now(); ticks < 3 && ms_since(start) < 20000;)
        CHECK(ly_poller_wait(now, &e, 1, 10) == 0);
    CHECK(ticks >= 3);
    ly_scope_close(scope);
    return 0;
}

static void a_fiber_that_waits_lets_the_others_run(void **state)
{
    (void)state;
    with_each(wait_beside_others, in_loops);
}

static int wait_always_ready(void *arg)
{
    struct ly_poller_event e;
    struct ly_scope *scope;
    (void)arg;
    CHECK(ly_scope_open(&scope, NULL) == 0);
    CHECK(ly_go(scope, tick, NULL) == 0);
    CHECK(ly_poller_register(now, end[0], LY_POLL_OUT, NULL) == 0);
    ticks = 0;
    for (int64_t start = ly_now(); ticks < 3 && ms_since(start) < 20000;)
        CHECK(ly_poller_wait(now, &e, 1, LY_FOREVER) == 1);
    CHECK(ticks >= 3);
    CHECK(ly_poller_unregister(now, end[0]) == 0);
    ly_scope_close(scope);
    return 0;
}

static void a_poller_that_is_always_ready_lets_the_others_run(void **state)
{
    (void)state;
    with_each(wait_always_ready, in_loops);
}

static int wait_forever(void *arg)
{
    struct ly_poller_event e;
    (void)arg;
    return ly_poller_wait(now, &e, 1, LY_FOREVER);
}

static int be_cancelled(void *arg)
{
    struct ly_scope *scope;
    struct ly_poller_event e;
    struct ly_future *f;
    (void)arg;
    CHECK(ly_scope_open(&scope, NULL) == 0);
    CHECK(ly_async(scope, &f, wait_forever, NULL) == 0);
    CHECK(ly_sleep(2) == 0);
    ly_scope_cancel(scope);
    CHECK(ly_await(f, NULL) == -ECANCELED);
    ly_scope_close(scope);
    CHECK(ly_scope_open(&scope, &(struct ly_scope_options){.deadline = ly_deadline(5)}) == 0);
    CHECK(ly_poller_wait(now, &e, 1, LY_FOREVER) == -ETIMEDOUT);
    ly_scope_close(scope);
    CHECK(ly_scope_open(&scope, &(struct ly_scope_options){.deadline = ly_deadline(60000)}) == 0);
    CHECK(ly_poller_wait(now, &e, 1, 3) == 0); /* its own time is no error */
    ly_scope_close(scope);
    return 0;
}

static void scopes_end_a_wait(void **state)
{
    (void)state;
    with_each(be_cancelled, everywhere);
}

static int close_under_waiter(void *arg)
{
    struct ly_scope *scope;
    struct ly_future *f;
    struct ly_poller *kept = now;
    (void)arg;
    CHECK(ly_poller_open(&now, ly_poller_name(kept)) == 0);
    CHECK(ly_scope_open(&scope, NULL) == 0);
    CHECK(ly_async(scope, &f, wait_forever, NULL) == 0);
    CHECK(ly_sleep(0) == 0);
    ly_poller_close(now);
    CHECK(ly_await(f, NULL) == -EBADF);
    ly_scope_close(scope);
    ly_poller_free(now);
    now = kept;
    return 0;
}

static void closing_ends_the_wait_of_a_fiber(void **state)
{
    (void)state;
    with_each(close_under_waiter, in_loops);
}

/* ---- waking ---- */

static void *wake_from_thread(void *arg)
{
    (void)arg;
    ly_poller_wake(now);
    return NULL;
}

static int be_woken(void *arg)
{
    struct ly_poller_event e;
    pthread_t thread;
    (void)arg;
    CHECK(pthread_create(&thread, NULL, wake_from_thread, NULL) == 0);
    CHECK(ly_poller_wait(now, &e, 1, LY_FOREVER) == 0);
    pthread_join(thread, NULL);
    CHECK(ly_poller_wake(now) == 0 && ly_poller_wake(now) == 0); /* count as one */
    CHECK(ly_poller_wait(now, &e, 1, LY_FOREVER) == 0);
    int64_t start = ly_now();
    CHECK(ly_poller_wait(now, &e, 1, 10) == 0 && ms_since(start) >= 10);
    CHECK(ly_poller_register(now, end[0], LY_POLL_OUT, now) == 0);
    CHECK(ly_poller_wake(now) == 0);
    int n = ly_poller_wait(now, &e, 1, LY_FOREVER); /* what is ready may come along */
    CHECK(n == 0 || (n == 1 && e.data == now));
    CHECK(ly_poller_unregister(now, end[0]) == 0);
    while (ly_poller_wait(now, &e, 1, 0) != 0)
        ;
    return 0;
}

static void another_thread_wakes_it(void **state)
{
    (void)state;
    with_each(be_woken, everywhere);
}

static void on_alarm(int signal_number)
{
    (void)signal_number;
    ticks++;
    if (ticks == 5)
        ly_poller_wake(now);
}

static int among_signals(void *arg)
{
    struct ly_poller_event e;
    struct sigaction action = {.sa_handler = on_alarm}, old; /* without SA_RESTART */
    struct itimerval every = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};
    (void)arg;
    ticks = 5;
    sigaction(SIGALRM, &action, &old);
    setitimer(ITIMER_REAL, &every, NULL);
    int64_t start = ly_now();
    int r = ly_poller_wait(now, &e, 1, 20);
    int64_t took = ms_since(start);
    ticks = 0;
    int woken = ly_poller_wait(now, &e, 1, LY_FOREVER); /* the fifth signal's handler does */
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    CHECK(r == 0 && took >= 20);
    CHECK(woken == 0 && ticks >= 5);
    return 0;
}

static void signals_neither_end_nor_stretch_a_wait_and_may_wake(void **state)
{
    (void)state;
    with_each(among_signals, everywhere);
}

/* ---- registering ---- */

static int change_while_armed(void *arg)
{
    struct ly_poller_event e;
    char byte;
    int x, y;
    (void)arg;
    CHECK(ly_poller_register(now, end[0], LY_POLL_IN, &x) == 0);
    CHECK(ly_poller_wait(now, &e, 1, 0) == 0); /* armed */
    CHECK(ly_poller_modify(now, end[0], LY_POLL_OUT, &y) == 0);
    CHECK(ly_poller_wait(now, &e, 1, LY_FOREVER) == 1 && e.events == LY_POLL_OUT && e.data == &y);
    CHECK(ly_poller_modify(now, end[0], LY_POLL_IN, &x) == 0);
    CHECK(ly_poller_wait(now, &e, 1, 0) == 0);
    CHECK(send(end[1], "x", 1, 0) == 1);
    CHECK(ly_poller_unregister(now, end[0]) == 0); /* before it could be reported */
    CHECK(ly_poller_wait(now, &e, 1, 0) == 0);
    CHECK(ly_poller_register(now, end[0], LY_POLL_IN, &y) == 0);
    CHECK(ly_poller_wait(now, &e, 1, LY_FOREVER) == 1 && e.data == &y);
    CHECK(recv(end[0], &byte, 1, 0) == 1);
    CHECK(ly_poller_unregister(now, end[0]) == 0);
    return 0;
}

static void changes_hold_from_the_next_wait_on(void **state)
{
    (void)state;
    with_each(change_while_armed, everywhere);
}

static int reuse_numbers(void *arg)
{
    struct ly_poller_event e;
    int pair[2], x;
    (void)arg;
    for (int i = 0; i < 50; i++) {
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
        CHECK(ly_poller_register(now, pair[0], LY_POLL_IN | (i % 3 ? 0 : LY_POLL_ONESHOT), &x) == 0);
        if (i % 2)
            CHECK(ly_poller_wait(now, &e, 1, 0) == 0);
        CHECK(send(pair[1], "x", 1, 0) == 1);
        if (i % 5)
            CHECK(ly_poller_wait(now, &e, 1, LY_FOREVER) == 1 && e.fd == pair[0] && e.data == &x);
        CHECK(ly_poller_unregister(now, pair[0]) == 0);
        close(pair[0]);
        char byte; /* the kernel holds nothing of it: the peer sees the end at once */
        ssize_t n = recv(pair[1], &byte, 1, MSG_DONTWAIT);
        CHECK(n == 0 || (n < 0 && errno == ECONNRESET));
        close(pair[1]);
    }
    CHECK(ly_poller_wait(now, &e, 1, 0) == 0);
    return 0;
}

static void a_number_that_is_used_again_is_a_new_descriptor(void **state)
{
    (void)state;
    with_each(reuse_numbers, everywhere);
}

static void *use_in_thread(void *arg)
{
    ly_task_fn *body = (ly_task_fn *)arg;
    return (void *)(intptr_t)body(NULL);
}

static int see_registered(void *arg)
{
    struct ly_poller_event e;
    (void)arg;
    CHECK(ly_poller_wait(now, &e, 1, LY_FOREVER) == 1 && e.fd == end[0]);
    return 0;
}

static int use_from_threads(void *arg)
{
    (void)arg;
    CHECK(ly_poller_register(now, end[0], LY_POLL_OUT, NULL) == 0);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        void *result;
        CHECK(see_registered(NULL) == 0);
        CHECK(pthread_create(&thread, NULL, use_in_thread, (void *)see_registered) == 0);
        pthread_join(thread, &result);
        CHECK(result == NULL);
    }
    CHECK(ly_poller_unregister(now, end[0]) == 0);
    return 0;
}

static void one_thread_after_another_may_use_it(void **state)
{
    (void)state;
    with_each(use_from_threads, everywhere);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_one_is_taken_where_none_is_named),
        cmocka_unit_test(the_first_usable_of_a_list_is_taken),
        cmocka_unit_test(a_fiber_that_waits_lets_the_others_run),
        cmocka_unit_test(a_poller_that_is_always_ready_lets_the_others_run),
        cmocka_unit_test(scopes_end_a_wait),
        cmocka_unit_test(closing_ends_the_wait_of_a_fiber),
        cmocka_unit_test(another_thread_wakes_it),
        cmocka_unit_test(signals_neither_end_nor_stretch_a_wait_and_may_wake),
        cmocka_unit_test(changes_hold_from_the_next_wait_on),
        cmocka_unit_test(a_number_that_is_used_again_is_a_new_descriptor),
        cmocka_unit_test(one_thread_after_another_may_use_it),
    };
    return cmocka_run_group_tests_name("reactor/poller", tests, NULL, NULL);
}
