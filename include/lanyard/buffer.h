/* SPDX-License-Identifier: MIT */
/*
 * A growable byte buffer with a maximum: data is appended at the end and consumed at the front.
 *
 * The struct is public so that it can live on a stack or in another struct; its fields are read freely and
 * written only by these functions. The bytes are at data + start, length of them.
 */
#ifndef LANYARD_BUFFER_H
#define LANYARD_BUFFER_H

#include <lanyard/error.h>
#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ly_buffer {
    char *data;      /* heap memory, or NULL while nothing is held */
    size_t start;    /* offset of the first byte not consumed */
    size_t length;   /* bytes held */
    size_t capacity; /* bytes allocated */
    size_t max;      /* most bytes it may ever hold; appending beyond gives LY_ETOOBIG and changes nothing */
};

/* Make an empty buffer in the caller's memory that will hold at most max bytes (1..SIZE_MAX/2). Allocates
 * nothing. */
LY_API void ly_buffer_init(struct ly_buffer *b, size_t max);

/* Free the memory; the buffer is as after ly_buffer_init. */
LY_API void ly_buffer_done(struct ly_buffer *b);

/* Forget the bytes, keep the memory. */
LY_API void ly_buffer_clear(struct ly_buffer *b);

/* The first byte held; NULL when nothing was ever appended. */
static inline char *ly_buffer_bytes(const struct ly_buffer *b)
{
    return b->data ? b->data + b->start : NULL;
}

/*
 * Make room for n more bytes and give the place to write them; ly_buffer_commit makes them part of the
 * buffer. Returns 0, LY_ETOOBIG or -ENOMEM.
 */
LY_API int ly_buffer_reserve(struct ly_buffer *b, size_t n, char **ret_place);

/* Count n bytes, at most those just reserved, as appended. */
LY_API void ly_buffer_commit(struct ly_buffer *b, size_t n);

/* Append n bytes. Returns 0, LY_ETOOBIG or -ENOMEM; on an error nothing is appended. */
LY_API int ly_buffer_append(struct ly_buffer *b, const void *bytes, size_t n);

/* Append as printf does, without the final zero byte. Returns 0, LY_ETOOBIG, -ENOMEM or -EINVAL (a bad
 * format). */
LY_API int ly_buffer_printf(struct ly_buffer *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
LY_API int ly_buffer_vprintf(struct ly_buffer *b, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* Drop n bytes (at most b->length) from the front. */
LY_API void ly_buffer_consume(struct ly_buffer *b, size_t n);

/* The content as a C string (a zero byte is kept behind it, not counted); NULL without memory or at the
 * maximum. */
LY_API char *ly_buffer_string(struct ly_buffer *b);

#ifdef __cplusplus
}
#endif
#endif
