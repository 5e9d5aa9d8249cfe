/* SPDX-License-Identifier: MIT */
#include "net/file_text.h"
#include "base/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#define NI "\xe4\xbd\xa0"
#define REPLACEMENT "\xef\xbf\xbd"

static struct ly__decoder open_decoder(const char *encoding, enum ly_text_errors errors, bool translate)
{
    struct ly__encoding e;
    struct ly__decoder d;
    assert_int_equal(ly__encoding_find(&e, encoding), 0);
    assert_int_equal(ly__decoder_open(&d, &e, 4096, errors, translate), 0);
    d.raw = malloc(4096);
    assert_non_null(d.raw);
    return d;
}

static void give(struct ly__decoder *d, const char *bytes, size_t n)
{
    memcpy(d->raw + d->end, bytes, n);
    d->end += n;
}

/* Decode all with so much room a step, in memory of exactly that. Returns the bytes made, or an error. */
static ssize_t decode_all(struct ly__decoder *d, char *out, size_t room)
{
    size_t made = 0;
    ssize_t r;
    char *exact = malloc(room);
    assert_non_null(exact);
    while ((r = ly__decoder_step(d, exact, room, true)) > 0) {
        assert_true((size_t)r <= room);
        memcpy(out + made, exact, (size_t)r);
        made += (size_t)r;
    }
    free(exact);
    return r < 0 ? r : (ssize_t)made;
}

static void a_malformed_unit_is_replaced_wherever_the_room_ends(void **state)
{
    char raw[400], out[2000], wanted[400];
    (void)state;
    for (size_t bad = 0; bad < 100; bad++)
        for (size_t room = LY__TEXT_ROOM; room < LY__TEXT_ROOM + 8; room++) {
            struct ly__decoder d = open_decoder("utf-16-le", LY_TEXT_REPLACE, false);
            for (size_t i = 0; i < 200; i++)
                raw[i] = i % 2 ? 0 : 'a';
            raw[2 * bad + 1] = (char)0xdc;
            memset(wanted, 'a', sizeof wanted);
            memcpy(wanted + bad, REPLACEMENT, 3);
            give(&d, raw, 200);
            assert_int_equal(decode_all(&d, out, room), 102);
            assert_memory_equal(out, wanted, 102);
            ly__decoder_close(&d);
        }
}

static void one_replacement_stands_for_what_python_lets_it_stand_for(void **state)
{
    static const struct {
        const char *encoding, *raw;
        size_t n;
        const char *text;
    } cases[] = {
        {NULL, "a\xe4\xbd", 3, "a" REPLACEMENT},
        {NULL,
         "\xf0\x9f\x98"
         "a",
         4, REPLACEMENT "a"},
        {NULL, "\xc0\x80", 2, REPLACEMENT REPLACEMENT},
        {NULL, "\xed\xa0\x80", 3, REPLACEMENT REPLACEMENT REPLACEMENT},
        {"gbk", "\xc4\xe3\xff\xc4", 4, NI REPLACEMENT REPLACEMENT},
        {"gbk", "\xc4\x20", 2, REPLACEMENT " "},
        {"utf-16-le",
         "a\0\x3d\xd8"
         "b\0\x3d\xd8\x00",
         9, "a" REPLACEMENT "b" REPLACEMENT},
        {"utf-32-le", "\0\0\x11\0a\0\0\0a", 9, REPLACEMENT "a" REPLACEMENT},
    };
    char out[200];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct ly__decoder d = open_decoder(cases[i].encoding, LY_TEXT_REPLACE, false);
        give(&d, cases[i].raw, cases[i].n);
        ssize_t n = decode_all(&d, out, LY__TEXT_ROOM);
        assert_int_equal(n, strlen(cases[i].text));
        assert_memory_equal(out, cases[i].text, (size_t)n);
        ly__decoder_close(&d);
    }
}

static void text_before_malformed_bytes_comes_first_and_the_error_stays(void **state)
{
    static const char *const encodings[] = {NULL, "gbk"};
    char out[LY__TEXT_ROOM];
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct ly__decoder d = open_decoder(encodings[i], LY_TEXT_STRICT, true);
        give(&d,
             "ab\xff"
             "cd",
             5);
        assert_int_equal(ly__decoder_step(&d, out, sizeof out, false), 2);
        assert_int_equal(ly__decoder_step(&d, out, sizeof out, false), LY_EDECODE);
        assert_int_equal(ly__decoder_step(&d, out, sizeof out, true), LY_EDECODE);
        ly__decoder_close(&d);
    }
}

static void numbers_that_are_no_characters_never_come_out(void **state)
{
    char out[LY__TEXT_ROOM];
    (void)state;
    for (int errors = LY_TEXT_STRICT; errors <= LY_TEXT_IGNORE; errors++) {
        struct ly__decoder d = open_decoder("ucs-4le", (enum ly_text_errors)errors, false);
        give(&d,
             "a\0\0\0\0\0\0\x10"
             "b\0\0\0",
             12);
        ssize_t n = ly__decoder_step(&d, out, sizeof out, true);
        assert_true(n >= 1 && out[0] == 'a');
        assert_true(ly__utf8_valid(out, (size_t)n));
        ly__decoder_close(&d);
    }
}

static void newlines_are_translated_wherever_the_bytes_are_cut(void **state)
{
    static const char raw[] = "\r\n\ra\r\r\n\nb\n\r\nc\r", text[] = "\n\na\n\n\nb\n\nc\n";
    (void)state;
    for (size_t cut = 0; cut < sizeof raw; cut++) {
        char out[2 * LY__TEXT_ROOM];
        struct ly__decoder d = open_decoder(NULL, LY_TEXT_STRICT, true);
        give(&d, raw, cut);
        ssize_t first = ly__decoder_step(&d, out, LY__TEXT_ROOM, false);
        assert_true(first >= 0);
        give(&d, raw + cut, sizeof raw - 1 - cut);
        ssize_t rest = ly__decoder_step(&d, out + first, LY__TEXT_ROOM, true);
        assert_int_equal(first + rest, sizeof text - 1);
        assert_memory_equal(out, text, sizeof text - 1);
        ly__decoder_close(&d);
    }
}

/* Encode all of it with so much room a step. Returns the bytes made, or an error. */
static ssize_t encode_all(const char *encoding, enum ly_text_errors errors, const char *newline,
                          const char *text, char *out, size_t room)
{
    struct ly__encoding e;
    struct ly__encoder c;
    size_t n = strlen(text), done = 0, total = 0, used, made;
    char *exact = malloc(room);
    int r = 0;
    assert_non_null(exact);
    assert_int_equal(ly__encoding_find(&e, encoding), 0);
    assert_int_equal(ly__encoder_open(&c, &e, errors, newline), 0);
    while (done < n && r == 0) {
        r = ly__encoder_step(&c, text + done, n - done, &used, exact, room, &made);
        assert_true(made <= room && used <= n - done && (used > 0 || r < 0));
        memcpy(out + total, exact, made);
        done += used;
        total += made;
    }
    total += ly__encoder_end(&c, out + total, room);
    ly__encoder_close(&c);
    free(exact);
    return r < 0 ? r : (ssize_t)total;
}

static void a_character_that_is_lacking_is_replaced_wherever_the_room_ends(void **state)
{
    char text[200], wanted[200], out[800];
    (void)state;
    for (size_t bad = 0; bad < 90; bad++)
        for (size_t room = LY__TEXT_ROOM; room < LY__TEXT_ROOM + 8; room++) {
            memset(text, 'a', sizeof text);
            memset(wanted, 'a', sizeof wanted);
            memcpy(text + bad, NI, 3);
            memset(text + 100, 0, 1);
            wanted[bad] = '?';
            assert_int_equal(encode_all("latin-1", LY_TEXT_REPLACE, NULL, text, out, room), 98);
            assert_memory_equal(out, wanted, 98);
            assert_int_equal(encode_all("latin-1", LY_TEXT_IGNORE, NULL, text, out, room), 97);
            assert_int_equal(encode_all("latin-1", LY_TEXT_STRICT, NULL, text, out, room), LY_EENCODE);
        }
}

static void newlines_are_written_as_asked_in_any_encoding(void **state)
{
    char out[200];
    (void)state;
    assert_int_equal(encode_all(NULL, LY_TEXT_STRICT, "\r\n", "a\n\nb", out, LY__TEXT_ROOM), 6);
    assert_memory_equal(out, "a\r\n\r\nb", 6);
    assert_int_equal(encode_all("utf-16-be", LY_TEXT_STRICT, "\r", "a\n", out, LY__TEXT_ROOM), 4);
    assert_memory_equal(out, "\0a\0\r", 4);
    assert_int_equal(encode_all("gbk", LY_TEXT_STRICT, "\n", NI "\n", out, LY__TEXT_ROOM), 3);
    assert_memory_equal(out, "\xc4\xe3\n", 3);
}

static void a_stateful_encoding_ends_in_its_first_state(void **state)
{
    char out[200];
    (void)state;
    assert_int_equal(encode_all("iso-2022-jp", LY_TEXT_STRICT, NULL, "\xe6\x97\xa5", out, LY__TEXT_ROOM), 8);
    assert_memory_equal(out, "\x1b$BF|\x1b(B", 8);
}

static void text_that_is_no_utf8_is_never_written(void **state)
{
    static const char *const encodings[] = {NULL, "utf-16-le", "gb18030"};
    char out[200];
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        static const char text[] = "a\xff\xed\xa0\x80\xf4\x90\x80\x80z";
        size_t unit = i == 1 ? 2 : 1;
        assert_int_equal(encode_all(encodings[i], LY_TEXT_IGNORE, NULL, text, out, LY__TEXT_ROOM), 2 * unit);
        assert_int_equal(out[0], 'a');
        assert_int_equal(out[unit], 'z');
    }
}

static void names_are_pythons_or_iconvs_and_nothing_else(void **state)
{
    static const char *const good[] = {"UTF-8", "utf8",      "U8",        "gbk",       "GB2312",
                                       "cp936", "latin_1",   "iso8859-1", "utf_16_le", "ascii",
                                       "big5",  "shift_jis", "euc_kr",    "koi8-r"};
    static const char *const bad[] = {
        "",       "no-such", "gbk//TRANSLIT", "../gbk",
        "utf-8/", "a b",     "gbk\n",         "a-name-that-is-longer-than-any-that-there-is"};
    struct ly__encoding e;
    struct ly__decoder d;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        d = open_decoder(good[i], LY_TEXT_STRICT, false);
        ly__decoder_close(&d);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int r = ly__encoding_find(&e, bad[i]);
        if (r == 0)
            r = ly__decoder_open(&d, &e, 64, LY_TEXT_STRICT, false);
        assert_int_equal(r, LY_EENCODING);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_unit_is_replaced_wherever_the_room_ends),
        cmocka_unit_test(one_replacement_stands_for_what_python_lets_it_stand_for),
        cmocka_unit_test(text_before_malformed_bytes_comes_first_and_the_error_stays),
        cmocka_unit_test(numbers_that_are_no_characters_never_come_out),
        cmocka_unit_test(newlines_are_translated_wherever_the_bytes_are_cut),
        cmocka_unit_test(a_character_that_is_lacking_is_replaced_wherever_the_room_ends),
        cmocka_unit_test(newlines_are_written_as_asked_in_any_encoding),
        cmocka_unit_test(a_stateful_encoding_ends_in_its_first_state),
        cmocka_unit_test(text_that_is_no_utf8_is_never_written),
        cmocka_unit_test(names_are_pythons_or_iconvs_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
