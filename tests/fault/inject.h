/* SPDX-License-Identifier: MIT */
/*
 * Control of the fault injector (inject.c) from a C test: link inject.c into the test, or preload the library
 * and find these functions with dlsym(RTLD_DEFAULT, ...). All are thread-safe.
 */
#ifndef LY_FAULT_INJECT_H
#define LY_FAULT_INJECT_H

#define LY_FAULT_API __attribute__((visibility("default")))

/*
 * Fail the nth call (from 1, counted from now) of a name: that of a row of CALLS in inject.c, "any-alloc" or
 * "any-syscall". error: a positive errno number; 0 picks the call's usual one. Replaces what was armed.
 * Returns 0, or -1 for an unknown name or an nth of 0.
 */
LY_FAULT_API int ly_fault_arm(const char *name, unsigned long nth, int error);

/* As above, and every call after the nth fails too. */
LY_FAULT_API int ly_fault_arm_from(const char *name, unsigned long nth, int error);

/*
 * Have each call of a name (recv, recvmsg, send, sendmsg, read, readv, write, writev, pread, pwrite,
 * sendfile, or "any-syscall" for all of them) move one byte at most from now on; NULL: none. Returns 0, or -1
 * for an unknown name. Eventfds are left alone. A short recv says that a socket has been emptied, so an
 * edge-triggered loop rightly waits for more: shorten send there instead.
 */
LY_FAULT_API int ly_fault_short(const char *name);

/* From now on orders and counts are one with those of children forked later. Returns 0 or -1. */
LY_FAULT_API int ly_fault_share(void);

/* Fail nothing from now on. */
LY_FAULT_API void ly_fault_disarm(void);

/* The calls of a name, failed ones included, since the last arming (or the start). 0 for an unknown name. */
LY_FAULT_API unsigned long ly_fault_count(const char *name);

/* How many calls were failed since the last arming: 0 means that the nth call never came. */
LY_FAULT_API unsigned long ly_fault_hits(void);

#endif
