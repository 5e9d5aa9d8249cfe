/* SPDX-License-Identifier: MIT */
/*
 * Reading from files up to something: lines and delimiters.
 *
 * A line is gathered in the file's buffer before any of it is given, so that an error or "nothing yet" in the
 * middle loses nothing. How far the buffer was searched is remembered: a line that comes byte by byte is not
 * searched from its beginning each time.
 */
#include "base/utf8.h"
#include "net/file.h"
#include <errno.h>
#include <string.h>

/* ---- where a line ends ---- */

#define WINDOW ((size_t)512) /* so that a distant "\n" is not looked for again behind each "\r" */

/* Through the first "\n", "\r" or "\r\n"; 0 if there is none. A "\r" at the end does not count unless nothing
 * can follow. */
static size_t any_end(const char *s, size_t n, bool ended)
{
    for (size_t at = 0; at < n; at += WINDOW) {
        size_t window = n - at < WINDOW ? n - at : WINDOW;
        const char *lf = memchr(s + at, '\n', window);
        const char *cr = memchr(s + at, '\r', lf ? (size_t)(lf - s) - at : window);
        if (cr) {
            size_t end = (size_t)(cr - s) + 1;
            return end < n ? end + (s[end] == '\n') : ended ? end : 0;
        }
        if (lf)
            return (size_t)(lf - s) + 1;
    }
    return 0;
}

static size_t line_end(enum ly__line_end ending, const char *s, size_t n, bool ended)
{
    const char *at;
    switch (ending) {
    case LY__ANY_END:
        return any_end(s, n, ended);
    case LY__CRLF:
        at = memmem(s, n, "\r\n", 2);
        return at ? (size_t)(at - s) + 2 : 0;
    default:
        at = memchr(s, ending == LY__CR ? '\r' : '\n', n);
        return at ? (size_t)(at - s) + 1 : 0;
    }
}

/* Through the first line's end in what is held; 0 if there is none. */
static size_t find_end(struct ly_file *f)
{
    struct ly__file_in *in = &f->in;
    size_t held = ly__file_held(f), from = in->searched;
    if (from > 0 && f->ending != LY__LF)
        from--; /* a "\r" may have waited for what has come */
    size_t n = held > from ? line_end(f->ending, ly__file_first(f) + from, held - from, in->ended) : 0;
    if (n > 0)
        return from + n;
    in->searched = held;
    return 0;
}

/* ---- lines ---- */

/* How far a line may go: what is left of the characters, and the bytes that were counted for those used up.
 */
struct extent {
    size_t cap, chars, counted;
};

/* How many of the first n bytes held, of which find_end told, lie within the extent. */
static size_t within(const struct ly_file *f, struct extent *e, size_t n)
{
    size_t most = n > e->cap ? ly__file_whole(f, e->cap) : n;
    if (f->binary)
        return most < e->chars ? most : e->chars;
    if (most > e->counted && e->chars != LY_FILE_ALL) {
        size_t count = e->chars;
        e->counted += ly__utf8_take(ly__file_first(f) + e->counted, most - e->counted, &count);
        e->chars -= count;
        return e->counted;
    }
    return most;
}

/*
 * Have the next line, or what of it the extent allows, at the front of what is held. Returns its bytes; 0 at
 * the end; LY_ETOOBIG if not even one character fits; or an error of ly__file_fill, which loses nothing.
 * ret_cut: the line goes on, or may do so.
 */
static ssize_t gather(struct ly_file *f, struct extent e, bool *ret_cut)
{
    for (;;) {
        size_t held = ly__file_held(f), end = find_end(f), wanted = end ? end : held;
        size_t n = within(f, &e, wanted);
        bool full = n < wanted || n == e.cap || (f->binary ? n == e.chars : e.chars == 0);
        *ret_cut = n < wanted || !end;
        if (wanted > 0 && (end || full))
            return n > 0 ? (ssize_t)n : LY_ETOOBIG;
        int r = ly__file_fill(f, e.cap);
        if (r == 0)
            *ret_cut = false;
        if (r <= 0)
            return r < 0 ? r : (ssize_t)ly__file_held(f);
    }
}

ssize_t ly_file_readline(struct ly_file *f, void *buf, size_t cap, size_t n)
{
    bool cut;
    int r = ly__file_can_read(f);
    if (r < 0 || cap == 0 || n == 0)
        return r;
    if (f->unbuffered)
        return ly__file_raw_until(f, buf, n < cap ? n : cap, "\n", 1);
    ssize_t got = gather(f, (struct extent){.cap = cap, .chars = n}, &cut);
    if (got > 0) {
        memcpy(buf, ly__file_first(f), (size_t)got);
        ly__file_consume(f, (size_t)got);
    }
    return got;
}

/* A line that is there, which is what most calls find. Only what may be lent is looked at. */
static size_t line_at_hand(const struct ly_file *f)
{
    size_t held = ly__file_held(f);
    if (f->ending != LY__LF || held == 0 || f->in.searched > 0)
        return 0;
    const char *first = ly__file_first(f);
    const char *lf = memchr(first, '\n', held < f->line_max ? held : f->line_max);
    return lf ? (size_t)(lf - first) + 1 : 0;
}

ssize_t ly_file_line(struct ly_file *f, const char **ret_line)
{
    bool cut = false;
    int r = ly__file_can_read(f);
    if (r < 0 || f->unbuffered)
        return r < 0 ? r : -EINVAL;
    ssize_t n = (ssize_t)line_at_hand(f);
    if (n == 0)
        n = gather(f, (struct extent){.cap = f->line_max + 1, .chars = LY_FILE_ALL}, &cut);
    if (n <= 0)
        return n;
    if (cut || (size_t)n > f->line_max)
        return LY_ETOOBIG;
    *ret_line = ly__file_first(f);
    ly__file_consume(f, (size_t)n);
    return n;
}

/* ---- delimiters ---- */

/* Through the first delimiter among the limit first bytes held; 0 if there is none. The first seen bytes hold
 * the start of none. */
static size_t find(const struct ly_file *f, size_t seen, size_t limit, const void *delimiter, size_t length)
{
    size_t n = ly__file_held(f) < limit ? ly__file_held(f) : limit;
    if (n < seen + length)
        return 0;
    const char *at = memmem(ly__file_first(f) + seen, n - seen, delimiter, length);
    return at ? (size_t)(at - ly__file_first(f)) + length : 0;
}

ssize_t ly_file_read_until(struct ly_file *f, void *buf, size_t cap, const void *delimiter, size_t length)
{
    size_t seen = 0;
    int r = ly__file_can_read(f);
    if (r < 0 || length == 0 || length > cap)
        return r < 0 ? r : -EINVAL;
    if (f->unbuffered) {
        ssize_t n = ly__file_raw_until(f, buf, cap, delimiter, length);
        bool through = n >= (ssize_t)length && memcmp((char *)buf + n - length, delimiter, length) == 0;
        return n == (ssize_t)cap && !through ? LY_ETOOBIG : n;
    }
    for (;;) {
        size_t n = find(f, seen, cap, delimiter, length), held = ly__file_held(f);
        if (n == 0 && held >= cap)
            return LY_ETOOBIG;
        if (n == 0) {
            seen = held >= length ? held - length + 1 : 0;
            r = ly__file_fill(f, cap);
            if (r < 0)
                return r;
            if (r > 0)
                continue;
            n = held;
        }
        if (n > 0)
            memcpy(buf, ly__file_first(f), n);
        ly__file_consume(f, n);
        return (ssize_t)n;
    }
}
