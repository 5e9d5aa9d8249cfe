/* SPDX-License-Identifier: MIT */
#ifndef LY_BASE_LOG_INTERNAL_H
#define LY_BASE_LOG_INTERNAL_H

#include <lanyard/log.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define LY__LOG_LINE_MAX \
    8192 /* bytes of the longest line with its end; what goes beyond is cut, and the line says so */

/*
 * The id of the task that runs on this thread, 0 for none. The fiber floor sets it before the first fiber
 * runs; NULL until then.
 */
extern uint64_t (*ly__log_task_id)(void);

/* What a line is made of. The fields end with one whose key is NULL. */
struct ly__log_record {
    struct timespec time; /* CLOCK_REALTIME */
    enum ly_log_level level;
    const char *area, *message;
    int64_t thread;
    uint64_t task; /* 0: none */
    const struct ly_log_field *fields;
};

/* Write the record's line, ended by a newline, into out. Returns its length. */
size_t ly__log_format(enum ly_log_format format, const struct ly__log_record *record,
                      char out[LY__LOG_LINE_MAX]);

#endif
