/* SPDX-License-Identifier: MIT */
/* Built twice: as the kernel allows, and with LY_NO_GUARD_ADVICE, where guards are made by mprotect. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fiber/stack.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#endif

static void the_size_is_rounded_up_to_pages_and_has_a_default(void **state)
{
    (void)state;
    struct ly__stack_pool p;

    ly__stacks_init(&p, 5000);
    assert_int_equal(p.size % (size_t)sysconf(_SC_PAGESIZE), 0);
    assert_true(p.size >= 5000);
    ly__stacks_init(&p, 0);
    assert_true(p.size >= 256 << 10);
    ly__stacks_init(&p, SIZE_MAX);
    assert_true(p.size >= 256 << 10); /* capped, not wrapped to nothing */
    assert_null(p.slots);
    ly__stacks_done(&p);
}

static void a_whole_stack_can_be_written(void **state)
{
    (void)state;
    struct ly__stack_pool p;

    ly__stacks_init(&p, 0);
    char *a = ly__stack_get(&p), *b = ly__stack_get(&p);
    assert_non_null(a);
    assert_non_null(b);
    for (size_t i = 0; i < p.size; i += 512)
        a[i] = b[i] = 1;
    a[p.size - 1] = b[p.size - 1] = 2;
    assert_true(a + p.size <= b || b + p.size <= a);
    ly__stack_put(&p, a);
    ly__stack_put(&p, b);
    ly__stacks_done(&p);
}

static void the_stack_used_last_is_reused_first(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    void *low[200];

    ly__stacks_init(&p, 0);
    for (int i = 0; i < 200; i++)
        low[i] = ly__stack_get(&p);
    for (int i = 0; i < 200; i++)
        ly__stack_put(&p, low[i]);
    for (int i = 199; i >= 0; i--)
        assert_ptr_equal(ly__stack_get(&p), low[i]);
    for (int i = 0; i < 200; i++)
        ly__stack_put(&p, low[i]);
    ly__stacks_done(&p);
}

static void no_stack_is_given_twice_when_the_pool_grows_early(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    char *low[192];

    ly__stacks_init(&p, 0);
    low[0] = ly__stack_get(&p);
    low[1] = ly__stack_get(&p);
    assert_int_equal(ly__stacks_grow(&p), 0);
    for (int i = 2; i < 192; i++)
        low[i] = ly__stack_get(&p);
    for (int i = 0; i < 192; i++)
        *(int *)(void *)low[i] = i;
    for (int i = 0; i < 192; i++)
        assert_int_equal(*(int *)(void *)low[i], i);
    for (int i = 0; i < 192; i++)
        ly__stack_put(&p, low[i]);
    assert_int_equal(p.free, p.capacity);
    ly__stacks_done(&p);
}

/* How many of the stacks still hold the mark that was left at their lowest address. */
static int marked(void **low, int n)
{
    int count = 0;

    for (int i = 0; i < n; i++)
        count += *(char *)low[i] == 7;
    return count;
}

static void take_mark_and_put(struct ly__stack_pool *p, void **low, int n)
{
    for (int i = 0; i < n; i++) {
        low[i] = ly__stack_get(p);
        assert_non_null(low[i]);
        *(char *)low[i] = 7;
    }
    for (int i = 0; i < n; i++)
        ly__stack_put(p, low[i]);
}

static void above_the_watermark_memory_goes_back(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    void *low[100];

    ly__stacks_init(&p, 0);
    p.keep = 16;
    take_mark_and_put(&p, low, 100);
    assert_true(p.free - p.cold <= 16);
    assert_true(p.free - p.cold >= 12);
    assert_int_equal(marked(low, 100), p.free - p.cold);
    for (int i = 0; i < 100; i++)
        assert_ptr_equal(ly__stack_get(&p), low[99 - i]);
    assert_true(p.cold <= p.free);
    for (int i = 0; i < 100; i++)
        ly__stack_put(&p, low[i]);
    ly__stacks_done(&p);
}

static void trimming_gives_all_free_memory_back(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    void *low[20];

    ly__stacks_init(&p, 0);
    take_mark_and_put(&p, low, 20);
    assert_int_equal(marked(low, 20), 20);
    char *used = ly__stack_get(&p);
    ly__stacks_trim(&p);
    assert_int_equal(marked(low, 20), 1); /* the one in use */
    assert_int_equal(p.cold, p.free);
    ly__stack_put(&p, used);
    ly__stacks_done(&p);
}

static int count_mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    int c, lines = 0;

    assert_non_null(f);
    while ((c = getc(f)) != EOF)
        lines += c == '\n';
    fclose(f);
    return lines;
}

static void a_thousand_stacks_are_few_mappings(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    static void *low[1000];
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(page != MAP_FAILED);
    bool known = madvise(page, 4096, 102) == 0; /* MADV_GUARD_INSTALL */
    munmap(page, 4096);
#ifdef LY_NO_GUARD_ADVICE
    known = false;
#endif
    if (!known || RUNNING_ON_VALGRIND)
        skip();
    ly__stacks_init(&p, 0);
    int before = count_mappings();
    for (int i = 0; i < 1000; i++)
        low[i] = ly__stack_get(&p);
    int after = count_mappings();
    assert_in_range(after - before, 0, 100); /* a slab each and a sanitizer's; mprotect would make it 2000 */
    for (int i = 0; i < 1000; i++)
        ly__stack_put(&p, low[i]);
    ly__stacks_done(&p);
    assert_true(count_mappings() <= after);
}

/* The signal that ends a child which writes to address; 0: it lived. */
static int signal_of_write(volatile char *address)
{
    int status;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would exit instead */
        *address = 1;
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_write_below_a_stack_faults(void **state)
{
    (void)state;
    struct ly__stack_pool p;
    char *low[3];

    ly__stacks_init(&p, 0);
    for (int i = 0; i < 3; i++)
        low[i] = ly__stack_get(&p);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(signal_of_write(low[i] - 1), SIGSEGV);
        assert_int_equal(signal_of_write(low[i] - 4096), SIGSEGV);
        assert_int_equal(signal_of_write(low[i] - (64 << 10)), SIGSEGV);
        assert_int_equal(signal_of_write(low[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        ly__stack_put(&p, low[i]);
    ly__stacks_trim(&p); /* giving memory back leaves the guards */
    assert_int_equal(signal_of_write(low[0] - 1), SIGSEGV);
    ly__stacks_done(&p);
}

static void without_address_space_there_is_no_stack_and_no_harm(void **state)
{
    (void)state;
#if defined(LY__ASAN) || defined(LY__TSAN)
    skip(); /* their own address space is unlimited */
#endif
    struct ly__stack_pool p;
    struct rlimit old, tight = {1 << 20, RLIM_INFINITY};

    if (RUNNING_ON_VALGRIND)
        skip();
    ly__stacks_init(&p, 0);
    void *low = ly__stack_get(&p);
    getrlimit(RLIMIT_AS, &old);
    tight.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    int r = ly__stacks_grow(&p);
    setrlimit(RLIMIT_AS, &old);
    assert_int_equal(r, -ENOMEM);
    assert_int_equal(p.free, 63);
    assert_int_equal(ly__stacks_grow(&p), 0);
    ly__stack_put(&p, low);
    assert_int_equal(p.free, 128);
    ly__stacks_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_is_rounded_up_to_pages_and_has_a_default),
        cmocka_unit_test(a_whole_stack_can_be_written),
        cmocka_unit_test(the_stack_used_last_is_reused_first),
        cmocka_unit_test(no_stack_is_given_twice_when_the_pool_grows_early),
        cmocka_unit_test(above_the_watermark_memory_goes_back),
        cmocka_unit_test(trimming_gives_all_free_memory_back),
        cmocka_unit_test(a_thousand_stacks_are_few_mappings),
        cmocka_unit_test(a_write_below_a_stack_faults),
        cmocka_unit_test(without_address_space_there_is_no_stack_and_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
