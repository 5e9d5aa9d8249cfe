/* SPDX-License-Identifier: MIT */
/*
 * How a log line looks.
 *
 *   time=2026-11-20T21:44:50.123Z level=info area=server tid=71 fiber=9 msg="connection refused"
 * peer=[::1]:99
 *   {"time":"2026-11-20T21:44:50.123Z","level":"info","area":"server","tid":71,"fiber":9,"msg":"connection
 * refused",...}
 *
 * A line is written from left to right into a fixed buffer, in pieces that are whole or absent: an opening
 * with its key, one character of a value in its escaped form, a number. The last TAIL bytes are kept for what
 * ends a line, the closing quote and the word that it was cut, so that a line that was cut is still
 * well-formed. After the first piece that does not fit, nothing but the end is written.
 *
 * logfmt values are bare if they consist of visible characters other than quote, equals sign and backslash;
 * others are quoted, with backslash escapes as in escape.h, and \" for a quote. JSON strings hold control and
 * format controls as JSON's own escapes; a byte that is not UTF-8 cannot be in one and becomes the text
 * "\xNN".
 */
#include "base/escape.h"
#include "base/log_internal.h"
#include "base/utf8.h"
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TAIL 32
#define VALUE_ROOM 32 /* what a key takes besides its name: joints, a quote or a number of 20 digits */

struct line {
    char *begin;    /* where the line begins */
    char *at, *end; /* where the next piece goes; how far pieces may go */
    enum ly_log_format format;
    bool cut; /* a piece did not fit */
};

static void put(struct line *l, const char *bytes, size_t n)
{
    if (l->cut || n > (size_t)(l->end - l->at)) {
        l->cut = true;
        return;
    }
    memcpy(l->at, bytes, n);
    l->at += n;
}

/* Text that always fits: it uses the room kept for the tail. */
static void put_tail(struct line *l, const char *text)
{
    size_t n = strlen(text);
    memcpy(l->at, text, n);
    l->at += n;
}

static bool is_bare(const char *s, size_t n)
{
    size_t used;
    for (size_t i = 0; i < n; i += used) {
        char unit[LY__ESCAPE_UNIT];
        if (ly__escape_one(s + i, n - i, unit, &used) != used || s[i] == ' ' || s[i] == '"' || s[i] == '=')
            return false;
    }
    return n != 0;
}

static void put_logfmt_value(struct line *l, const char *s, size_t n)
{
    bool bare = is_bare(s, n);
    size_t used;
    if (!bare)
        put(l, "\"", 1);
    for (size_t i = 0; i < n && !l->cut; i += used) {
        char unit[LY__ESCAPE_UNIT];
        size_t length = ly__escape_one(s + i, n - i, unit, &used);
        if (s[i] == '"')
            put(l, "\\\"", 2);
        else
            put(l, unit, length);
    }
    if (!bare)
        put_tail(l, "\"");
}

/* The \u escape of a character, two of them (a surrogate pair) beyond 0xffff. */
static size_t write_json_escape(uint32_t code, char out[LY__ESCAPE_UNIT])
{
    if (code < 0x10000)
        return (size_t)snprintf(out, LY__ESCAPE_UNIT, "\\u%04x", code);
    code -= 0x10000;
    return (size_t)snprintf(out, LY__ESCAPE_UNIT, "\\u%04x\\u%04x", 0xd800 | code >> 10,
                            0xdc00 | (code & 0x3ff));
}

static size_t write_json_unit(const char *s, size_t n, char out[LY__ESCAPE_UNIT], size_t *ret_used)
{
    uint32_t code;
    size_t length = ly__utf8_decode(s, n, &code);
    *ret_used = length ? length : 1;
    if (!length)
        return (size_t)snprintf(out, LY__ESCAPE_UNIT, "\\\\x%02x", (unsigned char)s[0]);
    if (code == '"' || code == '\\' || code == '\n') {
        out[0] = '\\';
        out[1] = code == '\n' ? 'n' : (char)code;
        return 2;
    }
    if (ly__escape_needed(code))
        return write_json_escape(code, out);
    memcpy(out, s, length);
    return length;
}

static void put_json_value(struct line *l, const char *s, size_t n)
{
    size_t used;
    put(l, "\"", 1);
    for (size_t i = 0; i < n && !l->cut; i += used) {
        char unit[LY__ESCAPE_UNIT];
        size_t length = write_json_unit(s + i, n - i, unit, &used);
        put(l, unit, length);
    }
    put_tail(l, "\"");
}

/*
 * The name of a value and what joins it to the value before. Returns whether there was room for it and for
 * the opening quote or the number that follows; if not, the line is cut here.
 */
static bool begin_value(struct line *l, const char *key, const char *key_end)
{
    bool json = l->format == LY_LOG_JSON;
    if (l->cut || strlen(key) + strlen(key_end) + VALUE_ROOM > (size_t)(l->end - l->at)) {
        l->cut = true;
        return false;
    }
    if (json)
        put(l, l->at == l->begin ? "{\"" : ",\"", 2);
    else if (l->at != l->begin)
        put(l, " ", 1);
    put(l, key, strlen(key));
    put(l, key_end, strlen(key_end));
    put(l, json ? "\":" : "=", json ? 2 : 1);
    return true;
}

static void add_string(struct line *l, const char *key, const char *key_end, const char *value)
{
    if (!begin_value(l, key, key_end))
        return;
    size_t n = value ? strnlen(value, LY__LOG_LINE_MAX) : 0; /* more never fits */
    if (l->format == LY_LOG_JSON)
        put_json_value(l, value, n);
    else
        put_logfmt_value(l, value, n);
}

static void add_number(struct line *l, const char *key, int64_t value)
{
    char digits[24];
    if (begin_value(l, key, ""))
        put(l, digits, (size_t)snprintf(digits, sizeof digits, "%" PRId64, value));
}

static void add_error(struct line *l, const char *key, int64_t value)
{
    char number[40];
    bool in_range = value >= INT32_MIN && value <= INT32_MAX;
    const char *name = in_range ? ly_error_name((int)value) : "UNKNOWN";
    add_string(l, key, "", name);
    if (strcmp(name, "UNKNOWN") != 0) {
        add_string(l, key, "_text", ly_error_text((int)value));
        return;
    }
    snprintf(number, sizeof number, "unknown error %" PRId64, value);
    add_string(l, key, "_text", number);
}

static void add_field(struct line *l, const struct ly_log_field *f)
{
    switch (f->kind) {
    case LY_LOG_STRING:
        add_string(l, f->key, "", f->string);
        break;
    case LY_LOG_NUMBER:
        add_number(l, f->key, f->number);
        break;
    case LY_LOG_ERRNO:
        add_error(l, f->key, f->number);
        break;
    }
}

/*
 * RFC 3339 in UTC with milliseconds. The date is counted here because gmtime_r takes the C library's time
 * zone lock, which a child forked while another thread held it would wait for without end. Years run from
 * March, so that the leap day is the last one; 719468 is the number of days from 0000-03-01 to 1970-01-01,
 * 146097 the days of 400 years, 153 those of five months from March or August on.
 */
static void add_time(struct line *l, const struct timespec *t)
{
    char text[64];
    int64_t days = t->tv_sec / 86400 + 719468, second = t->tv_sec % 86400;
    int64_t era = days / 146097, day_of_era = days % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t march_month = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * march_month + 2) / 5 + 1;
    int64_t month = march_month < 10 ? march_month + 3 : march_month - 9;
    int64_t year = 400 * era + year_of_era + (month <= 2);
    snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, (int)month, (int)day,
             (int)(second / 3600), (int)(second / 60 % 60), (int)(second % 60), (int)(t->tv_nsec / 1000000));
    add_string(l, "time", "", text);
}

static size_t end_line(struct line *l)
{
    bool json = l->format == LY_LOG_JSON;
    if (l->cut)
        put_tail(l, json ? ",\"truncated\":true" : " truncated=true");
    put_tail(l, json ? "}\n" : "\n");
    return (size_t)(l->at - l->begin);
}

size_t ly__log_format(enum ly_log_format format, const struct ly__log_record *record,
                      char out[LY__LOG_LINE_MAX])
{
    static const char *const levels[] = {"error", "warning", "info", "debug"};
    struct line l = {.begin = out, .at = out, .end = out + LY__LOG_LINE_MAX - TAIL, .format = format};
    add_time(&l, &record->time);
    add_string(&l, "level", "", levels[record->level]);
    add_string(&l, "area", "", record->area);
    add_number(&l, "tid", record->thread);
    if (record->task)
        add_number(&l, "fiber", (int64_t)record->task);
    add_string(&l, "msg", "", record->message);
    for (const struct ly_log_field *f = record->fields; f && f->key; f++)
        add_field(&l, f);
    return end_line(&l);
}
