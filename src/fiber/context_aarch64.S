/* SPDX-License-Identifier: MIT */
/*
 * The switch on aarch64 (AAPCS64). What a parked stack looks like, from the saved stack pointer upwards, 8 bytes each:
 *
 *     x29  x30  x19 x20 ... x27 x28  d8 d9 ... d14 d15        (160 bytes)
 *
 * x29 and x30 lie first, as a frame record, so that walking frame pointers from the saved stack pointer works. Of v8 to v15
 * the ABI preserves the low halves only. fpcr is not saved: it belongs to the thread.
 */
#if defined(__aarch64__) && !defined(__ILP32__) && !defined(LY_UCONTEXT)

    .text
    .globl ly__switch
    .hidden ly__switch
    .type ly__switch, %function
    .balign 16
ly__switch: /* x0: where to save our stack pointer, x1: the one to go on with */
    .cfi_startproc
    hint #34 /* bti c: a landing pad where branch targets are checked, nothing elsewhere */
    stp x29, x30, [sp, #-160]!
    .cfi_def_cfa_offset 160
    .cfi_offset x29, -160
    .cfi_offset x30, -152
    stp x19, x20, [sp, #16]
    .cfi_offset x19, -144
    .cfi_offset x20, -136
    stp x21, x22, [sp, #32]
    .cfi_offset x21, -128
    .cfi_offset x22, -120
    stp x23, x24, [sp, #48]
    .cfi_offset x23, -112
    .cfi_offset x24, -104
    stp x25, x26, [sp, #64]
    .cfi_offset x25, -96
    .cfi_offset x26, -88
    stp x27, x28, [sp, #80]
    .cfi_offset x27, -80
    .cfi_offset x28, -72
    stp d8, d9, [sp, #96]
    stp d10, d11, [sp, #112]
    stp d12, d13, [sp, #128]
    stp d14, d15, [sp, #144]
    mov x9, sp
    str x9, [x0]
    mov sp, x1 /* the other stack has the same layout: the unwinding rules stay true */
    ldp d14, d15, [sp, #144]
    ldp d12, d13, [sp, #128]
    ldp d10, d11, [sp, #112]
    ldp d8, d9, [sp, #96]
    ldp x27, x28, [sp, #80]
    ldp x25, x26, [sp, #64]
    ldp x23, x24, [sp, #48]
    ldp x21, x22, [sp, #32]
    ldp x19, x20, [sp, #16]
    ldp x29, x30, [sp], #160
    .cfi_restore x19
    .cfi_restore x20
    .cfi_restore x21
    .cfi_restore x22
    .cfi_restore x23
    .cfi_restore x24
    .cfi_restore x25
    .cfi_restore x26
    .cfi_restore x27
    .cfi_restore x28
    .cfi_restore x29
    .cfi_restore x30
    .cfi_def_cfa_offset 0
    ret
    .cfi_endproc
    .size ly__switch, . - ly__switch

    /* Where a fresh context begins: x19 is its function, x20 the argument, x29 0. There is no caller: unwinders stop here. */
    .globl ly__context_begin
    .hidden ly__context_begin
    .type ly__context_begin, %function
    .balign 16
ly__context_begin:
    .cfi_startproc
    .cfi_undefined x30
    nop /* skipped: unwinders look up the address before the one to go on at, which so is in this function too */
    mov x0, x20
    blr x19
    brk #1
    .cfi_endproc
    .size ly__context_begin, . - ly__context_begin

#endif
    .section .note.GNU-stack, "", %progbits
