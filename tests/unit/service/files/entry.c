/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "service/files/entry.h"

#include <lanyard/error.h>
#include <stdio.h>
#include <string.h>

static struct ly__entry entry;

/* Read an entry from a header's text. */
static int read_entry(const char *header)
{
    char bytes[LY_FRAME_HEADER_MAX];
    struct ly_frame f;
    size_t n = strlen(header);
    bytes[0] = (char)(n & 0xff);
    bytes[1] = (char)(n >> 8);
    bytes[2] = bytes[3] = 0;
    memcpy(bytes + 4, header, n);
    assert_true(ly_frame_decode(bytes, n + 4, &f, NULL) > 0);
    return ly__entry_read(&entry, &f);
}

static void a_file_is_read_with_all_its_fields(void **state)
{
    (void)state;
    assert_int_equal(
        read_entry(
            "{\"id\": 3, \"path\": \"a/b\", \"type\": \"file\", \"mode\": 33188, \"mtime_ns\": -5, "
            "\"xxh3\": \"99aa06d3014798d86001c324468d497f\", \"offset\": 7, \"size\": 9, \"more\": []}"),
        0);
    assert_true(entry.is_entry && entry.has_mode && entry.has_mtime && entry.has_offset);
    assert_int_equal(entry.id, 3);
    assert_int_equal(entry.type, LY__ENTRY_FILE);
    assert_string_equal(entry.path, "a/b");
    assert_int_equal(entry.mode, 0644);
    assert_int_equal(entry.mtime_ns, -5);
    assert_int_equal(entry.size, 9);
    assert_int_equal(entry.offset, 7);
    assert_string_equal(entry.xxh3, "99aa06d3014798d86001c324468d497f");
}

static void names_of_fields_may_be_written_with_escapes(void **state)
{
    (void)state;
    assert_int_equal(read_entry("{\"\\u0069d\": 3, \"p\\u0061th\": \"x\", \"\\u0074ype\": \"d\\u0069r\"}"),
                     0);
    assert_int_equal(entry.id, 3);
    assert_int_equal(entry.type, LY__ENTRY_DIR);
    assert_string_equal(entry.path, "x");
}

static void what_is_missing_or_wrong_is_no_entry(void **state)
{
    static const char *const wrong[] = {
        "{\"id\": 1, \"type\": \"file\"}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"socket\"}",
        "{\"id\": 1, \"path\": \"x\", \"type\": 1}",
        "{\"id\": 1, \"path\": 1, \"type\": \"file\"}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"link\"}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"link\", \"target\": 1}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"file\", \"mode\": -1}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"file\", \"mode\": 1.5}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"file\", \"mtime_ns\": \"1\"}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"file\", \"offset\": 4611686018427387905}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"file\", \"xxh3\": \"99AA06d3014798d86001c324468d497f\"}",
        "{\"id\": 1, \"path\": \"x\", \"type\": \"file\", \"xxh3\": \"99aa\"}",
        "{\"id\": -1, \"path\": \"x\", \"type\": \"file\"}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_entry(wrong[i]), LY_EFIELD);
    assert_int_equal(read_entry("{\"id\": 1, \"ok\": true}"), LY_EFIELD);
    assert_false(entry.is_entry);
}

static void a_path_that_is_too_long_is_an_entry_with_a_bad_name(void **state)
{
    char header[8192];
    (void)state;
    (void)snprintf(header, sizeof header, "{\"id\": 1, \"type\": \"file\", \"path\": \"%05000d\"}", 1);
    assert_int_equal(read_entry(header), LY_ENAME);
    assert_true(entry.is_entry);
    assert_string_equal(entry.path, "");
}

static void what_is_written_reads_back(void **state)
{
    struct ly_buffer b;
    struct ly_frame f;
    struct stat st = {.st_mode = S_IFREG | 0755, .st_mtim = {-2, 999999999}};
    (void)state;
    ly_buffer_init(&b, LY_FRAME_HEADER_MAX + 4);
    assert_int_equal(ly_frame_begin(&b), 0);
    assert_int_equal(ly_json_put_int(&b, "id", 5), 0);
    assert_int_equal(ly__entry_put_fields(&b, "d/\xff", &st, NULL, "99aa06d3014798d86001c324468d497f", 8), 0);
    assert_int_equal(ly_frame_end(&b, 10), 0);
    assert_int_equal(ly_frame_decode(ly_buffer_bytes(&b), b.length, &f, NULL), b.length);
    assert_int_equal(ly__entry_read(&entry, &f), 0);
    assert_string_equal(entry.path, "d/\xff");
    assert_int_equal(entry.mode, 0755);
    assert_int_equal(entry.mtime_ns, -1000000001);
    assert_int_equal(entry.size, 10);
    assert_int_equal(entry.offset, 8);
    ly_buffer_done(&b);
}

static void times_before_1970_keep_their_nanoseconds(void **state)
{
    static const int64_t times[] = {0,           1,           -1,        999999999, -999999999,
                                    -1000000000, -1000000001, INT64_MAX, INT64_MIN};
    (void)state;
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        struct timespec t = ly__entry_timespec(times[i]);
        assert_in_range(t.tv_nsec, 0, 999999999);
        int64_t back;
        assert_false(__builtin_mul_overflow(t.tv_sec + (t.tv_sec < 0), (int64_t)1000000000, &back));
        back += t.tv_nsec - (t.tv_sec < 0 ? 1000000000 : 0);
        assert_true(back == times[i]);
    }
}

static void times_beyond_64_bits_are_the_nearest_that_fit(void **state)
{
    (void)state;
    struct stat st = {.st_mtim = {.tv_sec = 14000000000, .tv_nsec = 5}};
    assert_true(ly__entry_mtime(&st) == INT64_MAX);
    st.st_mtim.tv_sec = -14000000000;
    assert_true(ly__entry_mtime(&st) == INT64_MIN);
    st.st_mtim = (struct timespec){.tv_sec = 9223372036, .tv_nsec = 999999999};
    assert_true(ly__entry_mtime(&st) == INT64_MAX);
    st.st_mtim.tv_nsec = 854775807;
    assert_true(ly__entry_mtime(&st) == INT64_MAX);
    st.st_mtim.tv_nsec = 854775806;
    assert_true(ly__entry_mtime(&st) == INT64_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_read_with_all_its_fields),
        cmocka_unit_test(names_of_fields_may_be_written_with_escapes),
        cmocka_unit_test(what_is_missing_or_wrong_is_no_entry),
        cmocka_unit_test(a_path_that_is_too_long_is_an_entry_with_a_bad_name),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(times_before_1970_keep_their_nanoseconds),
        cmocka_unit_test(times_beyond_64_bits_are_the_nearest_that_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
