/* SPDX-License-Identifier: MIT */
#include "daemon/pace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SECOND INT64_C(1000000000)
#define START (1000 * SECOND)
#define RATE 1000

static void a_user_goes_as_fast_as_the_rate(void **state)
{
    (void)state;
    struct ly__pace p;
    ly__pace_open(&p);
    int64_t now = START, moved = 0;
    for (int i = 0; i < 100; i++, moved += 500)
        now += ly__pace_spend(&p, 1, RATE, 500, now) * (SECOND / 1000);
    assert_in_range(now - START, (moved - 300) * SECOND / RATE, moved * SECOND / RATE);
    ly__pace_close(&p);
}

static void sessions_of_a_user_share_and_those_of_others_do_not(void **state)
{
    (void)state;
    struct ly__pace p;
    ly__pace_open(&p);
    assert_int_equal(ly__pace_spend(&p, 1, RATE, 1000, START), 750);
    assert_int_equal(ly__pace_spend(&p, 1, RATE, 1000, START), 1750);
    assert_int_equal(ly__pace_spend(&p, 2, RATE, 1000, START), 750);
    assert_int_equal(ly__pace_spend(&p, 1, RATE, 0, START + SECOND), 750);
    ly__pace_close(&p);
}

static void who_was_idle_gets_no_more_than_the_burst(void **state)
{
    (void)state;
    struct ly__pace p;
    ly__pace_open(&p);
    assert_int_equal(ly__pace_spend(&p, 1, RATE, 250, START), 0);
    assert_int_equal(ly__pace_spend(&p, 1, RATE, 250, START + 1000 * SECOND), 0);
    assert_int_equal(ly__pace_spend(&p, 1, RATE, 250, START + 1000 * SECOND), 250);
    ly__pace_close(&p);
}

static void another_rate_counts_from_then_on(void **state)
{
    (void)state;
    struct ly__pace p;
    ly__pace_open(&p);
    assert_int_equal(ly__pace_spend(&p, 1, RATE, 1250, START), 1000);
    assert_int_equal(ly__pace_spend(&p, 1, 10 * RATE, 1250, START + SECOND), 125);
    ly__pace_close(&p);
}

static void numbers_of_any_size_make_nobody_wait_for_ever(void **state)
{
    (void)state;
    struct ly__pace p;
    ly__pace_open(&p);
    for (int i = 0; i < 10; i++)
        assert_in_range(ly__pace_spend(&p, 1, 1, INT64_MAX, START), 3599000, 3600000);
    assert_int_equal(ly__pace_spend(&p, 2, INT64_MAX, INT64_MAX, START), 750);
    ly__pace_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_goes_as_fast_as_the_rate),
        cmocka_unit_test(sessions_of_a_user_share_and_those_of_others_do_not),
        cmocka_unit_test(who_was_idle_gets_no_more_than_the_burst),
        cmocka_unit_test(another_rate_counts_from_then_on),
        cmocka_unit_test(numbers_of_any_size_make_nobody_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
