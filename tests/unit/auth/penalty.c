/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "auth/penalty.h"
#include <cmocka.h>

#define SECOND INT64_C(1000000000)
#define START (1000 * SECOND)

static const uint8_t key[16] = {7};

static struct ly__penalties *table(struct ly__penalty_options options)
{
    struct ly__penalties *p = NULL;
    options.hash_key = key;
    assert_int_equal(ly__penalties_new(&p, &options), 0);
    return p;
}

#define TABLE(...) table((struct ly__penalty_options){__VA_ARGS__})

static struct ly_address at(const char *host)
{
    struct ly_address a;
    assert_int_equal(ly_address_make(&a, SOCK_STREAM, host, 7), 0);
    return a;
}

/* The nth of many addresses. */
static struct ly_address nth(unsigned n)
{
    struct ly_address a = at("10.0.0.0");
    a.u.in.sin_addr.s_addr = htonl(0x0a000000 + n);
    return a;
}

static void add(struct ly__penalties *p, const char *host, enum ly__offence kind, int64_t now)
{
    struct ly_address a = at(host);
    ly__penalties_add(p, &a, kind, now);
}

static int64_t left(struct ly__penalties *p, const char *host, int64_t now)
{
    struct ly_address a = at(host);
    return ly__penalties_left(p, &a, now);
}

static struct ly__penalty_counts counts(struct ly__penalties *p)
{
    struct ly__penalty_counts c;
    ly__penalties_count(p, 0, &c);
    return c;
}

static void the_third_failed_login_is_enforced(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(left(p, "192.0.2.1", START), 0);
        add(p, "192.0.2.1", LY__OFFENCE_LOGIN, START);
    }
    assert_int_equal(left(p, "192.0.2.1", START), 15000);
    assert_int_equal(left(p, "192.0.2.2", START), 0);
    ly__penalties_free(p);
}

static void a_penalty_lasts_until_nothing_is_left_of_the_debt(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(0);
    for (int i = 0; i < 3; i++)
        add(p, "192.0.2.1", LY__OFFENCE_LOGIN, START);
    assert_int_equal(left(p, "192.0.2.1", START + 10 * SECOND), 5000);
    assert_int_equal(left(p, "192.0.2.1", START + 15 * SECOND - 1), 1);
    assert_int_equal(left(p, "192.0.2.1", START + 15 * SECOND), 0);
    ly__penalties_free(p);
}

static void offences_with_time_between_are_forgotten(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(0);
    for (int64_t i = 0; i < 100; i++) {
        add(p, "192.0.2.1", LY__OFFENCE_LOGIN, START + i * 5 * SECOND);
        assert_int_equal(left(p, "192.0.2.1", START + i * 5 * SECOND), 0);
    }
    ly__penalties_free(p);
}

static void a_debt_below_the_threshold_decays_too(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(0);
    add(p, "192.0.2.1", LY__OFFENCE_PROTOCOL, START);
    add(p, "192.0.2.1", LY__OFFENCE_LOGIN, START + 1);
    assert_int_equal(left(p, "192.0.2.1", START + 1), 0); /* a nanosecond is gone: below 15 s */
    add(p, "192.0.2.1", LY__OFFENCE_SILENT, START + 1);
    assert_int_equal(left(p, "192.0.2.1", START + 1), 16000);
    ly__penalties_free(p);
}

static void a_crash_is_enforced_at_once_and_debts_have_a_limit(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(0);
    add(p, "192.0.2.1", LY__OFFENCE_CRASH, START);
    assert_int_equal(left(p, "192.0.2.1", START), 90000);
    for (int i = 0; i < 100; i++)
        add(p, "192.0.2.1", LY__OFFENCE_CRASH, START);
    assert_int_equal(left(p, "192.0.2.1", START), 600000);
    ly__penalties_free(p);
}

static void an_ipv6_network_is_one_source(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(0);
    add(p, "2001:db8::1", LY__OFFENCE_CRASH, START);
    assert_true(left(p, "2001:db8::2:3:4:5", START) > 0);
    assert_int_equal(left(p, "2001:db8:0:1::1", START), 0);
    add(p, "fe80::1", LY__OFFENCE_CRASH, START);
    assert_int_equal(left(p, "fe80::2", START), 0);
    ly__penalties_free(p);
}

static void exempt_networks_and_unix_sockets_are_never_charged(void **state)
{
    (void)state;
    struct ly__exempt exempt[2];
    struct ly_address local;
    assert_int_equal(ly_network_parse(&exempt[0].network, &exempt[0].prefix, "10.1.0.0/16"), 0);
    assert_int_equal(ly_network_parse(&exempt[1].network, &exempt[1].prefix, "2001:db8::/32"), 0);
    assert_int_equal(ly_address_parse(&local, "unix:/tmp/x"), 0);
    struct ly__penalties *p = TABLE(.exempt = exempt, .exempts = 2);
    exempt[0].prefix = 32; /* it has its own copy */
    static const char *const free_of[] = {"10.1.2.3", "::ffff:10.1.2.3", "2001:db8::1"};
    for (size_t i = 0; i < 3; i++) {
        add(p, free_of[i], LY__OFFENCE_CRASH, START);
        assert_int_equal(left(p, free_of[i], START), 0);
    }
    ly__penalties_add(p, &local, LY__OFFENCE_CRASH, START);
    assert_int_equal(ly__penalties_left(p, &local, START), 0);
    add(p, "10.2.2.3", LY__OFFENCE_CRASH, START);
    assert_true(left(p, "10.2.2.3", START) > 0);
    assert_int_equal(counts(p).offences, 1);
    ly__penalties_free(p);
}

static void weights_and_thresholds_are_options(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(.weight_ms = {100, -1, 200, 400}, .enforce_ms = 300, .most_ms = 500);
    add(p, "192.0.2.1", LY__OFFENCE_LOGIN, START);
    for (int i = 0; i < 100; i++)
        add(p, "192.0.2.1", LY__OFFENCE_SILENT, START);
    assert_int_equal(left(p, "192.0.2.1", START), 0);
    add(p, "192.0.2.1", LY__OFFENCE_PROTOCOL, START);
    assert_int_equal(left(p, "192.0.2.1", START), 300);
    add(p, "192.0.2.1", LY__OFFENCE_CRASH, START);
    assert_int_equal(left(p, "192.0.2.1", START), 500);
    ly__penalties_free(p);
}

static void impossible_options_are_refused(void **state)
{
    (void)state;
    struct ly__penalties *p = NULL;
    static const struct ly__penalty_options bad[] = {
        {.enforce_ms = 2, .most_ms = 1}, {.enforce_ms = -1},    {.most_ms = INT64_MAX},
        {.weight_ms = {INT64_MAX}},      {.sources = 1u << 25}, {.exempts = LY__EXEMPTS_MAX + 1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ly__penalties_new(&p, &bad[i]), -EINVAL);
    assert_null(p);
}

static void new_rules_leave_the_debts(void **state)
{
    (void)state;
    struct ly__exempt exempt;
    assert_int_equal(ly_network_parse(&exempt.network, &exempt.prefix, "192.0.2.9"), 0);
    struct ly__penalties *p = TABLE(0);
    add(p, "192.0.2.1", LY__OFFENCE_CRASH, START);
    assert_int_equal(ly__penalties_set(p, &(struct ly__penalty_options){.enforce_ms = 2, .most_ms = 1}),
                     -EINVAL);
    assert_int_equal(
        ly__penalties_set(
            p, &(struct ly__penalty_options){.weight_ms = {20000}, .exempt = &exempt, .exempts = 1}),
        0);
    assert_int_equal(left(p, "192.0.2.1", START), 90000);
    add(p, "192.0.2.2", LY__OFFENCE_LOGIN, START);
    assert_int_equal(left(p, "192.0.2.2", START), 20000);
    add(p, "192.0.2.9", LY__OFFENCE_LOGIN, START);
    assert_int_equal(left(p, "192.0.2.9", START), 0);
    ly__penalties_free(p);
}

/* ---- more sources than there is room for ---- */

#define FEW 128u
static void who_is_told_of_a_penalty_counts_as_no_refusal(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(.sources = 16);
    struct ly_address a = nth(1), other = nth(2);
    ly__penalties_add(p, &a, LY__OFFENCE_LOGIN, START);
    assert_int_equal(ly__penalties_ahead(p, &a, START), 0); /* a debt, but no penalty yet */
    ly__penalties_add(p, &a, LY__OFFENCE_CRASH, START);
    assert_int_equal(ly__penalties_ahead(p, &a, START), 95000);
    assert_int_equal(ly__penalties_ahead(p, &other, START), 0);
    assert_int_equal(counts(p).refusals, 0);
    assert_int_equal(ly__penalties_left(p, &a, START), 95000);
    assert_int_equal(counts(p).refusals, 1);
    ly__penalties_free(p);
}

#define SET 16u /* entries that compete for a place */

static void every_source_is_remembered_while_there_is_room(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(.sources = 65536);
    for (unsigned i = 0; i < 16384; i++) {
        struct ly_address a = nth(i);
        ly__penalties_add(p, &a, LY__OFFENCE_CRASH, START);
    }
    for (unsigned i = 0; i < 16384; i++) {
        struct ly_address a = nth(i);
        assert_int_equal(ly__penalties_left(p, &a, START), 90000);
    }
    assert_int_equal(counts(p).crowded, 0);
    ly__penalties_free(p);
}

/* The sources that are refused of those from first on. */
static unsigned refused(struct ly__penalties *p, unsigned first, unsigned n, int64_t now)
{
    unsigned sum = 0;
    for (unsigned i = first; i < first + n; i++) {
        struct ly_address a = nth(i);
        sum += ly__penalties_left(p, &a, now) > 0;
    }
    return sum;
}

static void many_addresses_flush_nobody_who_is_refused_for_long(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(.sources = FEW);
    for (unsigned i = 0; i < FEW / 4; i++) {
        struct ly_address a = nth(i);
        for (int times = 0; times < 7; times++)
            ly__penalties_add(p, &a, LY__OFFENCE_CRASH, START);
    }
    unsigned before = refused(p, 0, FEW / 4, START);
    for (unsigned i = 0; i < 20 * FEW; i++) { /* twenty addresses for each entry, a failed login each */
        struct ly_address a = nth(1000000 + i);
        ly__penalties_add(p, &a, LY__OFFENCE_LOGIN, START);
    }
    assert_int_equal(before, FEW / 4);
    assert_int_equal(refused(p, 0, FEW / 4, START), before);
    ly__penalties_free(p);
}

/* What is forgotten before its time has cost at least as much. All at one moment, so that nothing decays. */
static void an_eviction_is_paid_for_in_full(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(.sources = SET); /* one set */
    int64_t paid = 0;
    for (unsigned i = 0; i < SET; i++) {
        struct ly_address a = nth(i);
        ly__penalties_add(p, &a, LY__OFFENCE_CRASH, START);
    }
    while (refused(p, 0, SET, START) == SET) {
        struct ly_address a = nth(1000 + (unsigned)paid);
        ly__penalties_add(p, &a, LY__OFFENCE_LOGIN, START);
        paid += 5000;
    }
    assert_int_equal(paid, 90000);
    assert_int_equal(refused(p, 0, SET, START), SET - 1);
    assert_int_equal(counts(p).evicted, 1);
    assert_int_equal(counts(p).crowded, 17);
    ly__penalties_free(p);
}

static void the_smallest_debt_goes_first(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(.sources = SET);
    for (unsigned i = 0; i < SET; i++) {
        struct ly_address a = nth(i);
        ly__penalties_add(p, &a, i == 5 ? LY__OFFENCE_PROTOCOL : LY__OFFENCE_CRASH, START);
    }
    for (unsigned i = 100; i < 102; i++) { /* the first lowers it, the second takes its place */
        struct ly_address a = nth(i);
        ly__penalties_add(p, &a, LY__OFFENCE_LOGIN, START);
    }
    assert_int_equal(refused(p, 0, SET, START), SET - 1);
    struct ly_address a = nth(5);
    ly__penalties_add(p, &a, LY__OFFENCE_LOGIN, START); /* nothing is known of it any more */
    assert_int_equal(ly__penalties_left(p, &a, START), 0);
    ly__penalties_free(p);
}

static void what_has_decayed_makes_room(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(.sources = SET);
    for (unsigned i = 0; i < SET; i++) {
        struct ly_address a = nth(i);
        ly__penalties_add(p, &a, LY__OFFENCE_CRASH, START);
    }
    int64_t later = START + 90 * SECOND;
    for (unsigned i = 100; i < 100 + SET; i++) {
        struct ly_address a = nth(i);
        ly__penalties_add(p, &a, LY__OFFENCE_CRASH, later);
    }
    assert_int_equal(refused(p, 100, SET, later), SET);
    assert_int_equal(counts(p).evicted + counts(p).crowded, 0);
    ly__penalties_free(p);
}

#define SOURCES 1000u /* eight for each entry */

/* An offence of a random source: some have many, most have few. Returns its weight in milliseconds. */
static int64_t offend(struct ly__penalties *p, uint64_t *seed, int64_t *model)
{
    static const int64_t weights[] = {5000, 1000, 10000, 90000};
    *seed = *seed * 6364136223846793005 + 1442695040888963407;
    unsigned n = (unsigned)(*seed >> 40) % SOURCES;
    enum ly__offence kind = (enum ly__offence)(*seed >> 33 & 3);
    n = *seed >> 60 ? n : n % 10;
    struct ly_address a = nth(n);
    ly__penalties_add(p, &a, kind, START);
    model[n] += weights[kind];
    return weights[kind];
}

/* At one moment, so that nothing decays, and with every debt enforced, so that it can be seen. */
static void nobody_owes_more_than_his_own_and_what_is_forgotten_was_paid_for(void **state)
{
    (void)state;
    static int64_t model[SOURCES];
    uint64_t seed = 3;
    int64_t owed = 0, remembered = 0, paid = 0;
    struct ly__penalties *p = TABLE(.sources = FEW, .enforce_ms = 1, .most_ms = 1000000000);
    for (int i = 0; i < 20000; i++) {
        struct ly__penalty_counts before = counts(p), after;
        int64_t weight = offend(p, &seed, model);
        after = counts(p);
        paid += after.crowded + after.evicted > before.crowded + before.evicted ? weight : 0;
    }
    for (unsigned n = 0; n < SOURCES; n++) {
        struct ly_address a = nth(n);
        int64_t left = ly__penalties_left(p, &a, START);
        assert_true(left <= model[n]);
        owed += model[n];
        remembered += left;
    }
    assert_true(paid > 0 && remembered < owed);
    assert_true(owed - remembered <= 2 * paid); /* what was not charged, and what it has lowered */
    ly__penalties_free(p);
}

/* ---- threads ---- */

#define THREADS 4
#define TIMES 20000u

static void *charge_many(void *arg)
{
    struct ly__penalties *p = arg;
    for (unsigned i = 0; i < TIMES; i++) {
        struct ly_address a = nth(i % 100);
        ly__penalties_add(p, &a, LY__OFFENCE_SILENT, START);
        (void)ly__penalties_left(p, &a, START);
    }
    return NULL;
}

static void threads_lose_no_offence(void **state)
{
    (void)state;
    struct ly__penalties *p = TABLE(.most_ms = 1000000000);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, charge_many, p), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    struct ly_address a = nth(42);
    assert_int_equal(ly__penalties_left(p, &a, START), 1000 * THREADS * TIMES / 100);
    assert_int_equal(counts(p).offences, THREADS * TIMES);
    ly__penalties_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_third_failed_login_is_enforced),
        cmocka_unit_test(a_penalty_lasts_until_nothing_is_left_of_the_debt),
        cmocka_unit_test(offences_with_time_between_are_forgotten),
        cmocka_unit_test(a_debt_below_the_threshold_decays_too),
        cmocka_unit_test(a_crash_is_enforced_at_once_and_debts_have_a_limit),
        cmocka_unit_test(an_ipv6_network_is_one_source),
        cmocka_unit_test(exempt_networks_and_unix_sockets_are_never_charged),
        cmocka_unit_test(weights_and_thresholds_are_options),
        cmocka_unit_test(impossible_options_are_refused),
        cmocka_unit_test(new_rules_leave_the_debts),
        cmocka_unit_test(who_is_told_of_a_penalty_counts_as_no_refusal),
        cmocka_unit_test(every_source_is_remembered_while_there_is_room),
        cmocka_unit_test(many_addresses_flush_nobody_who_is_refused_for_long),
        cmocka_unit_test(an_eviction_is_paid_for_in_full),
        cmocka_unit_test(the_smallest_debt_goes_first),
        cmocka_unit_test(what_has_decayed_makes_room),
        cmocka_unit_test(nobody_owes_more_than_his_own_and_what_is_forgotten_was_paid_for),
        cmocka_unit_test(threads_lose_no_offence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
