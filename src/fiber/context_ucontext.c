/* SPDX-License-Identifier: MIT */
/*
 * The switch by the C library's ucontext: for architectures without assembly here, and for shadow stacks
 * (x86-64 CET, aarch64 GCS), which the C library knows to switch and the assembly does not. It is some forty
 * times slower, for each swapcontext also makes a system call to save and set the signal mask (which
 * therefore belongs to the fiber here, to the thread elsewhere).
 *
 * The registers are saved in a ucontext_t that is a local variable of ly__switch on the stack that is left;
 * the context's sp points to it. That of a fresh context lies at the top of its stack. So nothing is
 * allocated, as with the assembly.
 */
#include "fiber/context.h"

#ifdef LY__UCONTEXT

#include <assert.h>
#include <stdint.h>
#include <ucontext.h>

/* What lies at the top of a fresh context's stack. */
struct start {
    ucontext_t context;
    void (*entry)(void *);
    void *arg;
};

/* makecontext passes ints only: the pointer to the struct start arrives in two halves. */
static void begin(unsigned high, unsigned low)
{
    struct start *s = (struct start *)((uintptr_t)high << 16 << 16 | low);

    s->entry(s->arg);
    __builtin_trap();
}

void ly__switch(void **save, void *load)
{
    ucontext_t here;

    here.uc_stack =
        (stack_t){.ss_sp = NULL}; /* swapcontext leaves it alone, but ASan's wrapper looks at it */
    here.uc_link = NULL;
    *save = &here;
    if (swapcontext(&here, load) < 0)
        __builtin_trap(); /* nothing to go on with; only a corrupt context can bring it about */
}

void *ly__context_first(void *low, void *top, void (*entry)(void *), void *arg)
{
    uintptr_t at = ((uintptr_t)top - sizeof(struct start)) & ~(uintptr_t)63;
    struct start *s = (struct start *)at;

    assert(at > (uintptr_t)low);
    s->entry = entry;
    s->arg = arg;
    if (getcontext(&s->context) < 0)
        __builtin_trap();
    s->context.uc_stack.ss_sp = low;
    s->context.uc_stack.ss_size = at - (uintptr_t)low;
    s->context.uc_link = NULL;
    makecontext(&s->context, (void (*)(void))begin, 2, (unsigned)(at >> 16 >> 16), (unsigned)at);
    return s;
}

#endif
