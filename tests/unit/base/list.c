/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include <cmocka.h>

struct item {
    int number;
    struct ly__list link;
};

static int number_of(struct ly__list *l)
{
    return ly__container_of(l, struct item, link)->number;
}

static void a_new_list_is_empty(void **state)
{
    (void)state;
    struct ly__list head;
    ly__list_init(&head);
    assert_true(ly__list_empty(&head));
    assert_null(ly__list_first(&head));
}

static void members_come_in_the_order_they_were_appended(void **state)
{
    (void)state;
    struct ly__list head;
    struct item items[3] = {{.number = 1}, {.number = 2}, {.number = 3}};
    int expected = 1;
    ly__list_init(&head);
    for (int i = 0; i < 3; i++)
        ly__list_append(&head, &items[i].link);
    ly__list_each (it, &head)
        assert_int_equal(number_of(it), expected++);
    assert_int_equal(expected, 4);
    assert_int_equal(number_of(ly__list_first(&head)), 1);
}

static void removing_a_member_twice_is_harmless(void **state)
{
    (void)state;
    struct ly__list head;
    struct item a = {.number = 1}, b = {.number = 2};
    ly__list_init(&head);
    ly__list_append(&head, &a.link);
    ly__list_append(&head, &b.link);
    ly__list_remove(&a.link);
    ly__list_remove(&a.link);
    assert_int_equal(number_of(ly__list_first(&head)), 2);
    assert_ptr_equal(head.prev, &b.link);
    ly__list_remove(&b.link);
    assert_true(ly__list_empty(&head));
}

static void the_current_member_may_go_while_walking(void **state)
{
    (void)state;
    struct ly__list head;
    struct item items[4] = {{.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
    int seen = 0, left = 0;
    ly__list_init(&head);
    for (int i = 0; i < 4; i++)
        ly__list_append(&head, &items[i].link);
    ly__list_each_safe (it, &head) {
        seen++;
        if (number_of(it) % 2)
            ly__list_remove(it);
    }
    ly__list_each (it, &head)
        left = left * 10 + number_of(it);
    assert_int_equal(seen, 4);
    assert_int_equal(left, 24);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_list_is_empty),
        cmocka_unit_test(members_come_in_the_order_they_were_appended),
        cmocka_unit_test(removing_a_member_twice_is_harmless),
        cmocka_unit_test(the_current_member_may_go_while_walking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
