/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lanyard/address.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

static void assert_becomes(const char *text, const char *printed)
{
    struct ly_address a, again;
    char buf[LY_ADDRESS_TEXT];
    assert_int_equal(ly_address_parse(&a, text), 0);
    assert_int_equal(ly_address_format(&a, buf, sizeof buf), strlen(printed));
    assert_string_equal(buf, printed);
    assert_int_equal(ly_address_parse(&again, buf), 0);
    assert_true(ly_address_equal(&a, &again));
}

static void numeric_addresses_are_read_and_printed(void **state)
{
    (void)state;
    assert_becomes("tcp://127.0.0.1:8080", "tcp://127.0.0.1:8080");
    assert_becomes("tcp://0.0.0.0:0", "tcp://0.0.0.0:0");
    assert_becomes("tcp://255.255.255.255:65535", "tcp://255.255.255.255:65535");
    assert_becomes("tcp://[::1]:22", "tcp://[::1]:22");
    assert_becomes("tcp://[2001:DB8:0:0::1]:080", "tcp://[2001:db8::1]:80");
    assert_becomes("tcp://[::ffff:10.0.0.1]:1", "tcp://[::ffff:10.0.0.1]:1");
    assert_becomes("tcp://:9", "tcp://[::]:9");
    assert_becomes("udp://127.0.0.1:53", "udp://127.0.0.1:53");
    assert_becomes("udp://[::1]:53", "udp://[::1]:53");
    assert_becomes("udp://:9", "udp://[::]:9");
}

static void a_scope_is_read_by_number_and_by_name(void **state)
{
    (void)state;
    char text[64];
    struct ly_address a, b;
    assert_becomes("tcp://[fe80::1%7]:1", "tcp://[fe80::1%7]:1");
    assert_int_equal(ly_address_parse(&a, "tcp://[fe80::1%lo]:1"), 0);
    assert_int_equal(a.u.in6.sin6_scope_id, if_nametoindex("lo"));
    snprintf(text, sizeof text, "tcp://[fe80::1%%%u]:1", if_nametoindex("lo") + 1);
    assert_int_equal(ly_address_parse(&b, text), 0);
    assert_false(ly_address_equal(&a, &b));
}

static void unix_names_are_read_and_printed(void **state)
{
    (void)state;
    assert_becomes("unix:/run/x.sock", "unix:/run/x.sock");
    assert_becomes("unix:relative", "unix:relative");
    assert_becomes("unix:@name", "unix:@name");
    assert_becomes("unix:@", "unix:@");
    assert_becomes("unix:@a%00b", "unix:@a%00b");
    assert_becomes("unix:%40file", "unix:%40file");
    assert_becomes("unix:a b\n%25\x7f\xc3\xa4", "unix:a%20b%0A%25%7F%C3%A4");
    assert_becomes("unix:/%61", "unix:/a");
    assert_becomes("unix-dgram:/run/x.sock", "unix-dgram:/run/x.sock");
    assert_becomes("unix-dgram:@name", "unix-dgram:@name");
    assert_becomes("unix-seqpacket:%40file", "unix-seqpacket:%40file");
    assert_becomes("unix-seqpacket:@name", "unix-seqpacket:@name");
}

static void the_scheme_says_the_sockets_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int type;
    } rows[] = {
        {"tcp://127.0.0.1:1", SOCK_STREAM}, {"udp://127.0.0.1:1", SOCK_DGRAM},
        {"unix:/x", SOCK_STREAM},           {"unix-dgram:/x", SOCK_DGRAM},
        {"unix:@x", SOCK_STREAM},           {"unix-seqpacket:/x", SOCK_SEQPACKET},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ly_address a;
        assert_int_equal(ly_address_parse(&a, rows[i].text), 0);
        assert_int_equal(a.type, rows[i].type);
    }
}

static void the_type_is_printed_and_does_not_count_in_comparing(void **state)
{
    (void)state;
    struct ly_address a, b;
    char buf[LY_ADDRESS_TEXT];
    assert_int_equal(ly_address_parse(&a, "tcp://127.0.0.1:1"), 0);
    b = a;
    b.type = SOCK_DGRAM;
    ly_address_format(&b, buf, sizeof buf);
    assert_string_equal(buf, "udp://127.0.0.1:1");
    assert_true(ly_address_equal(&a, &b));
    b.type = 0;
    ly_address_format(&b, buf, sizeof buf);
    assert_string_equal(buf, "tcp://127.0.0.1:1");
    b.type = SOCK_RAW;
    ly_address_format(&b, buf, sizeof buf);
    assert_string_equal(buf, "raw://127.0.0.1:1");
}

static void no_unix_name_is_an_address_of_its_family_alone(void **state)
{
    (void)state;
    struct ly_address a;
    assert_becomes("unix:", "unix:");
    assert_becomes("unix-dgram:", "unix-dgram:");
    assert_int_equal(ly_address_parse(&a, "unix-dgram:"), 0);
    assert_int_equal(a.length, sizeof(sa_family_t));
    assert_int_equal(a.u.family, AF_UNIX);
    assert_true(ly_address_is_local(&a));
}

static void c75_broadcast_has_a_name(void **state)
{
    (void)state;
    assert_becomes("udp://<broadcast>:9", "udp://255.255.255.255:9");
}

static void an_abstract_name_and_a_path_that_begins_with_an_at_differ(void **state)
{
    (void)state;
    struct ly_address path, abstract;
    assert_int_equal(ly_address_parse(&path, "unix:%40x"), 0);
    assert_int_equal(ly_address_parse(&abstract, "unix:@x"), 0);
    assert_int_equal(path.u.un.sun_path[0], '@');
    assert_int_equal(abstract.u.un.sun_path[0], 0);
    assert_false(ly_address_equal(&path, &abstract));
}

/* "unix:" or "unix:@" and n times 'p'. */
static const char *long_name(const char *prefix, int n)
{
    static char text[256];
    snprintf(text, sizeof text, "%s%0*d", prefix, n, 0);
    return text;
}

static void c131_a_name_of_107_bytes_is_the_longest(void **state)
{
    (void)state;
    struct ly_address a;
    assert_int_equal(ly_address_parse(&a, long_name("unix:", 107)), 0);
    assert_int_equal(a.length, offsetof(struct sockaddr_un, sun_path) + 108);
    assert_int_equal(ly_address_parse(&a, long_name("unix:", 108)), LY_EADDRESS);
    assert_int_equal(ly_address_parse(&a, long_name("unix:@", 107)), 0);
    assert_int_equal(a.length, offsetof(struct sockaddr_un, sun_path) + 108);
    assert_int_equal(ly_address_parse(&a, long_name("unix:@", 108)), LY_EADDRESS);
}

static void malformed_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "tcp:",
        "tcp://",
        "tcp://host",
        "tcp://host:",
        "tcp://host:65536",
        "tcp://host:-1",
        "tcp://host:+1",
        "tcp://host: 1",
        "tcp://host:1 ",
        "tcp://host:99999999999999999999",
        "tcp://host:0x10",
        "tcp://ho st:1",
        "tcp://h\xc3\xb6st:1",
        "tcp://-host:1",
        "tcp://a:b:1",
        "tcp://::1:1",
        "tcp://[::1]",
        "tcp://[::1]1",
        "tcp://[::1:1",
        "tcp://[]:1",
        "tcp://[:1",
        "tcp://[1.2.3.4]:1",
        "tcp://[host]:1",
        "tcp://[::1%]:1",
        "tcp://[::1%nosuchinterface]:1",
        "tcp://[::1%4294967296]:1",
        "tcp://[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000]:1",
        "TCP://host:1",
        "udp:host:1",
        "udp://host",
        "udp://host:65536",
        "udp://[::1]",
        "udp4://127.0.0.1:1",
        "tcp://<broadcast:1",
        "tcp://<Broadcast>:1",
        "unix",
        "unix-dgram",
        "unix-dgram:a%00b",
        "unix-seqpacket:a%",
        "unix-raw:x",
        "unix:a%",
        "unix:a%2",
        "unix:a%zz",
        "unix:a%00b",
        "unix:%00",
    };
    struct ly_address a = {.length = 77};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (ly_address_parse(&a, bad[i]) != LY_EADDRESS)
            fail_msg("accepted: %s", bad[i]);
    }
    assert_int_equal(a.length, 77); /* untouched */
}

static void a_name_is_told_from_a_number(void **state)
{
    (void)state;
    struct ly_address a;
    char text[300];
    assert_int_equal(ly_address_parse(&a, "tcp://localhost:80"), LY_ENONAME);
    assert_int_equal(ly_address_parse(&a, "tcp://my_host-1.example.:80"), LY_ENONAME);
    assert_int_equal(ly_address_parse(&a, "tcp://1.2.3.x:80"), LY_ENONAME);
    assert_int_equal(ly_address_parse(&a, "tcp://0xyz:80"), LY_ENONAME);
    assert_int_equal(ly_address_parse(&a, "tcp://2130706433.example:80"), LY_ENONAME);
    snprintf(text, sizeof text, "tcp://x%0252d:80", 0);
    assert_int_equal(ly_address_parse(&a, text), LY_ENONAME);
    snprintf(text, sizeof text, "tcp://x%0253d:80", 0);
    assert_int_equal(ly_address_parse(&a, text), LY_EADDRESS);
}

static void c139_numbers_that_are_no_addresses_are_not_looked_up(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "0.0.0.",  "300.0.0.0", "1.2.3.4.5",  "1.2.3",    "127.1",    "2130706433", "1.2.3.256", "0x7f.1",
        "127.0x1", "0x",        "0x7F000001", "01.2.3.4", "1.2.3.4.", "1.2.3.04",   ".",         "0177.1",
    };
    struct ly_address a;
    char text[64];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(text, sizeof text, "tcp://%s:80", bad[i]);
        if (ly_address_parse(&a, text) != LY_EADDRESS)
            fail_msg("accepted: %s", text);
        assert_int_equal(ly_address_make(&a, SOCK_STREAM, bad[i], 80), LY_EADDRESS);
    }
}

static void printing_is_cut_to_fit_and_tells_the_whole_length(void **state)
{
    (void)state;
    struct ly_address a;
    char buf[8] = "#######";
    assert_int_equal(ly_address_parse(&a, "unix:/tmp/x"), 0);
    assert_int_equal(ly_address_format(&a, buf, sizeof buf), 11);
    assert_string_equal(buf, "unix:/t");
    assert_int_equal(ly_address_format(&a, buf, 1), 11);
    assert_string_equal(buf, "");
    assert_int_equal(ly_address_format(&a, NULL, 0), 11);
}

static void what_the_kernel_gives_can_be_printed(void **state)
{
    (void)state;
    char buf[LY_ADDRESS_TEXT];
    struct ly_address none = {0}, unnamed = {.length = 2, .u.family = AF_UNIX};
    struct ly_address full = {.length = sizeof full.u.un, .u.family = AF_UNIX};
    struct ly_address other = {.length = 16, .u.family = AF_NETLINK};
    assert_int_equal(ly_address_format(&none, buf, sizeof buf), 5);
    assert_string_equal(buf, "unix:");
    assert_int_equal(ly_address_format(&unnamed, buf, sizeof buf), 5);
    assert_true(ly_address_equal(&none, &unnamed));
    memset(full.u.un.sun_path, 0xff, sizeof full.u.un.sun_path); /* 108 bytes and no zero */
    assert_int_equal(ly_address_format(&full, buf, sizeof buf), 5 + 3 * 108);
    assert_true(strlen(buf) < LY_ADDRESS_TEXT);
    full.type = SOCK_SEQPACKET; /* of the longest prefix */
    size_t n = ly_address_format(&full, buf, sizeof buf);
    assert_int_equal(n, strlen(buf));
    assert_int_equal(ly_address_format(&other, buf, sizeof buf), 8);
    assert_int_equal(ly_address_port(&other), -1);
}

static void equality_is_of_meaning_not_of_bytes(void **state)
{
    (void)state;
    struct ly_address a, b;
    assert_int_equal(ly_address_parse(&a, "unix:/x"), 0);
    b = a;
    b.length--; /* without its zero byte */
    assert_true(ly_address_equal(&a, &b));
    b.u.un.sun_path[1] = 'y';
    assert_false(ly_address_equal(&a, &b));
    assert_int_equal(ly_address_parse(&a, "tcp://1.2.3.4:5"), 0);
    assert_false(ly_address_equal(&a, &b));
    b = a;
    memset(b.u.in.sin_zero, 9, sizeof b.u.in.sin_zero);
    assert_true(ly_address_equal(&a, &b));
    assert_int_equal(ly_address_parse(&b, "tcp://1.2.3.4:6"), 0);
    assert_false(ly_address_equal(&a, &b));
    assert_int_equal(ly_address_parse(&b, "tcp://[::ffff:1.2.3.4]:5"), 0);
    assert_false(ly_address_equal(&a, &b));
}

static void ports_and_locality_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int port;
        bool local;
    } rows[] = {
        {"tcp://127.0.0.1:80", 80, true},
        {"tcp://127.255.3.9:0", 0, true},
        {"tcp://128.0.0.1:1", 1, false},
        {"tcp://0.0.0.0:1", 1, false},
        {"tcp://[::1]:65535", 65535, true},
        {"tcp://[::]:1", 1, false},
        {"tcp://[::ffff:127.1.1.1]:1", 1, true},
        {"tcp://[::ffff:8.8.8.8]:1", 1, false},
        {"tcp://[fe80::1]:1", 1, false},
        {"unix:/x", -1, true},
        {"unix:@x", -1, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ly_address a;
        assert_int_equal(ly_address_parse(&a, rows[i].text), 0);
        assert_int_equal(ly_address_port(&a), rows[i].port);
        assert_int_equal(ly_address_is_local(&a), rows[i].local);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_addresses_are_read_and_printed),
        cmocka_unit_test(a_scope_is_read_by_number_and_by_name),
        cmocka_unit_test(unix_names_are_read_and_printed),
        cmocka_unit_test(an_abstract_name_and_a_path_that_begins_with_an_at_differ),
        cmocka_unit_test(the_scheme_says_the_sockets_type),
        cmocka_unit_test(the_type_is_printed_and_does_not_count_in_comparing),
        cmocka_unit_test(no_unix_name_is_an_address_of_its_family_alone),
        cmocka_unit_test(c75_broadcast_has_a_name),
        cmocka_unit_test(c131_a_name_of_107_bytes_is_the_longest),
        cmocka_unit_test(malformed_text_is_refused),
        cmocka_unit_test(a_name_is_told_from_a_number),
        cmocka_unit_test(c139_numbers_that_are_no_addresses_are_not_looked_up),
        cmocka_unit_test(printing_is_cut_to_fit_and_tells_the_whole_length),
        cmocka_unit_test(what_the_kernel_gives_can_be_printed),
        cmocka_unit_test(equality_is_of_meaning_not_of_bytes),
        cmocka_unit_test(ports_and_locality_are_known),
    };
    return cmocka_run_group_tests_name("net/address", tests, NULL, NULL);
}
