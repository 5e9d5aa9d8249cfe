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
static char given[128]; /* a state directory below it, made by one test for the next ones */

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

/* ---- directories ---- */

static void the_state_directory_is_made_for_this_user_alone(void **state)
{
    (void)state;
    char buf[256];
    struct stat st;
    snprintf(given, sizeof given, "%s/a/b", folder);
    setenv("LANYARD_STATE", given, 1);
    assert_int_equal(ly__place_state(buf, sizeof buf, false), -ENOENT);
    assert_string_equal(buf, given);
    assert_int_equal(ly__place_state(buf, sizeof buf, true), 0);
    assert_string_equal(buf, given);
    assert_int_equal(stat(given, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(ly__place_state(buf, sizeof buf, true), 0);
}

/* Goes on with the directory of the test before. */
static void a_state_directory_that_others_may_write_to_is_refused(void **state)
{
    (void)state;
    char buf[256];
    assert_int_equal(chmod(given, 0720), 0);
    assert_int_equal(ly__place_state(buf, sizeof buf, true), -EPERM);
    assert_int_equal(chmod(given, 0702), 0);
    assert_int_equal(ly__place_state(buf, sizeof buf, true), -EPERM);
    assert_int_equal(chmod(given, 0755), 0);
    assert_int_equal(ly__place_state(buf, sizeof buf, true), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(given, 1, 1), 0);
        assert_int_equal(ly__place_state(buf, sizeof buf, true), -EPERM);
    }
    assert_int_equal(rmdir(given), 0);
}

static void what_is_no_directory_is_told(void **state)
{
    (void)state;
    char above[128], buf[256];
    snprintf(above, sizeof above, "%s/a", folder);
    assert_int_equal(symlink("/dev/null", given), 0);
    assert_int_equal(ly__place_state(buf, sizeof buf, true), -ENOTDIR);
    assert_int_equal(unlink(given), 0);
    assert_int_equal(rmdir(above), 0);
}

static void a_relative_state_directory_is_refused(void **state)
{
    (void)state;
    char buf[256];
    setenv("LANYARD_STATE", "state", 1);
    assert_int_equal(ly__place_state(buf, sizeof buf, true), -EINVAL);
    unsetenv("LANYARD_STATE");
}

static void a_directory_that_does_not_fit_is_told(void **state)
{
    (void)state;
    char buf[8];
    assert_int_equal(ly__place_state(buf, sizeof buf, true), LY_ETOOBIG);
    assert_int_equal(ly__place_config(buf, sizeof buf), LY_ETOOBIG);
}

/* As another user where root runs the tests, whose directories are the system's. */
static bool become_a_user(void)
{
    return geteuid() != 0 || seteuid(64999) == 0;
}

static void users_have_their_directories_below_their_home(void **state)
{
    (void)state;
    char buf[256], expected[256];
    const char *before = getenv("HOME");
    char *home = before ? strdup(before) : NULL;
    bool was_root = geteuid() == 0;
    setenv("HOME", folder, 1);
    unsetenv("XDG_STATE_HOME");
    setenv("XDG_CONFIG_HOME", "relative", 1);
    assert_true(become_a_user());
    int r = ly__place_state(buf, sizeof buf, false);
    snprintf(expected, sizeof expected, "%s/.local/state/lanyard", folder);
    assert_string_equal(buf, expected);
    assert_int_not_equal(r, 0);
    r = ly__place_config(buf, sizeof buf);
    snprintf(expected, sizeof expected, "%s/.config/lanyard", folder);
    assert_string_equal(buf, expected);
    assert_int_not_equal(r, 0);
    setenv("XDG_STATE_HOME", "/nowhere", 1);
    setenv("XDG_CONFIG_HOME", "/etc/..", 1);
    assert_int_equal(ly__place_state(buf, sizeof buf, false), -ENOENT);
    assert_string_equal(buf, "/nowhere/lanyard");
    assert_int_equal(ly__place_config(buf, sizeof buf), -ENOENT);
    assert_string_equal(buf, "/etc/../lanyard");
    if (was_root)
        assert_int_equal(seteuid(0), 0);
    unsetenv("XDG_STATE_HOME");
    unsetenv("XDG_CONFIG_HOME");
    if (home)
        setenv("HOME", home, 1);
    free(home);
}

static void root_has_the_directories_of_the_system(void **state)
{
    (void)state;
    char buf[256];
    if (geteuid() != 0)
        skip();
    (void)ly__place_state(buf, sizeof buf, false);
    assert_string_equal(buf, "/var/lib/lanyard");
    (void)ly__place_config(buf, sizeof buf);
    assert_string_equal(buf, "/etc/lanyard");
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
        cmocka_unit_test(the_state_directory_is_made_for_this_user_alone),
        cmocka_unit_test(a_state_directory_that_others_may_write_to_is_refused),
        cmocka_unit_test(what_is_no_directory_is_told),
        cmocka_unit_test(a_relative_state_directory_is_refused),
        cmocka_unit_test(a_directory_that_does_not_fit_is_told),
        cmocka_unit_test(users_have_their_directories_below_their_home),
        cmocka_unit_test(root_has_the_directories_of_the_system),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
