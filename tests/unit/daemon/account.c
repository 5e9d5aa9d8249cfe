/* SPDX-License-Identifier: MIT */
#include "daemon/account.h"
#include <errno.h>
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static int parse(struct ly__account *a, const char *line)
{
    snprintf(a->line, sizeof a->line, "%s", line);
    return ly__account_parse(a);
}

static void a_line_is_read(void **state)
{
    struct ly__account a;
    (void)state;
    assert_int_equal(parse(&a, "ann:x:1000:1001:Ann,,,:/home/ann:/bin/bash\n"), 0);
    assert_string_equal(a.name, "ann");
    assert_true(a.uid == 1000 && a.gid == 1001);
    assert_string_equal(a.home, "/home/ann");
    assert_string_equal(a.shell, "/bin/bash");
    assert_int_equal(parse(&a, "ben:x:1:2:::"), 0);
    assert_string_equal(a.home, "/");
    assert_string_equal(a.shell, "/bin/sh");
}

static void what_is_no_line_is_refused(void **state)
{
    static const char *const lines[] = {
        "",           "ann",          "ann:x:1000",      ":x:1:2::/:/bin/sh",
        "a:x::2::/:", "a:x:-1:2::/:", "a:x:1z:2::/:",    "a:x:1:99999999999::/:",
        "a:x:1:2::/", "+:::::",       "a:x: 1:2::/:/bin"};
    struct ly__account a;
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        assert_int_equal(parse(&a, lines[i]), LY_EFIELD);
}

static void accounts_are_found_by_name_and_number(void **state)
{
    struct ly__account a;
    gid_t groups[64];
    size_t n = 64;
    (void)state;
    assert_int_equal(ly__account_by_name(&a, "root"), 0);
    assert_true(a.uid == 0);
    assert_string_equal(a.home, "/root");
    assert_int_equal(ly__account_groups(&a, groups, &n), 0);
    assert_true(n >= 1 && groups[0] == 0);
    assert_int_equal(ly__account_by_id(&a, 65534), 0);
    assert_string_equal(a.name, "nobody");
}

static void who_is_not_there_is_not_found(void **state)
{
    struct ly__account a;
    (void)state;
    assert_int_equal(ly__account_by_name(&a, "nosuchaccount"), -ENOENT);
    assert_int_equal(ly__account_by_id(&a, 3999999999u), -ENOENT);
    const char *const names[] = {"", "-s", "a:b", "a/b", "0", "a b", "a\nb"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(ly__account_by_name(&a, names[i]), LY_ENAME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_read),
        cmocka_unit_test(what_is_no_line_is_refused),
        cmocka_unit_test(accounts_are_found_by_name_and_number),
        cmocka_unit_test(who_is_not_there_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
