/* SPDX-License-Identifier: MIT */
#include "auth/pairing.h"
#include "auth/user.h"
#include "temporary.h"
#include <errno.h>
#include <lanyard/error.h>

static struct ly__store *store;
static char label[LY__DEVICE_LABEL]; /* what the code that was taken last says */

static int open_one(void **state)
{
    struct ly__user u = {.name = "ada", .roles = LY__READ};
    if (make_folder(state) < 0)
        return -1;
    store = open_store();
    return ly__user_add(store, &u, NULL);
}

static int close_one(void **state)
{
    ly__store_close(store);
    return remove_folder(state);
}

static void a_code_is_read_as_people_type_it(void **state)
{
    (void)state;
    static const char *const texts[] = {"AB01-CDEF-GHJK-MN10", "ab01-cdef-ghjk-mn10", "abo1cdefghjkmnio",
                                        " AbOl cdef-GHJK mnlo "};
    char slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET];
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(ly__pairing_read(texts[i], slot, secret), 0);
        assert_string_equal(slot, "AB01");
        assert_string_equal(secret, "CDEFGHJKMN10");
    }
}

static void what_is_no_code_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "AB01",
                                        "AB01-CDEF-GHJK-MN1",
                                        "AB01-CDEF-GHJK-MN101",
                                        "AB01-CDEF-GHJK-MNU1",
                                        "AB01_CDEF_GHJK_MN10",
                                        "\xff\xff\xff\xff-CDEF-GHJK-MN10"};
    char slot[LY__PAIRING_SLOT] = "?", secret[LY__PAIRING_SECRET] = "?";
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        assert_int_equal(ly__pairing_read(texts[i], slot, secret), LY_EFIELD);
        assert_string_equal(slot, "?");
        assert_string_equal(secret, "?");
    }
}

static void a_code_has_four_groups_and_no_two_are_alike(void **state)
{
    (void)state;
    char a[LY__PAIRING_CODE], b[LY__PAIRING_CODE], slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET];
    assert_int_equal(ly__pairing_make(store, "ada", NULL, a), 0);
    assert_int_equal(ly__pairing_make(store, "ada", NULL, b), 0);
    assert_int_equal(strlen(a), 19);
    assert_true(a[4] == '-' && a[9] == '-' && a[14] == '-');
    assert_int_equal(ly__pairing_read(a, slot, secret), 0);
    assert_string_not_equal(a, b);
    assert_string_not_equal(a + 4, b + 4);
}

static void there_is_no_code_for_who_is_not_there_or_disabled(void **state)
{
    (void)state;
    char code[LY__PAIRING_CODE];
    struct ly__user u;
    assert_int_equal(ly__pairing_make(store, "eve", NULL, code), -ENOENT);
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    u.disabled = true;
    assert_int_equal(ly__user_set(store, &u), 0);
    assert_int_equal(ly__pairing_make(store, "ada", NULL, code), -ENOENT);
}

static void a_label_that_would_have_to_be_escaped_is_refused(void **state)
{
    (void)state;
    char code[LY__PAIRING_CODE], slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET];
    char longest[LY__DEVICE_LABEL + 1];
    struct ly__scram_secret s;
    int64_t user;
    memset(longest, 'x', LY__DEVICE_LABEL);
    longest[LY__DEVICE_LABEL] = '\0';
    assert_int_equal(ly__pairing_make(store, "ada", "a\x1b[2J", code), LY_ENAME);
    assert_int_equal(ly__pairing_make(store, "ada", "a\xff", code), LY_ENAME);
    assert_int_equal(ly__pairing_make(store, "ada", longest, code), LY_ENAME);
    longest[LY__DEVICE_LABEL - 1] = '\0';
    assert_int_equal(ly__pairing_make(store, "ada", longest, code), 0);
    assert_int_equal(ly__pairing_read(code, slot, secret), 0);
    assert_int_equal(ly__pairing_take(store, slot, &s, &user, label), 0);
    assert_string_equal(label, longest);
}

static void only_so_many_codes_are_open_at_once(void **state)
{
    (void)state;
    char code[LY__PAIRING_CODE], slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET];
    struct ly__scram_secret s;
    int64_t user;
    int made = 0, r;
    while ((r = ly__pairing_make(store, "ada", NULL, code)) == 0)
        made++;
    assert_int_equal(r, -EAGAIN);
    assert_int_equal(made, 64);
    assert_int_equal(ly__pairing_read(code, slot, secret), 0);
    assert_int_equal(ly__pairing_take(store, slot, &s, &user, label), 0);
    assert_true(user > 0);
    assert_int_equal(ly__pairing_make(store, "ada", NULL, code), 0);
}

static void an_unknown_slot_gives_what_a_known_one_does(void **state)
{
    (void)state;
    char code[LY__PAIRING_CODE], slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET];
    struct ly__scram_secret before, open, after;
    int64_t user = 7;
    assert_int_equal(ly__pairing_make(store, "ada", NULL, code), 0);
    assert_int_equal(ly__pairing_read(code, slot, secret), 0);
    assert_int_equal(ly__pairing_take(store, slot, &open, &user, label), 0);
    assert_true(user > 0);
    assert_int_equal(ly__pairing_take(store, slot, &before, &user, label), 0);
    assert_int_equal(user, 0);
    assert_int_equal(ly__pairing_take(store, slot, &after, &user, label), 0);
    assert_memory_equal(open.salt, before.salt, sizeof open.salt);
    assert_int_equal(open.iterations, before.iterations);
    assert_memory_equal(&before, &after, sizeof before);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_code_is_read_as_people_type_it),
        cmocka_unit_test(what_is_no_code_is_refused),
        TEST(a_code_has_four_groups_and_no_two_are_alike),
        TEST(there_is_no_code_for_who_is_not_there_or_disabled),
        TEST(a_label_that_would_have_to_be_escaped_is_refused),
        TEST(only_so_many_codes_are_open_at_once),
        TEST(an_unknown_slot_gives_what_a_known_one_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
