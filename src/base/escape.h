/* SPDX-License-Identifier: MIT */
/*
 * Text of strangers made fit for terminals and logs.
 *
 * Control characters (C0, DEL, C1), bytes that are not UTF-8, line and paragraph separators and Unicode's
 * format controls (bidirectional overrides, zero-width characters, tags) become visible: a newline "\n",
 * everything else "\xNN" a byte. A backslash becomes "\\", so that the result tells for certain what it was
 * made of.
 */
#ifndef LY_BASE_ESCAPE_H
#define LY_BASE_ESCAPE_H

#include <lanyard/buffer.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LY__ESCAPE_UNIT 16 /* bytes of the longest escape: four bytes of a format control */

/* Whether a character is a control or format control, which must not reach a terminal. */
bool ly__escape_needed(uint32_t code);

/*
 * Escape the first character, or the first malformed byte, of the n >= 1 bytes at s into out. Returns the
 * bytes written and stores how many of s were used.
 */
size_t ly__escape_one(const char *s, size_t n, char out[LY__ESCAPE_UNIT], size_t *ret_used);

/*
 * Escape n bytes into cap bytes at out and end them with a zero byte if cap is not 0. What does not fit is
 * left out; no escape is cut. Returns the bytes the whole takes without the zero: the result is whole if that
 * is below cap.
 */
size_t ly__escape(char *out, size_t cap, const void *bytes, size_t n);

/* Escape n bytes to the end of a buffer. Returns 0, LY_ETOOBIG or -ENOMEM; on an error nothing is appended.
 */
int ly__escape_append(struct ly_buffer *b, const void *bytes, size_t n);

#endif
