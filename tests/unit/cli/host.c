/* SPDX-License-Identifier: MIT */
#include "cli/host.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_remote_path_is_split_at_the_colon_behind_its_host(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *path;
    } rows[] = {
        {":", "", ""},
        {":docs/a", "", "docs/a"},
        {"::a", "", ":a"},
        {"unix:/run/s:a:b", "unix:/run/s", "a:b"},
        {"unix:@name:", "unix:@name", ""},
        {"unix:/run/s", "unix:/run/s", ""},
        {"tcp://127.0.0.1:7000", "tcp://127.0.0.1:7000", ""},
        {"tcp://[::1]:7000", "tcp://[::1]:7000", ""},
        {"unix:/a%3Ab:c", "unix:/a%3Ab", "c"},
        {"tcp://127.0.0.1:7000:x", "tcp://127.0.0.1:7000", "x"},
        {"tcp://[::1]:7000:x:y", "tcp://[::1]:7000", "x:y"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char host[LY_ADDRESS_TEXT];
        const char *path;
        assert_int_equal(ly__host_split(rows[i].text, host, &path), 1);
        assert_string_equal(host, rows[i].host);
        assert_string_equal(path, rows[i].path);
    }
}

static void other_paths_are_local(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "/a:b", "./a:b", "host:path", "unix", "tcp:x", "a:b"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char host[LY_ADDRESS_TEXT];
        const char *path;
        assert_int_equal(ly__host_split(texts[i], host, &path), 0);
    }
}

static void a_host_beyond_the_limit_is_malformed(void **state)
{
    (void)state;
    char host[LY_ADDRESS_TEXT], longest[LY_ADDRESS_TEXT + 20];
    const char *path;
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "unix:", 5);
    longest[sizeof longest - 2] = ':';
    longest[sizeof longest - 1] = 0;
    assert_int_equal(ly__host_split(longest, host, &path), LY_EADDRESS);
}

static void the_default_host_is_what_the_environment_says(void **state)
{
    (void)state;
    char address[LY_ADDRESS_TEXT];
    setenv("LANYARD_HOST", "unix:/there", 1);
    assert_int_equal(ly__host_address(NULL, address), 0);
    assert_string_equal(address, "unix:/there");
    assert_int_equal(ly__host_address("", address), 0);
    assert_string_equal(address, "unix:/there");
    assert_int_equal(ly__host_address("unix:/here", address), 0);
    assert_string_equal(address, "unix:/here");
    unsetenv("LANYARD_HOST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_remote_path_is_split_at_the_colon_behind_its_host),
        cmocka_unit_test(other_paths_are_local),
        cmocka_unit_test(a_host_beyond_the_limit_is_malformed),
        cmocka_unit_test(the_default_host_is_what_the_environment_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
