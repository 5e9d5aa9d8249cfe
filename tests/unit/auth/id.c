/* SPDX-License-Identifier: MIT */
#include "auth/id.h"
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Numbers from Python: int.from_bytes(id[:17], "big") % 10**40. */

static void an_identity_is_the_sha_256_of_the_public_key(void **state)
{
    (void)state;
    uint8_t id[LY__ID];
    char text[LY__ID_TEXT];
    assert_int_equal(ly__id_of(id, "lanyard", 7), 0);
    assert_int_equal(id[0], 0x9c);
    ly__id_format(text, id);
    assert_string_equal(text, "33247-76252-46101-68934-98977-94156-90503-81522");
}

static void the_form_has_eight_groups_whatever_the_number(void **state)
{
    (void)state;
    uint8_t id[LY__ID];
    char text[LY__ID_TEXT];
    memset(id, 0xff, sizeof id);
    ly__id_format(text, id);
    assert_string_equal(text, "71122-85931-76024-66466-23899-50253-26621-32735");
    memset(id, 0, sizeof id);
    ly__id_format(text, id);
    assert_string_equal(text, "00000-00000-00000-00000-00000-00000-00000-00000");
    id[16] = 1;
    ly__id_format(text, id);
    assert_string_equal(text, "00000-00000-00000-00000-00000-00000-00000-00001");
    id[17] = 0xff; /* is not part of it */
    ly__id_format(text, id);
    assert_string_equal(text, "00000-00000-00000-00000-00000-00000-00000-00001");
}

static void every_form_reads_back_as_it_was_written(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        uint8_t id[LY__ID];
        char text[LY__ID_TEXT], again[LY__ID_TEXT];
        assert_int_equal(ly__id_of(id, &i, sizeof i), 0);
        ly__id_format(text, id);
        assert_int_equal(ly__id_parse(again, text, strlen(text)), 0);
        assert_string_equal(again, text);
    }
}

static void what_is_no_form_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "00000",
        "00000-00000-00000-00000-00000-00000-00000-0000",
        "00000-00000-00000-00000-00000-00000-00000-000000",
        "00000-00000-00000-00000-00000-00000-00000-0000a",
        "00000 00000 00000 00000 00000 00000 00000 00000",
        "0000-000000-00000-00000-00000-00000-00000-00000",
        "-0000-00000-00000-00000-00000-00000-00000-00000",
        " 0000-00000-00000-00000-00000-00000-00000-00000",
        "00000-00000-00000-00000-00000-00000-00000-0000\n",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[LY__ID_TEXT] = "untouched";
        assert_int_equal(ly__id_parse(text, texts[i], strlen(texts[i])), LY_EFIELD);
        assert_string_equal(text, "untouched");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_identity_is_the_sha_256_of_the_public_key),
        cmocka_unit_test(the_form_has_eight_groups_whatever_the_number),
        cmocka_unit_test(every_form_reads_back_as_it_was_written),
        cmocka_unit_test(what_is_no_form_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
