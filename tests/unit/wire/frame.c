/* SPDX-License-Identifier: MIT */
/* Reference frames are struct.pack("<i", len(text)) + text with text = json.dumps(...).encode() in Python. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/frame.h>

/* A frame's head around the text, in static storage. */
static const char *head_of(const char *text, size_t *ret_n)
{
    static char bytes[4 + 2 * LY_FRAME_HEADER_MAX];
    size_t n = strlen(text);
    for (int i = 0; i < 4; i++)
        bytes[i] = (char)(n >> 8 * i & 0xFF);
    memcpy(bytes + 4, text, n);
    *ret_n = n + 4;
    return bytes;
}

static ssize_t decode(const char *text, struct ly_frame *ret_frame)
{
    size_t n;
    const char *bytes = head_of(text, &n);
    return ly_frame_decode(bytes, n, ret_frame, NULL);
}

static void S5_S73_the_reference_frame_is_30_bytes_of_header(void **state)
{
    (void)state;
    static const char reference[] = "\x1e\0\0\0{\"total_size\": 10241321431312}";
    struct ly_frame frame;
    int64_t n = 0;
    assert_int_equal(ly_frame_decode(reference, sizeof reference - 1, &frame, NULL), 34);
    assert_int_equal(ly_json_int(ly_json_get(frame.header, "total_size"), &n), 0);
    assert_int_equal(n, 10241321431312);
    assert_int_equal(frame.size, 0);

    struct ly_buffer b;
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_frame_begin(&b), 0);
    assert_int_equal(ly_json_put_int(&b, "total_size", 10241321431312), 0);
    assert_int_equal(ly_frame_end(&b, 0), 0);
    assert_int_equal(b.length, 34);
    assert_memory_equal(ly_buffer_bytes(&b), reference, 34);
    ly_buffer_done(&b);
}

static void S73_S112_the_tutorials_upload_request_is_written_byte_for_byte(void **state)
{
    (void)state;
    static const char reference[] = "\x33\0\0\0{\"cmd\": \"put\", \"filename\": \"a.txt\", \"filesize\": 11}";
    struct ly_buffer b;
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_frame_begin(&b), 0);
    assert_int_equal(ly_json_put_string(&b, "cmd", "put"), 0);
    assert_int_equal(ly_json_put_string(&b, "filename", "a.txt"), 0);
    assert_int_equal(ly_json_put_int(&b, "filesize", 11), 0);
    assert_int_equal(ly_frame_end(&b, 0), 0);
    assert_int_equal(b.length, sizeof reference - 1);
    assert_memory_equal(ly_buffer_bytes(&b), reference, b.length);
    ly_buffer_done(&b);
}

static void a_body_is_announced_by_size(void **state)
{
    (void)state;
    static const char reference[] = "\x25\0\0\0{\"id\": 1, \"stream\": \"out\", \"size\": 3}";
    struct ly_buffer b;
    struct ly_frame frame;
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_frame_begin(&b), 0);
    assert_int_equal(ly_json_put_int(&b, "id", 1), 0);
    assert_int_equal(ly_json_put_string(&b, "stream", "out"), 0);
    assert_int_equal(ly_frame_end(&b, 3), 0);
    assert_int_equal(b.length, sizeof reference - 1);
    assert_memory_equal(ly_buffer_bytes(&b), reference, b.length);
    assert_int_equal(ly_frame_decode(reference, sizeof reference - 1, &frame, NULL), b.length);
    assert_int_equal(frame.size, 3);
    ly_buffer_done(&b);
}

static void decoding_says_how_much_is_needed_until_the_head_is_whole(void **state)
{
    (void)state;
    size_t n;
    const char *bytes = head_of("{\"cmd\": \"ping\", \"id\": 1}", &n);
    for (size_t have = 0; have < n; have++) {
        struct ly_frame frame;
        size_t need = 0;
        char *exact = malloc(have > 0 ? have : 1);
        assert_non_null(exact);
        memcpy(exact, bytes, have);
        assert_int_equal(ly_frame_decode(exact, have, &frame, &need), 0);
        assert_int_equal(need, have < 4 ? 4 : n);
        free(exact);
    }
    struct ly_frame frame;
    assert_int_equal(ly_frame_decode(bytes, n, &frame, NULL), n);
    assert_int_equal(ly_frame_decode(bytes, n + 1, &frame, NULL), n);
}

static void lengths_beyond_the_limit_and_negative_ones_are_refused_at_once(void **state)
{
    (void)state;
    static const char *const lengths[] = {"\x01\x00\x01\x00", "\xff\xff\xff\xff", "\x00\x00\x00\x80",
                                          "\xff\xff\xff\x7f"};
    struct ly_frame frame;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        assert_int_equal(ly_frame_decode(lengths[i], 4, &frame, NULL), LY_ETOOBIG);
    assert_int_equal(ly_frame_decode("\x00\x00\x00\x00", 4, &frame, NULL), LY_EFRAME);
    assert_int_equal(ly_frame_decode("\x01\x00\x00\x00", 4, &frame, NULL), LY_EFRAME);
}

static void a_header_of_exactly_the_limit_is_accepted(void **state)
{
    (void)state;
    struct ly_buffer b;
    struct ly_frame frame;
    char *filler = malloc(LY_FRAME_HEADER_MAX);
    assert_non_null(filler);
    memset(filler, 'x', LY_FRAME_HEADER_MAX);
    for (size_t over = 0; over < 2; over++) {
        ly_buffer_init(&b, LY_FRAME_HEADER_MAX + 100);
        assert_int_equal(ly_frame_begin(&b), 0);
        assert_int_equal(ly_json_put_bytes(&b, "f", filler, LY_FRAME_HEADER_MAX - 9 + over), 0);
        assert_int_equal(ly_frame_end(&b, 0), over ? LY_ETOOBIG : 0);
        if (!over) {
            size_t need = 0;
            assert_int_equal(ly_frame_decode(ly_buffer_bytes(&b), 4, &frame, &need), 0);
            assert_int_equal(need, LY_FRAME_HEADER_MAX + 4);
            assert_int_equal(ly_frame_decode(ly_buffer_bytes(&b), b.length, &frame, NULL), need);
        }
        ly_buffer_done(&b);
    }
    free(filler);
}

static void headers_that_are_no_object_are_refused(void **state)
{
    (void)state;
    struct ly_frame frame;
    assert_int_equal(decode("[]", &frame), LY_EFRAME);
    assert_int_equal(decode("\"{}\"", &frame), LY_EFRAME);
    assert_int_equal(decode("12", &frame), LY_EFRAME);
    assert_int_equal(decode("{]", &frame), LY_EJSON);
    assert_int_equal(decode("{} x", &frame), LY_EJSON);
    assert_int_equal(decode("{\"id\": 1, \"id\": 2}", &frame), LY_EJSON);
    assert_int_equal(decode(" {} ", &frame), 8);
}

static void a_size_is_a_whole_number_up_to_2_to_the_62(void **state)
{
    (void)state;
    struct ly_frame frame = {{NULL, 0}, 42};
    static const char *const bad[] = {
        "-1", "1.0", "1e3", "\"3\"", "null", "true", "[3]", "4611686018427387905", "9223372036854775808"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"size\": %s}", bad[i]);
        assert_int_equal(decode(text, &frame), LY_EFRAME);
    }
    assert_int_equal(frame.size, 42);
    assert_true(decode("{\"size\": 4611686018427387904}", &frame) > 0);
    assert_int_equal(frame.size, INT64_C(1) << 62);
    assert_true(decode("{\"size\": 0}", &frame) > 0);
    assert_int_equal(frame.size, 0);
    assert_true(decode("{\"x\": {\"size\": 5}}", &frame) > 0);
    assert_int_equal(frame.size, 0);
}

static void sizes_that_cannot_be_are_not_written(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 100);
    assert_int_equal(ly_frame_begin(&b), 0);
    assert_int_equal(ly_frame_end(&b, -1), -EINVAL);
    assert_int_equal(ly_frame_end(&b, (INT64_C(1) << 62) + 1), LY_ETOOBIG);
    assert_int_equal(ly_frame_end(&b, INT64_C(1) << 62), 0);
    assert_memory_equal(ly_buffer_bytes(&b) + 4, "{\"size\": 4611686018427387904}", 29);
    ly_buffer_done(&b);
}

static void a_buffer_too_small_for_the_head_says_so(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 4);
    assert_int_equal(ly_frame_begin(&b), LY_ETOOBIG);
    ly_buffer_done(&b);
    ly_buffer_init(&b, 5);
    assert_int_equal(ly_frame_begin(&b), 0);
    assert_int_equal(ly_frame_end(&b, 0), LY_ETOOBIG);
    ly_buffer_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(S5_S73_the_reference_frame_is_30_bytes_of_header),
        cmocka_unit_test(S73_S112_the_tutorials_upload_request_is_written_byte_for_byte),
        cmocka_unit_test(a_body_is_announced_by_size),
        cmocka_unit_test(decoding_says_how_much_is_needed_until_the_head_is_whole),
        cmocka_unit_test(lengths_beyond_the_limit_and_negative_ones_are_refused_at_once),
        cmocka_unit_test(a_header_of_exactly_the_limit_is_accepted),
        cmocka_unit_test(headers_that_are_no_object_are_refused),
        cmocka_unit_test(a_size_is_a_whole_number_up_to_2_to_the_62),
        cmocka_unit_test(sizes_that_cannot_be_are_not_written),
        cmocka_unit_test(a_buffer_too_small_for_the_head_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
