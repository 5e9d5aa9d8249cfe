/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "fiber/slab.h"
#include "fiber/stack.h"
#include "inject.h"

/* Does the system refuse to read this byte? */
static bool guarded(int pipe_end, const char *address)
{
    return write(pipe_end, address, 1) < 0 && errno == EFAULT;
}

/* Take all stacks of the pool, look at them and put them back. */
static void check_stacks(struct ly__stack_pool *p)
{
    size_t n = p->free;
    char *low[2 * SLAB_STACKS];
    int ends[2];

    assert_in_range(n, SLAB_STACKS, 2 * SLAB_STACKS);
    assert_int_equal(pipe(ends), 0);
    for (size_t i = 0; i < n; i++) {
        low[i] = ly__stack_get(p);
        low[i][0] = low[i][p->size - 1] = 1;
        assert_true(guarded(ends[1], low[i] - 1));
        assert_true(guarded(ends[1], low[i] - (64 << 10)));
    }
    for (size_t i = 0; i < n; i++)
        ly__stack_put(p, low[i]);
    close(ends[0]);
    close(ends[1]);
}

/* Use each stack of the pool once, which gives it its guard. Returns 0 or -ENOMEM. */
static int use_stacks(struct ly__stack_pool *p)
{
    char *low[2 * SLAB_STACKS];
    size_t n = 0;

    while (p->free > 0 && (low[n] = ly__stack_get(p)))
        n++;
    int r = p->free > 0 ? -ENOMEM : 0;
    while (n > 0)
        ly__stack_put(p, low[--n]);
    return r;
}

typedef int arm_fn(const char *name, unsigned long nth, int error);

/* Fail each call in turn while a pool grows; gives how many failures it reported. */
static int grow_under(arm_fn *arm, const char *calls)
{
    int reported = 0;

    for (unsigned long nth = 1;; nth++) {
        struct ly__stack_pool p;

        ly__stacks_init(&p, 0);
        assert_int_equal(arm(calls, nth, 0), 0);
        int r = ly__stacks_grow(&p);
        if (r == 0)
            r = use_stacks(&p);
        unsigned long hits = ly_fault_hits();
        ly_fault_disarm();
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            if (p.free == 0)
                assert_int_equal(ly__stacks_grow(&p), 0);
            assert_int_equal(use_stacks(&p), 0); /* it works again */
            reported++;
        }
        check_stacks(&p);
        ly__stacks_done(&p);
        if (hits == 0)
            return reported;
    }
}

static void a_pool_that_cannot_grow_for_lack_of_memory_says_so(void **state)
{
    (void)state;
    assert_true(grow_under(ly_fault_arm, "any-alloc") >= 1);
}

static void a_system_call_that_fails_once_never_leaves_a_stack_without_guard(void **state)
{
    (void)state;
    assert_int_equal(grow_under(ly_fault_arm, "any-syscall"),
                     0); /* mmap is an allocation; all else has a way out */
}

static void when_neither_kind_of_guard_can_be_made_there_is_no_stack(void **state)
{
    (void)state;
    assert_true(grow_under(ly_fault_arm_from, "any-syscall") >= SLAB_STACKS);
}

static void a_kernel_without_guard_advice_gets_guards_all_the_same(void **state)
{
    (void)state;
    assert_int_equal(grow_under(ly_fault_arm_from, "madvise"), 0);
}

static void *watch(void *arg)
{
    stack_t stack;

    ly_fault_arm("mmap", 1, 0);
    *(int *)arg = ly__overflow_watch(NULL);
    ly_fault_disarm();
    sigaltstack(NULL, &stack);
    ly__overflow_unwatch();
    if (*(int *)arg == 0 && stack.ss_flags & SS_DISABLE)
        *(int *)arg = 1;
    return NULL;
}

static void a_thread_without_memory_for_its_alternate_stack_is_told(void **state)
{
    (void)state;
    pthread_t thread;
    int r = 1;

    assert_int_equal(pthread_create(&thread, NULL, watch, &r), 0);
    pthread_join(thread, NULL);
#ifndef LY__ASAN /* which has given the thread one already */
    assert_int_equal(r, -ENOMEM);
#else
    assert_int_equal(r, 0);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_that_cannot_grow_for_lack_of_memory_says_so),
        cmocka_unit_test(a_system_call_that_fails_once_never_leaves_a_stack_without_guard),
        cmocka_unit_test(when_neither_kind_of_guard_can_be_made_there_is_no_stack),
        cmocka_unit_test(a_kernel_without_guard_advice_gets_guards_all_the_same),
        cmocka_unit_test(a_thread_without_memory_for_its_alternate_stack_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
