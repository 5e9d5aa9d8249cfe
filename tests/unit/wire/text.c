/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "wire/text.h"

static void the_scan_stops_at_every_byte_that_is_not_plain_wherever_it_stands(void **state)
{
    (void)state;
    char text[50];
    for (int c = 0; c < 256; c++) {
        int plain = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
        for (size_t at = 0; at < sizeof text; at++) {
            memset(text, 'a', sizeof text);
            text[at] = (char)c;
            const char *expected = plain ? text + sizeof text : text + at;
            assert_ptr_equal(ly__text_skip_plain(text, text + sizeof text), expected);
        }
    }
}

static void the_scan_stops_at_the_end(void **state)
{
    (void)state;
    char text[50];
    memset(text, 'a', sizeof text);
    for (size_t n = 0; n < sizeof text; n++)
        assert_ptr_equal(ly__text_skip_plain(text, text + n), text + n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scan_stops_at_every_byte_that_is_not_plain_wherever_it_stands),
        cmocka_unit_test(the_scan_stops_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
