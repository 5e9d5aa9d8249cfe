/* SPDX-License-Identifier: MIT */
#include "auth/peer.h"
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID "33247-76252-46101-68934-98977-94156-90503-81522"

static void every_part_is_found(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *host, *name, *id;
        int port;
    } rows[] = {
        {"db", "", "db", "db:7433", "", 7433},
        {"db.example:22", "", "db.example", "db.example:22", "", 22},
        {"alice@db", "alice", "db", "db:7433", "", 7433},
        {"alice@db:1#" ID, "alice", "db", "db:1", ID, 1},
        {"db#" ID, "", "db", "db:7433", ID, 7433},
        {"a@b@db", "a@b", "db", "db:7433", "", 7433},
        {"\xc3\xa9lise@db", "\xc3\xa9lise", "db", "db:7433", "", 7433},
        {"a:b@db", "a:b", "db", "db:7433", "", 7433},
        {"192.0.2.7:65535", "", "192.0.2.7", "192.0.2.7:65535", "", 65535},
        {"[::1]", "", "::1", "[::1]:7433", "", 7433},
        {"a@[2001:DB8:0:0::7]:80#" ID, "a", "2001:db8::7", "[2001:db8::7]:80", ID, 80},
        {"[fe80::1%eth0]:9", "", "fe80::1%eth0", "[fe80::1%eth0]:9", "", 9},
        {"DB.Example", "", "db.example", "db.example:7433", "", 7433},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ly__peer p;
        assert_int_equal(ly__peer_parse(&p, rows[i].text, strlen(rows[i].text)), 0);
        assert_string_equal(p.user, rows[i].user);
        assert_string_equal(p.host, rows[i].host);
        assert_string_equal(p.name, rows[i].name);
        assert_string_equal(p.id, rows[i].id);
        assert_int_equal(p.port, rows[i].port);
    }
}

static void the_name_of_a_machine_names_it_again(void **state)
{
    (void)state;
    static const char *const texts[] = {"db", "[::1]:5", "[FE80::1%eth0]", "1.2.3.4"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ly__peer p, again;
        assert_int_equal(ly__peer_parse(&p, texts[i], strlen(texts[i])), 0);
        assert_int_equal(ly__peer_parse(&again, p.name, strlen(p.name)), 0);
        assert_string_equal(again.name, p.name);
    }
}

static void what_names_no_machine_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "@db",
        ":1",
        "db:",
        "db:0",
        "db:65536",
        "db:+1",
        "db:01",
        "db: 1",
        "db:1x",
        "db:123456",
        "-db",
        "-oProxy@db",
        ".db",
        "d b",
        "db\n",
        "db;ls",
        "db/x",
        "$(id)",
        "al ice@db",
        "al\x1b[1m@db",
        "\xff@db",
        "al\n@db",
        "db#",
        "db#1",
        ("db#" ID "x"),
        ("#" ID),
        ("a@#" ID),
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[::1]x",
        "[::1]:",
        "[::g]",
        "[1.2.3.4]",
        "[fe80::1%]",
        "[fe80::1%e th]",
        "[::1%-x]",
        "d\xc3\xa9",
        "a@",
        "\xe2\x80\xae@db",
        "unix:/x",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct ly__peer p = {.port = 99};
        if (ly__peer_parse(&p, texts[i], strlen(texts[i])) != LY_EADDRESS)
            fail_msg("'%s' is taken", texts[i]);
        assert_int_equal(p.port, 99);
    }
}

static void names_that_are_too_long_are_refused(void **state)
{
    (void)state;
    char text[400];
    struct ly__peer p;
    memset(text, 'a', sizeof text);
    assert_int_equal(ly__peer_parse(&p, text, 253), 0);
    assert_int_equal(strlen(p.host), 253);
    assert_int_equal(ly__peer_parse(&p, text, 254), LY_EADDRESS);
    text[255] = '@';
    assert_int_equal(ly__peer_parse(&p, text, 257), 0);
    assert_int_equal(strlen(p.user), 255);
    text[255] = 'a';
    text[256] = '@';
    assert_int_equal(ly__peer_parse(&p, text, 258), LY_EADDRESS);
}

static void a_zero_byte_is_part_of_no_name(void **state)
{
    (void)state;
    struct ly__peer p;
    assert_int_equal(ly__peer_parse(&p, "db\0", 3), LY_EADDRESS);
    assert_int_equal(ly__peer_parse(&p, "a\0b@db", 6), LY_EADDRESS);
    assert_int_equal(ly__peer_parse(&p, "[::1\0]", 6), LY_EADDRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_found),
        cmocka_unit_test(the_name_of_a_machine_names_it_again),
        cmocka_unit_test(what_names_no_machine_is_refused),
        cmocka_unit_test(names_that_are_too_long_are_refused),
        cmocka_unit_test(a_zero_byte_is_part_of_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
