/* SPDX-License-Identifier: MIT */
/* Printing a 128-bit hash, for the files that hold a variant each. */
#ifndef LY_SERVICE_HASH_TEXT_H
#define LY_SERVICE_HASH_TEXT_H

#include <stdint.h>

/* Sixteen digits, most significant first. */
static inline void hash_digits(uint64_t v, char *out)
{
    for (int i = 15; i >= 0; i--, v >>= 4)
        out[i] = "0123456789abcdef"[v & 15];
}

#endif
