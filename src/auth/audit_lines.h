/* SPDX-License-Identifier: MIT */
/* Bytes of a trail, as they come, cut into lines. */
#ifndef LY_AUTH_AUDIT_LINES_H
#define LY_AUTH_AUDIT_LINES_H

#include <lanyard/buffer.h>
#include <stdbool.h>

#define LY__AUDIT_LINES_MAX 65536u /* bytes of the longest line that is given; records are shorter */

struct ly__audit_lines {
    struct ly_buffer bytes;
    size_t searched; /* leading bytes without a line end */
    bool too_long;   /* the rest of the line that has begun is dropped */
};

void ly__audit_lines_init(struct ly__audit_lines *l);
void ly__audit_lines_done(struct ly__audit_lines *l);

/* Add n bytes, at most LY__AUDIT_LINES_MAX, when _next has given all lines. Returns 0 or -ENOMEM. */
int ly__audit_lines_add(struct ly__audit_lines *l, const char *bytes, size_t n);

/*
 * The next whole line, without its line end; valid until the next call. A line that is too long is given as
 * one of its first LY__AUDIT_LINES_MAX bytes. false: there is none yet.
 */
bool ly__audit_lines_next(struct ly__audit_lines *l, const char **ret_line, size_t *ret_n);

/* What is there without a line end, at the end of the file. false: nothing. */
bool ly__audit_lines_rest(struct ly__audit_lines *l, const char **ret_line, size_t *ret_n);

#endif
