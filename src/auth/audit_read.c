/* SPDX-License-Identifier: MIT */
#include "auth/audit_line.h"
#include <ctype.h>
#include <lanyard/error.h>
#include <string.h>

/* ---- times ---- */

/* A number of exactly so many digits, at *at; moves it behind. */
static int read_digits(const char **at, const char *end, int digits, int least, int most, int *ret)
{
    int n = 0;
    if (end - *at < digits)
        return LY_EFIELD;
    for (int i = 0; i < digits; i++) {
        char c = *(*at)++;
        if (c < '0' || c > '9')
            return LY_EFIELD;
        n = n * 10 + (c - '0');
    }
    *ret = n;
    return n < least || n > most ? LY_EFIELD : 0;
}

/* One of these characters, if there is one; moves behind it. */
static bool skip(const char **at, const char *end, const char *any)
{
    if (*at == end || !**at || !strchr(any, **at))
        return false;
    (*at)++;
    return true;
}

/* Microseconds behind the point: digits, of which six count. */
static int read_fraction(const char **at, const char *end, int *ret_us)
{
    int us = 0, digits = 0;
    for (; *at < end && isdigit((unsigned char)**at); digits++, (*at)++)
        us = digits < 6 ? us * 10 + (**at - '0') : us;
    if (digits == 0)
        return LY_EFIELD;
    for (; digits < 6; digits++)
        us *= 10;
    *ret_us = us;
    return 0;
}

static int read_day(const char **at, const char *end, struct tm *tm)
{
    int r = read_digits(at, end, 4, 1970, 9999, &tm->tm_year);
    if (r == 0)
        r = skip(at, end, "-") ? read_digits(at, end, 2, 1, 12, &tm->tm_mon) : LY_EFIELD;
    if (r == 0)
        r = skip(at, end, "-") ? read_digits(at, end, 2, 1, 31, &tm->tm_mday) : LY_EFIELD;
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return r;
}

static int read_clock(const char **at, const char *end, struct tm *tm, int *ret_us)
{
    int r = read_digits(at, end, 2, 0, 23, &tm->tm_hour);
    if (r == 0)
        r = skip(at, end, ":") ? read_digits(at, end, 2, 0, 59, &tm->tm_min) : LY_EFIELD;
    if (r == 0 && skip(at, end, ":")) {
        r = read_digits(at, end, 2, 0, 60, &tm->tm_sec);
        if (r == 0 && skip(at, end, "."))
            r = read_fraction(at, end, ret_us);
    }
    return r;
}

int ly__audit_time_read(const char *text, size_t n, int64_t *ret_us)
{
    const char *at = text, *end = text + n;
    struct tm tm = {.tm_isdst = 0};
    int us = 0;
    int r = read_day(&at, end, &tm);
    if (r == 0 && skip(&at, end, "T "))
        r = read_clock(&at, end, &tm, &us);
    if (r == 0)
        (void)skip(&at, end, "Z");
    if (r < 0 || at != end)
        return LY_EFIELD;
    int month = tm.tm_mon;
    struct tm day = {.tm_year = tm.tm_year, .tm_mon = tm.tm_mon, .tm_mday = tm.tm_mday};
    (void)timegm(&day);
    if (day.tm_mon != month) /* the 31st of June has become the 1st of July */
        return LY_EFIELD;
    int64_t seconds = timegm(&tm);
    *ret_us = seconds * 1000000 + us;
    return 0;
}

/* ---- records ---- */

/* The beginning of the last record on the line; the line's own if there is none. */
static const char *find_last(const char *line, size_t n)
{
    static const char head[] = LY__AUDIT_HEAD;
    const char *last = line, *end = line + n, *at = line;
    while ((at = memmem(at, (size_t)(end - at), head, sizeof head - 1)))
        last = at++;
    return last;
}

static int64_t number(struct ly_json record, const char *name, int64_t otherwise)
{
    int64_t n;
    return ly_json_int(ly_json_get(record, name), &n) == 0 && n >= 0 ? n : otherwise;
}

static struct ly_json text(struct ly_json record, const char *name)
{
    struct ly_json value = ly_json_get(record, name);
    return ly_json_type(value) == LY_JSON_STRING ? value : (struct ly_json){.length = 0};
}

static int read_time(struct ly_json record, int64_t *ret_us)
{
    char time[LY__AUDIT_TIME];
    ssize_t n = ly_json_string(ly_json_get(record, "time"), time, sizeof time);
    return n < 0 ? LY_EFIELD : ly__audit_time_read(time, (size_t)n, ret_us);
}

int ly__audit_read(struct ly__audit_view *ret, const char *line, size_t n, bool *ret_damaged)
{
    struct ly__audit_view v;
    const char *start = find_last(line, n);
    *ret_damaged = start > line;
    int r = ly_json_check(&v.record, start, n - (size_t)(start - line));
    if (r < 0)
        return r;
    r = read_time(v.record, &v.time_us);
    if (r < 0)
        return r;
    v.who = text(v.record, "who");
    v.from = text(v.record, "from");
    v.device = text(v.record, "device");
    v.what = text(v.record, "what");
    v.object = text(v.record, "object");
    v.result = text(v.record, "result");
    v.detail = text(v.record, "detail");
    v.session = number(v.record, "session", 0);
    v.action = number(v.record, "action", 0);
    v.duration_ms = number(v.record, "duration_ms", -1);
    v.bytes = number(v.record, "bytes", -1);
    *ret = v;
    return 0;
}
