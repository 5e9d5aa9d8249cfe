/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>
#include <lanyard/clock.h>

static void now_is_the_monotonic_clock_in_nanoseconds(void **state)
{
    (void)state;
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int64_t now = ly_now();
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(now >= (int64_t)before.tv_sec * 1000000000 + before.tv_nsec);
    assert_true(now <= (int64_t)after.tv_sec * 1000000000 + after.tv_nsec);
}

static void now_never_runs_backwards(void **state)
{
    (void)state;
    int64_t last = ly_now();
    for (int i = 0; i < 10000; i++) {
        int64_t now = ly_now();
        assert_true(now >= last);
        last = now;
    }
}

static void a_deadline_lies_its_timeout_ahead(void **state)
{
    (void)state;
    int64_t before = ly_now();
    int64_t deadline = ly_deadline(1500);
    assert_true(deadline >= before + 1500000000);
    assert_true(deadline <= ly_now() + 1500000000);
}

static void a_timeout_of_zero_has_passed(void **state)
{
    (void)state;
    assert_true(ly_deadline(0) < ly_now());
}

static void forever_never_comes(void **state)
{
    (void)state;
    assert_true(ly_deadline(LY_FOREVER) == LY_NEVER);
}

static void timeouts_beyond_the_range_never_come(void **state)
{
    (void)state;
    assert_true(ly_deadline(INT64_MAX) == LY_NEVER);
    assert_true(ly_deadline(INT64_MAX / 1000000) == LY_NEVER);     /* the sum overflows */
    assert_true(ly_deadline(INT64_MAX / 1000000 + 1) == LY_NEVER); /* the product overflows */
    assert_true(ly_deadline(INT64_MIN) == LY_NEVER);
    assert_true(ly_deadline(INT64_MAX / 2000000) < LY_NEVER);
}

static void seconds_become_milliseconds_rounded_up(void **state)
{
    (void)state;
    assert_int_equal(ly_milliseconds(0), 0);
    assert_int_equal(ly_milliseconds(0.5), 500);
    assert_int_equal(ly_milliseconds(1e-12), 1);
    assert_int_equal(ly_milliseconds(1.0001), 1001);
    assert_int_equal(ly_milliseconds(-0.001), -EINVAL);
    assert_int_equal(ly_milliseconds((double)NAN), -EINVAL);
    assert_int_equal(ly_milliseconds((double)INFINITY), -EINVAL);
    assert_int_equal(ly_milliseconds(1e300), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(now_is_the_monotonic_clock_in_nanoseconds),
        cmocka_unit_test(now_never_runs_backwards),
        cmocka_unit_test(a_deadline_lies_its_timeout_ahead),
        cmocka_unit_test(a_timeout_of_zero_has_passed),
        cmocka_unit_test(forever_never_comes),
        cmocka_unit_test(timeouts_beyond_the_range_never_come),
        cmocka_unit_test(seconds_become_milliseconds_rounded_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
