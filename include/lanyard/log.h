/* SPDX-License-Identifier: MIT */
/*
 * The log: lines of a message and named fields, as logfmt or JSON, to one descriptor.
 *
 * The library itself logs at debug level only, but for reports that no hook takes: a deadlock (error), a
 * fiber that holds its loop and accepting that is paused (warnings). Each line carries time, level, thread id
 * and, inside a fiber, the fiber's id. Control characters and bytes that are not UTF-8 in messages and values
 * arrive escaped, so that no peer can write a line of its own. LY_DEBUG=net,frame in the environment turns
 * debug lines of those areas on; LY_DEBUG=all all of them.
 */
#ifndef LANYARD_LOG_H
#define LANYARD_LOG_H

#include <lanyard/error.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ly_log_level { LY_LOG_ERROR, LY_LOG_WARNING, LY_LOG_INFO, LY_LOG_DEBUG };
enum ly_log_format { LY_LOGFMT, LY_LOG_JSON };

/* Every field counts, 0 as well: fd 0 is standard input. Before ly_log_setup it is {2, LY_LOG_INFO,
 * LY_LOGFMT, false}. */
struct ly_log_options {
    int fd;                    /* where lines go; borrowed */
    enum ly_log_level level;   /* lines above this level are dropped */
    enum ly_log_format format; /* of each line */
    bool numbered;             /* each begins with its level as sd-daemon(3) has it, "<3>": for a journal */
};

/* Set where and how to log, for the whole process. Call before other threads log. */
LY_API void ly_log_setup(const struct ly_log_options *options);

/* Whether a line of this level and area would be written. */
LY_API bool ly_log_enabled(enum ly_log_level level, const char *area);

/*
 * One named value of a line. Build them with LY_STR, LY_INT and LY_ERR; a list ends with LY_END, which ly_log
 * adds.
 */
struct ly_log_field {
    const char *key;                                          /* [a-z_]+; NULL ends a list */
    enum { LY_LOG_STRING, LY_LOG_NUMBER, LY_LOG_ERRNO } kind; /* which of the next two counts */
    /* borrowed until ly_log returns; NULL prints as empty */
    const char *string;
    /* for LY_LOG_ERRNO: printed as the error's name and text */
    int64_t number;
};
#define LY_STR(k, v) ((struct ly_log_field){(k), LY_LOG_STRING, (v), 0})
#define LY_INT(k, v) ((struct ly_log_field){(k), LY_LOG_NUMBER, 0, (v)})
#define LY_ERR(v) ((struct ly_log_field){"error", LY_LOG_ERRNO, 0, (v)})

#define LY_END ((struct ly_log_field){0, LY_LOG_STRING, 0, 0})

/* Write one line: ly_log(LY_LOG_INFO, "server", "connection refused", LY_STR("peer", text), LY_ERR(r)). The
 * message and any number of fields follow the area. One write(2) a line. */
#define ly_log(level, area, ...) LY__LOG(level, area, __VA_ARGS__, LY_END)
#define LY__LOG(level, area, message, ...) \
    ly_log_fields((level), (area), (message), (const struct ly_log_field[]){__VA_ARGS__})
LY_API void ly_log_fields(enum ly_log_level level, const char *area, const char *message,
                          const struct ly_log_field *fields);

#ifdef __cplusplus
}
#endif
#endif
