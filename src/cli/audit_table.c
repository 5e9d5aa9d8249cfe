/* SPDX-License-Identifier: MIT */
#include "base/escape.h"
#include "cli/audit.h"
#include <errno.h>
#include <inttypes.h>
#include <lanyard/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The least widths of the columns; what is longer moves the rest of its row. */
enum { TIME = 23, USER = 10, FROM = 21, SESSION = 7, WHAT = 8, RESULT = 10, TOOK = 7, BYTES = 11 };

static int pad(struct ly_buffer *b, size_t used, size_t width)
{
    char *place;
    size_t n = (used < width ? width - used : 0) + 1;
    int r = ly_buffer_reserve(b, n, &place);
    if (r < 0)
        return r;
    memset(place, ' ', n);
    ly_buffer_commit(b, n);
    return 0;
}

/* Characters of text that is valid UTF-8. */
static size_t count(const char *text, size_t n)
{
    size_t characters = 0;
    for (size_t i = 0; i < n; i++)
        characters += ((unsigned char)text[i] & 0xc0) != 0x80;
    return characters;
}

/* Escape a text into a column. A space within it would look like the next column, and so a stranger's name
 * like a row of another user's. */
static int put_left(struct ly_buffer *b, const char *text, size_t width)
{
    size_t before = b->length;
    int r = 0;
    while (r == 0 && *text) {
        size_t n = strcspn(text, " ");
        r = ly__escape_append(b, text, n);
        text += n;
        if (r == 0 && *text)
            r = ly_buffer_append(b, "\\x20", 4);
        text += *text != '\0';
    }
    return r < 0 ? r : pad(b, count(ly_buffer_bytes(b) + before, b->length - before), width);
}

static int put_right(struct ly_buffer *b, const char *text, int width)
{
    return ly_buffer_printf(b, "%*s ", width, text);
}

/* An address's scheme is in the way. */
static const char *without_scheme(const char *text)
{
    bool has = strncmp(text, "tcp://", 6) == 0 || strncmp(text, "tls://", 6) == 0;
    return has ? text + 6 : text;
}

/* In a column, or as the rest of the row (width 0). */
static int put_shown(struct ly_buffer *b, const char *text, size_t width)
{
    return width ? put_left(b, text, width) : ly__escape_append(b, text, strlen(text));
}

/* A text of the record; "-" if it is missing. */
static int put_text(struct ly_buffer *b, struct ly_json value, size_t width)
{
    char *text;
    if (value.length == 0)
        return put_shown(b, "-", width);
    text = malloc(value.length);
    if (!text)
        return -ENOMEM;
    ssize_t n = ly_json_string(value, text, value.length);
    int r = n < 0 ? (int)n : put_shown(b, without_scheme(text), width);
    free(text);
    return r;
}

static int put_time(struct ly_buffer *b, int64_t us)
{
    char text[LY__AUDIT_TIME];
    ly__audit_time_format(text, &(struct timespec){us / 1000000, (long)(us % 1000000 * 1000)});
    text[10] = ' ';
    text[TIME] = ' ';
    return ly_buffer_append(b, text, TIME + 1);
}

static int put_duration(struct ly_buffer *b, int64_t ms)
{
    char text[32];
    int64_t seconds = ms / 1000;
    if (ms < 0)
        snprintf(text, sizeof text, "-");
    else if (ms < 1000)
        snprintf(text, sizeof text, "%" PRId64 "ms", ms);
    else if (seconds < 60)
        snprintf(text, sizeof text, "%" PRId64 ".%" PRId64 "s", seconds, ms % 1000 / 100);
    else if (seconds < 3600)
        snprintf(text, sizeof text, "%" PRId64 "m%02" PRId64 "s", seconds / 60, seconds % 60);
    else
        snprintf(text, sizeof text, "%" PRId64 "h%02" PRId64 "m", seconds / 3600, seconds / 60 % 60);
    return put_right(b, text, TOOK);
}

static int put_number(struct ly_buffer *b, int64_t n, bool applies, int width)
{
    char text[24] = "-";
    if (applies)
        snprintf(text, sizeof text, "%" PRId64, n);
    return put_right(b, text, width);
}

/* The last column: the object, and in brackets what else there is to say. */
static int put_object(struct ly_buffer *b, const struct ly__audit_view *v)
{
    int r = 0;
    if (v->object.length > 0 || v->detail.length == 0)
        r = put_text(b, v->object, 0);
    if (r == 0 && v->detail.length > 0) {
        r = ly_buffer_append(b, " (", v->object.length > 0 ? 2 : 0);
        if (r == 0)
            r = put_text(b, v->detail, 0);
        if (r == 0)
            r = ly_buffer_append(b, ")", v->object.length > 0);
    }
    return r < 0 ? r : ly_buffer_append(b, "\n", 1);
}

int ly__audit_table_head(struct ly_buffer *b)
{
    return ly_buffer_printf(b, "%-*s %-*s %-*s %*s %-*s %-*s %*s %*s %s\n", TIME, "TIME (UTC)", USER, "USER",
                            FROM, "FROM", SESSION, "SESSION", WHAT, "WHAT", RESULT, "RESULT", TOOK, "TOOK",
                            BYTES, "BYTES", "OBJECT");
}

int ly__audit_table_row(struct ly_buffer *b, const struct ly__audit_view *v)
{
    int r = put_time(b, v->time_us);
    if (r == 0)
        r = put_text(b, v->who, USER);
    if (r == 0)
        r = put_text(b, v->from, FROM);
    if (r == 0)
        r = put_number(b, v->session, v->session > 0, SESSION);
    if (r == 0)
        r = put_text(b, v->what, WHAT);
    if (r == 0)
        r = put_text(b, v->result, RESULT);
    if (r == 0)
        r = put_duration(b, v->duration_ms);
    if (r == 0)
        r = put_number(b, v->bytes, v->bytes >= 0, BYTES);
    return r < 0 ? r : put_object(b, v);
}
