/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/escape.h"
#include "base/utf8.h"
#include <cmocka.h>

static void expect(const char *bytes, size_t n, const char *escaped)
{
    char out[256];
    assert_int_equal(ly__escape(out, sizeof out, bytes, n), strlen(escaped));
    assert_string_equal(out, escaped);
}

static void harmless_text_stays(void **state)
{
    (void)state;
    expect("", 0, "");
    expect("Hello, \"world\" 100%", 19, "Hello, \"world\" 100%");
    expect("\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80", 11, "\xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80");
}

static void control_characters_become_visible(void **state)
{
    (void)state;
    expect("a\nb\r\t\0\x1b[2J\x7f", 11, "a\\nb\\x0d\\x09\\x00\\x1b[2J\\x7f");
    expect("\xc2\x9b"
           "31m",
           5, "\\xc2\\x9b31m"); /* the one-character form of ESC [ */
}

static void a_backslash_is_doubled_so_that_escapes_cannot_be_forged(void **state)
{
    (void)state;
    expect("\\n", 2, "\\\\n");
}

static void malformed_bytes_become_visible_one_by_one(void **state)
{
    (void)state;
    expect("a\xff\xe4\xbd", 4, "a\\xff\\xe4\\xbd");
    expect("\xed\xa0\x80", 3, "\\xed\\xa0\\x80");
    expect("\xc0\x8a", 2, "\\xc0\\x8a"); /* an overlong newline */
}

static void format_controls_become_visible(void **state)
{
    (void)state;
    expect("gpj\xe2\x80\xae.exe", 10, "gpj\\xe2\\x80\\xae.exe"); /* right-to-left override */
    expect("\xe2\x81\xa6", 3, "\\xe2\\x81\\xa6");                /* an isolate */
    expect("\xe2\x80\xa8", 3, "\\xe2\\x80\\xa8");                /* line separator */
    expect("\xef\xbb\xbf", 3, "\\xef\\xbb\\xbf");                /* byte order mark */
    expect("\xf3\xa0\x81\x81", 4, "\\xf3\\xa0\\x81\\x81");       /* a tag */
}

/* Every character alone: the output holds no byte a terminal acts on. */
static void no_character_gets_through_as_a_control(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char text[LY__UTF8_MAX], out[LY__ESCAPE_UNIT];
        size_t n = ly__utf8_encode(code, text), used;
        if (!n)
            continue;
        size_t length = ly__escape_one(text, n, out, &used);
        assert_int_equal(used, n);
        assert_true(length >= n && length <= sizeof out);
        for (size_t i = 0; i < length; i++)
            assert_true((unsigned char)out[i] >= ' ' && out[i] != 0x7f);
        assert_int_equal(length != n, ly__escape_needed(code) || code == '\\');
    }
}

static void a_short_destination_never_cuts_an_escape(void **state)
{
    (void)state;
    static const char *const at_cap[] = {"", "a", "a", "a", "a", "a\\x01", "a\\x01b"};
    char out[8];
    for (size_t cap = 1; cap <= 7; cap++) {
        memset(out, '#', sizeof out);
        assert_int_equal(ly__escape(out, cap, "a\1b", 3), 6);
        assert_string_equal(out, at_cap[cap - 1]);
        assert_int_equal(out[cap], '#');
    }
    assert_int_equal(ly__escape(NULL, 0, "a\1b", 3), 6);
}

static void a_buffer_takes_all_or_nothing(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 8);
    assert_int_equal(ly__escape_append(&b, "ab", 2), 0);
    assert_int_equal(ly__escape_append(&b, "c\1\1", 3), LY_ETOOBIG);
    assert_string_equal(ly_buffer_string(&b), "ab");
    assert_int_equal(ly__escape_append(&b, "c\1", 2), 0);
    assert_string_equal(ly_buffer_string(&b), "abc\\x01");
    ly_buffer_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(harmless_text_stays),
        cmocka_unit_test(control_characters_become_visible),
        cmocka_unit_test(a_backslash_is_doubled_so_that_escapes_cannot_be_forged),
        cmocka_unit_test(malformed_bytes_become_visible_one_by_one),
        cmocka_unit_test(format_controls_become_visible),
        cmocka_unit_test(no_character_gets_through_as_a_control),
        cmocka_unit_test(a_short_destination_never_cuts_an_escape),
        cmocka_unit_test(a_buffer_takes_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
