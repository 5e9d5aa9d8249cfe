/* SPDX-License-Identifier: MIT */
/* Numbers that users type. */
#ifndef LY_CLI_NUMBER_H
#define LY_CLI_NUMBER_H

#include <stdint.h>

/* A whole number in least..most. Returns 0, or LY_EFIELD. */
int ly__number_read(const char *text, int64_t least, int64_t most, int64_t *ret);

/* A time: a number above 0, with ms, s (the default), m, h or d behind it; fractions are allowed. In
 * milliseconds, at least 1. Returns 0, or LY_EFIELD. */
int ly__duration_read(const char *text, int64_t *ret_ms);

/* A number of bytes in 0..most, with K, M or G (2^10, 2^20, 2^30) behind it if wanted. Returns 0, or
 * LY_EFIELD. */
int ly__size_read(const char *text, int64_t most, int64_t *ret);

#endif
