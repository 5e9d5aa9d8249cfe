/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fiber/symbol.h"
#include "fiber/trail.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <stdio.h>
#include <string.h>

static void of(int (*fn)(int), char *buf, size_t cap)
{
    const void *p;
    memcpy(&p, &fn, sizeof p);
    ly__symbol_describe(p, buf, cap);
}

static __attribute__((noinline)) int hidden_function(int n)
{
    return n * 2 + 1;
}

static void a_static_function_has_its_name(void **state)
{
    char text[128];
    (void)state;
    of(hidden_function, text, sizeof text);
    assert_non_null(strstr(text, "hidden_function+0x0 in "));
    of(hidden_function, text, sizeof text); /* remembered */
    assert_non_null(strstr(text, "hidden_function+0x0 in "));
}

static void a_function_of_a_library_has_its_name_and_library(void **state)
{
    char text[128];
    (void)state;
    const void *p;
    int (*fn)(const char *, FILE *) = fputs;
    memcpy(&p, &fn, sizeof p);
    ly__symbol_describe(p, text, sizeof text);
    assert_non_null(strstr(text, " in lib")); /* the C library, or a sanitizer that stands before it */
}

static void an_address_of_no_code_is_a_number(void **state)
{
    char text[128];
    (void)state;
    ly__symbol_describe((const void *)(uintptr_t)16, text, sizeof text);
    assert_string_equal(text, "0x10");
}

static void a_text_that_does_not_fit_is_cut(void **state)
{
    char text[4];
    (void)state;
    of(hidden_function, text, sizeof text);
    assert_int_equal(strlen(text), 3);
}

/* ---- trails ---- */

static void a_trail_is_that_of_its_error_until_forgotten(void **state)
{
    void *const *frames;
    (void)state;
    ly__trail_read();
    assert_int_equal(ly__failed(-EIO), -EIO);
    assert_int_equal(ly__trail_of(-EPIPE, &frames), 0);
    assert_true(ly__trail_of(-EIO, &frames) > 0);
    ly__failed(-EAGAIN); /* leaves none */
    assert_true(ly__trail_of(-EIO, &frames) > 0);
    ly__trail_forget();
    assert_int_equal(ly__trail_of(-EIO, &frames), 0);
}

static int fail_once(void *arg)
{
    (void)arg;
    return (int)ly__failed(-EIO);
}

static int look_after_another(void *arg)
{
    struct ly_scope *scope;
    void *const *frames;
    int *found = arg;
    if (ly_scope_open(&scope, NULL) < 0 || ly_go(scope, fail_once, NULL) < 0)
        return -ENOMEM;
    ly_scope_join(scope);
    found[0] = ly__trail_of(-EIO, &frames);
    ly__failed(-EIO);
    found[1] = ly__trail_of(-EIO, &frames);
    ly_scope_close(scope);
    return 0;
}

static void a_trail_is_that_of_its_fiber_and_ends_with_it(void **state)
{
    int found[2] = {-1, -1};
    (void)state;
    ly__trail_read();
    assert_int_equal(ly_run(look_after_another, found, NULL), 0);
    assert_int_equal(found[0], 0);
    assert_true(found[1] > 0 && found[1] < LY__TRAIL_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_static_function_has_its_name),
        cmocka_unit_test(a_function_of_a_library_has_its_name_and_library),
        cmocka_unit_test(an_address_of_no_code_is_a_number),
        cmocka_unit_test(a_text_that_does_not_fit_is_cut),
        cmocka_unit_test(a_trail_is_that_of_its_error_until_forgotten),
        cmocka_unit_test(a_trail_is_that_of_its_fiber_and_ends_with_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
