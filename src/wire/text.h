/* SPDX-License-Identifier: MIT */
/*
 * What the JSON reader and writer share: scanning for the end of plain text.
 *
 * Nearly all bytes of real headers are plain: printable ASCII other than the quotation mark and the
 * backslash. Both directions therefore ask one question of long runs, "where does the plain text end", which
 * SSE2 answers for 16 bytes at a time; elsewhere a table answers it byte by byte.
 */
#ifndef LY_WIRE_TEXT_H
#define LY_WIRE_TEXT_H

#include <stddef.h>

#if defined(__SSE2__) && !defined(LY_NO_SIMD)
#include <emmintrin.h>
#define LY__TEXT_SSE2 1
#else
#define LY__TEXT_SSE2 0
#endif

/* 1 for the bytes 0x20..0x7E without '"' and '\\': those that stand for themselves in a string we write. */
extern const unsigned char ly__text_plain[256];

/* The first byte in [p, end) that is not plain, or end. */
static inline const char *ly__text_skip_plain(const char *p, const char *end)
{
#if LY__TEXT_SSE2
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i low = _mm_set1_epi8(0x20), del = _mm_set1_epi8(0x7f);
    while (end - p >= 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed comparison: the bytes from 0x80 up are negative, so one test finds them and the control
         * characters. */
        __m128i stop = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, backslash)),
                                    _mm_or_si128(_mm_cmplt_epi8(x, low), _mm_cmpeq_epi8(x, del)));
        unsigned mask = (unsigned)_mm_movemask_epi8(stop);
        if (mask)
            return p + __builtin_ctz(mask);
        p += 16;
    }
#endif
    while (p < end && ly__text_plain[(unsigned char)*p])
        p++;
    return p;
}

#endif
