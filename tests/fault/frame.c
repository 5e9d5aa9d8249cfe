/* SPDX-License-Identifier: MIT */
/* A frame without memory: writing one reports each failure and can go on after it, reading one asks for none.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/frame.h>

#include "inject.h"

static int write_frame(struct ly_buffer *b)
{
    char text[4096];
    memset(text, 'x', sizeof text);
    int r = ly_frame_begin(b);
    for (int i = 0; r == 0 && i < 8; i++) {
        static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h"};
        r = ly_json_put_bytes(b, names[i], text, sizeof text);
    }
    if (r == 0)
        r = ly_json_put_double(b, "number", 0.1);
    return r < 0 ? r : ly_frame_end(b, 5);
}

static void a_frame_reports_each_allocation_that_fails_and_is_written_afterwards(void **state)
{
    (void)state;
    unsigned long failures = 0;
    for (unsigned long nth = 1;; nth++) {
        struct ly_buffer b;
        struct ly_frame frame;
        ly_buffer_init(&b, LY_FRAME_HEADER_MAX + 4);
        assert_int_equal(ly_fault_arm("any-alloc", nth, 0), 0);
        int r = write_frame(&b);
        unsigned long hits = ly_fault_hits();
        ly_fault_disarm();
        failures += hits;
        assert_int_equal(r, hits ? -ENOMEM : 0);
        assert_int_equal(write_frame(&b), 0);
        assert_int_equal(ly_frame_decode(ly_buffer_bytes(&b), b.length, &frame, NULL), b.length);
        ly_buffer_done(&b);
        if (!hits)
            break;
    }
    assert_true(failures > 1);
}

static void reading_a_frame_allocates_nothing(void **state)
{
    (void)state;
    static const char bytes[] =
        "\x39\0\0\0{\"cmd\": \"\\u0065xec\", \"argv\": [\"ls\", \"\\udcff\"], \"size\": 3}";
    struct ly_frame frame;
    struct ly_json argument = {NULL, 0};
    char text[16];
    double number = 0;
    size_t it = 0;
    assert_int_equal(ly_fault_arm_from("any-alloc", 1, 0), 0);
    ssize_t taken = ly_frame_decode(bytes, sizeof bytes - 1, &frame, NULL);
    bool named = taken > 0 && ly_json_equal(ly_json_get(frame.header, "cmd"), "exec");
    bool walked = taken > 0 && ly_json_next(ly_json_get(frame.header, "argv"), &it, NULL, &argument);
    ssize_t length = ly_json_string(argument, text, sizeof text);
    int read = taken > 0 ? ly_json_double(ly_json_get(frame.header, "size"), &number) : -1;
    unsigned long hits = ly_fault_hits();
    ly_fault_disarm();
    assert_int_equal(taken, sizeof bytes - 1);
    assert_true(named && walked);
    assert_int_equal(length, 2);
    assert_int_equal(read, 0);
    assert_true(number == 3);
    assert_int_equal(hits, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_reports_each_allocation_that_fails_and_is_written_afterwards),
        cmocka_unit_test(reading_a_frame_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
