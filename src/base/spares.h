/* SPDX-License-Identifier: MIT */
/*
 * A few blocks that are kept for the next use, from any thread. What one thread allocates and another frees
 * costs that one a heap of its own, which is much of the life of a short thread. No lock: a process that is
 * forked meanwhile can go on.
 */
#ifndef LY_BASE_SPARES_H
#define LY_BASE_SPARES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#define LY__SPARES 16

struct ly__spares {
    _Atomic(void *) block[LY__SPARES];
};

/* NULL: there is none. */
static inline void *ly__spares_take(struct ly__spares *s)
{
    void *p = NULL;
    for (int i = 0; i < LY__SPARES && !p; i++)
        if (atomic_load_explicit(&s->block[i], memory_order_relaxed))
            p = atomic_exchange_explicit(&s->block[i], NULL, memory_order_acquire);
    return p;
}

/* false: there are enough, and it is still the caller's. */
static inline bool ly__spares_give(struct ly__spares *s, void *p)
{
    for (int i = 0; i < LY__SPARES; i++) {
        void *none = NULL;
        if (!atomic_load_explicit(&s->block[i], memory_order_relaxed) &&
            atomic_compare_exchange_strong_explicit(&s->block[i], &none, p, memory_order_release,
                                                    memory_order_relaxed))
            return true;
    }
    return false;
}

#endif
