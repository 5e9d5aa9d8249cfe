/* SPDX-License-Identifier: MIT */
/* What the files of lanyard audit share. */
#ifndef LY_CLI_AUDIT_H
#define LY_CLI_AUDIT_H

#include "auth/audit_line.h"

/* Append the table's head, or a record as its row, with a line end. Whatever a text of the record has in it,
 * the row is one line without control characters. Returns 0, LY_ETOOBIG or -ENOMEM. */
int ly__audit_table_head(struct ly_buffer *b);
int ly__audit_table_row(struct ly_buffer *b, const struct ly__audit_view *v);

#define LY__AUDIT_ROW_MAX (8u * 65536) /* bytes of any row of a line of LY__AUDIT_LINES_MAX */

/* Called with each line of a file, without its end. A negative result ends the reading. */
typedef int ly__audit_line_fn(void *arg, const char *line, size_t n);

/* Read a file, or standard input ("-"), to its end. Returns 0, an error of open(2) or read(2), or of the
 * function. */
int ly__audit_read_file(const char *path, ly__audit_line_fn *line, void *arg);

/*
 * Read a file, and then what is added to it, for ever; when a new file takes its name, that one. Where there
 * is none yet, its directory is watched until there is. before_wait is called whenever all has been read.
 * Returns an error as above, or of before_wait; -EPIPE when nobody reads standard output any more.
 */
int ly__audit_follow(const char *path, ly__audit_line_fn *line, int (*before_wait)(void *arg), void *arg);

#endif
