/* SPDX-License-Identifier: MIT */
/* What put and get tell while they work: a bar on a terminal, events in JSON, or nothing. */
#ifndef LY_CLI_PROGRESS_H
#define LY_CLI_PROGRESS_H

#include "service/files/transfer.h"

#include <stdbool.h>
#include <stdint.h>

enum ly__progress_style {
    LY__PROGRESS_AUTO,  /* a bar if standard error is a terminal */
    LY__PROGRESS_JSON,  /* one object a line on standard output */
    LY__PROGRESS_QUIET, /* failures only */
};

/* What is said of an entry that cannot be transferred. */
#define LY__NO_ENTRY "no file, directory or link"

struct ly__progress;

/* Begin. command: "put" or "get". Returns 0, -ENOMEM or -EAGAIN. */
int ly__progress_new(struct ly__progress **ret_progress, const char *command, enum ly__progress_style style);

/* The bytes that are to come, once they are known. */
void ly__progress_total(struct ly__progress *p, int64_t bytes);

/* n bytes went over, of the file at path ("" for several small ones). Called by one task. */
void ly__progress_add(struct ly__progress *p, const char *path, int64_t n);

/* An entry failed. text may be NULL. */
void ly__progress_failed(struct ly__progress *p, int error, const char *text, const char *path);

/* An entry could not be written "here" or "there": the path alone does not say on which side the system
 * refused it. */
void ly__progress_unwritten(struct ly__progress *p, int error, const char *where, const char *path);

/* An entry is no file, directory or link, and is left out. */
void ly__progress_other(struct ly__progress *p, const char *path);

/* The end: the bar goes, or the last event comes. */
void ly__progress_done(struct ly__progress *p, const struct ly__transfer_counts *counts);

/* Stop and free without a last word. NULL is accepted. */
void ly__progress_free(struct ly__progress *p);

#endif
