/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/error.h>

static void system_errors_have_the_names_of_errno_h(void **state)
{
    (void)state;
    assert_string_equal(ly_error_name(-EPERM), "EPERM");
    assert_string_equal(ly_error_name(-ECONNRESET), "ECONNRESET");
    assert_string_equal(ly_error_name(-EHWPOISON), "EHWPOISON");
}

static void own_errors_have_the_names_of_their_table(void **state)
{
    (void)state;
    assert_string_equal(ly_error_name(LY_EFRAME), "LY_EFRAME");
    assert_string_equal(ly_error_text(LY_EFRAME), "malformed frame");
    /* <errno.h> has a macro of this name */
    assert_string_equal(ly_error_name(LY_EREMOTE), "LY_EREMOTE");
}

static void successes_are_named_ok(void **state)
{
    (void)state;
    assert_string_equal(ly_error_name(0), "OK");
    assert_string_equal(ly_error_name(INT_MAX), "OK");
    assert_string_equal(ly_error_text(7), "success");
}

static void numbers_that_are_no_error_are_unknown(void **state)
{
    (void)state;
    const int none[] = {-41, -58, -134, -300, -4095, -4096, -4999, -5100, INT_MIN};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        assert_string_equal(ly_error_name(none[i]), "UNKNOWN");
        assert_string_equal(ly_error_text(none[i]), "unknown error");
    }
}

static void texts_begin_in_lower_case_except_acronyms(void **state)
{
    (void)state;
    assert_string_equal(ly_error_text(-ECONNRESET), "connection reset by peer");
    assert_string_equal(ly_error_text(-EISDIR), "is a directory");
    assert_string_equal(ly_error_text(-EDOTDOT), "RFS specific error");
}

static void every_name_leads_back_to_its_error(void **state)
{
    (void)state;
    int known = 0;
    for (int error = -1; error >= -6000; error--) {
        const char *name = ly_error_name(error);
        if (!strcmp(name, "UNKNOWN"))
            continue;
        assert_int_equal(ly_error_from_name(name), error);
        assert_int_not_equal(strcmp(ly_error_text(error), "unknown error"), 0);
        assert_null(strchr(ly_error_text(error), '\n'));
        known++;
    }
#define NUMBER(name, number, text) number,
    const int own[] = {LY_ERRORS(NUMBER)};
#undef NUMBER
    assert_int_equal(known, 131 + sizeof own / sizeof own[0]); /* Linux has 131 errors */
}

static void strangers_names_give_no_error(void **state)
{
    (void)state;
    assert_int_equal(ly_error_from_name(NULL), 0);
    assert_int_equal(ly_error_from_name(""), 0);
    assert_int_equal(ly_error_from_name("OK"), 0);
    assert_int_equal(ly_error_from_name("UNKNOWN"), 0);
    assert_int_equal(ly_error_from_name("econnreset"), 0);
    assert_int_equal(ly_error_from_name("EPERMX"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(system_errors_have_the_names_of_errno_h),
        cmocka_unit_test(own_errors_have_the_names_of_their_table),
        cmocka_unit_test(successes_are_named_ok),
        cmocka_unit_test(numbers_that_are_no_error_are_unknown),
        cmocka_unit_test(texts_begin_in_lower_case_except_acronyms),
        cmocka_unit_test(every_name_leads_back_to_its_error),
        cmocka_unit_test(strangers_names_give_no_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
