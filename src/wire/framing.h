/* SPDX-License-Identifier: MIT */
/* What the two files of the framings share. */
#ifndef LY_WIRE_FRAMING_H
#define LY_WIRE_FRAMING_H

#include <lanyard/framing.h>

/* What stands around a body. */
struct ly__envelope {
    char head[LY_FRAMING_HEAD_MAX];
    size_t head_length;
    char end[2 * LY_FRAMING_DELIMITER_MAX]; /* delimiter and tail */
    size_t end_length;
};

/* Returns 0 or an error of ly_framing_append about the message. */
int ly__framing_envelope(const struct ly_framing *f, const void *body, size_t n, struct ly__envelope *ret);

#endif
