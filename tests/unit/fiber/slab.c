/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fiber/slab.h"
#include "fiber/stack.h"

/* The lowest usable address of the stack whose guard holds this address; NULL: no guard does. */
static void *owner(const char *address)
{
    void *low;
    size_t size;

    return ly__slab_find_guard((uintptr_t)address, &low, &size) ? low : NULL;
}

static void every_guard_names_its_stack(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    char *low[100];

    ly__stacks_init(&p, 8192);
    for (int i = 0; i < 100; i++)
        low[i] = ly__stack_get(&p);
    for (int i = 0; i < 100; i++) {
        assert_ptr_equal(owner(low[i] - 1), low[i]);
        assert_ptr_equal(owner(low[i] - (64 << 10)), low[i]);
        assert_null(owner(low[i]));
        assert_null(owner(low[i] + p.size - 1));
    }
    for (int i = 0; i < 100; i++)
        ly__stack_put(&p, low[i]);
    ly__stacks_done(&p);
}

static void the_size_of_the_stack_is_known(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    void *found;
    size_t size = 0;

    ly__stacks_init(&p, 12288);
    char *low = ly__stack_get(&p);
    assert_true(ly__slab_find_guard((uintptr_t)low - 1, &found, &size));
    assert_int_equal(size, p.size);
    ly__stack_put(&p, low);
    ly__stacks_done(&p);
}

static void addresses_outside_of_slabs_are_no_guards(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    char local;

    ly__stacks_init(&p, 0);
    char *low = ly__stack_get(&p); /* the lowest of its slab */
    assert_null(owner(NULL));
    assert_null(owner(&local));
    assert_null(owner((char *)UINTPTR_MAX));
    assert_null(owner(low - (64 << 10) - 1));
    ly__stack_put(&p, low);
    ly__stacks_done(&p);
}

static void what_was_unmapped_is_forgotten(void **state)
{
    (void)state;
    struct ly__stack_pool p;

    ly__stacks_init(&p, 0);
    char *low = ly__stack_get(&p);
    ly__stack_put(&p, low);
    ly__stacks_done(&p);
    assert_null(owner(low - 1));
}

/* How many entries the register has. */
static size_t entries(void)
{
    struct ly__slab *newest = ly__slab_new(), *s = newest;
    size_t n = 0;

    for (; s; s = s->next_known)
        n++;
    ly__slab_free(newest);
    return n;
}

static void a_hundred_pools_in_turn_share_one_entry(void **state)
{
    (void)state;
    size_t before = entries();

    for (int i = 0; i < 100; i++) {
        struct ly__stack_pool p;

        ly__stacks_init(&p, 4096);
        assert_int_equal(ly__stacks_grow(&p), 0);
        ly__stacks_done(&p);
    }
    assert_true(entries() <= before);
}

static atomic_bool stop;
static atomic_int wrong;

static void *map_and_unmap(void *arg)
{
    (void)arg;
    for (int i = 0; i < 200; i++) {
        struct ly__stack_pool p;

        ly__stacks_init(&p, 4096 * (size_t)(1 + i % 3));
        char *low = ly__stack_get(&p);
        if (!low || owner(low - 1) != low)
            wrong++;
        if (low)
            ly__stack_put(&p, low);
        ly__stacks_done(&p);
    }
    return NULL;
}

static void *look_up(void *arg)
{
    uintptr_t low = (uintptr_t)arg;

    while (!stop)
        if (owner((char *)low - 1) != (void *)low || owner((char *)low) == (void *)low)
            wrong++;
    return NULL;
}

static void lookups_are_right_while_other_threads_map_and_unmap(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    pthread_t mappers[3], reader;

    ly__stacks_init(&p, 0);
    char *low = ly__stack_get(&p);
    assert_int_equal(pthread_create(&reader, NULL, look_up, low), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&mappers[i], NULL, map_and_unmap, NULL), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(mappers[i], NULL);
    stop = true;
    pthread_join(reader, NULL);
    assert_int_equal(wrong, 0);
    ly__stack_put(&p, low);
    ly__stacks_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_guard_names_its_stack),
        cmocka_unit_test(the_size_of_the_stack_is_known),
        cmocka_unit_test(addresses_outside_of_slabs_are_no_guards),
        cmocka_unit_test(what_was_unmapped_is_forgotten),
        cmocka_unit_test(a_hundred_pools_in_turn_share_one_entry),
        cmocka_unit_test(lookups_are_right_while_other_threads_map_and_unmap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
