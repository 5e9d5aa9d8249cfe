/* SPDX-License-Identifier: MIT */
/* Expected texts are what Python's json.dumps writes (text.decode("utf-8", "surrogateescape") for bytes). */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/json.h>

static void assert_holds(const struct ly_buffer *b, const char *expected)
{
    assert_int_equal(b->length, strlen(expected));
    assert_memory_equal(ly_buffer_bytes(b), expected, b->length);
}

static void members_get_the_separators_of_python(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_json_open(&b, NULL, '{'), 0);
    assert_int_equal(ly_json_put_string(&b, "cmd", "exec"), 0);
    assert_int_equal(ly_json_put_int(&b, "id", 1), 0);
    assert_int_equal(ly_json_open(&b, "argv", '['), 0);
    assert_int_equal(ly_json_put_string(&b, NULL, "ls"), 0);
    assert_int_equal(ly_json_put_string(&b, NULL, "{"), 0);
    assert_int_equal(ly_json_put_string(&b, NULL, ""), 0);
    assert_int_equal(ly_json_close(&b, ']'), 0);
    assert_int_equal(ly_json_open(&b, "env", '{'), 0);
    assert_int_equal(ly_json_close(&b, '}'), 0);
    assert_int_equal(ly_json_put_bool(&b, "stdin", true), 0);
    assert_int_equal(ly_json_put_bool(&b, "x", false), 0);
    assert_int_equal(ly_json_put_double(&b, "t", 0.5), 0);
    assert_int_equal(ly_json_close(&b, '}'), 0);
    assert_holds(&b, "{\"cmd\": \"exec\", \"id\": 1, \"argv\": [\"ls\", \"{\", \"\"], \"env\": {}, "
                     "\"stdin\": true, \"x\": false, \"t\": 0.5}");
    ly_buffer_done(&b);
}

static void a_text_behind_a_line_end_is_a_new_one(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 100);
    for (int i = 1; i <= 2; i++) {
        assert_int_equal(ly_json_open(&b, NULL, '{'), 0);
        assert_int_equal(ly_json_put_int(&b, "n", i), 0);
        assert_int_equal(ly_json_close(&b, '}'), 0);
        assert_int_equal(ly_buffer_append(&b, "\n", 1), 0);
    }
    assert_holds(&b, "{\"n\": 1}\n{\"n\": 2}\n");
    ly_buffer_done(&b);
}

static void strings_are_escaped_as_python_does(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *json;
    } rows[] = {
        {"plain", "\"plain\""},
        {"\xE6\x97\xAD\xE5\x93\xA5", "\"\\u65ed\\u54e5\""},
        {"\xF0\x9F\x98\x80\x7f\x01\"\\/\b\f\n\r\t",
         "\"\\ud83d\\ude00\\u007f\\u0001\\\"\\\\/\\b\\f\\n\\r\\t\""},
        {"\xE2\x82\xAC\xEF\xBF\xBF\xF4\x8F\xBF\xBF", "\"\\u20ac\\uffff\\udbff\\udfff\""},
        {"\xFF\xFE"
         "a/\xE2\x82",
         "\"\\udcff\\udcfea/\\udce2\\udc82\""},
        {"\xED\xA0\x80", "\"\\udced\\udca0\\udc80\""},
        {"\xC0\xAF", "\"\\udcc0\\udcaf\""},
        {"\xF0\x9F\x98", "\"\\udcf0\\udc9f\\udc98\""},
        {"0123456789abcdef0123456789abcde\xC3\xA9", "\"0123456789abcdef0123456789abcde\\u00e9\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ly_buffer b;
        ly_buffer_init(&b, 1000);
        assert_int_equal(ly_json_put_string(&b, NULL, rows[i].bytes), 0);
        assert_holds(&b, rows[i].json);
        ly_buffer_done(&b);
    }
}

static void names_are_escaped_too(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 100);
    assert_int_equal(ly_json_open(&b, NULL, '{'), 0);
    assert_int_equal(ly_json_put_int(&b, "\xFF\"", INT64_MIN), 0);
    assert_int_equal(ly_json_put_int(&b, "", INT64_MAX), 0);
    assert_int_equal(ly_json_close(&b, '}'), 0);
    assert_holds(&b, "{\"\\udcff\\\"\": -9223372036854775808, \"\": 9223372036854775807}");
    ly_buffer_done(&b);
}

static void random_bytes_come_back_from_the_reader(void **state)
{
    (void)state;
    uint64_t seed = 7;
    struct ly_buffer b;
    ly_buffer_init(&b, 10000);
    for (int round = 0; round < 20000; round++) {
        char bytes[64], back[512];
        size_t n = 0, want = (size_t)round % sizeof bytes;
        while (n < want) {
            seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
            /* Half of them from the range in which UTF-8 is made. */
            bytes[n++] = (char)(seed >> 60 & 1 ? 0x80 | (seed >> 40 & 0x7F) : 1 + (seed >> 40) % 255);
        }
        ly_buffer_clear(&b);
        assert_int_equal(ly_json_put_bytes(&b, NULL, bytes, n), 0);
        struct ly_json value;
        assert_int_equal(ly_json_check(&value, ly_buffer_bytes(&b), b.length), 0);
        assert_int_equal(ly_json_string(value, back, sizeof back), n);
        assert_memory_equal(back, bytes, n);
    }
    ly_buffer_done(&b);
}

static void doubles_are_shortest_and_read_back_exactly(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {0.1, "0.1"},
        {1e15, "1000000000000000.0"},
        {1e16, "1e+16"},
        {123456789012345680.0, "1.2345678901234568e+17"},
        {1e22, "1e+22"},
        {1e-4, "0.0001"},
        {1e-5, "1e-05"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {3.141592653589793, "3.141592653589793"},
        {9007199254740994.0, "9007199254740994.0"},
        {-2.5, "-2.5"},
        {1.0 / 3, "0.3333333333333333"},
        {100.0, "100.0"},
        {1.5e-7, "1.5e-07"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ly_buffer b;
        struct ly_json value;
        double back = 0;
        ly_buffer_init(&b, 100);
        assert_int_equal(ly_json_put_double(&b, NULL, rows[i].value), 0);
        assert_holds(&b, rows[i].text);
        assert_int_equal(ly_json_check(&value, ly_buffer_bytes(&b), b.length), 0);
        assert_int_equal(ly_json_double(value, &back), 0);
        assert_memory_equal(&back, &rows[i].value, sizeof back);
        ly_buffer_done(&b);
    }
}

static void numbers_without_a_form_are_refused(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 100);
    assert_int_equal(ly_json_put_double(&b, NULL, (double)NAN), -EINVAL);
    assert_int_equal(ly_json_put_double(&b, NULL, (double)INFINITY), -EINVAL);
    assert_int_equal(b.length, 0);
    ly_buffer_done(&b);
}

static void an_item_that_does_not_fit_leaves_no_trace(void **state)
{
    (void)state;
    for (size_t max = 1; max < 32; max++) {
        struct ly_buffer b;
        ly_buffer_init(&b, max);
        int r = ly_json_open(&b, NULL, '{');
        size_t before = b.length;
        if (r == 0)
            r = ly_json_put_string(&b, "name", "v\xC3\xA9\n");
        if (before + 19 > max) {
            assert_int_equal(r, LY_ETOOBIG);
            assert_int_equal(b.length, before);
        } else {
            assert_int_equal(r, 0);
            assert_holds(&b, "{\"name\": \"v\\u00e9\\n\"");
        }
        ly_buffer_done(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_get_the_separators_of_python),
        cmocka_unit_test(a_text_behind_a_line_end_is_a_new_one),
        cmocka_unit_test(strings_are_escaped_as_python_does),
        cmocka_unit_test(names_are_escaped_too),
        cmocka_unit_test(random_bytes_come_back_from_the_reader),
        cmocka_unit_test(doubles_are_shortest_and_read_back_exactly),
        cmocka_unit_test(numbers_without_a_form_are_refused),
        cmocka_unit_test(an_item_that_does_not_fit_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
