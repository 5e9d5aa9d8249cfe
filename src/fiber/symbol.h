/* SPDX-License-Identifier: MIT */
#ifndef LY_FIBER_SYMBOL_H
#define LY_FIBER_SYMBOL_H

#include <stddef.h>

/*
 * Say what is at an address of code: "name+0x1f in program", or "0x12af in program" (as addr2line takes it)
 * where no name is known. Cut to fit cap, which is at least 1. Opens a file: not for signal handlers.
 */
void ly__symbol_describe(const void *address, char *buf, size_t cap);

#endif
