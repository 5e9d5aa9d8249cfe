/* SPDX-License-Identifier: MIT */
#include "base/utf8.h"
#include <string.h>

/*
 * What may begin a character of several bytes: its length, and the range of the second byte, which is where
 * overlong forms (E0, F0), surrogates (ED) and numbers above 0x10ffff (F4) show. All later bytes lie
 * in 80..BF.
 */
struct lead {
    uint8_t length, low, high;
};

static struct lead look_up(uint8_t first)
{
    if (first < 0xc2 || first > 0xf4)
        return (struct lead){0};
    if (first < 0xe0)
        return (struct lead){2, 0x80, 0xbf};
    if (first < 0xf0)
        return (struct lead){3, first == 0xe0 ? 0xa0 : 0x80, first == 0xed ? 0x9f : 0xbf};
    return (struct lead){4, first == 0xf0 ? 0x90 : 0x80, first == 0xf4 ? 0x8f : 0xbf};
}

/* How many bytes of the character of several bytes that should be at s are there and right; stores how many
 * it has. */
static size_t match(const char *s, size_t n, size_t *ret_length)
{
    struct lead lead = n ? look_up((uint8_t)s[0]) : (struct lead){0};
    size_t i;
    *ret_length = lead.length;
    for (i = 0; i < n && i < lead.length; i++) {
        uint8_t byte = (uint8_t)s[i];
        if (i == 1 && (byte < lead.low || byte > lead.high))
            break;
        if (i > 1 && (byte & 0xc0) != 0x80)
            break;
    }
    return i;
}

size_t ly__utf8_decode(const char *s, size_t n, uint32_t *ret_code)
{
    size_t length;
    if (n && !((uint8_t)s[0] & 0x80)) {
        *ret_code = (uint8_t)s[0];
        return 1;
    }
    if (match(s, n, &length) < length || length == 0)
        return 0;
    uint32_t code = (uint8_t)s[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((uint8_t)s[i] & 0x3f);
    *ret_code = code;
    return length;
}

bool ly__utf8_is_cut(const char *s, size_t n)
{
    size_t length;
    return match(s, n, &length) == n && n < length;
}

size_t ly__utf8_encode(uint32_t code, char out[LY__UTF8_MAX])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
        return 0;
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)((0xf00u >> length & 0xff) | code);
    return length;
}

/* A block is so short that a hostile mixture gains little by spoiling it, and long enough for vectors. */
#define BLOCK 64

static bool block_is_ascii(const char *s)
{
    uint64_t words[BLOCK / 8], all = 0;
    memcpy(words, s, BLOCK);
    for (size_t i = 0; i < BLOCK / 8; i++)
        all |= words[i];
    return !(all & 0x8080808080808080);
}

/* Bytes below 0x80 at the beginning of s, counted a block and then eight at a time. */
static size_t ascii_span(const char *s, size_t n)
{
    size_t i = 0;
    while (n - i >= BLOCK && block_is_ascii(s + i))
        i += BLOCK;
    for (uint64_t word; n - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s + i, sizeof word);
        if (word & 0x8080808080808080)
            break;
    }
    while (i < n && !((uint8_t)s[i] & 0x80))
        i++;
    return i;
}

size_t ly__utf8_span(const char *s, size_t n)
{
    size_t i = 0;
    while (i < n) {
        size_t length;
        if (!((uint8_t)s[i] & 0x80)) {
            i += ascii_span(s + i, n - i);
            continue;
        }
        if (match(s + i, n - i, &length) < length || length == 0)
            break;
        i += length;
    }
    return i;
}

size_t ly__utf8_malformed(const char *s, size_t n)
{
    size_t length;
    size_t right = match(s, n, &length);
    return right ? right : 1;
}

static bool begins(char c)
{
    return ((uint8_t)c & 0xc0) != 0x80;
}

static size_t count_block(const char *s)
{
    uint8_t count = 0;
    for (size_t i = 0; i < BLOCK; i++)
        count = (uint8_t)(count + begins(s[i]));
    return count;
}

size_t ly__utf8_take(const char *s, size_t n, size_t *count)
{
    size_t wanted = *count, seen = 0, i = 0;
    /* A block is only skipped when it begins no more characters than are wanted. */
    for (size_t more; n - i >= BLOCK && seen + (more = count_block(s + i)) <= wanted; i += BLOCK)
        seen += more;
    for (; i < n; i++) {
        if (begins(s[i]) && seen++ == wanted) {
            *count = wanted;
            return i;
        }
    }
    *count = seen;
    return n;
}
