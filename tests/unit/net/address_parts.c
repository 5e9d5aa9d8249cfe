/* SPDX-License-Identifier: MIT */
/* Addresses of parts, networks and services. Numbers are those of the conformance table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <lanyard/address.h>
#include <string.h>

static void parts_make_the_address_that_the_text_makes(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        int port;
        const char *text;
    } rows[] = {
        {"127.0.0.1", 80, "tcp://127.0.0.1:80"},
        {"::1", 65535, "tcp://[::1]:65535"},
        {"", 0, "tcp://:0"},
        {"fe80::1%7", 1, "tcp://[fe80::1%7]:1"},
        {"<broadcast>", 9, "tcp://<broadcast>:9"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ly_address a, b;
        assert_int_equal(ly_address_make(&a, SOCK_DGRAM, rows[i].host, rows[i].port), 0);
        assert_int_equal(ly_address_parse(&b, rows[i].text), 0);
        assert_true(ly_address_equal(&a, &b));
        assert_int_equal(a.type, SOCK_DGRAM);
    }
}

static void c74_parts_out_of_range_are_refused(void **state)
{
    (void)state;
    struct ly_address a = {.length = 77}, v4, v6;
    assert_int_equal(ly_address_make(&a, SOCK_STREAM, "127.0.0.1", 65536), LY_EADDRESS);
    assert_int_equal(ly_address_make(&a, SOCK_STREAM, "127.0.0.1", -1), LY_EADDRESS);
    assert_int_equal(ly_address_make(&a, SOCK_STREAM, "127.0.0.1", INT64_MAX), LY_EADDRESS);
    assert_int_equal(ly_address_make(&a, SOCK_STREAM, "some.example", 1), LY_ENONAME);
    assert_int_equal(ly_address_make(&a, SOCK_STREAM, "[::1]", 1), LY_EADDRESS);
    assert_int_equal(a.length, 77); /* untouched */
    assert_int_equal(ly_address_make(&v4, SOCK_STREAM, "127.0.0.1", 1), 0);
    assert_int_equal(ly_address_make(&v6, SOCK_STREAM, "::1", 1), 0);
    assert_int_equal(ly_address_set_flow(&v4, 0, 0), LY_EADDRESS);
    assert_int_equal(ly_address_set_flow(&v6, -1, 0), LY_EADDRESS);
    assert_int_equal(ly_address_set_flow(&v6, 1048576, 0), LY_EADDRESS);
    assert_int_equal(ly_address_set_flow(&v6, 0, INT64_C(1) << 32), LY_EADDRESS);
    assert_int_equal(ly_address_set_flow(&v6, 0, -1), LY_EADDRESS);
    assert_int_equal(ly_address_set_flow(&v6, 1048575, 3), 0);
    assert_int_equal(ntohl(v6.u.in6.sin6_flowinfo), 1048575);
    assert_int_equal(v6.u.in6.sin6_scope_id, 3);
}

static void the_host_is_printed_alone(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"tcp://127.0.0.1:80", "127.0.0.1"},
        {"tcp://[::1]:80", "::1"},
        {"udp://[fe80::1%7]:80", "fe80::1%7"},
        {"unix-dgram:/run/x y", "/run/x%20y"},
        {"unix:@name", "@name"},
        {"unix:", ""},
    };
    struct ly_address a;
    char buf[LY_ADDRESS_TEXT];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ly_address_parse(&a, rows[i][0]), 0);
        assert_int_equal(ly_address_host(&a, buf, sizeof buf), strlen(rows[i][1]));
        assert_string_equal(buf, rows[i][1]);
    }
    assert_int_equal(ly_address_host(&(struct ly_address){.length = 16, .u.family = AF_NETLINK}, buf, 9), 0);
    assert_string_equal(buf, "");
    assert_int_equal(ly_address_parse(&a, "tcp://127.0.0.1:80"), 0);
    assert_int_equal(ly_address_host(&a, buf, 4), 9);
    assert_string_equal(buf, "127");
}

static bool is_in(const char *host, const char *network)
{
    struct ly_address a, n;
    int prefix = -1;
    assert_int_equal(ly_address_make(&a, SOCK_STREAM, host, 1), 0);
    assert_int_equal(ly_network_parse(&n, &prefix, network), 0);
    return ly_address_in_network(&a, &n, prefix);
}

static void hosts_are_told_by_their_networks(void **state)
{
    (void)state;
    assert_true(is_in("192.168.1.77", "192.168.1.0/24"));
    assert_false(is_in("192.168.2.77", "192.168.1.0/24"));
    assert_true(is_in("192.168.1.77", "192.168.1.0/255.255.255.0"));
    assert_true(is_in("192.168.1.191", "192.168.1.128/26"));
    assert_false(is_in("192.168.1.192", "192.168.1.128/26"));
    assert_true(is_in("8.8.8.8", "0.0.0.0/0"));
    assert_true(is_in("10.0.0.1", "10.0.0.1"));
    assert_false(is_in("10.0.0.2", "10.0.0.1"));
    assert_true(is_in("2001:db8:ffff::1", "2001:db8::/32"));
    assert_false(is_in("2001:db9::1", "2001:db8::/32"));
    assert_true(is_in("fe80::1", "fe80::/ffc0::"));
    assert_true(is_in("::ffff:10.1.2.3", "10.0.0.0/8"));
    assert_false(is_in("::1", "0.0.0.0/0"));
}

static void two_hosts_may_be_on_one_network(void **state)
{
    (void)state;
    struct ly_address a, b, u;
    assert_int_equal(ly_address_make(&a, SOCK_STREAM, "172.16.5.1", 1), 0);
    assert_int_equal(ly_address_make(&b, SOCK_STREAM, "172.16.9.2", 2), 0);
    assert_int_equal(ly_address_parse(&u, "unix:/x"), 0);
    assert_true(ly_address_in_network(&a, &b, 16));
    assert_false(ly_address_in_network(&a, &b, 24));
    assert_true(ly_address_in_network(&a, &a, 32));
    assert_false(ly_address_in_network(&a, &a, 33));
    assert_false(ly_address_in_network(&a, &a, -1));
    assert_false(ly_address_in_network(&u, &u, 0));
    assert_false(ly_address_in_network(&a, &u, 0));
}

static void malformed_networks_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/",
        "/24",
        "192.168.1.0/",
        "192.168.1.0/33",
        "192.168.1.0/-1",
        "192.168.1.0/+1",
        "192.168.1.0/2x",
        "192.168.1.0/99999999999999999999",
        "192.168.1.0/24/24",
        "192.168.1.1/24",
        "192.168.1.0/255.0.255.0",
        "192.168.1.0/ffff::",
        "192.168.1/24",
        "some.example/24",
        "::/129",
        "::1/64",
        "[::]/0",
    };
    struct ly_address a = {.length = 77};
    int prefix = 5;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (ly_network_parse(&a, &prefix, bad[i]) != LY_EADDRESS)
            fail_msg("accepted: %s", bad[i]);
    }
    assert_int_equal(a.length, 77);
    assert_int_equal(prefix, 5);
}

static void services_have_names(void **state)
{
    (void)state;
    char buf[16];
    assert_int_equal(ly_service_port("http", "tcp"), 80);
    assert_int_equal(ly_service_port("ftp", "tcp"), 21);
    assert_int_equal(ly_service_port("smtp", NULL), 25);
    assert_int_equal(ly_service_port("no-such-service", "tcp"), LY_ENONAME);
    assert_int_equal(ly_service_name(25, "tcp", buf, sizeof buf), 4);
    assert_string_equal(buf, "smtp");
    assert_int_equal(ly_service_name(80, "tcp", buf, 3), 4);
    assert_string_equal(buf, "ht");
    assert_int_equal(ly_service_name(0, "tcp", buf, sizeof buf), LY_ENONAME);
    assert_int_equal(ly_service_name(65536, "tcp", buf, sizeof buf), -EINVAL);
    assert_int_equal(ly_service_name(-1, "tcp", buf, sizeof buf), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_make_the_address_that_the_text_makes),
        cmocka_unit_test(c74_parts_out_of_range_are_refused),
        cmocka_unit_test(the_host_is_printed_alone),
        cmocka_unit_test(hosts_are_told_by_their_networks),
        cmocka_unit_test(two_hosts_may_be_on_one_network),
        cmocka_unit_test(malformed_networks_are_refused),
        cmocka_unit_test(services_have_names),
    };
    return cmocka_run_group_tests_name("net/address_parts", tests, NULL, NULL);
}
