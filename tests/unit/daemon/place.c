/* SPDX-License-Identifier: MIT */
#include "daemon/place.h"
#include <errno.h>
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/ly-place-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? setenv("XDG_RUNTIME_DIR", folder, 1) : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static bool is_chosen(void)
{
    char address[128], expected[128];
    const char *failed = NULL;
    int r = ly__place_default(address, sizeof address, 0, &failed);
    snprintf(expected, sizeof expected, "unix:%s/lanyard.sock", folder);
    return r == 0 && strcmp(address, expected) == 0;
}

static void a_private_runtime_directory_is_chosen(void **state)
{
    (void)state;
    assert_true(is_chosen());
}

static void one_that_others_may_write_to_is_not(void **state)
{
    (void)state;
    assert_int_equal(chmod(folder, 0770), 0);
    assert_false(is_chosen());
    assert_int_equal(chmod(folder, 0707), 0);
    assert_false(is_chosen());
    assert_int_equal(chmod(folder, 0755), 0);
    assert_true(is_chosen());
}

static void one_of_somebody_else_is_not(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(chown(folder, 1, 1), 0);
    assert_false(is_chosen());
    assert_int_equal(chown(folder, 0, 0), 0);
}

static void a_name_that_is_relative_is_not(void **state)
{
    (void)state;
    setenv("XDG_RUNTIME_DIR", ".", 1);
    assert_false(is_chosen());
    setenv("XDG_RUNTIME_DIR", folder, 1);
}

static void an_address_that_does_not_fit_is_told(void **state)
{
    (void)state;
    char address[8];
    assert_int_equal(ly__place_default(address, sizeof address, 0, NULL), LY_ETOOBIG);
}

static void a_client_does_not_connect_where_the_folder_is_missing(void **state)
{
    (void)state;
    if (geteuid() != 0 || access("/tmp/lanyard-64999", F_OK) == 0 || access("/run/user/64999", F_OK) == 0)
        skip();
    char address[128] = "";
    assert_int_equal(seteuid(64999), 0);
    int r = ly__place_default(address, sizeof address, 0, NULL);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(r, -ENOENT);
    assert_string_equal(address, "unix:/tmp/lanyard-64999/lanyard.sock");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_private_runtime_directory_is_chosen),
        cmocka_unit_test(one_that_others_may_write_to_is_not),
        cmocka_unit_test(one_of_somebody_else_is_not),
        cmocka_unit_test(a_name_that_is_relative_is_not),
        cmocka_unit_test(an_address_that_does_not_fit_is_told),
        cmocka_unit_test(a_client_does_not_connect_where_the_folder_is_missing),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
