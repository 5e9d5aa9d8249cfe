/* SPDX-License-Identifier: MIT */
/*
 * The switch on x86-64 (System V ABI). What a parked stack looks like, from the saved stack pointer upwards, 8 bytes each:
 *
 *     r15  r14  r13  r12  rbx  rbp  return address
 *
 * rbp lies beside the return address, so that walking frame pointers from it works as in any other frame. The mxcsr and x87
 * control words are not saved: they belong to the thread, and a fiber that changes them puts them back before it suspends.
 *
 * The return address is loaded and jumped to. A ret would be predicted to return to our own caller, which is wrong at every
 * switch; the indirect jump is predicted from history. Moves rather than pushes spare the processor's stack-pointer bookkeeping.
 * docs/internals/context.md has all three measured.
 *
 * There is deliberately no note that marks this object as fit for shadow stacks: the linker then leaves the mark off the whole
 * program, and the system leaves shadow stacks off for it.
 */
#if defined(__x86_64__) && !defined(__ILP32__) && !defined(LY_UCONTEXT)

    .text
    .globl ly__switch
    .hidden ly__switch
    .type ly__switch, @function
    .balign 16
ly__switch: /* rdi: where to save our stack pointer, rsi: the one to go on with */
    .cfi_startproc
    leaq -48(%rsp), %rsp
    .cfi_adjust_cfa_offset 48
    movq %rbp, 40(%rsp)
    .cfi_rel_offset %rbp, 40
    movq %rbx, 32(%rsp)
    .cfi_rel_offset %rbx, 32
    movq %r12, 24(%rsp)
    .cfi_rel_offset %r12, 24
    movq %r13, 16(%rsp)
    .cfi_rel_offset %r13, 16
    movq %r14, 8(%rsp)
    .cfi_rel_offset %r14, 8
    movq %r15, (%rsp)
    .cfi_rel_offset %r15, 0
    movq %rsp, (%rdi)
    movq %rsi, %rsp /* the other stack has the same layout: the unwinding rules stay true */
    movq 48(%rsp), %rcx
    movq (%rsp), %r15
    .cfi_restore %r15
    movq 8(%rsp), %r14
    .cfi_restore %r14
    movq 16(%rsp), %r13
    .cfi_restore %r13
    movq 24(%rsp), %r12
    .cfi_restore %r12
    movq 32(%rsp), %rbx
    .cfi_restore %rbx
    movq 40(%rsp), %rbp
    .cfi_restore %rbp
    leaq 56(%rsp), %rsp
    .cfi_adjust_cfa_offset -56
    .cfi_register %rip, %rcx
    jmp *%rcx
    .cfi_endproc
    .size ly__switch, . - ly__switch

    /* Where a fresh context begins: r12 is its function, r13 the argument, rbp 0. There is no caller: unwinders stop here. */
    .globl ly__context_begin
    .hidden ly__context_begin
    .type ly__context_begin, @function
    .balign 16
ly__context_begin:
    .cfi_startproc
    .cfi_undefined %rip
    nop /* skipped: unwinders look up the address before the one to go on at, which so is in this function too */
#ifdef __CET__
    endbr64
#endif
    movq %r13, %rdi
    callq *%r12
    ud2
    .cfi_endproc
    .size ly__context_begin, . - ly__context_begin

#endif
    .section .note.GNU-stack, "", %progbits
