/* SPDX-License-Identifier: MIT */
/* Which byte may stand where, and comparing texts of it. */
#include "wire/http.h"

#define ANYWHERE (LY__HTTP_TOKEN | LY__HTTP_TARGET | LY__HTTP_VALUE)
#define IN_TARGET (LY__HTTP_TARGET | LY__HTTP_VALUE)

/*
 * Targets: of the visible bytes only those are left out that no client sends unescaped: '"', '<', '>', '\\',
 * and '#', which would begin a fragment. RFC 3986 forbids some more ('|', '^', '{', ...); browsers leave them
 * as they are in queries, and nobody reads them otherwise.
 */
const unsigned char ly__http_class[256] = {
    ['\t'] = LY__HTTP_VALUE,
    [' '] = LY__HTTP_VALUE,
    ['!'] = ANYWHERE | LY__HTTP_NAME,
    ['"'] = LY__HTTP_VALUE,
    ['#'] = LY__HTTP_TOKEN | LY__HTTP_VALUE,
    ['$'] = ANYWHERE | LY__HTTP_NAME,
    ['%'] = ANYWHERE,
    ['&'] = ANYWHERE | LY__HTTP_NAME,
    ['\''] = ANYWHERE | LY__HTTP_NAME,
    ['('] = IN_TARGET | LY__HTTP_NAME,
    [')'] = IN_TARGET | LY__HTTP_NAME,
    ['*'] = ANYWHERE | LY__HTTP_NAME,
    ['+'] = ANYWHERE | LY__HTTP_NAME,
    [','] = IN_TARGET | LY__HTTP_NAME,
    ['-'] = ANYWHERE | LY__HTTP_NAME,
    ['.'] = ANYWHERE | LY__HTTP_NAME | LY__HTTP_LITERAL,
    ['/'] = IN_TARGET,
    ['0' ... '9'] = ANYWHERE | LY__HTTP_NAME | LY__HTTP_LITERAL,
    [':'] = IN_TARGET | LY__HTTP_LITERAL,
    [';'] = IN_TARGET | LY__HTTP_NAME,
    ['<'] = LY__HTTP_VALUE,
    ['='] = IN_TARGET | LY__HTTP_NAME,
    ['>'] = LY__HTTP_VALUE,
    ['?'] = IN_TARGET,
    ['@'] = IN_TARGET,
    ['A' ... 'F'] = ANYWHERE | LY__HTTP_NAME | LY__HTTP_LITERAL,
    ['G' ... 'Z'] = ANYWHERE | LY__HTTP_NAME,
    ['['] = IN_TARGET,
    ['\\'] = LY__HTTP_VALUE,
    [']'] = IN_TARGET,
    ['^'] = ANYWHERE,
    ['_'] = ANYWHERE | LY__HTTP_NAME,
    ['`'] = ANYWHERE,
    ['a' ... 'f'] = ANYWHERE | LY__HTTP_NAME | LY__HTTP_LITERAL,
    ['g' ... 'z'] = ANYWHERE | LY__HTTP_NAME,
    ['{'] = IN_TARGET,
    ['|'] = ANYWHERE,
    ['}'] = IN_TARGET,
    ['~'] = ANYWHERE | LY__HTTP_NAME,
    [0x80 ... 0xff] = LY__HTTP_VALUE,
};

int ly__http_hex(char c)
{
    if (ly__http_is_digit(c))
        return c - '0';
    char lower = (char)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* '\r' | 0x20 is a hyphen, but it is no byte of a token; no other byte becomes a letter or a hyphen. */
bool ly__http_same(const char *bytes, const char *lower, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((bytes[i] | 0x20) != lower[i])
            return false;
    return true;
}

static char to_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool ly_http_text_is(struct ly_http_text text, const char *other)
{
    size_t i = 0;
    while (i < text.length && other[i] && to_lower(text.bytes[i]) == to_lower(other[i]))
        i++;
    return i == text.length && other[i] == 0;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool ly__http_list_next(struct ly_http_text *rest, struct ly_http_text *ret_element)
{
    if (!rest->bytes)
        return false;
    const char *p = rest->bytes, *end = p + rest->length;
    const char *comma = rest->length > 0 ? memchr(p, ',', rest->length) : NULL;
    const char *stop = comma ? comma : end;

    rest->bytes = comma ? comma + 1 : NULL; /* NULL: that was the last */
    rest->length = comma ? (size_t)(end - comma) - 1 : 0;
    while (p < stop && is_blank(*p))
        p++;
    while (stop > p && is_blank(stop[-1]))
        stop--;
    *ret_element = (struct ly_http_text){p, (size_t)(stop - p)};
    return true;
}

int ly__http_number(struct ly_http_text text, int64_t *ret_number)
{
    int64_t number = 0;
    bool too_big = false;
    for (size_t i = 0; i < text.length; i++) {
        if (!ly__http_is_digit(text.bytes[i]))
            return LY_EHTTP;
        too_big = too_big || __builtin_mul_overflow(number, 10, &number) ||
                  __builtin_add_overflow(number, text.bytes[i] - '0', &number);
    }
    if (text.length == 0)
        return LY_EHTTP;
    if (too_big)
        return LY_ETOOBIG;
    *ret_number = number;
    return 0;
}
