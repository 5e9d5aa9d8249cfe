/* SPDX-License-Identifier: MIT */
#include "auth/user.h"
#include "auth/device.h"
#include "temporary.h"
#include <errno.h>
#include <lanyard/error.h>

static struct ly__store *store;

static int open_one(void **state)
{
    if (make_folder(state) < 0)
        return -1;
    store = open_store();
    return 0;
}

static int close_one(void **state)
{
    ly__store_close(store);
    return remove_folder(state);
}

static int add(const char *name, unsigned roles, const char *password)
{
    struct ly__user u = {.roles = roles};
    snprintf(u.name, sizeof u.name, "%s", name);
    return ly__user_add(store, &u, password);
}

static void names_that_need_no_quoting_anywhere_are_accepted(void **state)
{
    (void)state;
    static const char *const names[] = {
        "ada",         "Ada.Lovelace", "a", "x-1", "_backup", "7of9", "\xe5\xbc\xa0\xe4\xb8\x89",
        "jos\xc3\xa9", "a+b",          "0"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(ly__user_name_check(names[i]), 0);
}

static void other_names_are_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"",
                                        ".",
                                        "..",
                                        "-x",
                                        "+x",
                                        "a b",
                                        "a/b",
                                        "pair/ABCD",
                                        "a@b",
                                        "a:b",
                                        "a#b",
                                        "a,b",
                                        "a=b",
                                        "a\nb",
                                        "a\x7f",
                                        "\xff",
                                        "a\xc0\xaf",
                                        ("a\xe2\x80\xae"
                                         "b"), /* writes from right to left */
                                        ("a\xc2\xad"
                                         "b"),          /* a soft hyphen, which SASLprep drops */
                                        "jose\xcc\x81", /* is not as SASLprep leaves it */
                                        "\xef\xac\x81"};
    char longest[LY__USER_NAME + 1];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_int_equal(ly__user_name_check(names[i]), LY_ENAME);
    memset(longest, 'x', LY__USER_NAME);
    longest[LY__USER_NAME] = '\0';
    assert_int_equal(ly__user_name_check(longest), LY_ENAME);
    longest[LY__USER_NAME - 1] = '\0';
    assert_int_equal(ly__user_name_check(longest), 0);
}

static void a_user_is_found_as_added(void **state)
{
    (void)state;
    struct ly__user u = {.name = "ada",
                         .roles = LY__READ | LY__EXEC,
                         .account = "nobody",
                         .directory = "/srv/ada",
                         .sessions = 3,
                         .bandwidth = 1000000};
    struct ly__user found, again;
    assert_int_equal(ly__user_add(store, &u, "pass word"), 0);
    assert_int_equal(ly__user_find(store, "ada", &found), 0);
    assert_string_equal(found.name, "ada");
    assert_int_equal(found.roles, u.roles);
    assert_string_equal(found.account, u.account);
    assert_string_equal(found.directory, u.directory);
    assert_int_equal(found.sessions, 3);
    assert_int_equal(found.bandwidth, 1000000);
    assert_true(found.has_password);
    assert_false(found.disabled);
    assert_true(found.created > 1700000000);
    assert_int_equal(found.login, 0);
    assert_int_equal(ly__user_find_id(store, found.id, &again), 0);
    assert_string_equal(again.name, "ada");
}

static void a_name_is_given_once(void **state)
{
    (void)state;
    struct ly__user u;
    assert_int_equal(add("ada", LY__READ, NULL), 0);
    assert_int_equal(add("ada", LY__ADMIN, NULL), -EEXIST);
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_int_equal(u.roles, LY__READ);
    assert_int_equal(add("Ada", LY__READ, NULL), 0);
}

static void values_that_are_none_are_refused(void **state)
{
    (void)state;
    struct ly__user u = {.name = "ada", .roles = 32};
    assert_int_equal(ly__user_add(store, &u, NULL), -EINVAL);
    u = (struct ly__user){.name = "ada", .directory = "relative"};
    assert_int_equal(ly__user_add(store, &u, NULL), -EINVAL);
    u = (struct ly__user){.name = "ada", .sessions = -1};
    assert_int_equal(ly__user_add(store, &u, NULL), -EINVAL);
    u = (struct ly__user){.name = "ada", .bandwidth = -1};
    assert_int_equal(ly__user_add(store, &u, NULL), -EINVAL);
    u = (struct ly__user){.name = "a/b"};
    assert_int_equal(ly__user_add(store, &u, NULL), LY_ENAME);
    assert_int_equal(ly__user_find(store, "ada", &u), -ENOENT);
}

static void who_is_not_there_is_not_changed(void **state)
{
    (void)state;
    struct ly__user u = {.id = 12};
    assert_int_equal(ly__user_find(store, "ada", &u), -ENOENT);
    assert_int_equal(ly__user_remove(store, "ada"), -ENOENT);
    assert_int_equal(ly__user_set_password(store, "ada", "pass word"), -ENOENT);
    assert_int_equal(ly__user_set(store, &u), -ENOENT);
    assert_int_equal(ly__user_logged_in(store, 12), -ENOENT);
}

static void a_user_that_is_removed_takes_the_devices_along_and_its_number_is_not_used_again(void **state)
{
    (void)state;
    struct ly__user u, next;
    int64_t device;
    const uint8_t key[LY__DEVICE_KEY] = {9};
    assert_int_equal(add("ada", LY__READ, NULL), 0);
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_int_equal(ly__device_enrol(store, u.id, key, "laptop"), 0);
    assert_int_equal(ly__user_remove(store, "ada"), 0);
    assert_int_equal(ly__device_find(store, key, &next, &device), -ENOENT);
    assert_int_equal(add("ada", LY__READ, NULL), 0);
    assert_int_equal(ly__user_find(store, "ada", &next), 0);
    assert_true(next.id > u.id);
    assert_int_equal(next.devices, 0);
}

static int collect(void *arg, const struct ly__user *u)
{
    char *end = (char *)arg + strlen(arg);
    (void)stpcpy(stpcpy(end, u->name), " ");
    return strcmp(u->name, "stop") == 0 ? 5 : 0;
}

static void users_are_listed_by_name_until_the_listener_has_enough(void **state)
{
    (void)state;
    char names[64] = "";
    assert_int_equal(ly__user_each(store, collect, names), 0);
    add("eve", 0, NULL);
    add("ada", 0, NULL);
    add("bob", 0, NULL);
    assert_int_equal(ly__user_each(store, collect, names), 0);
    assert_string_equal(names, "ada bob eve ");
    add("stop", 0, NULL);
    add("zoe", 0, NULL);
    names[0] = '\0';
    assert_int_equal(ly__user_each(store, collect, names), 5);
    assert_string_equal(names, "ada bob eve stop ");
}

/* ---- what a stranger could tell ---- */

struct seen {
    struct ly__scram_secret secret;
    int64_t id;
};

static struct seen look(const char *name)
{
    struct seen s;
    assert_int_equal(ly__user_secret(store, name, &s.secret, &s.id), 0);
    return s;
}

static void an_unknown_name_has_a_salt_that_stays(void **state)
{
    (void)state;
    struct seen a = look("nobody"), b = look("nobody"), c = look("somebody");
    assert_int_equal(a.id, 0);
    assert_memory_equal(&a.secret, &b.secret, sizeof a.secret);
    assert_memory_not_equal(a.secret.salt, c.secret.salt, sizeof a.secret.salt);
    ly__store_close(store);
    store = open_store();
    b = look("nobody");
    assert_memory_equal(&a.secret, &b.secret, sizeof a.secret);
}

static void what_a_stranger_gets_of_a_name_is_the_same_before_and_after_there_is_such_a_user(void **state)
{
    (void)state;
    struct seen before = look("ada");
    add("ada", LY__READ, "pass word");
    struct seen during = look("ada");
    assert_true(during.id > 0);
    assert_memory_equal(before.secret.salt, during.secret.salt, sizeof before.secret.salt);
    assert_int_equal(before.secret.iterations, during.secret.iterations);
    assert_memory_not_equal(before.secret.stored_key, during.secret.stored_key, LY__SCRAM_KEY);
    assert_int_equal(ly__user_remove(store, "ada"), 0);
    struct seen after = look("ada");
    assert_memory_equal(&before.secret, &after.secret, sizeof before.secret);
}

static void a_user_that_is_disabled_or_has_no_password_is_like_an_unknown_name(void **state)
{
    (void)state;
    struct ly__user u;
    struct seen nobody = look("ada");
    assert_int_equal(add("ada", LY__READ, NULL), 0);
    struct seen s = look("ada");
    assert_memory_equal(&s.secret, &nobody.secret, sizeof s.secret);
    assert_int_equal(ly__user_set_password(store, "ada", "pass word"), 0);
    s = look("ada");
    assert_memory_not_equal(&s.secret, &nobody.secret, sizeof s.secret);
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    u.disabled = true;
    assert_int_equal(ly__user_set(store, &u), 0);
    s = look("ada");
    assert_int_equal(s.id, 0);
    assert_memory_equal(&s.secret, &nobody.secret, sizeof s.secret);
    u.disabled = false;
    assert_int_equal(ly__user_set(store, &u), 0);
    assert_true(look("ada").id > 0);
    assert_int_equal(ly__user_set_password(store, "ada", NULL), 0);
    assert_int_equal(look("ada").id, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_one, close_one)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_need_no_quoting_anywhere_are_accepted),
        cmocka_unit_test(other_names_are_refused),
        TEST(a_user_is_found_as_added),
        TEST(a_name_is_given_once),
        TEST(values_that_are_none_are_refused),
        TEST(who_is_not_there_is_not_changed),
        TEST(a_user_that_is_removed_takes_the_devices_along_and_its_number_is_not_used_again),
        TEST(users_are_listed_by_name_until_the_listener_has_enough),
        TEST(an_unknown_name_has_a_salt_that_stays),
        TEST(what_a_stranger_gets_of_a_name_is_the_same_before_and_after_there_is_such_a_user),
        TEST(a_user_that_is_disabled_or_has_no_password_is_like_an_unknown_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
