/* SPDX-License-Identifier: MIT */
/*
 * UTF-8, strictly: no overlong forms, no surrogates, nothing above U+10FFFF (Unicode 15, table 3-7; RFC
 * 3629).
 */
#ifndef LY_BASE_UTF8_H
#define LY_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LY__UTF8_MAX 4 /* bytes of the longest character */

/*
 * The character that n bytes at s begin with. Returns its length in bytes, 1 to 4, and stores it; 0 if there
 * is none: n is 0, the bytes are malformed or cut.
 */
size_t ly__utf8_decode(const char *s, size_t n, uint32_t *ret_code);

/* Write a character. Returns the bytes written, 1 to 4; 0 for a surrogate or a number above 0x10ffff. */
size_t ly__utf8_encode(uint32_t code, char out[LY__UTF8_MAX]);

/* How many of the n bytes at s are whole, valid characters, counted up to the first that is not. */
size_t ly__utf8_span(const char *s, size_t n);

/* Whether the n bytes at s, which ly__utf8_decode refused, may become a character when more bytes follow. */
bool ly__utf8_is_cut(const char *s, size_t n);

/* How many of the n bytes at s, at least 1, which ly__utf8_decode refused, one replacement stands for: the
 * longest beginning of a character that is there (Unicode 15, 3.9, U+FFFD Substitution of Maximal Subparts).
 */
size_t ly__utf8_malformed(const char *s, size_t n);

/* How many bytes the first *count characters of n valid bytes have; *count becomes how many there are. */
size_t ly__utf8_take(const char *s, size_t n, size_t *count);

static inline bool ly__utf8_valid(const char *s, size_t n)
{
    return ly__utf8_span(s, n) == n;
}

#endif
