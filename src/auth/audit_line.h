/* SPDX-License-Identifier: MIT */
/* Inside the audit trail: how a record becomes a line, and a line a record. */
#ifndef LY_AUTH_AUDIT_LINE_H
#define LY_AUTH_AUDIT_LINE_H

#include "auth/audit.h"
#include <lanyard/buffer.h>
#include <lanyard/json.h>
#include <time.h>

/* Bytes of texts that are kept. A byte becomes at most 6. */
#define LY__AUDIT_WHO_MAX 256u
#define LY__AUDIT_FROM_MAX 400u
#define LY__AUDIT_DEVICE_MAX 128u
#define LY__AUDIT_WHAT_MAX 64u
#define LY__AUDIT_OBJECT_MAX 4096u
#define LY__AUDIT_DETAIL_MAX 512u
#define LY__AUDIT_LINE_MAX 34816u /* bytes of the longest record, with its line end */

#define LY__AUDIT_TIME 40              /* bytes of a printed time, with its zero byte */
#define LY__AUDIT_HEAD "{\"time\": \"" /* what every record begins with, and what is nowhere else in one */

/* "2026-11-21T09:35:37.123456Z". */
void ly__audit_time_format(char out[LY__AUDIT_TIME], const struct timespec *t);

/* Append a record as a line. phase: NULL for the result. Returns 0, LY_ETOOBIG or -ENOMEM. */
int ly__audit_line(struct ly_buffer *b, const struct timespec *now, const struct ly__audit_record *record,
                   const char *phase, int64_t duration_ms);

/* Append the record that tells what is missing. */
int ly__audit_gap_line(struct ly_buffer *b, const struct timespec *now, const struct timespec *since,
                       int error, uint64_t lost, uint64_t refused);

/* A record that was read: spans of its line. What is missing has the type LY_JSON_NONE. */
struct ly__audit_view {
    struct ly_json record;
    int64_t time_us; /* since 1970 */
    struct ly_json who, from, device, what, object, result, detail;
    int64_t session, action;    /* 0: none */
    int64_t duration_ms, bytes; /* negative: none */
};

/*
 * Read a line, without its line end. Where a record was cut short and the next one follows on the same line,
 * the last one is read, and *ret_damaged is set. Returns 0; LY_EJSON, LY_EFIELD (it is no record).
 */
int ly__audit_read(struct ly__audit_view *ret, const char *line, size_t n, bool *ret_damaged);

/*
 * A time as users give it: "2026-11-21", "2026-11-21T09:35", "2026-11-21 09:35:37.5", with or without a "Z",
 * always UTC. In microseconds since 1970. Returns 0 or LY_EFIELD.
 */
int ly__audit_time_read(const char *text, size_t n, int64_t *ret_us);

#endif
