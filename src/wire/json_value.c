/* SPDX-License-Identifier: MIT */
/*
 * Reading values out of a text that ly_json_check has accepted. Bounds are those of the value; what the check
 * has proved (strings end, brackets match, escapes are whole) is relied on and not tested again.
 */
#include "base/utf8.h"
#include "wire/json.h"
#include "wire/text.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_MAX 512 /* longest text of a number that ly_json_double reads */

static const struct ly_json nothing = {NULL, 0};

enum ly_json_type ly_json_type(struct ly_json value)
{
    if (value.length == 0)
        return LY_JSON_NONE;
    switch (value.text[0]) {
    case '{':
        return LY_JSON_OBJECT;
    case '[':
        return LY_JSON_ARRAY;
    case '"':
        return LY_JSON_STRING;
    case 't':
    case 'f':
        return LY_JSON_BOOL;
    case 'n':
        return LY_JSON_NULL;
    default:
        return LY_JSON_NUMBER;
    }
}

/* p is an opening quotation mark; returns behind the closing one. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++;; p++) {
        p = ly__text_skip_plain(p, end);
        if (*p == '"')
            return p + 1;
        if (*p == '\\')
            p++;
    }
}

static const char *skip_container(const char *p, const char *end)
{
    int depth = 0;
    do {
        switch (*p) {
        case '"':
            p = skip_string(p, end);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth--;
            break;
        default:
            break;
        }
        p++;
    } while (depth > 0);
    return p;
}

/* Whether c ends a number or a word: white space, a comma, ']' (0x5D) or '}' (0x7D). */
static bool ends_scalar(char c)
{
    return c <= ' ' || c == ',' || (c | 0x20) == '}';
}

static const char *skip_value(const char *p, const char *end)
{
    if (*p == '"')
        return skip_string(p, end);
    if (*p == '{' || *p == '[')
        return skip_container(p, end);
    while (p < end && !ends_scalar(*p))
        p++;
    return p;
}

/*
 * Over what stands between values: white space, commas and colons, of which the check has proved that they
 * stand where they should. No value begins with a byte up to the comma but a string.
 */
static const char *skip_between(const char *p)
{
    while (*p != '"' && (*p <= ',' || *p == ':'))
        p++;
    return p;
}

bool ly_json_next(struct ly_json container, size_t *it, struct ly_json *ret_name, struct ly_json *ret_value)
{
    enum ly_json_type type = ly_json_type(container);
    if (type != LY_JSON_OBJECT && type != LY_JSON_ARRAY)
        return false;
    const char *end = container.text + container.length;
    const char *p = skip_between(container.text + (*it > 0 ? *it : 1));
    if (*p == '}' || *p == ']')
        return false;
    struct ly_json name = nothing;
    if (type == LY_JSON_OBJECT) {
        const char *after = skip_string(p, end);
        name = (struct ly_json){p, (size_t)(after - p)};
        p = skip_between(after);
    }
    const char *after = skip_value(p, end);
    if (ret_name)
        *ret_name = name;
    if (ret_value)
        *ret_value = (struct ly_json){p, (size_t)(after - p)};
    *it = (size_t)(after - container.text);
    return true;
}

struct ly_json ly_json_get(struct ly_json object, const char *name)
{
    struct ly_json key, value;
    size_t it = 0;
    if (ly_json_type(object) != LY_JSON_OBJECT)
        return nothing;
    while (ly_json_next(object, &it, &key, &value))
        if (ly_json_equal(key, name))
            return value;
    return nothing;
}

int ly_json_int(struct ly_json value, int64_t *ret)
{
    if (ly_json_type(value) != LY_JSON_NUMBER)
        return LY_EFIELD;
    const char *p = value.text, *end = value.text + value.length;
    bool negative = *p == '-';
    uint64_t limit = (uint64_t)INT64_MAX + negative;
    uint64_t n = 0;
    for (p += negative; p < end; p++) {
        unsigned digit = (unsigned)(unsigned char)*p - '0';
        if (digit > 9 || (n > UINT64_MAX / 100 && n > (limit - digit) / 10))
            return LY_EFIELD;
        n = n * 10 + digit;
    }
    *ret = negative ? (int64_t)(0 - n) : (int64_t)n;
    return 0;
}

int ly_json_bool(struct ly_json value, bool *ret)
{
    if (ly_json_type(value) != LY_JSON_BOOL)
        return LY_EFIELD;
    *ret = value.text[0] == 't';
    return 0;
}

int ly_json_double(struct ly_json value, double *ret)
{
    char text[NUMBER_MAX];
    if (ly_json_type(value) != LY_JSON_NUMBER || value.length >= sizeof text)
        return LY_EFIELD;
    memcpy(text, value.text, value.length);
    text[value.length] = 0;
    /* The program's locale may have a decimal comma. The C locale is static: nothing is allocated, nothing to
     * free. */
    locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!c)
        return LY_EFIELD;
    double number = strtod_l(text, NULL, c);
    freelocale(c);
    if (!isfinite(number))
        return LY_EFIELD;
    *ret = number;
    return 0;
}

static uint32_t hex_code(const char *p)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        /* '0'..'9' have their value in the low four bits, letters of either case theirs less 9. */
        uint32_t c = (unsigned char)p[i];
        code = code << 4 | ((c & 0xF) + (c > '9' ? 9 : 0));
    }
    return code;
}

/* p is behind "\u"; moves it behind the whole escape, the second half of a pair included. */
static size_t unicode_unit(const char **p, char out[4])
{
    uint32_t code = hex_code(*p);
    *p += 4;
    if (code >= 0xDC80 && code <= 0xDCFF) { /* the first half of a pair is below 0xDC00 */
        out[0] = (char)(code & 0xFF);
        return 1;
    }
    if (code >= 0xD800 && code < 0xDC00) {
        code = 0x10000 + ((code - 0xD800) << 10) + (hex_code(*p + 2) - 0xDC00);
        *p += 6;
    }
    return ly__utf8_encode(code, out);
}

size_t ly__json_unit(const char **p, char out[4])
{
    char c = *(*p)++;
    if (c == '\\') {
        c = *(*p)++;
        switch (c) {
        case 'u':
            return unicode_unit(p, out);
        case 'b':
            c = '\b';
            break;
        case 'f':
            c = '\f';
            break;
        case 'n':
            c = '\n';
            break;
        case 'r':
            c = '\r';
            break;
        case 't':
            c = '\t';
            break;
        default: /* stands for itself */
            break;
        }
    }
    out[0] = c;
    return 1;
}

/* The bytes of a string up to its first escape, which are their own decoding. */
static size_t plain_length(const char *p, const char *end)
{
    const char *escape = memchr(p, '\\', (size_t)(end - p));
    return (size_t)((escape ? escape : end) - p);
}

ssize_t ly_json_string(struct ly_json value, char *buf, size_t cap)
{
    if (ly_json_type(value) != LY_JSON_STRING)
        return LY_EFIELD;
    const char *p = value.text + 1, *end = value.text + value.length - 1;
    size_t n = 0;
    while (p < end) {
        char unit[4];
        const char *from = p;
        size_t m = plain_length(p, end);
        if (m > 0) {
            p += m;
        } else {
            from = unit;
            m = ly__json_unit(&p, unit);
        }
        if (m >= cap - n) /* n < cap, once a byte is stored; one is kept for the end */
            return LY_ETOOBIG;
        memcpy(buf + n, from, m);
        n += m;
    }
    if (n >= cap)
        return LY_ETOOBIG;
    buf[n] = 0;
    return (ssize_t)n;
}

bool ly_json_equal(struct ly_json value, const char *text)
{
    if (ly_json_type(value) != LY_JSON_STRING)
        return false;
    const char *p = value.text + 1, *end = value.text + value.length - 1;
    while (p < end) {
        char unit[4];
        if (*p != '\\') {
            if (*p++ != *text++) /* the end of text is a zero byte, which no string holds */
                return false;
            continue;
        }
        size_t m = ly__json_unit(&p, unit);
        if (strncmp(unit, text, m) != 0)
            return false;
        text += m;
    }
    return *text == 0;
}

bool ly__json_same(struct ly_json a, struct ly_json b)
{
    const char *p = a.text + 1, *p_end = a.text + a.length - 1;
    const char *q = b.text + 1, *q_end = b.text + b.length - 1;
    char left[4], right[4];
    size_t i = 0, left_n = 0, j = 0, right_n = 0;
    for (;;) { /* byte by byte: a character of one may be several escaped bytes of the other */
        if (i == left_n && p < p_end) {
            left_n = ly__json_unit(&p, left);
            i = 0;
        }
        if (j == right_n && q < q_end) {
            right_n = ly__json_unit(&q, right);
            j = 0;
        }
        if (i == left_n || j == right_n)
            return i == left_n && j == right_n;
        if (left[i++] != right[j++])
            return false;
    }
}
