/* SPDX-License-Identifier: MIT */
/* A store's tables: those of older versions, and the number that grows when somebody loses something. */
#include "auth/device.h"
#include "auth/store.h"
#include "auth/user.h"
#include "temporary.h"
#include <lanyard/error.h>

/* A store as version 1 has made it, with a user, a device and a pairing. */
static const char version_1[] =
    "PRAGMA journal_mode = WAL;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,"
    "  roles INTEGER NOT NULL, disabled INTEGER NOT NULL DEFAULT 0,"
    "  iterations INTEGER, salt BLOB, stored_key BLOB, server_key BLOB,"
    "  account TEXT NOT NULL DEFAULT '', directory TEXT NOT NULL DEFAULT '',"
    "  created INTEGER NOT NULL, login INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE TABLE devices (id INTEGER PRIMARY KEY AUTOINCREMENT,"
    "  user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE, key BLOB NOT NULL UNIQUE,"
    "  label TEXT NOT NULL, created INTEGER NOT NULL, seen INTEGER NOT NULL DEFAULT 0) STRICT;"
    "CREATE INDEX devices_of ON devices (user);"
    "CREATE TABLE pairings (slot TEXT PRIMARY KEY,"
    "  user INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
    "  iterations INTEGER NOT NULL, salt BLOB NOT NULL, stored_key BLOB NOT NULL, server_key BLOB NOT NULL,"
    "  boot TEXT NOT NULL, expires INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('secret', x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'),"
    "  ('iterations', 5000);"
    "INSERT INTO users VALUES (7, 'ada', 5, 0, 5000, x'000102030405060708090a0b0c0d0e0f',"
    "  x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',"
    "  x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e20', 'ada', '/srv', 1700000000, 1700000001);"
    "INSERT INTO devices VALUES (3, 7, x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'laptop',"
    "  1700000002, 1700000003);"
    "PRAGMA application_id = 1280921156; PRAGMA user_version = 1;";

static void a_store_of_an_older_version_is_upgraded_with_all_that_is_in_it(void **state)
{
    (void)state;
    struct ly__user u;
    struct ly__scram_secret s;
    int64_t id, version;
    const uint8_t key[LY__DEVICE_KEY] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                         16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31};
    write_file("", 0, 0);
    sql(version_1);
    struct ly__store *store = open_store();
    assert_int_equal(sql("PRAGMA user_version"), 4);
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_int_equal(u.id, 7);
    assert_int_equal(u.roles, LY__READ | LY__EXEC);
    assert_string_equal(u.account, "ada");
    assert_string_equal(u.directory, "/srv");
    assert_int_equal(u.sessions, 0);
    assert_int_equal(u.bandwidth, 0);
    assert_int_equal(u.login, 1700000001);
    assert_int_equal(u.devices, 1);
    assert_int_equal(ly__user_secret(store, "ada", &s, &id), 0);
    assert_int_equal(id, 7);
    assert_int_equal(s.iterations, 5000);
    assert_int_equal(s.server_key[31], 0x20);
    assert_int_equal(ly__device_find(store, key, &u, &id), 0);
    assert_int_equal(id, 3);
    assert_int_equal(ly__store_version(store, &version), 0);
    assert_int_equal(ly__user_remove(store, "ada"), 0);
    assert_true(sql("SELECT value FROM meta WHERE key = 'version'") > version);
    ly__store_close(store);
}

/* What step 2 has added to version 1. */
static const char version_2[] =
    "ALTER TABLE users ADD COLUMN sessions INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE users ADD COLUMN bandwidth INTEGER NOT NULL DEFAULT 0;"
    "INSERT INTO meta VALUES ('version', 1);"
    "CREATE TRIGGER user_changed AFTER UPDATE OF roles, disabled, stored_key, account, directory, sessions,"
    "  bandwidth ON users BEGIN UPDATE meta SET value = value + 1 WHERE key = 'version'; END;"
    "CREATE TRIGGER user_removed AFTER DELETE ON users"
    "  BEGIN UPDATE meta SET value = value + 1 WHERE key = 'version'; END;"
    "CREATE TRIGGER device_removed AFTER DELETE ON devices"
    "  BEGIN UPDATE meta SET value = value + 1 WHERE key = 'version'; END;"
    "CREATE TRIGGER device_moved AFTER UPDATE OF user ON devices"
    "  BEGIN UPDATE meta SET value = value + 1 WHERE key = 'version'; END;"
    "UPDATE users SET sessions = 4; PRAGMA user_version = 2;";

static void a_store_of_version_2_is_upgraded(void **state)
{
    (void)state;
    struct ly__user u;
    write_file("", 0, 0);
    sql(version_1);
    sql(version_2);
    struct ly__store *store = open_store();
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_int_equal(u.sessions, 4);
    assert_int_equal(u.generation, 0);
    assert_int_equal(ly__device_holds(store, u.id, 0, 3), 1);
    ly__store_close(store);
}

static void a_new_store_is_as_an_upgraded_one(void **state)
{
    (void)state;
    static const char shape[] =
        "SELECT sum(length(sql)) * 1000 + count(*) FROM sqlite_schema WHERE sql NOT NULL";
    assert_int_equal(try_open(true), 0);
    int64_t made = sql(shape);
    assert_int_equal(remove_folder(NULL), 0);
    assert_int_equal(make_folder(NULL), 0);
    write_file("", 0, 0);
    sql(version_1);
    assert_int_equal(try_open(true), 0);
    assert_int_equal(sql(shape), made);
}

static void a_store_of_a_newer_version_is_left_alone(void **state)
{
    (void)state;
    assert_int_equal(try_open(true), 0);
    sql("PRAGMA user_version = 5");
    assert_int_equal(try_open(true), LY_ENEWER);
    assert_int_equal(sql("PRAGMA user_version"), 5);
}

static void a_store_without_its_secret_is_refused(void **state)
{
    (void)state;
    assert_int_equal(try_open(true), 0);
    sql("DELETE FROM meta WHERE key = 'secret'");
    assert_int_equal(try_open(true), LY_ESTORE);
}

static void the_version_grows_when_somebody_loses_something(void **state)
{
    (void)state;
    int64_t before, after;
    const uint8_t key[LY__DEVICE_KEY] = {1};
    struct ly__user u;
    struct ly__store *store = open_store();
    add_user(store, "ada");
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_int_equal(ly__store_version(store, &before), 0);

    assert_int_equal(ly__user_logged_in(store, u.id), 0);
    assert_int_equal(ly__device_enrol(store, u.id, key, "laptop"), 0);
    assert_int_equal(ly__store_version(store, &after), 0);
    assert_int_equal(after, before); /* nobody has lost anything */

    u.roles = 0;
    assert_int_equal(ly__user_set(store, &u), 0);
    assert_int_equal(ly__store_version(store, &after), 0);
    assert_true(after > before);

    before = after;
    assert_int_equal(ly__device_revoke(store, 1), 0);
    assert_int_equal(ly__store_version(store, &after), 0);
    assert_true(after > before);

    before = after;
    assert_int_equal(ly__user_set_password(store, "ada", "other word"), 0);
    assert_int_equal(ly__store_version(store, &after), 0);
    assert_true(after > before);

    before = after;
    assert_int_equal(ly__user_remove(store, "ada"), 0);
    assert_int_equal(ly__store_version(store, &after), 0);
    assert_true(after > before);
    ly__store_close(store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_store_of_an_older_version_is_upgraded_with_all_that_is_in_it),
        TEST(a_store_of_version_2_is_upgraded),
        TEST(a_new_store_is_as_an_upgraded_one),
        TEST(a_store_of_a_newer_version_is_left_alone),
        TEST(a_store_without_its_secret_is_refused),
        TEST(the_version_grows_when_somebody_loses_something),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
