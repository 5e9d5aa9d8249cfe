/* SPDX-License-Identifier: MIT */
#include "auth/failures.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void each_failure_makes_the_next_answer_later(void **state)
{
    (void)state;
    struct ly__failures *f;
    assert_int_equal(ly__failures_new(&f), 0);
    int64_t wait = ly__failures_note(f, "ada", 1000), next;
    assert_in_range(wait, LY__FAILURE_LEAST_MS, 2 * LY__FAILURE_LEAST_MS);
    for (int i = 0; i < 60; i++) {
        next = ly__failures_note(f, "ada", 1001 + i);
        assert_true(next == 2 * wait || next == LY__FAILURE_MOST_MS);
        wait = next;
    }
    assert_int_equal(wait, LY__FAILURE_MOST_MS);
    ly__failures_free(f);
}

static void names_wait_differently_and_each_always_alike(void **state)
{
    (void)state;
    struct ly__failures *f;
    char name[16];
    int different = 0;
    assert_int_equal(ly__failures_new(&f), 0);
    int64_t first = ly__failures_note(f, "ada", 0);
    ly__failures_clear(f, "ada");
    assert_int_equal(ly__failures_note(f, "ada", 5), first);
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof name, "user%d", i);
        different += ly__failures_note(f, name, 0) != first;
    }
    assert_true(different > 10);
    ly__failures_free(f);
}

static void failures_are_forgotten_after_a_while_and_after_a_success(void **state)
{
    (void)state;
    struct ly__failures *f;
    assert_int_equal(ly__failures_new(&f), 0);
    int64_t first = ly__failures_note(f, "ada", 0);
    assert_int_equal(ly__failures_note(f, "ada", LY__FAILURE_FORGET_MS), 2 * first);
    assert_int_equal(ly__failures_note(f, "ada", 2 * LY__FAILURE_FORGET_MS + 1), first);
    assert_int_equal(ly__failures_note(f, "ada", 2 * LY__FAILURE_FORGET_MS + 2), 2 * first);
    ly__failures_clear(f, "ada");
    assert_int_equal(ly__failures_note(f, "ada", 2 * LY__FAILURE_FORGET_MS + 3), first);
    ly__failures_clear(f, "nobody");
    ly__failures_free(f);
}

static void a_name_that_fails_often_outlives_a_flood_of_others(void **state)
{
    (void)state;
    struct ly__failures *f;
    char name[32];
    assert_int_equal(ly__failures_new(&f), 0);
    for (int i = 0; i < 10; i++)
        ly__failures_note(f, "ada", i);
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "flood%d", i);
        ly__failures_note(f, name, 100 + i);
    }
    assert_int_equal(ly__failures_note(f, "ada", 30000), LY__FAILURE_MOST_MS);
    ly__failures_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_makes_the_next_answer_later),
        cmocka_unit_test(names_wait_differently_and_each_always_alike),
        cmocka_unit_test(failures_are_forgotten_after_a_while_and_after_a_success),
        cmocka_unit_test(a_name_that_fails_often_outlives_a_flood_of_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
