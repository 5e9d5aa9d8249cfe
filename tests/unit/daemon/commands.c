/* SPDX-License-Identifier: MIT */
#include "daemon/commands.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MOST 7
#define SHARE 4

static struct ly__commands places;
static struct ly__commands_user *held[MOST];

static int open_places(void **state)
{
    (void)state;
    ly__commands_open(&places);
    atomic_store(&places.most, MOST);
    return 0;
}

static int close_places(void **state)
{
    (void)state;
    ly__commands_close(&places);
    return 0;
}

/* Take n places for a user. */
static void take(size_t from, size_t n, int64_t user)
{
    for (size_t i = 0; i < n; i++)
        assert_int_equal(ly__commands_enter(&places, user, &held[from + i]), 0);
}

static void give(size_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ly__commands_leave(held[from + i]);
}

static void all_places_are_for_this_machine(void **state)
{
    struct ly__commands_user *one;
    (void)state;
    take(0, MOST, 0);
    assert_int_equal(ly__commands_enter(&places, 0, &one), -EAGAIN);
    assert_int_equal(places.running, MOST);
    give(0, MOST);
    assert_int_equal(places.running, 0);
}

static void a_user_leaves_half_to_the_others(void **state)
{
    struct ly__commands_user *one;
    (void)state;
    take(0, SHARE, 1);
    assert_int_equal(ly__commands_enter(&places, 1, &one), -EAGAIN);
    take(SHARE, MOST - SHARE, 1 + LY__COMMANDS_LISTS); /* in the same list */
    assert_int_equal(ly__commands_enter(&places, 2, &one), -EAGAIN);
    give(0, 1);
    take(0, 1, 2);
    assert_int_equal(ly__commands_enter(&places, 1, &one), -EAGAIN); /* all are taken */
    give(0, MOST);
    assert_int_equal(places.running, 0);
}

static void what_ended_may_run_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        take(0, SHARE, 1);
        give(0, SHARE);
    }
}

static void fewer_places_end_nothing(void **state)
{
    struct ly__commands_user *one;
    (void)state;
    take(0, SHARE, 1);
    atomic_store(&places.most, 1);
    assert_int_equal(ly__commands_enter(&places, 2, &one), -EAGAIN);
    give(0, SHARE);
    assert_int_equal(ly__commands_enter(&places, 2, &one), 0); /* half of one is one */
    ly__commands_leave(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_places_are_for_this_machine, open_places, close_places),
        cmocka_unit_test_setup_teardown(a_user_leaves_half_to_the_others, open_places, close_places),
        cmocka_unit_test_setup_teardown(what_ended_may_run_again, open_places, close_places),
        cmocka_unit_test_setup_teardown(fewer_places_end_nothing, open_places, close_places),
    };
    return cmocka_run_group_tests_name("daemon/commands", tests, NULL, NULL);
}
