/* SPDX-License-Identifier: MIT */
#include "auth/audit_line.h"
#include <lanyard/error.h>
#include <stdio.h>
#include <string.h>

_Static_assert(LY__AUDIT_LINE_MAX >= 6 * (LY__AUDIT_WHO_MAX + LY__AUDIT_FROM_MAX + LY__AUDIT_DEVICE_MAX +
                                          LY__AUDIT_WHAT_MAX + LY__AUDIT_OBJECT_MAX + LY__AUDIT_DETAIL_MAX) +
                                         512,
               "the longest texts and all numbers and names fit into a line");

void ly__audit_time_format(char out[LY__AUDIT_TIME], const struct timespec *t)
{
    struct tm tm;
    char day[32] = "1970-01-01T00:00:00";
    if (gmtime_r(&t->tv_sec, &tm))
        (void)strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, LY__AUDIT_TIME, "%.26s.%06dZ", day, (int)(t->tv_nsec / 1000 % 1000000));
}

/* How much of a text is kept: at most max bytes, and no part of a character at the end. */
static size_t keep(const char *text, size_t max, bool *cut)
{
    size_t n = strnlen(text, max + 1);
    if (n <= max)
        return n;
    *cut = true;
    for (n = max; n > max - 3 && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--;
    return n;
}

static int put_text(struct ly_buffer *b, const char *name, const char *text, size_t max, bool *cut)
{
    if (!text || !*text)
        return 0;
    return ly_json_put_bytes(b, name, text, keep(text, max, cut));
}

/* ---- records ---- */

static int put_number(struct ly_buffer *b, const char *name, int64_t n, bool applies)
{
    return applies ? ly_json_put_int(b, name, n) : 0;
}

static int begin(struct ly_buffer *b, const struct timespec *now)
{
    char time[LY__AUDIT_TIME];
    ly__audit_time_format(time, now);
    int r = ly_json_open(b, NULL, '{');
    return r < 0 ? r : ly_json_put_string(b, "time", time);
}

static int end(struct ly_buffer *b)
{
    int r = ly_json_close(b, '}');
    return r < 0 ? r : ly_buffer_append(b, "\n", 1);
}

static int put_texts(struct ly_buffer *b, const struct ly__audit_record *record, const char *result)
{
    const struct {
        const char *name, *text;
        size_t max;
    } texts[] = {{"who", record->who, LY__AUDIT_WHO_MAX},          {"from", record->from, LY__AUDIT_FROM_MAX},
                 {"device", record->device, LY__AUDIT_DEVICE_MAX}, {"what", record->what, LY__AUDIT_WHAT_MAX},
                 {"object", record->object, LY__AUDIT_OBJECT_MAX}, {"result", result, LY__AUDIT_WHAT_MAX},
                 {"detail", record->detail, LY__AUDIT_DETAIL_MAX}};
    bool cut = false;
    int r = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts && r == 0; i++)
        r = put_text(b, texts[i].name, texts[i].text, texts[i].max, &cut);
    return r == 0 && cut ? ly_json_put_bool(b, "cut", true) : r;
}

int ly__audit_line(struct ly_buffer *b, const struct timespec *now, const struct ly__audit_record *record,
                   const char *phase, int64_t duration_ms)
{
    const char *result = record->result < 0 ? ly_error_name(record->result) : "ok";
    int r = begin(b, now);
    if (r == 0)
        r = put_texts(b, record, phase ? phase : result);
    if (r == 0)
        r = put_number(b, "session", (int64_t)record->session, record->session > 0);
    if (r == 0)
        r = put_number(b, "action", (int64_t)record->action, record->action > 0);
    if (r == 0)
        r = put_number(b, "duration_ms", duration_ms, !phase && duration_ms >= 0);
    if (r == 0)
        r = put_number(b, "bytes", record->bytes, !phase && record->bytes >= 0);
    return r < 0 ? r : end(b);
}

int ly__audit_gap_line(struct ly_buffer *b, const struct timespec *now, const struct timespec *since,
                       int error, uint64_t lost, uint64_t refused)
{
    char text[160], time[LY__AUDIT_TIME];
    ly__audit_time_format(time, since);
    snprintf(text, sizeof text, "%llu records lost and %llu actions refused since %s",
             (unsigned long long)lost, (unsigned long long)refused, time);
    int r = begin(b, now);
    if (r == 0)
        r = ly_json_put_string(b, "what", "audit");
    if (r == 0)
        r = ly_json_put_string(b, "object", text);
    if (r == 0)
        r = ly_json_put_string(b, "result", ly_error_name(error));
    if (r == 0)
        r = ly_json_put_int(b, "lost", (int64_t)lost);
    if (r == 0)
        r = ly_json_put_int(b, "refused", (int64_t)refused);
    if (r == 0)
        r = ly_json_put_string(b, "since", time);
    return r < 0 ? r : end(b);
}
