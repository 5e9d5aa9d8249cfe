/* SPDX-License-Identifier: MIT */
#include "fiber/timer.h"

#include "everywhere.h"

#include <stdlib.h>

#define MANY 1000

struct numbered {
    struct ly__timer timer; /* first */
    int64_t deadline;
};

static int64_t last_fired;
static int fired, disorder;

static void note(struct ly__timer *t)
{
    int64_t deadline = ((struct numbered *)(void *)t)->deadline;
    disorder += deadline < last_fired;
    last_fired = deadline;
    fired++;
}

static void timers_fire_in_the_order_of_their_deadlines(void **state)
{
    struct ly__timers h = {0};
    static struct numbered n[MANY];
    (void)state;
    fired = disorder = 0;
    last_fired = 0;
    assert_int_equal(ly__timers_reserve(&h, MANY), 0);
    srand(1);
    for (int i = 0; i < MANY; i++) {
        n[i] = (struct numbered){.timer.fire = note, .deadline = rand() % 500};
        ly__timer_set(&h, &n[i].timer, n[i].deadline);
    }
    for (int i = 0; i < MANY; i += 3)
        ly__timer_clear(&h, &n[i].timer);
    for (int i = 1; i < MANY; i += 3)
        ly__timer_set(&h, &n[i].timer, n[i].deadline = rand() % 500);
    ly__timers_fire(&h, 249);
    assert_true(last_fired <= 249);
    assert_true(ly__timers_next(&h) >= 250);
    ly__timers_fire(&h, 500);
    assert_int_equal(fired, MANY - (MANY + 2) / 3);
    assert_int_equal(disorder, 0);
    assert_int_equal(ly__timers_next(&h), INT64_MAX);
    ly__timers_done(&h);
}

static void clearing_a_timer_that_is_not_set_is_harmless(void **state)
{
    struct ly__timers h = {0};
    struct ly__timer t = {.fire = note};
    (void)state;
    ly__timer_clear(&h, &t);
    assert_int_equal(h.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_the_order_of_their_deadlines),
        cmocka_unit_test(clearing_a_timer_that_is_not_set_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
