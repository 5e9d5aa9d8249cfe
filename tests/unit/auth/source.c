/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/source.h"
#include <arpa/inet.h>
#include <cmocka.h>

static struct ly__source of(const char *text)
{
    struct ly_address a;
    assert_int_equal(ly_address_parse(&a, text), 0);
    return ly__source_of(&a);
}

/* host: what counts of it, as it is printed. */
static void check(const char *address, const char *host, int bits)
{
    struct ly__source s = of(address), wanted = {.bits = (uint8_t)bits};
    assert_int_equal(inet_pton(bits == 32 ? AF_INET : AF_INET6, host, wanted.host), 1);
    assert_int_equal(s.bits, bits);
    assert_memory_equal(s.host, wanted.host, sizeof s.host);
}

static void a_source_is_what_one_party_has(void **state)
{
    (void)state;
    check("tcp://192.0.2.7:1", "192.0.2.7", 32);
    check("tcp://[::ffff:192.0.2.7]:1", "192.0.2.7", 32);
    check("tcp://[2001:db8:0:1::7]:1", "2001:db8:0:1::", 64);
    check("tcp://[fe80::7]:1", "fe80::7", 128);
    check("tcp://[febf::7]:1", "febf::7", 128);
    check("tcp://[fec0::7]:1", "fec0::", 64);
    check("unix:/tmp/x", "::", 0);
}

static void an_ipv4_peer_of_a_listener_for_both_is_an_ipv4_peer(void **state)
{
    (void)state;
    static const struct {
        const char *as, *is;
    } rows[] = {{"tcp://[::ffff:192.0.2.7]:4711", "tcp://192.0.2.7:4711"},
                {"tcp://[::1]:4711", "tcp://[::1]:4711"},
                {"tcp://[::fffe:c000:207]:1", "tcp://[::fffe:c000:207]:1"},
                {"tcp://192.0.2.7:1", "tcp://192.0.2.7:1"},
                {"unix:/run/x", "unix:/run/x"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct ly_address a;
        char text[LY_ADDRESS_TEXT];
        assert_int_equal(ly_address_parse(&a, rows[i].as), 0);
        ly__source_unmap(&a);
        ly_address_format(&a, text, sizeof text);
        assert_string_equal(text, rows[i].is);
    }
    struct ly_address none = {.length = 0, .u.family = AF_INET6};
    ly__source_unmap(&none);
    assert_int_equal(none.length, 0);
}

static void no_address_is_no_source(void **state)
{
    (void)state;
    struct ly_address none = {.length = 0};
    assert_int_equal(ly__source_of(&none).bits, 0);
}

static void sources_are_the_same_whatever_the_port(void **state)
{
    (void)state;
    struct ly__source a = of("tcp://192.0.2.7:1"), b = of("tcp://[::ffff:192.0.2.7]:2");
    struct ly__source c = of("tcp://[2001:db8::1]:1"), d = of("tcp://[2001:db8::ffff:0:0:2]:9");
    struct ly__source e = of("tcp://[2001:db8:0:1::1]:1");
    assert_true(ly__source_same(&a, &b));
    assert_true(ly__source_same(&c, &d));
    assert_false(ly__source_same(&c, &e));
    assert_false(ly__source_same(&a, &c));
}

/* 32.1.0.0 begins with the bytes of 2001::/64, and both are zero behind them. */
static void families_are_told_apart(void **state)
{
    (void)state;
    struct ly__source a = of("tcp://32.1.0.0:1"), b = of("tcp://[2001::1]:1");
    assert_memory_equal(a.host, b.host, sizeof a.host);
    assert_false(ly__source_same(&a, &b));
}

/* The first values of the reference implementation's table, for key 00..0f and input 00..n. */
static void the_hash_is_siphash(void **state)
{
    (void)state;
    static const uint8_t wanted[][8] = {{0x31, 0x0e, 0x0e, 0xdd, 0x47, 0xdb, 0x6f, 0x72},
                                        {0xfd, 0x67, 0xdc, 0x93, 0xc5, 0x39, 0xf8, 0x74}};
    uint8_t key[LY__HASH_KEY], input[16];
    for (uint8_t i = 0; i < 16; i++)
        key[i] = input[i] = i;
    for (size_t n = 0; n < 2; n++) {
        uint64_t hash = ly__siphash(key, input, n);
        assert_memory_equal(&hash, wanted[n], 8);
    }
    assert_true(ly__siphash(key, input, 15) == 0xa129ca6149be45e5);
}

static void hashes_hang_on_the_key(void **state)
{
    (void)state;
    uint8_t a[LY__HASH_KEY] = {1}, b[LY__HASH_KEY] = {2};
    struct ly__source s = of("tcp://192.0.2.7:1");
    assert_true(ly__source_hash(&s, a) != ly__source_hash(&s, b));
    assert_int_equal(ly__random(a, sizeof a), 0);
    assert_int_equal(ly__random(b, sizeof b), 0);
    assert_memory_not_equal(a, b, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_is_what_one_party_has),
        cmocka_unit_test(an_ipv4_peer_of_a_listener_for_both_is_an_ipv4_peer),
        cmocka_unit_test(no_address_is_no_source),
        cmocka_unit_test(sources_are_the_same_whatever_the_port),
        cmocka_unit_test(families_are_told_apart),
        cmocka_unit_test(the_hash_is_siphash),
        cmocka_unit_test(hashes_hang_on_the_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
