/* SPDX-License-Identifier: MIT */
#include "auth/login.h"
#include "auth/pairing.h"
#include "temporary.h"
#include <errno.h>
#include <lanyard/error.h>

static struct ly__store *store;
static struct ly__failures *failures;

static const uint8_t channel[LY__SCRAM_BINDING] = "what the TLS connection exports";
static const uint8_t device[LY__DEVICE_KEY] = "the key of the client's device.";

static int open_one(void **state)
{
    struct ly__user u = {.name = "ada", .roles = LY__READ};
    if (make_folder(state) < 0)
        return -1;
    store = open_store();
    assert_int_equal(ly__failures_new(&failures), 0);
    assert_int_equal(ly__user_add(store, &u, "pass word"), 0);
    return 0;
}

static int close_one(void **state)
{
    ly__failures_free(failures);
    ly__store_close(store);
    return remove_folder(state);
}

static struct ly__login *begin(const uint8_t *key)
{
    struct ly__login *l;
    struct ly__login_options o = {store, failures, channel, key, "laptop"};
    assert_int_equal(ly__login_new(&l, &o, LY__SCRAM_MECHANISM), 0);
    return l;
}

/* Both sides to the end; what the server has come to. */
static int run(struct ly__login *l, const char *name, const char *password)
{
    struct ly__scram_client *c;
    struct ly_buffer there, back;
    int r = 0, mine = 0;
    ly_buffer_init(&there, 4096);
    ly_buffer_init(&back, 4096);
    assert_int_equal(ly__scram_client_new(&c, name, password, channel), 0);
    while (r == 0 && mine == 0) {
        ly_buffer_clear(&there);
        mine = ly__scram_client_step(c, ly_buffer_bytes(&back), back.length, &there);
        ly_buffer_clear(&back);
        if (mine == 0)
            r = ly__login_step(l, ly_buffer_bytes(&there), there.length, &back);
    }
    if (r == 1)
        assert_int_equal(ly__scram_client_step(c, ly_buffer_bytes(&back), back.length, &there), 1);
    else
        assert_int_equal(back.length, 0);
    ly__scram_client_free(c);
    ly_buffer_done(&there);
    ly_buffer_done(&back);
    return r;
}

static int login(const char *name, const char *password)
{
    struct ly__login *l = begin(NULL);
    int r = run(l, name, password);
    ly__login_free(l);
    return r;
}

static void a_user_logs_in_and_that_is_noted(void **state)
{
    (void)state;
    struct ly__user u;
    struct ly__login *l = begin(NULL);
    assert_int_equal(run(l, "ada", "pass word"), 1);
    assert_string_equal(ly__login_user(l)->name, "ada");
    assert_int_equal(ly__login_user(l)->roles, LY__READ);
    assert_string_equal(ly__login_name(l), "ada");
    assert_false(ly__login_is_pairing(l));
    ly__login_free(l);
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_true(u.login >= u.created);
    assert_int_equal(u.devices, 0);
}

static void who_is_wrong_unknown_or_disabled_is_denied_alike(void **state)
{
    (void)state;
    struct ly__user u;
    assert_int_equal(login("ada", "pass work"), LY_EDENIED);
    assert_int_equal(login("eve", "pass word"), LY_EDENIED);
    assert_int_equal(login("pair/ABCD", "pass word"), LY_EDENIED);
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    u.disabled = true;
    assert_int_equal(ly__user_set(store, &u), 0);
    assert_int_equal(login("ada", "pass word"), LY_EDENIED);
}

static void only_our_mechanism_is_spoken(void **state)
{
    (void)state;
    static const char *const names[] = {"",      "SCRAM-SHA-256",      "SCRAM-SHA-1-PLUS",   "PLAIN",
                                        "LOGIN", "scram-sha-256-plus", "SCRAM-SHA-256-PLUSX"};
    struct ly__login_options o = {store, failures, channel, NULL, NULL};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ly__login *l = NULL;
        assert_int_equal(ly__login_new(&l, &o, names[i]), LY_EDENIED);
        assert_null(l);
    }
}

static void a_user_that_is_removed_during_the_login_is_denied(void **state)
{
    (void)state;
    struct ly__scram_client *c;
    struct ly_buffer there, back;
    struct ly__login *l = begin(NULL);
    ly_buffer_init(&there, 4096);
    ly_buffer_init(&back, 4096);
    assert_int_equal(ly__scram_client_new(&c, "ada", "pass word", channel), 0);
    assert_int_equal(ly__scram_client_step(c, NULL, 0, &there), 0);
    assert_int_equal(ly__login_step(l, ly_buffer_bytes(&there), there.length, &back), 0);
    ly_buffer_clear(&there);
    assert_int_equal(ly__scram_client_step(c, ly_buffer_bytes(&back), back.length, &there), 0);
    ly_buffer_clear(&back);
    assert_int_equal(ly__user_remove(store, "ada"), 0);
    assert_int_equal(ly__login_step(l, ly_buffer_bytes(&there), there.length, &back), LY_EDENIED);
    assert_int_equal(back.length, 0);
    ly__scram_client_free(c);
    ly__login_free(l);
    ly_buffer_done(&there);
    ly_buffer_done(&back);
}

static void a_denied_login_has_to_wait_whoever_it_was(void **state)
{
    (void)state;
    static const char *const names[] = {"ada", "eve"};
    for (size_t i = 0; i < 2; i++) {
        struct ly__login *l = begin(NULL);
        assert_int_equal(run(l, names[i], "pass work"), LY_EDENIED);
        assert_true(ly__login_wait(l) <= 2 * (int64_t)LY__FAILURE_LEAST_MS);
        ly__login_free(l);
        for (int n = 0; n < 8; n++)
            assert_int_equal(login(names[i], "pass work"), LY_EDENIED);
        l = begin(NULL);
        assert_int_equal(run(l, names[i], "pass work"), LY_EDENIED);
        assert_true(ly__login_wait(l) > LY__FAILURE_MOST_MS / 2);
        assert_true(ly__login_wait(l) <= LY__FAILURE_MOST_MS);
        ly__login_free(l);
    }
    struct ly__login *l = begin(NULL); /* the right password does not */
    assert_int_equal(run(l, "ada", "pass word"), 1);
    assert_int_equal(ly__login_wait(l), 0);
    ly__login_free(l);
}

static void a_store_that_fails_denies_nobody_and_lets_nobody_in(void **state)
{
    (void)state;
    char path[128];
    struct ly__login *l = begin(NULL);
    sqlite3 *db;
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "UPDATE users SET stored_key = x'00'", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(run(l, "ada", "pass word"), LY_ESTORE);
    ly__login_free(l);
}

static void a_store_that_cannot_be_written_keeps_nobody_out(void **state)
{
    (void)state;
    char path[128];
    sqlite3 *db;
    struct ly__user u;
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(login("ada", "pass word"), 1);
    assert_int_equal(login("ada", "pass work"), LY_EDENIED);
    sqlite3_close(db);
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_int_equal(u.login, 0);
}

/* ---- pairing ---- */

static void make_code(char name[32], char secret[LY__PAIRING_SECRET])
{
    char code[LY__PAIRING_CODE], slot[LY__PAIRING_SLOT];
    assert_int_equal(ly__pairing_make(store, "ada", NULL, code), 0);
    assert_int_equal(ly__pairing_read(code, slot, secret), 0);
    snprintf(name, 32, LY__PAIRING_PREFIX "%s", slot);
}

static int pair(const char *name, const char *secret)
{
    struct ly__login *l = begin(device);
    int r = run(l, name, secret);
    assert_true(ly__login_is_pairing(l));
    ly__login_free(l);
    return r;
}

static void a_code_makes_the_clients_key_a_device_of_its_user(void **state)
{
    (void)state;
    char name[32], secret[LY__PAIRING_SECRET];
    struct ly__user u;
    int64_t id;
    make_code(name, secret);
    assert_int_equal(ly__device_find(store, device, &u, &id), -ENOENT);
    assert_int_equal(pair(name, secret), 1);
    assert_int_equal(ly__device_find(store, device, &u, &id), 0);
    assert_string_equal(u.name, "ada");
}

static int keep_label(void *arg, const struct ly__device *d)
{
    snprintf(arg, LY__DEVICE_LABEL, "%s", d->label);
    return 0;
}

static void a_device_is_called_as_its_code_says(void **state)
{
    (void)state;
    char code[LY__PAIRING_CODE], slot[LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET], name[32];
    char label[LY__DEVICE_LABEL] = "";
    make_code(name, secret);
    assert_int_equal(pair(name, secret), 1);
    assert_int_equal(ly__device_each(store, 0, keep_label, label), 0);
    assert_string_equal(label, "laptop"); /* as it says itself */
    assert_int_equal(ly__pairing_make(store, "ada", "the red one", code), 0);
    assert_int_equal(ly__pairing_read(code, slot, secret), 0);
    snprintf(name, sizeof name, LY__PAIRING_PREFIX "%s", slot);
    assert_int_equal(pair(name, secret), 1);
    assert_int_equal(ly__device_each(store, 0, keep_label, label), 0);
    assert_string_equal(label, "the red one");
}

static void a_code_is_good_for_one_attempt(void **state)
{
    (void)state;
    char name[32], secret[LY__PAIRING_SECRET];
    struct ly__user u;
    int64_t id;
    make_code(name, secret);
    assert_int_equal(pair(name, "000000000000"), LY_EDENIED);
    assert_int_equal(pair(name, secret), LY_EDENIED);
    make_code(name, secret);
    struct ly_buffer out; /* an attempt that is only begun counts, too */
    struct ly__login *l = begin(device);
    char first[64];
    ly_buffer_init(&out, 4096);
    snprintf(first, sizeof first, "p=tls-exporter,,n=%s,r=abcdefgh", name);
    assert_int_equal(ly__login_step(l, first, strlen(first), &out), 0);
    assert_int_equal(pair(name, secret), LY_EDENIED);
    ly_buffer_done(&out);
    ly__login_free(l);
    make_code(name, secret);
    assert_int_equal(pair(name, secret), 1);
    assert_int_equal(pair(name, secret), LY_EDENIED);
    assert_int_equal(ly__device_find(store, device, &u, &id), 0);
}

static void a_code_without_a_device_is_denied_and_stays(void **state)
{
    (void)state;
    char name[32], secret[LY__PAIRING_SECRET];
    make_code(name, secret);
    assert_int_equal(login(name, secret), LY_EDENIED);
    assert_int_equal(pair(name, secret), 1);
}

static void a_code_expires(void **state)
{
    (void)state;
    static const char *const changes[] = {"UPDATE pairings SET expires = expires - 600",
                                          "UPDATE pairings SET boot = 'another'",
                                          /* made by a clock that was far ahead of this one */
                                          "UPDATE pairings SET expires = expires + 86400"};
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        char name[32], secret[LY__PAIRING_SECRET], path[128];
        sqlite3 *db;
        make_code(name, secret);
        path_of(path, sizeof path, LY__STORE_FILE);
        assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, changes[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(pair(name, secret), LY_EDENIED);
    }
}

static void a_code_of_a_user_who_was_disabled_or_removed_since_is_denied(void **state)
{
    (void)state;
    char name[32], secret[LY__PAIRING_SECRET];
    struct ly__user u;
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    make_code(name, secret);
    u.disabled = true;
    assert_int_equal(ly__user_set(store, &u), 0);
    assert_int_equal(pair(name, secret), LY_EDENIED);
    u.disabled = false;
    assert_int_equal(ly__user_set(store, &u), 0);
    make_code(name, secret);
    assert_int_equal(ly__user_remove(store, "ada"), 0);
    assert_int_equal(pair(name, secret), LY_EDENIED);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_user_logs_in_and_that_is_noted),
        TEST(who_is_wrong_unknown_or_disabled_is_denied_alike),
        TEST(only_our_mechanism_is_spoken),
        TEST(a_user_that_is_removed_during_the_login_is_denied),
        TEST(a_denied_login_has_to_wait_whoever_it_was),
        TEST(a_store_that_fails_denies_nobody_and_lets_nobody_in),
        TEST(a_store_that_cannot_be_written_keeps_nobody_out),
        TEST(a_code_makes_the_clients_key_a_device_of_its_user),
        TEST(a_device_is_called_as_its_code_says),
        TEST(a_code_is_good_for_one_attempt),
        TEST(a_code_without_a_device_is_denied_and_stays),
        TEST(a_code_expires),
        TEST(a_code_of_a_user_who_was_disabled_or_removed_since_is_denied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
