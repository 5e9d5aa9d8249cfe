/* SPDX-License-Identifier: MIT */
#include "auth/roles.h"
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_set_of_roles_reads_back_as_it_was_written(void **state)
{
    (void)state;
    for (unsigned roles = 0; roles <= LY__ROLES_ALL; roles++) {
        char text[LY__ROLES_TEXT];
        unsigned again = 99;
        ly__roles_format(text, roles);
        assert_int_equal(ly__roles_parse(text, &again), 0);
        assert_int_equal(again, roles);
    }
}

static void roles_are_written_in_one_order(void **state)
{
    (void)state;
    char text[LY__ROLES_TEXT];
    ly__roles_format(text, LY__ADMIN | LY__EXEC | LY__READ);
    assert_string_equal(text, "read,exec,admin");
    ly__roles_format(text, ~0u);
    assert_string_equal(text, "read,write,exec,chat,admin");
    ly__roles_format(text, 0);
    assert_string_equal(text, "none");
}

static void roles_are_read_in_any_order(void **state)
{
    (void)state;
    unsigned roles = 0;
    assert_int_equal(ly__roles_parse("chat,read", &roles), 0);
    assert_int_equal(roles, LY__CHAT | LY__READ);
    assert_int_equal(ly__roles_parse("all", &roles), 0);
    assert_int_equal(roles, LY__ROLES_ALL);
}

static void what_is_no_list_of_roles_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",         ",",        "read,", ",read",     "read,,write",
                                        "Read",     "read ",    "root",  "read,read", "none,read",
                                        "read,all", "readwrite"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        unsigned roles = 77;
        assert_int_equal(ly__roles_parse(texts[i], &roles), LY_EFIELD);
        assert_int_equal(roles, 77);
    }
}

static void each_bit_has_its_name(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        unsigned role = 0;
        assert_int_equal(ly__roles_parse(ly__role_name(i), &role), 0);
        assert_int_equal(role, 1u << i);
    }
    assert_null(ly__role_name(5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_roles_reads_back_as_it_was_written),
        cmocka_unit_test(roles_are_written_in_one_order),
        cmocka_unit_test(roles_are_read_in_any_order),
        cmocka_unit_test(what_is_no_list_of_roles_is_refused),
        cmocka_unit_test(each_bit_has_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
