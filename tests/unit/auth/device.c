/* SPDX-License-Identifier: MIT */
#include "auth/device.h"
#include "temporary.h"
#include <errno.h>
#include <lanyard/error.h>

static struct ly__store *store;
static int64_t ada, bob;

static const uint8_t first[LY__DEVICE_KEY] = "one device's key", second[LY__DEVICE_KEY] = "another's";

static int64_t add(const char *name)
{
    struct ly__user u = {.roles = LY__READ};
    snprintf(u.name, sizeof u.name, "%s", name);
    assert_int_equal(ly__user_add(store, &u, NULL), 0);
    assert_int_equal(ly__user_find(store, name, &u), 0);
    return u.id;
}

static int open_one(void **state)
{
    if (make_folder(state) < 0)
        return -1;
    store = open_store();
    ada = add("ada");
    bob = add("bob");
    return 0;
}

static int close_one(void **state)
{
    ly__store_close(store);
    return remove_folder(state);
}

static int keep(void *arg, const struct ly__device *d)
{
    struct ly__device *kept = arg;
    while (kept->id)
        kept++;
    *kept = *d;
    return 0;
}

static void a_device_finds_its_user(void **state)
{
    (void)state;
    struct ly__user u;
    struct ly__device list[3] = {{.id = 0}};
    int64_t id = 0;
    assert_int_equal(ly__device_enrol(store, ada, first, "laptop"), 0);
    assert_int_equal(ly__device_find(store, first, &u, &id), 0);
    assert_int_equal(u.id, ada);
    assert_int_equal(u.devices, 1);
    assert_int_equal(ly__device_find(store, second, &u, &id), -ENOENT);
    assert_int_equal(ly__device_each(store, ada, keep, list), 0);
    assert_int_equal(list[0].id, id);
    assert_string_equal(list[0].user_name, "ada");
    assert_string_equal(list[0].label, "laptop");
    assert_memory_equal(list[0].key, first, sizeof first);
    assert_int_equal(list[0].seen, 0);
    assert_int_equal(list[1].id, 0);
}

static void a_device_of_a_user_who_is_disabled_is_nobodys(void **state)
{
    (void)state;
    struct ly__user u;
    int64_t id = -1;
    assert_int_equal(ly__device_enrol(store, ada, first, "laptop"), 0);
    assert_int_equal(ly__user_find_id(store, ada, &u), 0);
    u.disabled = true;
    assert_int_equal(ly__user_set(store, &u), 0);
    assert_int_equal(ly__device_find(store, first, &u, &id), -ENOENT);
    assert_int_equal(id, -1);
}

static void a_device_that_is_revoked_is_nobodys(void **state)
{
    (void)state;
    struct ly__user u;
    int64_t id;
    assert_int_equal(ly__device_enrol(store, ada, first, "laptop"), 0);
    assert_int_equal(ly__device_find(store, first, &u, &id), 0);
    assert_int_equal(ly__device_revoke(store, id), 0);
    assert_int_equal(ly__device_revoke(store, id), -ENOENT);
    assert_int_equal(ly__device_find(store, first, &u, &id), -ENOENT);
    assert_int_equal(ly__device_seen(store, id), -ENOENT);
}

static void a_key_that_is_enrolled_again_changes_hands(void **state)
{
    (void)state;
    struct ly__user u;
    int64_t id, version, later;
    assert_int_equal(ly__device_enrol(store, ada, first, "laptop"), 0);
    assert_int_equal(ly__store_version(store, &version), 0);
    assert_int_equal(ly__device_enrol(store, bob, first, "lent laptop"), 0);
    assert_int_equal(ly__device_find(store, first, &u, &id), 0);
    assert_string_equal(u.name, "bob");
    assert_int_equal(ly__store_version(store, &later), 0);
    assert_true(later > version); /* ada's session by it is to be looked at */
}

static void a_device_of_nobody_is_not_enrolled(void **state)
{
    (void)state;
    assert_int_equal(ly__device_enrol(store, 99, first, "laptop"), -ENOENT);
}

static void what_a_device_calls_itself_is_escaped_and_cut(void **state)
{
    (void)state;
    struct ly__device list[3] = {{.id = 0}};
    char longest[200];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(ly__device_enrol(store, ada, first, "a\x1b[2J\xff"), 0);
    assert_int_equal(ly__device_enrol(store, ada, second, longest), 0);
    assert_int_equal(ly__device_each(store, 0, keep, list), 0);
    assert_string_equal(list[0].label, "a\\x1b[2J\\xff");
    assert_int_equal(strlen(list[1].label), LY__DEVICE_LABEL - 1);
}

static void devices_are_listed_of_one_user_or_of_all(void **state)
{
    (void)state;
    struct ly__device list[3] = {{.id = 0}};
    assert_int_equal(ly__device_enrol(store, ada, first, "a"), 0);
    assert_int_equal(ly__device_enrol(store, bob, second, "b"), 0);
    assert_int_equal(ly__device_each(store, bob, keep, list), 0);
    assert_string_equal(list[0].label, "b");
    assert_int_equal(list[1].id, 0);
    list[0].id = 0;
    assert_int_equal(ly__device_each(store, 0, keep, list), 0);
    assert_string_equal(list[0].label, "a");
    assert_string_equal(list[1].label, "b");
}

static void seeing_a_device_again_soon_writes_nothing(void **state)
{
    (void)state;
    struct ly__device list[2] = {{.id = 0}};
    struct ly__user u;
    char path[128];
    sqlite3 *db;
    assert_int_equal(ly__device_enrol(store, ada, first, "laptop"), 0);
    assert_int_equal(ly__device_seen(store, 1), 0);
    assert_int_equal(ly__device_each(store, 0, keep, list), 0);
    assert_true(list[0].seen >= list[0].created);
    assert_int_equal(ly__user_find_id(store, ada, &u), 0);
    assert_int_equal(u.login, list[0].seen);
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(ly__device_seen(store, 1), 0); /* it would be busy else */
    assert_int_equal(
        sqlite3_exec(db, "UPDATE devices SET seen = seen - 601; COMMIT; BEGIN IMMEDIATE", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(ly__device_seen(store, 1), -EBUSY);
    sqlite3_close(db);
}

/* Whether ada's session of that generation by device 1 may go on. */
static int holds(int64_t generation)
{
    return ly__device_holds(store, ada, generation, 1);
}

static void a_session_holds_until_its_user_or_its_device_loses_something(void **state)
{
    (void)state;
    struct ly__user u;
    assert_int_equal(ly__device_enrol(store, ada, first, "laptop"), 0);
    assert_int_equal(ly__user_find_id(store, ada, &u), 0);
    int64_t then = u.generation;
    assert_int_equal(holds(then), 1);
    assert_int_equal(ly__user_logged_in(store, ada), 0);
    assert_int_equal(ly__device_seen(store, 1), 0);
    assert_int_equal(ly__user_remove(store, "bob"), 0);
    assert_int_equal(holds(then), 1);

    u.roles = LY__WRITE;
    assert_int_equal(ly__user_set(store, &u), 0);
    assert_int_equal(holds(then), 0);
    assert_int_equal(ly__user_find_id(store, ada, &u), 0);
    assert_true(u.generation > then);
    assert_int_equal(holds(u.generation), 1);

    assert_int_equal(ly__user_set_password(store, "ada", "pass word"), 0);
    assert_int_equal(holds(u.generation), 0);
    assert_int_equal(ly__user_find_id(store, ada, &u), 0);

    assert_int_equal(ly__device_revoke(store, 1), 0);
    assert_int_equal(holds(u.generation), 0);
    assert_int_equal(ly__device_holds(store, ada, u.generation, 0), 1); /* a session by password goes on */
    assert_int_equal(ly__user_remove(store, "ada"), 0);
    assert_int_equal(ly__device_holds(store, ada, u.generation, 0), 0);
}

static void a_session_by_a_device_that_has_changed_hands_does_not_hold(void **state)
{
    (void)state;
    struct ly__user u;
    assert_int_equal(ly__device_enrol(store, ada, first, "laptop"), 0);
    assert_int_equal(ly__user_find_id(store, ada, &u), 0);
    assert_int_equal(holds(u.generation), 1);
    assert_int_equal(ly__device_enrol(store, bob, first, "laptop"), 0);
    assert_int_equal(holds(u.generation), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_device_finds_its_user),
        TEST(a_device_of_a_user_who_is_disabled_is_nobodys),
        TEST(a_device_that_is_revoked_is_nobodys),
        TEST(a_key_that_is_enrolled_again_changes_hands),
        TEST(a_device_of_nobody_is_not_enrolled),
        TEST(what_a_device_calls_itself_is_escaped_and_cut),
        TEST(devices_are_listed_of_one_user_or_of_all),
        TEST(seeing_a_device_again_soon_writes_nothing),
        TEST(a_session_holds_until_its_user_or_its_device_loses_something),
        TEST(a_session_by_a_device_that_has_changed_hands_does_not_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
