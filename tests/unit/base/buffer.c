/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/buffer.h>

static void an_empty_buffer_holds_no_memory(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 10);
    assert_null(ly_buffer_bytes(&b));
    assert_int_equal(ly_buffer_append(&b, NULL, 0), 0);
    ly_buffer_consume(&b, 0);
    assert_int_equal(b.capacity, 0);
    ly_buffer_done(&b);
}

static void bytes_come_out_as_they_went_in(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 1 << 20);
    unsigned in = 0, out = 0, seed = 1;
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1103515245 + 12345;
        for (unsigned i = seed >> 16 & 63; i; i--) {
            char byte = (char)(in++ * 7);
            assert_int_equal(ly_buffer_append(&b, &byte, 1), 0);
        }
        seed = seed * 1103515245 + 12345;
        for (unsigned i = seed >> 16 & 63; i && b.length; i--) {
            assert_int_equal(*ly_buffer_bytes(&b), (char)(out++ * 7));
            ly_buffer_consume(&b, 1);
        }
        assert_int_equal(b.length, in - out);
        assert_true(b.start + b.length <= b.capacity);
    }
    ly_buffer_done(&b);
}

static void appending_beyond_the_maximum_changes_nothing(void **state)
{
    (void)state;
    struct ly_buffer b;
    char *place = NULL;
    ly_buffer_init(&b, 5);
    assert_int_equal(ly_buffer_append(&b, "abc", 3), 0);
    assert_int_equal(ly_buffer_append(&b, "def", 3), LY_ETOOBIG);
    assert_int_equal(ly_buffer_reserve(&b, SIZE_MAX, &place), LY_ETOOBIG);
    assert_null(place);
    assert_int_equal(b.length, 3);
    assert_int_equal(ly_buffer_append(&b, "de", 2), 0);
    assert_memory_equal(ly_buffer_bytes(&b), "abcde", 5);
    assert_true(b.capacity <= 5);
    ly_buffer_done(&b);
}

static void what_is_consumed_makes_room_at_the_maximum(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 6);
    assert_int_equal(ly_buffer_append(&b, "abcdef", 6), 0);
    ly_buffer_consume(&b, 1);
    assert_int_equal(ly_buffer_append(&b, "gh", 2), LY_ETOOBIG);
    assert_int_equal(ly_buffer_append(&b, "g", 1), 0);
    assert_memory_equal(ly_buffer_bytes(&b), "bcdefg", 6);
    ly_buffer_done(&b);
}

static void a_queue_of_bounded_length_stays_of_bounded_capacity(void **state)
{
    (void)state;
    struct ly_buffer b;
    char chunk[100] = {0};
    ly_buffer_init(&b, SIZE_MAX / 2);
    assert_int_equal(ly_buffer_append(&b, chunk, 100), 0);
    for (int i = 0; i < 10000; i++) {
        assert_int_equal(ly_buffer_append(&b, chunk, 100), 0);
        ly_buffer_consume(&b, 100);
    }
    assert_true(b.capacity <= 1024);
    ly_buffer_done(&b);
}

static void reserved_bytes_count_when_committed(void **state)
{
    (void)state;
    struct ly_buffer b;
    char *place;
    ly_buffer_init(&b, 100);
    assert_int_equal(ly_buffer_reserve(&b, 50, &place), 0);
    memset(place, 'x', 50);
    assert_int_equal(b.length, 0);
    ly_buffer_commit(&b, 2);
    assert_int_equal(b.length, 2);
    assert_string_equal(ly_buffer_string(&b), "xx");
    ly_buffer_done(&b);
}

static void printf_appends_text_of_any_length(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 2000);
    assert_int_equal(ly_buffer_printf(&b, "%s-%d", "a", 7), 0);
    assert_int_equal(ly_buffer_printf(&b, "%1000d", 5), 0);
    assert_int_equal(b.length, 1003);
    assert_memory_equal(ly_buffer_bytes(&b), "a-7  ", 5);
    assert_int_equal(ly_buffer_bytes(&b)[1002], '5');
    ly_buffer_done(&b);
}

static void printf_may_fill_the_buffer_to_the_last_byte(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 8);
    assert_int_equal(ly_buffer_printf(&b, "%s", "123"), 0);
    assert_int_equal(ly_buffer_printf(&b, "%s", "456789"), LY_ETOOBIG);
    assert_int_equal(b.length, 3);
    assert_int_equal(ly_buffer_printf(&b, "%s", "45678"), 0);
    assert_memory_equal(ly_buffer_bytes(&b), "12345678", 8);
    assert_int_equal(ly_buffer_printf(&b, "%s", ""), 0);
    assert_int_equal(b.length, 8);
    ly_buffer_done(&b);
}

static void a_character_that_cannot_be_printed_is_refused(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 100);
    assert_int_equal(ly_buffer_printf(&b, "a%ls", L"\x7fffffff"), -EINVAL);
    assert_int_equal(b.length, 0);
    ly_buffer_done(&b);
}

static void the_string_ends_in_a_zero_that_does_not_count(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 4);
    assert_string_equal(ly_buffer_string(&b), "");
    assert_int_equal(ly_buffer_append(&b, "abc", 3), 0);
    assert_string_equal(ly_buffer_string(&b), "abc");
    assert_int_equal(b.length, 3);
    assert_int_equal(ly_buffer_append(&b, "d", 1), 0);
    assert_null(ly_buffer_string(&b));
    assert_int_equal(b.length, 4);
    ly_buffer_done(&b);
}

static void clear_keeps_the_memory_and_done_gives_it_back(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 100);
    assert_int_equal(ly_buffer_append(&b, "abc", 3), 0);
    ly_buffer_consume(&b, 1);
    ly_buffer_clear(&b);
    assert_int_equal(b.length, 0);
    assert_int_equal(b.start, 0);
    assert_non_null(b.data);
    ly_buffer_done(&b);
    assert_null(b.data);
    assert_int_equal(b.max, 100);
    assert_int_equal(ly_buffer_append(&b, "abc", 3), 0);
    ly_buffer_done(&b);
}

/* No machine has this much address space: malloc fails without touching anything. */
static void without_memory_the_content_stays(void **state)
{
    (void)state;
    struct ly_buffer b;
    char *place = NULL;
    ly_buffer_init(&b, SIZE_MAX / 2);
    assert_int_equal(ly_buffer_append(&b, "abc", 3), 0);
    assert_int_equal(ly_buffer_reserve(&b, SIZE_MAX / 2 - 16, &place), -ENOMEM);
    assert_null(place);
    assert_string_equal(ly_buffer_string(&b), "abc");
    ly_buffer_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_buffer_holds_no_memory),
        cmocka_unit_test(bytes_come_out_as_they_went_in),
        cmocka_unit_test(appending_beyond_the_maximum_changes_nothing),
        cmocka_unit_test(what_is_consumed_makes_room_at_the_maximum),
        cmocka_unit_test(a_queue_of_bounded_length_stays_of_bounded_capacity),
        cmocka_unit_test(reserved_bytes_count_when_committed),
        cmocka_unit_test(printf_appends_text_of_any_length),
        cmocka_unit_test(printf_may_fill_the_buffer_to_the_last_byte),
        cmocka_unit_test(a_character_that_cannot_be_printed_is_refused),
        cmocka_unit_test(the_string_ends_in_a_zero_that_does_not_count),
        cmocka_unit_test(clear_keeps_the_memory_and_done_gives_it_back),
        cmocka_unit_test(without_memory_the_content_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
