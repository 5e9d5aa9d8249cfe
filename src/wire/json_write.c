/* SPDX-License-Identifier: MIT */
/*
 * Writing JSON: what Python's json.dumps would write, byte for byte (", " and ": " between items, ASCII only,
 * lower-case \uxxxx, surrogate pairs, repr's shortest form of a float).
 *
 * The writer keeps no state of its own. Whether an item needs a comma shows in the last byte of the buffer:
 * behind an opening bracket it needs none, and inside a string that byte is never what comes last. Each call
 * first computes how long its item is, makes room once, and then writes; so an item is either there as a
 * whole or not at all.
 *
 * Bytes that are not UTF-8 become U+DC00 + byte, code points that text can never hold ("surrogateescape"):
 * the reader turns them back into the bytes, so any file name survives the way there and back.
 */
#include "base/utf8.h"
#include "wire/json.h"
#include "wire/text.h"
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What follows the backslash in the escapes of two characters; 0 where there is none. */
static char short_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* Length of the bytes once escaped. */
static size_t escaped_length(const char *p, size_t n)
{
    const char *end = p + n;
    size_t length = 0;
    while (p < end) {
        const char *stop = ly__text_skip_plain(p, end);
        length += (size_t)(stop - p);
        if (stop == end)
            break;
        uint32_t code;
        size_t m = ly__utf8_decode(stop, (size_t)(end - stop), &code);
        if (m == 4)
            length += 12;
        else
            length += short_escape((unsigned char)*stop) ? 2 : 6;
        p = stop + (m > 0 ? m : 1);
    }
    return length;
}

static char *write_unicode(char *out, uint32_t code)
{
    static const char digits[16] = "0123456789abcdef";
    *out++ = '\\';
    *out++ = 'u';
    for (int shift = 12; shift >= 0; shift -= 4)
        *out++ = digits[code >> shift & 0xF];
    return out;
}

/* One character that does not stand for itself, from *p on; moves *p behind it. */
static char *write_escape(char *out, const char **p, const char *end)
{
    unsigned char c = (unsigned char)**p;
    uint32_t code;
    size_t m = ly__utf8_decode(*p, (size_t)(end - *p), &code);
    if (m == 0)
        code = 0xDC00u + c;
    *p += m > 0 ? m : 1;
    if (short_escape(c)) {
        *out++ = '\\';
        *out++ = short_escape(c);
        return out;
    }
    if (code < 0x10000)
        return write_unicode(out, code);
    code -= 0x10000;
    out = write_unicode(out, 0xD800 + (code >> 10));
    return write_unicode(out, 0xDC00 + (code & 0x3FF));
}

/* The string with its quotation marks. */
static char *write_string(char *out, const char *p, size_t n)
{
    const char *end = p + n;
    *out++ = '"';
    while (p < end) {
        const char *stop = ly__text_skip_plain(p, end);
        memcpy(out, p, (size_t)(stop - p));
        out += stop - p;
        p = stop;
        if (p < end)
            out = write_escape(out, &p, end);
    }
    *out++ = '"';
    return out;
}

static bool needs_comma(const struct ly_buffer *b)
{
    if (b->length == 0)
        return false;
    char last = ly_buffer_bytes(b)[b->length - 1];
    return last != '{' && last != '[' && last != '\n';
}

/* Append the comma, the name and the colon that an item needs, and room for a value of n bytes, which the
 * caller writes. */
static int open_item(struct ly_buffer *b, const char *name, size_t n, char **ret_place)
{
    char *out;
    size_t name_length = name ? strlen(name) : 0;
    size_t before = (needs_comma(b) ? 2 : 0) + (name ? escaped_length(name, name_length) + 4 : 0);
    int r = ly_buffer_reserve(b, before + n, &out);
    if (r < 0)
        return r;
    if (needs_comma(b)) {
        *out++ = ',';
        *out++ = ' ';
    }
    if (name) {
        out = write_string(out, name, name_length);
        *out++ = ':';
        *out++ = ' ';
    }
    *ret_place = out;
    ly_buffer_commit(b, before + n);
    return 0;
}

static int put_text(struct ly_buffer *b, const char *name, const char *text, size_t n)
{
    char *out;
    int r = open_item(b, name, n, &out);
    if (r < 0)
        return r;
    memcpy(out, text, n);
    return 0;
}

int ly_json_open(struct ly_buffer *b, const char *name, char bracket)
{
    return put_text(b, name, &bracket, 1);
}

int ly_json_close(struct ly_buffer *b, char bracket)
{
    return ly_buffer_append(b, &bracket, 1);
}

int ly_json_put_bytes(struct ly_buffer *b, const char *name, const char *value, size_t length)
{
    char *out;
    int r = open_item(b, name, escaped_length(value, length) + 2, &out);
    if (r < 0)
        return r;
    write_string(out, value, length);
    return 0;
}

int ly_json_put_string(struct ly_buffer *b, const char *name, const char *value)
{
    return ly_json_put_bytes(b, name, value, strlen(value));
}

int ly_json_put_int(struct ly_buffer *b, const char *name, int64_t value)
{
    char text[20]; /* "-9223372036854775808" */
    char *p = text + sizeof text;
    uint64_t n = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        *--p = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    if (value < 0)
        *--p = '-';
    return put_text(b, name, p, (size_t)(text + sizeof text - p));
}

int ly_json_put_bool(struct ly_buffer *b, const char *name, bool value)
{
    return value ? put_text(b, name, "true", 4) : put_text(b, name, "false", 5);
}

/* The fewest digits that read back as value, in Python's layout: with an exponent below 1e-4 and from 1e16
 * on. C locale. */
static int format_double(char *text, size_t cap, double value)
{
    int digits = 0;
    do
        snprintf(text, cap, "%.*e", digits, value);
    while (strtod(text, NULL) != value && ++digits < 17);
    const char *e = strchr(text, 'e');
    long exponent = e ? strtol(e + 1, NULL, 10) : 0;
    if (exponent < -4 || exponent >= 16)
        return (int)strlen(text);
    int decimals = digits - (int)exponent;
    return snprintf(text, cap, "%.*f", decimals > 1 ? decimals : 1, value);
}

int ly_json_put_double(struct ly_buffer *b, const char *name, double value)
{
    char text[48]; /* the longest is some 24 */
    if (!isfinite(value))
        return -EINVAL; /* JSON has no form for it */
    /* The program's locale may have a decimal comma. The C locale is static: nothing is allocated. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return -ENOMEM;
    locale_t before = uselocale(c);
    int n = format_double(text, sizeof text, value);
    uselocale(before);
    freelocale(c);
    return put_text(b, name, text, (size_t)n);
}
