/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/utf8.h"
#include <cmocka.h>

static void every_character_survives_encoding_and_decoding(void **state)
{
    (void)state;
    for (uint32_t code = 0; code <= 0x10ffff; code++) {
        char text[LY__UTF8_MAX];
        uint32_t back = UINT32_MAX;
        size_t n = ly__utf8_encode(code, text);
        if (code >= 0xd800 && code <= 0xdfff) {
            assert_int_equal(n, 0);
            continue;
        }
        assert_int_equal(n, code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4);
        assert_int_equal(ly__utf8_decode(text, n, &back), n);
        assert_int_equal(back, code);
        assert_int_equal(ly__utf8_span(text, n), n);
    }
}

static void numbers_beyond_unicode_are_not_encoded(void **state)
{
    (void)state;
    char text[LY__UTF8_MAX];
    assert_int_equal(ly__utf8_encode(0x110000, text), 0);
    assert_int_equal(ly__utf8_encode(UINT32_MAX, text), 0);
}

static void malformed_bytes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x80",             /* a continuation first */
        "\xc0\x80",         /* overlong zero */
        "\xc1\xbf",         /* overlong DEL */
        "\xe0\x9f\xbf",     /* overlong U+07FF */
        "\xf0\x8f\xbf\xbf", /* overlong U+FFFF */
        "\xed\xa0\x80",     /* the first surrogate */
        "\xed\xbf\xbf",     /* the last one */
        "\xf4\x90\x80\x80", /* U+110000 */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xfe",
        "\xc3(", /* no continuation */
        "\xe4\xbd(",
        "\xf0\x9f\x98(",
        "\xe4(\xbd",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t code = 7;
        assert_int_equal(ly__utf8_decode(bad[i], strlen(bad[i]), &code), 0);
        assert_int_equal(code, 7);
        assert_int_equal(ly__utf8_span(bad[i], strlen(bad[i])), 0);
        assert_false(ly__utf8_is_cut(bad[i], strlen(bad[i])));
    }
}

static void a_cut_character_is_told_from_a_malformed_one(void **state)
{
    (void)state;
    static const char *const whole[] = {"\xc3\xa9", "\xe4\xbd\xa0", "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf"};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++) {
        uint32_t code;
        for (size_t n = 1; n < strlen(whole[i]); n++) {
            assert_int_equal(ly__utf8_decode(whole[i], n, &code), 0);
            assert_true(ly__utf8_is_cut(whole[i], n));
        }
        assert_false(ly__utf8_is_cut(whole[i], strlen(whole[i])));
    }
    assert_false(ly__utf8_is_cut("", 0));
    assert_false(ly__utf8_is_cut("\xed\xa0", 2));
}

static void nothing_is_no_character(void **state)
{
    (void)state;
    uint32_t code;
    assert_int_equal(ly__utf8_decode("", 0, &code), 0);
    assert_true(ly__utf8_valid("", 0));
}

static void the_span_ends_at_the_first_malformed_byte_wherever_it_lies(void **state)
{
    (void)state;
    char text[64];
    for (size_t bad = 0; bad < sizeof text; bad++) {
        memset(text, 'a', sizeof text);
        text[bad] = (char)0xff;
        assert_int_equal(ly__utf8_span(text, sizeof text), bad);
        assert_int_equal(ly__utf8_span(text, bad), bad);
    }
    assert_int_equal(ly__utf8_span("ab\xe4\xbd\xa0z\xe4\xbd", 8), 6);
    assert_true(ly__utf8_valid("a\0b", 3));
}

static void a_replacement_stands_for_the_longest_beginning_of_a_character(void **state)
{
    (void)state;
    assert_int_equal(ly__utf8_malformed("\x80\x80", 2), 1);
    assert_int_equal(ly__utf8_malformed("\xc0\x80", 2), 1);
    assert_int_equal(ly__utf8_malformed("\xe4\xbd", 2), 2);
    assert_int_equal(ly__utf8_malformed("\xe4\xbd\x20", 3), 2);
    assert_int_equal(ly__utf8_malformed("\xed\xa0\x80", 3), 1); /* a surrogate: ED A0 begins nothing */
    assert_int_equal(ly__utf8_malformed("\xf0\x9f\x98\xf0", 4), 3);
}

static void so_many_characters_are_taken_wherever_they_lie(void **state)
{
    (void)state;
    char text[3 * 300];
    for (size_t i = 0; i < sizeof text; i += 3)
        memcpy(text + i, i % 2 ? "\xe4\xbd\xa0" : "a\xc3\xa9", 3); /* one character, or two */
    for (size_t wanted = 0, bytes = 0; bytes < sizeof text; wanted++) {
        size_t count = wanted;
        assert_int_equal(ly__utf8_take(text, sizeof text, &count), bytes);
        assert_int_equal(count, wanted);
        bytes += (uint8_t)text[bytes] < 0x80 ? 1 : (uint8_t)text[bytes] < 0xe0 ? 2 : 3;
    }
    size_t count = SIZE_MAX;
    assert_int_equal(ly__utf8_take(text, sizeof text, &count), sizeof text);
    assert_int_equal(count, 450);
    assert_int_equal(ly__utf8_take("", 0, &count), 0);
    assert_int_equal(count, 0);
}

static void a_long_span_ends_at_the_first_malformed_byte(void **state)
{
    (void)state;
    char text[300];
    for (size_t bad = 0; bad < sizeof text; bad++) {
        memset(text, 'a', sizeof text);
        text[bad] = (char)0xff;
        assert_int_equal(ly__utf8_span(text, sizeof text), bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_character_survives_encoding_and_decoding),
        cmocka_unit_test(numbers_beyond_unicode_are_not_encoded),
        cmocka_unit_test(malformed_bytes_are_refused),
        cmocka_unit_test(a_cut_character_is_told_from_a_malformed_one),
        cmocka_unit_test(nothing_is_no_character),
        cmocka_unit_test(the_span_ends_at_the_first_malformed_byte_wherever_it_lies),
        cmocka_unit_test(a_long_span_ends_at_the_first_malformed_byte),
        cmocka_unit_test(a_replacement_stands_for_the_longest_beginning_of_a_character),
        cmocka_unit_test(so_many_characters_are_taken_wherever_they_lie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
