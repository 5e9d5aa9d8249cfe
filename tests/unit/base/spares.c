/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/spares.h"
#include <pthread.h>

#define THREADS 4
#define TURNS 2000
#define BLOCKS (LY__SPARES + 8)

static struct ly__spares spares;

static void what_is_given_is_taken_once(void **state)
{
    int block[2];
    (void)state;
    assert_null(ly__spares_take(&spares));
    assert_true(ly__spares_give(&spares, &block[0]));
    assert_true(ly__spares_give(&spares, &block[1]));
    int *first = ly__spares_take(&spares), *second = ly__spares_take(&spares);
    assert_true((first == &block[0] && second == &block[1]) || (first == &block[1] && second == &block[0]));
    assert_null(ly__spares_take(&spares));
}

static void one_too_many_is_not_taken_over(void **state)
{
    int block[LY__SPARES + 1];
    (void)state;
    for (int i = 0; i < LY__SPARES; i++)
        assert_true(ly__spares_give(&spares, &block[i]));
    assert_false(ly__spares_give(&spares, &block[LY__SPARES]));
    for (int i = 0; i < LY__SPARES; i++)
        assert_non_null(ly__spares_take(&spares));
    assert_null(ly__spares_take(&spares));
}

/* Written without atomics: a block that two threads have at a time is a race that is seen. */
struct owned {
    int turns;
};

static struct owned blocks[BLOCKS];

/* Its share of the blocks, and what it gets for them. */
struct share {
    struct owned *own[BLOCKS / THREADS];
    pthread_t thread;
};

static void *exchange_blocks(void *arg)
{
    struct share *s = arg;
    for (int turn = 0; turn < TURNS; turn++)
        for (int i = 0; i < BLOCKS / THREADS; i++) {
            struct owned *b = s->own[i];
            if (b)
                b->turns++;
            if (!b)
                s->own[i] = ly__spares_take(&spares);
            else if (ly__spares_give(&spares, b))
                s->own[i] = NULL;
        }
    return NULL;
}

static void no_block_is_lost_or_has_two_owners(void **state)
{
    struct share share[THREADS];
    int seen[BLOCKS] = {0};
    (void)state;
    for (int t = 0; t < THREADS; t++) {
        for (int i = 0; i < BLOCKS / THREADS; i++)
            share[t].own[i] = &blocks[t * (BLOCKS / THREADS) + i];
        assert_int_equal(pthread_create(&share[t].thread, NULL, exchange_blocks, &share[t]), 0);
    }
    for (int t = 0; t < THREADS; t++)
        pthread_join(share[t].thread, NULL);
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < BLOCKS / THREADS; i++)
            if (share[t].own[i])
                seen[share[t].own[i] - blocks]++;
    for (struct owned *b; (b = ly__spares_take(&spares));)
        seen[b - blocks]++;
    for (int i = 0; i < BLOCKS; i++)
        assert_int_equal(seen[i], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_given_is_taken_once),
        cmocka_unit_test(one_too_many_is_not_taken_over),
        cmocka_unit_test(no_block_is_lost_or_has_two_owners),
    };
    return cmocka_run_group_tests_name("base/spares", tests, NULL, NULL);
}
