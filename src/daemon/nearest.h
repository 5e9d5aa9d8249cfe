/* SPDX-License-Identifier: MIT */
/* The name that was probably meant by a word that is none. */
#ifndef LY_DAEMON_NEAREST_H
#define LY_DAEMON_NEAREST_H

#include <stddef.h>

struct ly__nearest {
    const char *word; /* what was typed */
    size_t length;
    const char *name; /* the nearest so far; NULL: none is near enough for a slip of the finger */
    size_t distance;
};

/* word: n bytes, borrowed; one that is longer than any name is near to none. */
void ly__nearest_init(struct ly__nearest *n, const char *word, size_t length);
void ly__nearest_try(struct ly__nearest *n, const char *name);

#endif
