/* SPDX-License-Identifier: MIT */
#include "trail.h"

#define MICRO INT64_C(1000000)
#define MORNING (INT64_C(1795253737) * MICRO) /* 2026-11-21T09:35:37Z */

static void times_are_printed_with_microseconds_in_utc(void **state)
{
    (void)state;
    char text[LY__AUDIT_TIME];
    ly__audit_time_format(text, &(struct timespec){1795253737, 123456789});
    assert_string_equal(text, "2026-11-21T09:35:37.123456Z");
    ly__audit_time_format(text, &(struct timespec){0, 999});
    assert_string_equal(text, "1970-01-01T00:00:00.000000Z");
}

static void times_are_read_in_several_lengths(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } rows[] = {{"2026-11-21T09:35:37.123456Z", MORNING + 123456},
                {"2026-11-21T09:35:37.1234567", MORNING + 123456},
                {"2026-11-21 09:35:37.5", MORNING + 500000},
                {"2026-11-21 09:35:37", MORNING},
                {"2026-11-21T09:35Z", MORNING - 37 * MICRO},
                {"2026-11-21", MORNING - (9 * 3600 + 35 * 60 + 37) * MICRO},
                {"2024-02-29Z", INT64_C(1709164800) * MICRO},
                {"1970-01-01", 0},
                {"2016-12-31T23:59:60Z", INT64_C(1483228800) * MICRO}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t us = -1;
        assert_int_equal(ly__audit_time_read(rows[i].text, strlen(rows[i].text), &us), 0);
        assert_int_equal(us, rows[i].us);
    }
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "2026",
                                        "2026-11",
                                        "2026-13-01",
                                        "2026-00-01",
                                        "2026-06-31",
                                        "2025-02-29",
                                        "2026-11-21T",
                                        "2026-11-21T09",
                                        "2026-11-21T24:00",
                                        "2026-11-21T09:60",
                                        "2026-11-21T09:35:61",
                                        "2026-11-21T09:35:37.",
                                        "2026-11-21T09:35:37ZZ",
                                        "2026-11-21T09:35:37+01:00",
                                        " 2026-11-21",
                                        "+026-11-21",
                                        "1969-12-31",
                                        "now"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t us = -1;
        assert_int_equal(ly__audit_time_read(texts[i], strlen(texts[i]), &us), LY_EFIELD);
        assert_int_equal(us, -1);
    }
}

static int read_line(const char *line, struct ly__audit_view *v, bool *damaged)
{
    return ly__audit_read(v, line, strlen(line), damaged);
}

static void what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {"",
                                        "x",
                                        "[]",
                                        "{}",
                                        "{\"time\": 5}",
                                        "{\"time\": \"now\"}",
                                        "{\"time\": \"2026-11-21\"",
                                        "{\"time\": \"2026-11-21\", \"time\": \"2026-11-21\"}",
                                        "{\"time\": \"2026-11-21\"} x"};
    struct ly__audit_view v;
    bool damaged;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_true(read_line(lines[i], &v, &damaged) < 0);
}

static void members_of_a_wrong_type_count_as_missing(void **state)
{
    (void)state;
    struct ly__audit_view v;
    bool damaged;
    assert_int_equal(read_line("{\"who\": 5, \"time\": \"2026-11-21\", \"what\": null, \"session\": \"7\", "
                               "\"bytes\": -5, \"duration_ms\": 1.5}",
                               &v, &damaged),
                     0);
    assert_false(damaged);
    assert_int_equal(v.who.length, 0);
    assert_int_equal(v.what.length, 0);
    assert_int_equal(v.session, 0);
    assert_int_equal(v.bytes, -1);
    assert_int_equal(v.duration_ms, -1);
}

static void a_record_behind_a_piece_is_read(void **state)
{
    (void)state;
    struct ly__audit_view v;
    bool damaged;
    assert_int_equal(
        read_line("{\"time\": \"2026-11-21\", \"wh{\"time\": \"2026-11-21\", \"what\": \"a\"}", &v, &damaged),
        0);
    assert_true(damaged);
    assert_text(v.what, "a");
    assert_int_equal(read_line("\\{\"time\": \"2026-11-21\", \"what\": \"b\"}", &v, &damaged), 0);
    assert_true(damaged);
    assert_text(v.what, "b");
}

/* The beginning of a record, as a text within one. */
static void a_text_is_not_taken_for_a_record(void **state)
{
    (void)state;
    struct ly__audit_view v;
    struct ly_buffer b;
    bool damaged;
    ly_buffer_init(&b, LY__AUDIT_LINE_MAX);
    struct ly__audit_record record = {.what = "get",
                                      .object = LY__AUDIT_HEAD "2000-01-01\", \"what\": \"x\"}"};
    assert_int_equal(ly__audit_line(&b, &(struct timespec){1795253737, 0}, &record, NULL, -1), 0);
    assert_int_equal(ly__audit_read(&v, ly_buffer_bytes(&b), b.length - 1, &damaged), 0);
    assert_false(damaged);
    assert_true(v.time_us == MORNING);
    assert_text(v.what, "get");
    assert_text(v.object, record.object);
    ly_buffer_done(&b);
}

static void a_line_is_what_the_manual_says(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, LY__AUDIT_LINE_MAX);
    struct ly__audit_record record = {.who = "ada",
                                      .from = "tls://192.0.2.7:5",
                                      .session = 3,
                                      .what = "get",
                                      .object = "a b",
                                      .bytes = 9,
                                      .action = 4};
    assert_int_equal(ly__audit_line(&b, &(struct timespec){1795253737, 0}, &record, NULL, 12), 0);
    assert_string_equal(
        ly_buffer_string(&b),
        "{\"time\": \"2026-11-21T09:35:37.000000Z\", \"who\": \"ada\", \"from\": \"tls://192.0.2.7:5\", "
        "\"what\": \"get\", \"object\": \"a b\", \"result\": \"ok\", \"session\": 3, \"action\": 4, "
        "\"duration_ms\": 12, \"bytes\": 9}\n");
    ly_buffer_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_printed_with_microseconds_in_utc),
        cmocka_unit_test(times_are_read_in_several_lengths),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(members_of_a_wrong_type_count_as_missing),
        cmocka_unit_test(a_record_behind_a_piece_is_read),
        cmocka_unit_test(a_text_is_not_taken_for_a_record),
        cmocka_unit_test(a_line_is_what_the_manual_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
