/* SPDX-License-Identifier: MIT */
#include "auth/audit_line.h"
#include <ctype.h>
#include <lanyard/error.h>
#include <stddef.h>
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

/* The members that are known, and where they go. */
static const struct member {
    const char *name;
    enum ly_json_type type;
    size_t offset;
} members[] = {
    {"who", LY_JSON_STRING, offsetof(struct ly__audit_view, who)},
    {"from", LY_JSON_STRING, offsetof(struct ly__audit_view, from)},
    {"device", LY_JSON_STRING, offsetof(struct ly__audit_view, device)},
    {"what", LY_JSON_STRING, offsetof(struct ly__audit_view, what)},
    {"object", LY_JSON_STRING, offsetof(struct ly__audit_view, object)},
    {"result", LY_JSON_STRING, offsetof(struct ly__audit_view, result)},
    {"detail", LY_JSON_STRING, offsetof(struct ly__audit_view, detail)},
    {"session", LY_JSON_NUMBER, offsetof(struct ly__audit_view, session)},
    {"action", LY_JSON_NUMBER, offsetof(struct ly__audit_view, action)},
    {"duration_ms", LY_JSON_NUMBER, offsetof(struct ly__audit_view, duration_ms)},
    {"bytes", LY_JSON_NUMBER, offsetof(struct ly__audit_view, bytes)},
};

static void take_member(struct ly__audit_view *v, const struct member *m, struct ly_json value)
{
    char *place = (char *)v + m->offset;
    int64_t n;
    if (ly_json_type(value) != m->type)
        return;
    if (m->type == LY_JSON_STRING)
        memcpy(place, &value, sizeof value);
    else if (ly_json_int(value, &n) == 0 && n >= 0)
        memcpy(place, &n, sizeof n);
}

static int read_time(struct ly_json value, int64_t *ret_us)
{
    char time[LY__AUDIT_TIME];
    ssize_t n = ly_json_string(value, time, sizeof time);
    return n < 0 ? LY_EFIELD : ly__audit_time_read(time, (size_t)n, ret_us);
}

/* One walk over the members; what is of another type than it should be counts as missing. */
static int read_members(struct ly__audit_view *v)
{
    struct ly_json name, value;
    size_t it = 0;
    int r = LY_EFIELD;
    while (ly_json_next(v->record, &it, &name, &value)) {
        if (ly_json_equal(name, "time"))
            r = read_time(value, &v->time_us);
        for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
            if (ly_json_equal(name, members[i].name))
                take_member(v, &members[i], value);
        }
    }
    return r;
}

int ly__audit_read(struct ly__audit_view *ret, const char *line, size_t n, bool *ret_damaged)
{
    struct ly__audit_view v = {.duration_ms = -1, .bytes = -1};
    const char *start = find_last(line, n);
    *ret_damaged = start > line;
    int r = ly_json_check(&v.record, start, n - (size_t)(start - line));
    if (r == 0)
        r = ly_json_type(v.record) == LY_JSON_OBJECT ? read_members(&v) : LY_EFIELD;
    if (r == 0)
        *ret = v;
    return r;
}
