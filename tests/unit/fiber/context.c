/* SPDX-License-Identifier: MIT */
/* Built three times: with this machine's assembly, with ucontext, and for aarch64 (there with
 * plain/cmocka.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unwind.h>

#include <cmocka.h>

#include "fiber/context.h"
#include "fiber/stack.h"

#define NESTED 50

/*
 * uint64_t switch_and_check(void **save, void *load, const uint64_t *patterns): fill every callee-saved
 * register with a pattern, switch, and when somebody switches back return 0 if all of them are as they were.
 */
uint64_t switch_and_check(void **save, void *load, const uint64_t *patterns);
#if defined(__x86_64__)
#define REGISTERS 6
__asm__(".text\n"
        "switch_and_check:\n"
        ".irp r, rbx, rbp, r12, r13, r14, r15, rdx\n"
        "    pushq %\\r\n"
        ".endr\n"
        "    movq (%rdx), %rbx\n"
        "    movq 8(%rdx), %rbp\n"
        "    movq 16(%rdx), %r12\n"
        "    movq 24(%rdx), %r13\n"
        "    movq 32(%rdx), %r14\n"
        "    movq 40(%rdx), %r15\n"
        "    call ly__switch\n"
        "    popq %rdx\n"
        "    xorq (%rdx), %rbx\n"
        "    xorq 8(%rdx), %rbp\n"
        "    xorq 16(%rdx), %r12\n"
        "    xorq 24(%rdx), %r13\n"
        "    xorq 32(%rdx), %r14\n"
        "    xorq 40(%rdx), %r15\n"
        "    xorl %eax, %eax\n"
        ".irp r, rbx, rbp, r12, r13, r14, r15\n"
        "    orq %\\r, %rax\n"
        ".endr\n"
        ".irp r, r15, r14, r13, r12, rbp, rbx\n"
        "    popq %\\r\n"
        ".endr\n"
        "    ret\n");
#elif defined(__aarch64__)
#define REGISTERS 19
__asm__(".text\n"
        "switch_and_check:\n"
        "    stp x29, x30, [sp, #-176]!\n"
        "    stp x19, x20, [sp, #16]\n"
        "    stp x21, x22, [sp, #32]\n"
        "    stp x23, x24, [sp, #48]\n"
        "    stp x25, x26, [sp, #64]\n"
        "    stp x27, x28, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    str x2, [sp, #160]\n"
        ".irp r, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n"
        "    ldr x\\r, [x2, #8 * (\\r - 19)]\n"
        ".endr\n"
        ".irp r, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    ldr d\\r, [x2, #8 * (\\r + 3)]\n"
        ".endr\n"
        "    bl ly__switch\n"
        "    ldr x2, [sp, #160]\n"
        "    mov x0, #0\n"
        ".irp r, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29\n"
        "    ldr x9, [x2, #8 * (\\r - 19)]\n"
        "    eor x9, x9, x\\r\n"
        "    orr x0, x0, x9\n"
        ".endr\n"
        ".irp r, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "    ldr x9, [x2, #8 * (\\r + 3)]\n"
        "    fmov x10, d\\r\n"
        "    eor x9, x9, x10\n"
        "    orr x0, x0, x9\n"
        ".endr\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp x27, x28, [sp, #80]\n"
        "    ldp x25, x26, [sp, #64]\n"
        "    ldp x23, x24, [sp, #48]\n"
        "    ldp x21, x22, [sp, #32]\n"
        "    ldp x19, x20, [sp, #16]\n"
        "    ldp x29, x30, [sp], #176\n"
        "    ret\n");
#endif

static struct ly__stack_pool pool;
static struct ly__context here, there;

/* Make there a context of entry(arg) on a stack of the pool, which is returned. */
static void *begin(void (*entry)(void *), void *arg)
{
    void *low = ly__stack_get(&pool);

    assert_non_null(low);
    ly__context_of_thread(&here);
    ly__context_make(&there, low, pool.size, (char *)low + pool.size, entry, arg);
    return low;
}

static void end(void *low)
{
    ly__context_done(&there);
    ly__stack_put(&pool, low);
}

static void note_address(void *arg)
{
    ly__context_arrived(&there);
    for (;;) {
        char local;

        *(uintptr_t *)arg = (uintptr_t)&local;
        ly__context_switch(&there, &here);
    }
}

static void a_context_runs_on_its_own_stack_with_its_argument(void **state)
{
    (void)state;
    uintptr_t address = 0;
    void *low = begin(note_address, &address);

    ly__context_switch(&here, &there);
#ifndef LY__ASAN /* which may keep locals elsewhere */
    assert_true(address >= (uintptr_t)low && address < (uintptr_t)low + pool.size);
#endif
    assert_true(address != 0);
    end(low);
}

static void add_up(void *arg)
{
    ly__context_arrived(&there);
    for (int local = 1;; local++) {
        *(int *)arg += local;
        ly__context_switch(&there, &here);
    }
}

static void locals_survive_switches(void **state)
{
    (void)state;
    int sum = 0;
    void *low = begin(add_up, &sum);

    for (int i = 0; i < 1000; i++)
        ly__context_switch(&here, &there);
    assert_int_equal(sum, 1000 * 1001 / 2);
    end(low);
}

static void fill(uint64_t *patterns, uint64_t seed)
{
    for (int i = 0; i < REGISTERS; i++)
        patterns[i] = seed * (uint64_t)(2 * i + 1);
}

static void switch_with_other_patterns(void *arg)
{
    uint64_t patterns[REGISTERS];

    fill(patterns, 0xd1b54a32d192ed03);
    for (;;)
        *(uint64_t *)arg |= switch_and_check(&there.sp, here.sp, patterns);
}

static void a_switch_preserves_every_callee_saved_register(void **state)
{
    (void)state;
#ifdef LY__TSAN
    skip(); /* it must be told of each switch, which the assembly does not */
#endif
    uint64_t patterns[REGISTERS], wrong = 0, wrong_there = 0;
    void *low = begin(switch_with_other_patterns, &wrong_there);

    fill(patterns, 0x9e3779b97f4a7c15);
    for (int i = 0; i < 10; i++)
        wrong |= switch_and_check(&here.sp, there.sp, patterns);
    assert_int_equal(wrong, 0);
    assert_int_equal(wrong_there, 0);
    end(low);
}

static void note_frame(void *arg)
{
    ly__context_arrived(&there);
    *(uintptr_t *)arg = (uintptr_t)__builtin_frame_address(0);
    for (;;)
        ly__context_switch(&there, &here);
}

static void the_stack_is_aligned_when_entry_is_called(void **state)
{
    (void)state;
    uintptr_t frame = 1;
    void *low = begin(note_frame, &frame);

    ly__context_switch(&here, &there);
    assert_int_equal(frame % 16, 0);
    assert_true(frame >= (uintptr_t)low && frame < (uintptr_t)low + pool.size);
    end(low);
}

static void top_may_lie_below_the_end_of_the_stack(void **state)
{
    (void)state;
    uintptr_t frame = 1;
    char *low = begin(note_frame, &frame), *top = low + pool.size - 1024;

    ly__context_done(&there);
    memset(top, 0x5a, 1024);
    ly__context_make(&there, low, pool.size, top, note_frame, &frame);
    ly__context_switch(&here, &there);
    assert_true(frame < (uintptr_t)top);
    for (int i = 0; i < 1024; i++)
        assert_int_equal(top[i], 0x5a);
    end(low);
}

struct level {
    struct ly__context context;
    void *low;
    struct level *outer;
};

static int depth_reached, order_wrong;

static void descend(void *arg)
{
    struct level *self = arg, inner = {.outer = self};

    ly__context_arrived(&self->context);
    if (++depth_reached < NESTED) {
        inner.low = ly__stack_get(&pool);
        ly__context_make(&inner.context, inner.low, pool.size, (char *)inner.low + pool.size, descend,
                         &inner);
        ly__context_switch(&self->context, &inner.context);
        ly__context_done(&inner.context);
        ly__stack_put(&pool, inner.low);
    }
    order_wrong += inner.outer != self;
    depth_reached--;
    ly__context_leave(&self->context, self->outer ? &self->outer->context : &here);
}

static void contexts_nest_and_return_in_reverse_order(void **state)
{
    (void)state;
    for (int round = 0; round < 3; round++) { /* the second time on stacks that others left for good */
        struct level first = {.low = ly__stack_get(&pool)};

        depth_reached = order_wrong = 0;
        ly__context_of_thread(&here);
        ly__context_make(&first.context, first.low, pool.size, (char *)first.low + pool.size, descend,
                         &first);
        ly__context_switch(&here, &first.context);
        assert_int_equal(depth_reached, 0);
        assert_int_equal(order_wrong, 0);
        ly__context_done(&first.context);
        ly__stack_put(&pool, first.low);
    }
}

static _Unwind_Reason_Code count_frame(struct _Unwind_Context *context, void *arg)
{
    int *frames = arg;

    (void)context;
    return ++*frames < 100 ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

static void count_frames(void *arg)
{
    ly__context_arrived(&there);
    _Unwind_Backtrace(count_frame, arg);
    for (;;)
        ly__context_switch(&there, &here);
}

static void unwinding_ends_where_the_context_began(void **state)
{
    (void)state;
    int frames = 0;
    void *low = begin(count_frames, &frames);

    ly__context_switch(&here, &there);
    assert_true(frames >= 1);
    assert_true(frames <= 4); /* count_frames, what begins a context, and what a sanitizer puts between */
    end(low);
}

static void a_parked_context_shows_its_chain_of_frames(void **state)
{
    (void)state;
#ifdef LY__UCONTEXT
    skip(); /* the registers lie in a ucontext_t */
#else
    uintptr_t frame = 0;
    void *low = begin(note_frame, &frame);
    ly__context_switch(&here, &there);
#ifdef __x86_64__
    uintptr_t *record = (uintptr_t *)there.sp + 5;
#else
    uintptr_t *record = there.sp;
#endif
    assert_int_equal(record[0], frame);                    /* the frame pointer of who parked */
    assert_int_equal(*(uintptr_t *)record[0], 0);          /* who was called by nobody */
    assert_true(record[1] - (uintptr_t)note_frame < 4096); /* and parked in this function */
    end(low);
#endif
}

/* A control register of floating point: bits that choose the rounding. */
static unsigned rounding(void)
{
#ifdef __x86_64__
    return __builtin_ia32_stmxcsr() & 0x6000;
#else
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    return (unsigned)fpcr & 0xc00000;
#endif
}

static void flip_rounding(void)
{
#ifdef __x86_64__
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() ^ 0x6000);
#else
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr ^ 0xc00000));
#endif
}

static void flip_and_return(void *arg)
{
    (void)arg;
    ly__context_arrived(&there);
    flip_rounding();
    for (;;)
        ly__context_switch(&there, &here);
}

static void floating_point_control_belongs_to_the_thread(void **state)
{
    (void)state;
#ifdef LY__UCONTEXT
    skip(); /* there it belongs to the fiber: docs/internals/context.md */
#endif
    unsigned before = rounding();
    void *low = begin(flip_and_return, NULL);

    ly__context_switch(&here, &there);
    assert_true(rounding() != before);
    flip_rounding();
    assert_int_equal(rounding(), before);
    end(low);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_context_runs_on_its_own_stack_with_its_argument),
        cmocka_unit_test(locals_survive_switches),
        cmocka_unit_test(a_switch_preserves_every_callee_saved_register),
        cmocka_unit_test(the_stack_is_aligned_when_entry_is_called),
        cmocka_unit_test(top_may_lie_below_the_end_of_the_stack),
        cmocka_unit_test(contexts_nest_and_return_in_reverse_order),
        cmocka_unit_test(unwinding_ends_where_the_context_began),
        cmocka_unit_test(a_parked_context_shows_its_chain_of_frames),
        cmocka_unit_test(floating_point_control_belongs_to_the_thread),
    };
    ly__stacks_init(&pool, 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ly__stacks_done(&pool);
    return failed;
}
