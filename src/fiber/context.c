/* SPDX-License-Identifier: MIT */
/* Making contexts: the first frame, and what the sanitizers are told about a stack. The switch itself is in
 * context_*.S. */
#include "fiber/context.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#if defined(LY__ASAN) || defined(LY__TSAN)
#include <pthread.h>
#endif
#ifdef LY__ASAN
#include <sanitizer/asan_interface.h>
#endif

#ifndef LY__UCONTEXT

void ly__context_begin(void); /* in assembly; not callable from C */

#ifdef __x86_64__
/* The layout that ly__switch pops: seven words, which leave the stack pointer at top, aligned for a call. */
struct frame {
    uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

static void fill(struct frame *f, uint64_t entry, uint64_t arg)
{
    f->r12 = entry;
    f->r13 = arg;
    f->rip = (uintptr_t)ly__context_begin + 1; /* behind its first instruction: see there */
}
#else
struct frame {
    uint64_t x29, x30, x[10], d[8];
};

static void fill(struct frame *f, uint64_t entry, uint64_t arg)
{
    f->x[0] = entry;
    f->x[1] = arg;
    f->x30 = (uintptr_t)ly__context_begin + 4; /* behind its first instruction: see there */
}
#endif

void *ly__context_first(void *low, void *top, void (*entry)(void *), void *arg)
{
    struct frame *f = (struct frame *)top - 1;

    assert((uintptr_t)top % 16 == 0 && (uintptr_t)f > (uintptr_t)low);
    memset(f, 0, sizeof *f); /* the frame pointer 0 ends the chain */
    fill(f, (uintptr_t)entry, (uintptr_t)arg);
    return f;
}

#endif

void ly__context_make(struct ly__context *c, void *low, size_t size, void *top, void (*entry)(void *),
                      void *arg)
{
#ifdef LY__ASAN
    /* Whoever had the stack before left frames that never returned, and with them poisoned bytes. */
    __asan_unpoison_memory_region(low, (size_t)((char *)top - (char *)low));
    c->fake_stack = NULL;
    c->stack_low = low;
    c->stack_size = size;
#endif
#ifdef LY__TSAN
    c->tsan_fiber = __tsan_create_fiber(0);
#endif
    (void)size;
    c->sp = ly__context_first(low, top, entry, arg);
}

#ifdef LY__ASAN
/* The bounds of the calling thread's stack, which ASan wants to hear when somebody switches back to it. */
static void find_bounds(struct ly__context *c)
{
    pthread_attr_t attributes;
    void *low = NULL;
    size_t size = 0;

    if (pthread_getattr_np(pthread_self(), &attributes) != 0)
        return;
    if (pthread_attr_getstack(&attributes, &low, &size) == 0) {
        c->stack_low = low;
        c->stack_size = size;
    }
    pthread_attr_destroy(&attributes);
}
#endif

void ly__context_of_thread(struct ly__context *c)
{
    memset(c, 0, sizeof *c);
#ifdef LY__ASAN
    find_bounds(c);
#endif
#ifdef LY__TSAN
    c->tsan_fiber = __tsan_get_current_fiber();
#endif
}

void ly__context_done(struct ly__context *c)
{
#ifdef LY__TSAN
    if (c->tsan_fiber)
        __tsan_destroy_fiber(c->tsan_fiber);
    c->tsan_fiber = NULL;
#else
    (void)c;
#endif
}

#ifdef LY__TSAN
static _Thread_local sigset_t before; /* the thread's mask while signals are held */

const sigset_t *ly__signals_hold(void)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    return &before;
}

void ly__signals_release(void)
{
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}
#endif
