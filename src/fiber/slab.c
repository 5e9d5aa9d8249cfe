/* SPDX-License-Identifier: MIT */
/*
 * The register of slabs. The handler that reports a stack overflow asks whether an address lies in a guard,
 * at a moment when no lock may be taken and other threads map and unmap slabs. So the register is a list that
 * only ever grows: entries are pushed, never unlinked or freed, and used again by the next pool that needs
 * one. It is as long as the process once had slabs at one time.
 *
 * from is cleared before the memory goes and written last when an entry is filled. A reader that meets an
 * entry in between sees 0 or bounds that are no longer true; the latter cannot contain the address of an
 * overflow, since the stack that overflowed is in use and its slab mapped.
 */
#include "fiber/slab.h"

#include <stdlib.h>

static _Atomic(struct ly__slab *) known;

static struct ly__slab *reuse(void)
{
    for (struct ly__slab *s = atomic_load_explicit(&known, memory_order_acquire); s; s = s->next_known) {
        bool taken = false;

        if (atomic_compare_exchange_strong(&s->taken, &taken, true))
            return s;
    }
    return NULL;
}

struct ly__slab *ly__slab_new(void)
{
    struct ly__slab *s = reuse();

    if (s)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    atomic_store_explicit(&s->taken, true, memory_order_relaxed);
    s->next_known = atomic_load_explicit(&known, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&known, &s->next_known, s, memory_order_release,
                                                  memory_order_relaxed))
        ;
    return s;
}

void ly__slab_free(struct ly__slab *s)
{
    atomic_store_explicit(&s->taken, false, memory_order_release);
}

void ly__slab_publish(struct ly__slab *s, size_t guard)
{
    atomic_store_explicit(&s->guard, guard, memory_order_relaxed);
    atomic_store_explicit(&s->stride, guard + s->stack_size, memory_order_relaxed);
    atomic_store_explicit(&s->from, (uintptr_t)s->base, memory_order_release);
}

void ly__slab_hide(struct ly__slab *s)
{
    atomic_store_explicit(&s->from, 0, memory_order_release);
}

bool ly__slab_find_guard(uintptr_t address, void **ret_low, size_t *ret_size)
{
    for (struct ly__slab *s = atomic_load_explicit(&known, memory_order_acquire); s; s = s->next_known) {
        uintptr_t from = atomic_load_explicit(&s->from, memory_order_acquire);
        size_t stride = atomic_load_explicit(&s->stride, memory_order_relaxed);
        size_t guard = atomic_load_explicit(&s->guard, memory_order_relaxed);
        uintptr_t offset = address - from;

        if (from == 0 || address < from || offset >= stride * SLAB_STACKS || offset % stride >= guard)
            continue;
        *ret_low = (void *)(address - offset % stride + guard);
        *ret_size = stride - guard;
        return true;
    }
    return false;
}
