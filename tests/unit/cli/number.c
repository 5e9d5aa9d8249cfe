/* SPDX-License-Identifier: MIT */
#include "cli/number.h"
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void times_have_units_and_fractions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } rows[] = {{"10", 10000},  {"1.5s", 1500},  {"200ms", 200},   {"0.2ms", 1},
                {"5m", 300000}, {"1h", 3600000}, {"1e3", 1000000}, {"2d", 172800000}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t ms = 0;
        assert_int_equal(ly__duration_read(rows[i].text, &ms), 0);
        assert_int_equal(ms, rows[i].ms);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",   "0",   "-1",  "+1",   " 1",    "1 s", "s",
                                        "1w", "nan", "inf", "0x10", "1e300", "1sm"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t ms = 7;
        assert_int_equal(ly__duration_read(texts[i], &ms), LY_EFIELD);
        assert_int_equal(ms, 7);
    }
}

static void numbers_keep_their_bounds(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "0", "11", "-3", "x", "5x", " 5", "5.0", "99999999999999999999"};
    int64_t n = 0;
    assert_int_equal(ly__number_read("1", 1, 10, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(ly__number_read("10", 1, 10, &n), 0);
    assert_int_equal(n, 10);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ly__number_read(bad[i], 1, 10, &n), LY_EFIELD);
}

static void sizes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } rows[] = {{"0", 0},        {"1000", 1000},  {"5K", 5120},
                {"3M", 3 << 20}, {"1G", 1 << 30}, {"1048576K", 1 << 30}};
    static const char *const bad[] = {"",   "K",   "-1",  "-1K", "+1",       "1k",
                                      "1T", "1 K", "1KB", "2G",  "1048577K", "99999999999999999999"};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t n = -1;
        assert_int_equal(ly__size_read(rows[i].text, 1 << 30, &n), 0);
        assert_int_equal(n, rows[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t n = 7;
        assert_int_equal(ly__size_read(bad[i], 1 << 30, &n), LY_EFIELD);
        assert_int_equal(n, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_have_units_and_fractions),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(numbers_keep_their_bounds),
        cmocka_unit_test(sizes_have_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
