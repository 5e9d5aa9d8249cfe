/* SPDX-License-Identifier: MIT */
/* Stacks for fibers: slabs of lazily touched memory, each stack with a guard region at its low end, in a LIFO
 * pool per loop. */
#ifndef LY_FIBER_STACK_H
#define LY_FIBER_STACK_H

#include "fiber/context.h"

#include <stdbool.h>
#include <stddef.h>

#ifdef LY__ASAN
#include <sanitizer/asan_interface.h>
#endif

struct ly__slab;

struct ly__stack_pool {
    size_t size;            /* usable bytes of each stack, whole pages */
    void **slots;           /* the free stacks, the one used last on top */
    size_t free;            /* how many there are */
    size_t capacity;        /* room in slots */
    size_t cold;            /* the lowest so many of them have given their memory back */
    size_t bare;            /* the lowest so many were never used and have no guard yet */
    size_t keep;            /* watermark: more warm free stacks than this are made cold, in batches */
    struct ly__slab *slabs; /* what was mapped */
};

/* size: usable bytes of each stack; 0: 256 KiB (1 MiB under a sanitizer). Maps nothing yet. */
void ly__stacks_init(struct ly__stack_pool *p, size_t size);
/* Unmap all; no stack may be in use. */
void ly__stacks_done(struct ly__stack_pool *p);

/* Map another slab. Returns 0 or -ENOMEM. */
int ly__stacks_grow(struct ly__stack_pool *p);
void ly__stacks_cool(struct ly__stack_pool *p);
/* Give the free stacks from the p->free'th on their guards. Returns 0 or -ENOMEM. */
int ly__stacks_guard(struct ly__stack_pool *p);

/* The lowest usable address of a stack of p->size bytes, its memory warm if possible; NULL without memory. */
static inline void *ly__stack_get(struct ly__stack_pool *p)
{
    if (__builtin_expect(p->free == 0, 0) && ly__stacks_grow(p) < 0)
        return NULL;
    p->free--;
    if (p->cold > p->free) {
        if (p->bare > p->free && ly__stacks_guard(p) < 0) {
            p->free++;
            return NULL;
        }
        p->cold = p->free;
    }
#ifdef LY__ASAN
    __asan_unpoison_memory_region(p->slots[p->free], p->size);
#endif
    return p->slots[p->free];
}

/* Give a stack back; there is always room in the pool for it. */
static inline void ly__stack_put(struct ly__stack_pool *p, void *low)
{
    p->slots[p->free++] = low;
    if (__builtin_expect(p->free - p->cold > p->keep, 0))
        ly__stacks_cool(p);
}

/* Give the memory of all free stacks back to the system. */
void ly__stacks_trim(struct ly__stack_pool *p);

/*
 * Report overflows: install a SIGSEGV and SIGBUS handler (once a process, chaining to what was there) and an
 * alternate signal stack for the calling thread. When a fault lies in a stack's guard region, describe(low,
 * buf, cap) is called in the signal handler, async-signal-safe, to name the stack's user; the report goes to
 * standard error and the signal's default action ends the process.
 */
int ly__overflow_watch(size_t (*describe)(void *low, char *buf, size_t cap));
/* Undo the calling thread's alternate stack. */
void ly__overflow_unwatch(void);

#endif
