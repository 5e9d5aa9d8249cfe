/* SPDX-License-Identifier: MIT */
/* Slabs: the mappings that stacks are cut from, and a register of them that a signal handler can read. */
#ifndef LY_FIBER_SLAB_H
#define LY_FIBER_SLAB_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SLAB_STACKS 64
#define LY__STACK_MAX ((size_t)1 << 30)

struct ly__slab {
    struct ly__slab *next; /* in the pool it belongs to */
    void *base;            /* the mapping; a stack's guard comes first, then the stack, then the next guard */
    size_t stack_size;     /* usable bytes of each stack */
    unsigned valgrind_ids[SLAB_STACKS]; /* what valgrind calls the stacks; set under valgrind only */
    struct ly__slab *next_known;        /* in the register; never changes */
    atomic_bool taken;                  /* some pool has it */
    _Atomic(uintptr_t) from;            /* the mapping's bounds while it may be looked up; 0: not now */
    _Atomic(size_t) guard;              /* bytes of each guard */
    _Atomic(size_t) stride;             /* guard + stack */
};

/* A slab without memory, NULL when there is none for itself. The register keeps it for good: freed ones are
 * used again. */
struct ly__slab *ly__slab_new(void);
void ly__slab_free(struct ly__slab *s);

/* From now on a lookup finds it; until hidden. */
void ly__slab_publish(struct ly__slab *s, size_t guard);
void ly__slab_hide(struct ly__slab *s);

/* Does address lie in a stack's guard? Gives the stack's lowest usable address and its size.
 * Async-signal-safe. */
bool ly__slab_find_guard(uintptr_t address, void **ret_low, size_t *ret_size);

#endif
