/* SPDX-License-Identifier: MIT */
#include "cli/host.h"
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ID "00000-00000-00000-00000-00000-00000-00000-00001"

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
        {"lab:docs", "lab", "docs"},
        {"lab:", "lab", ""},
        {"lab:7433", "lab", "7433"},
        {"lab:7433:docs", "lab:7433", "docs"},
        {"lab:7433:", "lab:7433", ""},
        {"lab:./80:x", "lab", "./80:x"},
        {"ann@lab:7433:80:x", "ann@lab:7433", "80:x"},
        {"lab:a/b:c", "lab", "a/b:c"},
        {"lab:a@b", "lab", "a@b"},
        {"lab:a#b", "lab", "a#b"},
        {"[::1]:docs", "[::1]", "docs"},
        {"ann@[fe80::1%eth0]:7433:x", "ann@[fe80::1%eth0]:7433", "x"},
        {"lab#" ID ":x", "lab#" ID, "x"},
        {"ann@lab:99#" ID ":7433:x", "ann@lab:99#" ID, "7433:x"},
        {"tls://lab", "tls://lab", ""},
        {"tls://lab:x", "tls://lab", "x"},
        {"tls://lab:99:x", "tls://lab:99", "x"},
        {"tls://[::1]:99:/x", "tls://[::1]:99", "/x"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char host[LY__HOST_TEXT];
        const char *path;
        assert_int_equal(ly__host_split(rows[i].text, host, &path), 1);
        assert_string_equal(host, rows[i].host);
        assert_string_equal(path, rows[i].path);
    }
}

static void other_paths_are_local(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "a", "/a:b", "./a:b", "a/b:c", "unix", "lab", "[", "a[b"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char host[LY__HOST_TEXT];
        const char *path;
        assert_int_equal(ly__host_split(texts[i], host, &path), 0);
    }
}

static void a_host_beyond_the_limit_is_malformed(void **state)
{
    (void)state;
    char host[LY__HOST_TEXT], longest[LY_ADDRESS_TEXT + 20];
    const char *path;
    memset(longest, 'x', sizeof longest);
    memcpy(longest, "unix:", 5);
    longest[sizeof longest - 2] = ':';
    longest[sizeof longest - 1] = 0;
    assert_int_equal(ly__host_split(longest, host, &path), LY_EADDRESS);
}

static void what_names_no_machine_before_a_colon_is_no_path_of_this_one(void **state)
{
    (void)state;
    static const char *const texts[] = {"a b:c",    "-x:c",     "a@:x",      "@a:x",        "lab#1:x",
                                        "[::1:x",   "[lab]:x",  "lab:0:x",   "lab:99999:x", "tls://",
                                        "tls://:x", "l\377b:x", "tls://a/b", "a@b@:x"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char host[LY__HOST_TEXT];
        const char *path;
        assert_int_equal(ly__host_split(texts[i], host, &path), LY_EADDRESS);
    }
}

static void the_first_word_of_a_command_is_no_host_by_its_form(void **state)
{
    (void)state;
    assert_false(ly__host_is("ls"));
    assert_false(ly__host_is("lab"));
    assert_true(ly__host_is("lab:99"));
    assert_true(ly__host_is("ann@lab"));
    assert_true(ly__host_is("tls://lab"));
    assert_true(ly__host_is("unix:x"));
}

static void a_machine_is_read_with_its_user_port_and_identity(void **state)
{
    (void)state;
    struct ly__host h;
    assert_int_equal(ly__host_parse(&h, "ann@Lab:99#" ID), 0);
    assert_true(h.is_tls);
    assert_string_equal(h.address, "lab:99");
    assert_string_equal(h.peer.user, "ann");
    assert_string_equal(h.peer.id, ID);
    assert_int_equal(ly__host_parse(&h, "tls://lab"), 0);
    assert_true(h.is_tls);
    assert_string_equal(h.peer.name, "lab:7433");
    assert_int_equal(ly__host_parse(&h, "tcp://lab:1"), 0);
    assert_false(h.is_tls);
    assert_int_equal(ly__host_parse(&h, "udp://lab:1"), LY_EADDRESS);
    assert_int_equal(ly__host_parse(&h, "unix-seqpacket:@x"), LY_EADDRESS);
    assert_int_equal(ly__host_parse(&h, "unix:"), LY_EADDRESS);
    assert_string_equal(h.address, "unix:");
}

static void the_longest_machine_fits(void **state)
{
    (void)state;
    struct ly__host h;
    char text[2 * LY__HOST_TEXT], split[LY__HOST_TEXT], name[LY__PEER_HOST], user[LY__PEER_USER];
    const char *path;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    memset(user, 'u', sizeof user);
    user[sizeof user - 1] = 0;
    snprintf(text, sizeof text, "tls://%s@%s:65535#" ID, user, name);
    assert_int_equal(ly__host_parse(&h, text), 0);
    assert_string_equal(h.peer.user, user);
    size_t n = strlen(text);
    snprintf(text + n, sizeof text - n, ":x");
    assert_int_equal(ly__host_split(text, split, &path), 1);
    assert_int_equal(strlen(split), n);
    snprintf(text, sizeof text, "%s@%s%s", user, name, "n");
    assert_int_equal(ly__host_parse(&h, text), LY_EADDRESS);
}

static void the_default_host_is_what_the_environment_says(void **state)
{
    (void)state;
    struct ly__host h;
    setenv("LANYARD_HOST", "unix:/there", 1);
    assert_int_equal(ly__host_parse(&h, NULL), 0);
    assert_string_equal(h.address, "unix:/there");
    assert_int_equal(ly__host_parse(&h, ""), 0);
    assert_string_equal(h.address, "unix:/there");
    assert_int_equal(ly__host_parse(&h, "unix:/here"), 0);
    assert_string_equal(h.address, "unix:/here");
    setenv("LANYARD_HOST", "ann@lab", 1);
    assert_int_equal(ly__host_parse(&h, NULL), 0);
    assert_true(h.is_tls);
    assert_string_equal(h.peer.user, "ann");
    unsetenv("LANYARD_HOST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_remote_path_is_split_at_the_colon_behind_its_host),
        cmocka_unit_test(other_paths_are_local),
        cmocka_unit_test(a_host_beyond_the_limit_is_malformed),
        cmocka_unit_test(what_names_no_machine_before_a_colon_is_no_path_of_this_one),
        cmocka_unit_test(the_first_word_of_a_command_is_no_host_by_its_form),
        cmocka_unit_test(a_machine_is_read_with_its_user_port_and_identity),
        cmocka_unit_test(the_longest_machine_fits),
        cmocka_unit_test(the_default_host_is_what_the_environment_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
