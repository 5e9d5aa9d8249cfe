/* SPDX-License-Identifier: MIT */
/* What the files of the HTTP codec share: classes of bytes, and the steps of reading a head. */
#ifndef LY_WIRE_HTTP_H
#define LY_WIRE_HTTP_H

#include <lanyard/http.h>
#include <string.h>

#if defined(__SSE2__) && !defined(LY_NO_SIMD)
#include <emmintrin.h>
#define LY__HTTP_SSE2 1
#else
#define LY__HTTP_SSE2 0
#endif

/* ---- bytes (http_bytes.c) ---- */

enum {
    LY__HTTP_TOKEN = 1,   /* of a token: names, methods. RFC 9110, 5.6.2 */
    LY__HTTP_TARGET = 2,  /* of a target, see http_target.c */
    LY__HTTP_VALUE = 4,   /* of a field's value: all but control characters, HTAB allowed. RFC 9110, 5.5 */
    LY__HTTP_NAME = 8,    /* of a registered name, but "%". RFC 3986, 3.2.2 */
    LY__HTTP_LITERAL = 16 /* between the brackets of an IPv6 address */
};

extern const unsigned char ly__http_class[256];

static inline bool ly__http_is(char c, unsigned class)
{
    return ly__http_class[(unsigned char)c] & class;
}

/* The first byte of [p, end) that is not of the class, or end. */
static inline const char *ly__http_skip(const char *p, const char *end, unsigned class)
{
    while (p < end && ly__http_is(*p, class))
        p++;
    return p;
}

/* The same for LY__HTTP_VALUE, of which there are long runs. */
static inline const char *ly__http_skip_value(const char *p, const char *end)
{
#if LY__HTTP_SSE2
    const __m128i low = _mm_set1_epi8(0x1f), del = _mm_set1_epi8(0x7f), tab = _mm_set1_epi8('\t');
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i control = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(x, low), x), _mm_cmpeq_epi8(x, del));
        unsigned mask = (unsigned)_mm_movemask_epi8(_mm_andnot_si128(_mm_cmpeq_epi8(x, tab), control));
        if (mask)
            return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    return ly__http_skip(p, end, LY__HTTP_VALUE);
}

static inline bool ly__http_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The value of a hexadecimal digit, -1 for another byte. */
int ly__http_hex(char c);

/* Whether n bytes are those of `lower` but for the case of letters. `lower` has letters in lower case and
 * hyphens; the bytes are a token's, or compared with one. */
bool ly__http_same(const char *bytes, const char *lower, size_t n);

/* The next element of a list with commas, without the blanks around it (it may be empty); *rest goes on
 * behind it. Returns whether there was one. */
bool ly__http_list_next(struct ly_http_text *rest, struct ly_http_text *ret_element);

/* A decimal number of digits only. Returns 0, LY_EHTTP (none, or another byte), LY_ETOOBIG (above
 * INT64_MAX). */
int ly__http_number(struct ly_http_text text, int64_t *ret_number);

/* ---- heads ---- */

/* Refuse the message: note status and reason in h. Returns the error for it. */
int ly__http_refuse(struct ly_http_head *h, int refusal, const char *why);

/* A field has been read: what it says about the message is noted (http_fields.c). */
int ly__http_field_read(struct ly_http_head *h, const char *bytes, const struct ly_http_field *field);

/* All fields have been read: what follows the head (http_fields.c). */
int ly__http_fields_end(struct ly_http_head *h);

/* Take the target apart, in which all bytes are of LY__HTTP_TARGET (http_target.c). */
int ly__http_target_read(struct ly_http_head *h);

/* Whether this is "host" or "host:port" with a host that is not empty (http_target.c). */
bool ly__http_is_authority(struct ly_http_text text, bool needs_port);

/* ---- on a stream (http_stream.c) ---- */

/* As ly_http_head_recv and ly_http_body_read, all of it by this time of ly_now() besides the socket's
 * time-out, which is changed meanwhile unless deadline is LY_NEVER. -ETIMEDOUT. */
int ly__http_head_recv(struct ly_stream *s, struct ly_http_head *h, int64_t deadline);
ssize_t ly__http_body_read(struct ly_stream *s, struct ly_http_body *b, void *buf, size_t n,
                           struct ly_http_head *trailers, int64_t deadline);

#endif
