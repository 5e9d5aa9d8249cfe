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

#include <signal.h>
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

/*
 * TSan keeps a signal that arrives between two of the calls that it intercepts until the next of them, and
 * keeps it with the fiber that ran. One that ends has no next call, nor has a loop before a system call that
 * TSan does not know: the handler would never run. So no signal is let in on the way from one context to
 * another, or to sleep. Without TSan both do nothing.
 *
 * ly__signals_hold blocks all signals of the thread; it returns the mask that a system call may wait with, or
 * NULL: the one that is in force. ly__signals_release, by whoever runs next in the thread, lets them in.
 */
#ifdef LY__TSAN
const sigset_t *ly__signals_hold(void);
void ly__signals_release(void);
#else
static inline const sigset_t *ly__signals_hold(void)
{
    return NULL;
}
static inline void ly__signals_release(void)
{
}
#endif

/* Called first thing on arrival in a fresh context, before any other code of it. */
static inline void ly__context_arrived(struct ly__context *self)
{
#ifdef LY__ASAN
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
#else
    (void)self;
#endif
    ly__signals_release();
}

/* Leave from, go on in to; returns when somebody switches back to from. */
static inline __attribute__((always_inline)) void ly__context_switch(struct ly__context *from,
                                                                     struct ly__context *to)
{
#ifdef LY__ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack_low, to->stack_size);
#endif
#ifdef LY__TSAN
    ly__signals_hold();
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    ly__switch(&from->sp, to->sp);
#ifdef LY__ASAN
    __sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
#endif
    ly__signals_release();
}

/* Leave from for good, go on in to. The stack of from may be reused once we are there. */
static inline __attribute__((always_inline, noreturn)) void ly__context_leave(struct ly__context *from,
                                                                              struct ly__context *to)
{
#ifdef LY__ASAN
    __sanitizer_start_switch_fiber(NULL, to->stack_low, to->stack_size);
#endif
#ifdef LY__TSAN
    ly__signals_hold();
    __tsan_switch_to_fiber(to->tsan_fiber, 0);
#endif
    ly__switch(&from->sp, to->sp);
    __builtin_unreachable();
}

#endif
