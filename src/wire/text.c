/* SPDX-License-Identifier: MIT */
#include "wire/text.h"

#define P8 1, 1, 1, 1, 1, 1, 1, 1
#define P16 P8, P8
#define Z16 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0

const unsigned char ly__text_plain[256] = {
    Z16, Z16,                                   /* 0x00: control characters */
    1,   1,   0,   1,   1,   1,   1,   1,   P8, /* 0x20: all but '"' */
    P16, P16,                                   /* 0x30 */
    P8,  1,   1,   1,   1,   0,   1,   1,   1,  /* 0x50: all but '\\' */
    P16,                                        /* 0x60 */
    P8,  1,   1,   1,   1,   1,   1,   1,   0,  /* 0x70: all but DEL */
    Z16, Z16, Z16, Z16, Z16, Z16, Z16, Z16,     /* 0x80: not ASCII */
};
