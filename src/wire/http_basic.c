/* SPDX-License-Identifier: MIT */
/* Basic credentials: base64, strictly (padded, no bit left over), around "user:password". */
#include "wire/http.h"

static int sextet(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (ly__http_is_digit(c))
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters to the bytes that they stand for, 1 to 3; fewer than 3 only at the end. Returns how many,
 * or LY_EHTTP. */
static int decode_four(const char *in, bool last, char *out)
{
    int padding = last && in[3] == '=' ? (in[2] == '=' ? 2 : 1) : 0;
    unsigned bits = 0;
    for (int i = 0; i < 4; i++) {
        int value = i >= 4 - padding ? 0 : sextet(in[i]);
        if (value < 0)
            return LY_EHTTP;
        bits = bits << 6 | (unsigned)value;
    }
    for (int i = 0; i < 3; i++)
        out[i] = (char)(bits >> (16 - 8 * i) & 0xff);
    for (int i = 3 - padding; i < 3; i++)
        if (out[i] != 0)
            return LY_EHTTP; /* bits that nobody reads could be anything */
    return 3 - padding;
}

static int decode_base64(struct ly_http_text in, char *out, size_t cap)
{
    size_t n = 0;
    if (in.length == 0 || in.length % 4 != 0)
        return LY_EHTTP;
    if (in.length / 4 * 3 > cap || in.length > INT32_MAX)
        return LY_ETOOBIG;
    for (size_t at = 0; at < in.length; at += 4) {
        int r = decode_four(in.bytes + at, at + 4 == in.length, out + n);
        if (r < 0)
            return r;
        n += (size_t)r;
    }
    return (int)n;
}

int ly_http_basic(struct ly_http_text value, char *text, size_t cap, const char **ret_user,
                  const char **ret_password)
{
    if (value.length < 6 || !ly__http_same(value.bytes, "basic", 5) || value.bytes[5] != ' ')
        return LY_EHTTP;
    while (value.length > 5 && (value.bytes[5] == ' ')) {
        value.bytes++;
        value.length--;
    }
    if (cap == 0)
        return LY_ETOOBIG;
    int n = decode_base64((struct ly_http_text){value.bytes + 5, value.length - 5}, text, cap - 1);
    if (n < 0)
        return n;
    text[n] = 0;
    char *colon = memchr(text, ':', (size_t)n);
    for (int i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return LY_EHTTP;
    if (!colon)
        return LY_EHTTP;
    *colon = 0;
    *ret_user = text;
    *ret_password = colon + 1;
    return 0;
}
