/* SPDX-License-Identifier: MIT */
#ifndef LY_BASE_HOT_H
#define LY_BASE_HOT_H

/* A function that each connection runs through. The linker puts these side by side, so that a
 * forked child, which has to map whatever it runs through, maps one part of the program instead of many. */
#define LY__HOT __attribute__((hot))

#endif
