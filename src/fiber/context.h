/* SPDX-License-Identifier: MIT */
/*
 * Contexts: what it takes to leave one stack and go on on another.
 *
 * Three implementations of ly__switch are built and tested: x86-64 and aarch64 assembly (context_x86_64.S,
 * context_aarch64.S), and ucontext (context_ucontext.c) elsewhere and where LY_UCONTEXT is defined (meson's
 * -Dcontext=ucontext), which a program with hardware shadow stacks needs. The sanitizers are told of each
 * switch here and nowhere else.
 */
#ifndef LY_FIBER_CONTEXT_H
#define LY_FIBER_CONTEXT_H

#include <stddef.h>

#if defined(LY_UCONTEXT) || defined(__ILP32__) || (!defined(__x86_64__) && !defined(__aarch64__))
#define LY__UCONTEXT 1
#endif

#if defined(__SANITIZE_ADDRESS__)
#define LY__ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LY__ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define LY__TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define LY__TSAN 1
#endif
#endif

#ifdef LY__ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef LY__TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct ly__context {
    void *sp; /* where the stack was left; the saved registers lie there (for ucontext: the struct that holds
                 them) */
#ifdef LY__ASAN
    void *fake_stack;      /* ASan's shadow of it */
    const void *stack_low; /* bounds, told to ASan at each switch */
    size_t stack_size;
#endif
#ifdef LY__TSAN
    void *tsan_fiber;
#endif
};

/* Save the callee-saved registers and the stack pointer in *save, go on at load. */
void ly__switch(void **save, void *load);

/* Lay the first frame of entry(arg) below top; returns what to load. A part of ly__context_make. */
void *ly__context_first(void *low, void *top, void (*entry)(void *), void *arg);

/* Prepare a context that begins entry(arg) on the stack [low, low + size) at the first switch to it, its
 * first frame just below top (low < top <= low + size, 16-byte aligned). entry must never return. Nothing is
 * allocated except under TSan. */
void ly__context_make(struct ly__context *c, void *low, size_t size, void *top, void (*entry)(void *),
                      void *arg);

/* Describe the calling thread's own stack, so that it can be switched back to. */
void ly__context_of_thread(struct ly__context *c);

/* Release what ly__context_make took (TSan). Never the context that runs. */
void ly__context_done(struct ly__context *c);

/* Called first thing on arrival in a fresh context, before any other code of it. */
static inline void ly__context_arrived(struct ly__context *self)
{
#ifdef LY__ASAN
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
#else
    (void)self;
#endif
}

/* Leave from, go on in to; returns when somebody switches back to from. */
static inline __attribute__((always_inline)) void ly__context_switch(struct ly__context *from,
                                                                     struct ly__context *to)
{
#ifdef LY__ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_low, to->stack_size);
#endif
#ifdef LY__TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    ly__switch(&from->sp, to->sp);
#ifdef LY__ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
}

/* Leave from for good, go on in to. The stack of from may be reused once we are there. */
static inline __attribute__((always_inline, noreturn)) void ly__context_leave(struct ly__context *from,
                                                                              struct ly__context *to)
{
#ifdef LY__ASAN
    __sanitizer_start_switch_fiber(NULL, to->stack_low, to->stack_size);
#endif
#ifdef LY__TSAN
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    ly__switch(&from->sp, to->sp);
    __builtin_unreachable();
}

#endif
