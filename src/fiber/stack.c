/* SPDX-License-Identifier: MIT */
/*
 * Stacks come in slabs: one mapping holds SLAB_STACKS of them, each with a guard region at its low end.
 *
 *     | guard | stack | guard | stack | ...            low addresses to the left; a stack grows to the left,
 * into its guard
 *
 * A stack costs address space at once and memory only where it was touched: mostly one page, because huge
 * pages are refused.
 *
 * Guards are made with MADV_GUARD_INSTALL (Linux 6.13), which marks pages inside a mapping, so that a hundred
 * thousand guarded stacks are a few mappings. Older kernels get mprotect, which splits the mapping at each
 * guard; vm.max_map_count (65,530) then bounds a process to some 32,000 stacks, and ly__stacks_grow says
 * -ENOMEM. A guard is wider than the one page that -fstack-clash-protection needs, because handlers are often
 * built without it: a frame of up to GUARD_SIZE cannot step over.
 *
 * A stack gets its guard when it is first used: a program with a handful of fibers starts without paying for
 * the rest of a slab.
 *
 * The pool is a stack of stacks: the one used last is the warmest in the caches. Below the watermark sit
 * those whose memory went back to the system. Returning it at every put would cost a page fault at every get;
 * so it happens in batches, when more than keep are warm.
 *
 *     slots: | cold: no memory ... | warm ... | room for the stacks in use |
 *            0                    cold       free                      capacity
 */
#include "fiber/stack.h"

#include "fiber/slab.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define RUNNING_ON_VALGRIND 0
#define VALGRIND_STACK_REGISTER(low, high) 0u
#define VALGRIND_STACK_DEREGISTER(id) ((void)(id))
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

#define GUARD_SIZE ((size_t)64 << 10)
#define KEEP_WARM 2048

#if defined(LY__ASAN) || defined(LY__TSAN)
#define DEFAULT_SIZE ((size_t)1 << 20)
#else
#define DEFAULT_SIZE ((size_t)256 << 10)
#endif

#ifdef LY_NO_GUARD_ADVICE /* to test the other kind of guard */
static bool guard_advice(void)
{
    return false;
}
#else
/* Does the kernel know guards inside a mapping? Asked once. Valgrind keeps its own books of what is
 * accessible: mprotect there. */
static bool guard_advice(void)
{
    static atomic_int answer; /* 0 unasked, 1 yes, -1 no */
    int a = atomic_load_explicit(&answer, memory_order_relaxed);

    if (a == 0) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE);
        void *p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (p == MAP_FAILED)
            return false;
        a = madvise(p, page, MADV_GUARD_INSTALL) == 0 && !RUNNING_ON_VALGRIND ? 1 : -1;
        munmap(p, page);
        atomic_store_explicit(&answer, a, memory_order_relaxed);
    }
    return a > 0;
}
#endif

static int guard(char *low)
{
    if (guard_advice() && madvise(low, GUARD_SIZE, MADV_GUARD_INSTALL) == 0)
        return 0;
    return mprotect(low, GUARD_SIZE, PROT_NONE) == 0 ? 0 : -ENOMEM;
}

static char *stack_at(const struct ly__slab *s, size_t i)
{
    return (char *)s->base + i * (GUARD_SIZE + s->stack_size) + GUARD_SIZE;
}

void ly__stacks_init(struct ly__stack_pool *p, size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (size == 0)
        size = DEFAULT_SIZE;
    if (size > LY__STACK_MAX)
        size = LY__STACK_MAX;
    *p = (struct ly__stack_pool){.size = (size + page - 1) & ~(page - 1), .keep = KEEP_WARM};
}

static void unmap(struct ly__slab *s)
{
    for (size_t i = 0; RUNNING_ON_VALGRIND && i < SLAB_STACKS; i++)
        VALGRIND_STACK_DEREGISTER(s->valgrind_ids[i]);
    munmap(s->base, SLAB_STACKS * (GUARD_SIZE + s->stack_size));
}

/* Map a slab; returns 0 or -ENOMEM. */
static int map(struct ly__slab *s)
{
    size_t length = SLAB_STACKS * (GUARD_SIZE + s->stack_size);
    char *base =
        mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (base == MAP_FAILED)
        return -ENOMEM;
    (void)madvise(base, length, MADV_NOHUGEPAGE); /* EINVAL where the kernel has none */
    s->base = base;
    for (size_t i = 0; i < SLAB_STACKS; i++) {
        if (RUNNING_ON_VALGRIND)
            s->valgrind_ids[i] = VALGRIND_STACK_REGISTER(stack_at(s, i), stack_at(s, i) + s->stack_size - 1);
    }
    return 0;
}

/* Room for as many more stacks as a slab has: then a put can never lack it. */
static int make_room(struct ly__stack_pool *p)
{
    void **slots = reallocarray(p->slots, p->capacity + SLAB_STACKS, sizeof *slots);

    if (!slots)
        return -ENOMEM;
    p->slots = slots;
    return 0;
}

int ly__stacks_grow(struct ly__stack_pool *p)
{
    struct ly__slab *s;
    int r = make_room(p);

    if (r < 0)
        return r;
    s = ly__slab_new();
    if (!s)
        return -ENOMEM;
    s->stack_size = p->size;
    r = map(s);
    if (r < 0) {
        ly__slab_free(s);
        return r;
    }
    s->next = p->slabs;
    p->slabs = s;
    ly__slab_publish(s, GUARD_SIZE);
    /* They are cold: below the others. The lowest in memory comes out first, to fill page tables from one
     * end. */
    memmove(p->slots + SLAB_STACKS, p->slots, p->free * sizeof *p->slots);
    for (size_t i = 0; i < SLAB_STACKS; i++)
        p->slots[i] = stack_at(s, SLAB_STACKS - 1 - i);
    p->capacity += SLAB_STACKS;
    p->free += SLAB_STACKS;
    p->cold += SLAB_STACKS;
    p->bare += SLAB_STACKS;
    return 0;
}

int ly__stacks_guard(struct ly__stack_pool *p)
{
    while (p->bare > p->free) {
        if (guard((char *)p->slots[p->bare - 1] - GUARD_SIZE) < 0)
            return -ENOMEM;
        p->bare--;
    }
    return 0;
}

void ly__stacks_done(struct ly__stack_pool *p)
{
    struct ly__slab *next;

    for (struct ly__slab *s = p->slabs; s; s = next) {
        next = s->next;
        ly__slab_hide(s);
        unmap(s);
        ly__slab_free(s);
    }
    free(p->slots);
    *p = (struct ly__stack_pool){.size = p->size, .keep = p->keep};
}

/* Make cold until at most warm free stacks have memory. */
static void cool(struct ly__stack_pool *p, size_t warm)
{
    for (; p->free - p->cold > warm; p->cold++)
        (void)madvise(p->slots[p->cold], p->size, MADV_DONTNEED);
}

/* A quarter of them at a time: a load that swings around the watermark must not pay for each swing. */
void ly__stacks_cool(struct ly__stack_pool *p)
{
    cool(p, p->keep - p->keep / 4);
}

void ly__stacks_trim(struct ly__stack_pool *p)
{
    cool(p, 0);
}
