/* SPDX-License-Identifier: MIT */
#include "base/escape.h"
#include "base/utf8.h"
#include <string.h>

/* What is shown as an escape, ascending: Unicode 15's categories Cc, Cf, Zl and Zp, and the deprecated format
 * controls. */
static const struct range {
    uint32_t first, last;
} hidden[] = {
    {0x00, 0x1f},       {0x7f, 0x9f},       {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},
    {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},     {0x180e, 0x180e},
    {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0xfeff, 0xfeff},   {0xfff9, 0xfffb},
    {0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a},
    {0xe0000, 0xe007f},
};

bool ly__escape_needed(uint32_t code)
{
    if (code < 0x7f)
        return code < 0x20;
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++) {
        if (code <= hidden[i].last)
            return code >= hidden[i].first;
    }
    return false;
}

static size_t write_bytes(const char *s, size_t n, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *out++ = '\\';
        *out++ = 'x';
        *out++ = digits[(unsigned char)s[i] >> 4];
        *out++ = digits[(unsigned char)s[i] & 15];
    }
    return 4 * n;
}

size_t ly__escape_one(const char *s, size_t n, char out[LY__ESCAPE_UNIT], size_t *ret_used)
{
    uint32_t code = 0;
    size_t length = ly__utf8_decode(s, n, &code);
    *ret_used = length ? length : 1;
    if (code == '\n' || code == '\\') {
        out[0] = '\\';
        out[1] = code == '\n' ? 'n' : '\\';
        return 2;
    }
    if (!length || ly__escape_needed(code))
        return write_bytes(s, *ret_used, out);
    memcpy(out, s, length);
    return length;
}

size_t ly__escape(char *out, size_t cap, const void *bytes, size_t n)
{
    const char *s = bytes;
    size_t total = 0, stored = 0, used;
    for (size_t i = 0; i < n; i += used) {
        char unit[LY__ESCAPE_UNIT];
        size_t length = ly__escape_one(s + i, n - i, unit, &used);
        if (stored == total && length < cap - stored && cap) {
            memcpy(out + stored, unit, length);
            stored += length;
        }
        total += length;
    }
    if (cap)
        out[stored] = 0;
    return total;
}

int ly__escape_append(struct ly_buffer *b, const void *bytes, size_t n)
{
    const char *s = bytes;
    size_t before = b->length, used;
    for (size_t i = 0; i < n; i += used) {
        char unit[LY__ESCAPE_UNIT];
        size_t length = ly__escape_one(s + i, n - i, unit, &used);
        int r = ly_buffer_append(b, unit, length);
        if (r < 0) {
            b->length = before;
            return r;
        }
    }
    return 0;
}
