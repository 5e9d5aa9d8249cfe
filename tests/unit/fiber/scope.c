/* SPDX-License-Identifier: MIT */
#include "everywhere.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int ran, ended_by;

static int count(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
    return 42;
}

static int sleep_for_ever(void *arg)
{
    (void)arg;
    int r = ly_sleep(1000000);
    atomic_store(&ended_by, r);
    return r;
}

static int joins_all(void *arg)
{
    struct ly_scope *s;
    (void)arg;
    atomic_store(&ran, 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    for (int i = 0; i < 50; i++)
        CHECK(ly_go(s, count, NULL) == 0);
    CHECK(ly_scope_join(s) == 0);
    CHECK(atomic_load(&ran) == 50);
    ly_scope_close(s);
    return 0;
}

static int closing_cancels(void *arg)
{
    struct ly_scope *s;
    (void)arg;
    atomic_store(&ended_by, 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, sleep_for_ever, NULL) == 0);
    CHECK(ly_sleep(1) == 0);
    ly_scope_close(s);
    CHECK(atomic_load(&ended_by) == -ECANCELED);
    return 0;
}

static int deadline_bounds(void *arg)
{
    struct ly_scope *s;
    (void)arg;
    int64_t begin = ly_now();
    CHECK(ly_scope_open(&s, &(struct ly_scope_options){.deadline = ly_deadline(20)}) == 0);
    CHECK(ly_go(s, sleep_for_ever, NULL) == 0);
    int r = ly_scope_join(s); /* 0: the task timed out first, and so the join found it ended */
    CHECK(r == 0 || r == -ETIMEDOUT);
    CHECK(ly_now() - begin >= 20000000);
    CHECK(ly_sleep(5) == -ETIMEDOUT);
    ly_scope_close(s);
    CHECK(ly_sleep(1) == 0);
    return 0;
}

static int deadline_moves(void *arg)
{
    struct ly_scope *s, *shield;
    (void)arg;
    atomic_store(&ended_by, 0);
    CHECK(ly_scope_open(&s, &(struct ly_scope_options){.deadline = ly_deadline(1000000)}) == 0);
    CHECK(ly_go(s, sleep_for_ever, NULL) == 0);
    CHECK(ly_sleep(1) == 0);
    CHECK(ly_scope_open(&shield, &(struct ly_scope_options){.shield = true}) == 0);
    ly_scope_set_deadline(s, ly_deadline(5));
    while (atomic_load(&ended_by) == 0)
        CHECK(ly_sleep(1) == 0);
    ly_scope_close(shield);
    ly_scope_close(s);
    CHECK(atomic_load(&ended_by) == -ETIMEDOUT);
    return 0;
}

static int inner_of_cancelled(void *arg)
{
    struct ly_scope *outer, *inner, *shield;
    (void)arg;
    CHECK(ly_scope_open(&outer, NULL) == 0);
    CHECK(ly_scope_open(&inner, NULL) == 0);
    ly_scope_cancel(outer);
    CHECK(ly_cancelled() == -ECANCELED);
    CHECK(ly_sleep(1) == -ECANCELED);
    CHECK(ly_go(inner, count, NULL) == -ECANCELED);
    CHECK(ly_scope_open(&shield, &(struct ly_scope_options){.shield = true}) == 0);
    CHECK(ly_sleep(1) == 0);
    ly_scope_close(shield);
    CHECK(ly_sleep(1) == -ECANCELED);
    ly_scope_close(inner);
    ly_scope_close(outer);
    CHECK(ly_sleep(0) == 0);
    return 0;
}

static int awaits(void *arg)
{
    struct ly_scope *s;
    struct ly_future *f, *never;
    bool done = false;
    (void)arg;
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_async(s, &f, count, NULL) == 0);
    CHECK(ly_await(f, &done) == 42 && done);
    CHECK(ly_async(s, &f, count, NULL) == 0);
    CHECK(ly_sleep(10) == 0);
    CHECK(ly_await(f, NULL) == 42);
    CHECK(ly_async(s, &never, sleep_for_ever, NULL) == 0);
    ly_scope_set_deadline(s, ly_deadline(5));
    int r = ly_await(never, &done);
    CHECK(r == -ETIMEDOUT);
    ly_scope_close(s);
    return 0;
}

static int leaves_scopes_open(void *arg)
{
    struct ly_scope *s;
    (void)arg;
    CHECK(ly_scope_open(&s, NULL) == 0);
    return ly_go(s, sleep_for_ever, NULL);
}

static int forgotten_scopes(void *arg)
{
    struct ly_scope *s;
    struct ly_future *f;
    (void)arg;
    atomic_store(&ended_by, 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_async(s, &f, leaves_scopes_open, NULL) == 0);
    CHECK(ly_await(f, NULL) == 0);
    ly_scope_close(s);
    CHECK(atomic_load(&ended_by) == -ECANCELED);
    return 0;
}

static void *cancel_soon(void *scope)
{
    ly_scope_cancel(scope);
    return NULL;
}

static int cancelled_by_a_thread(void *arg)
{
    struct ly_scope *s;
    pthread_t thread;
    (void)arg;
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(pthread_create(&thread, NULL, cancel_soon, s) == 0);
    CHECK(ly_sleep(1000000) == -ECANCELED);
    pthread_join(thread, NULL);
    ly_scope_close(s);
    return 0;
}

static int names(void *arg)
{
    (void)arg;
    ly_set_name("a name that is much longer than what a task can keep of it, which is more than fits a line");
    CHECK(strlen(ly_name()) == 71);
    ly_set_name("short");
    CHECK(strcmp(ly_name(), "short") == 0);
    CHECK(ly_id() != 0);
    return 0;
}

#define EVERYWHERE(name, body)     \
    static void name(void **state) \
    {                              \
        (void)state;               \
        everywhere(body);          \
    }

EVERYWHERE(joining_a_scope_waits_for_all_its_tasks, joins_all)
EVERYWHERE(closing_a_scope_cancels_and_joins, closing_cancels)
EVERYWHERE(a_deadline_bounds_everything_below_its_scope, deadline_bounds)
EVERYWHERE(a_moved_deadline_reaches_waits_that_have_begun, deadline_moves)
EVERYWHERE(cancellation_reaches_inner_scopes_but_no_shield, inner_of_cancelled)
EVERYWHERE(awaiting_gives_the_result_of_a_task, awaits)
EVERYWHERE(scopes_left_open_are_closed_when_their_task_ends, forgotten_scopes)
EVERYWHERE(a_thread_can_cancel_a_scope, cancelled_by_a_thread)
EVERYWHERE(a_task_has_a_name_and_an_id, names)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_a_scope_waits_for_all_its_tasks),
        cmocka_unit_test(closing_a_scope_cancels_and_joins),
        cmocka_unit_test(a_deadline_bounds_everything_below_its_scope),
        cmocka_unit_test(a_moved_deadline_reaches_waits_that_have_begun),
        cmocka_unit_test(cancellation_reaches_inner_scopes_but_no_shield),
        cmocka_unit_test(awaiting_gives_the_result_of_a_task),
        cmocka_unit_test(scopes_left_open_are_closed_when_their_task_ends),
        cmocka_unit_test(a_thread_can_cancel_a_scope),
        cmocka_unit_test(a_task_has_a_name_and_an_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
