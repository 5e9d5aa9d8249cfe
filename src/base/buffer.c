/* SPDX-License-Identifier: MIT */
/*
 * Growable buffers.
 *
 * The bytes held are one run inside the memory: [start, start + length). Appending writes behind the run,
 * consuming moves its beginning. When the room behind is used up, there are two ways to get more: move the
 * run to the front, or get more memory. Moving costs length; it is done when at least as many bytes have been
 * consumed since the run was last at the front, so that each byte moved is paid for by one consumed, or when
 * the maximum forbids to grow. Otherwise the capacity at least doubles. Appending n bytes one by one
 * therefore costs O(n) in all.
 *
 * Invariants: start + length <= capacity <= max; length == 0 implies start == 0; data is NULL exactly when
 * capacity is 0.
 */
#include <assert.h>
#include <errno.h>
#include <lanyard/buffer.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#define SMALLEST 64 /* capacity of the first allocation */

void ly_buffer_init(struct ly_buffer *b, size_t max)
{
    assert(max >= 1 && max <= SIZE_MAX / 2);
    *b = (struct ly_buffer){.max = max};
}

void ly_buffer_done(struct ly_buffer *b)
{
    free(b->data);
    *b = (struct ly_buffer){.max = b->max};
}

void ly_buffer_clear(struct ly_buffer *b)
{
    b->start = b->length = 0;
}

static void move_to_front(struct ly_buffer *b)
{
    memmove(b->data, b->data + b->start, b->length);
    b->start = 0;
}

/* Get memory for at least wanted bytes, at most max. */
static int grow(struct ly_buffer *b, size_t wanted)
{
    size_t capacity = b->capacity > SMALLEST / 2 ? b->capacity * 2 : SMALLEST;
    if (capacity < wanted)
        capacity = wanted;
    if (capacity > b->max)
        capacity = b->max;
    char *data = realloc(b->data, capacity);
    if (!data)
        return -ENOMEM;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

/* The room behind the run is short of n bytes: move, grow or both. */
static int make_room(struct ly_buffer *b, size_t n)
{
    size_t wanted = b->length + n;
    bool fits = b->data && wanted <= b->capacity;
    bool paid = b->start >= b->length;
    if (b->data && b->start)
        move_to_front(b);
    if (fits && (paid || b->capacity == b->max))
        return 0;
    int r = grow(b, wanted);
    return fits ? 0 : r; /* without memory, the room at hand will do */
}

int ly_buffer_reserve(struct ly_buffer *b, size_t n, char **ret_place)
{
    if (n > b->max - b->length)
        return LY_ETOOBIG;
    if (!b->data || n > b->capacity - b->start - b->length) {
        int r = make_room(b, n);
        if (r < 0)
            return r;
    }
    *ret_place = b->data + b->start + b->length;
    return 0;
}

void ly_buffer_commit(struct ly_buffer *b, size_t n)
{
    assert(n <= b->capacity - b->start - b->length);
    b->length += n;
}

int ly_buffer_append(struct ly_buffer *b, const void *bytes, size_t n)
{
    char *place;
    if (n == 0)
        return 0;
    int r = ly_buffer_reserve(b, n, &place);
    if (r < 0)
        return r;
    memcpy(place, bytes, n);
    b->length += n;
    return 0;
}

int ly_buffer_printf(struct ly_buffer *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int r = ly_buffer_vprintf(b, format, args);
    va_end(args);
    return r;
}

/* vsnprintf as it reports here: the length without the zero byte, or an error. */
__attribute__((format(printf, 3, 0))) static ssize_t print(char *place, size_t room, const char *format,
                                                           va_list args)
{
    int n = vsnprintf(place, room, format, args);
    if (n >= 0)
        return n;
    if (errno == ENOMEM)
        return -ENOMEM;
    return errno == EOVERFLOW ? LY_ETOOBIG : -EINVAL;
}

/* For n bytes that fit, when the zero byte vsnprintf puts behind them does not. */
__attribute__((format(printf, 3, 0))) static int append_printed(struct ly_buffer *b, size_t n,
                                                                const char *format, va_list args)
{
    char *text = malloc(n + 1);
    if (!text)
        return -ENOMEM;
    ssize_t r = print(text, n + 1, format, args);
    if (r >= 0)
        r = ly_buffer_append(b, text, n);
    free(text);
    return (int)r;
}

int ly_buffer_vprintf(struct ly_buffer *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    size_t room = b->capacity - b->start - b->length;
    char *place = b->data ? b->data + b->start + b->length : NULL;
    ssize_t n = print(place, room, format, args);
    int r = n < 0 ? (int)n : 0;
    if (r < 0)
        goto out;
    if ((size_t)n > b->max - b->length) {
        r = LY_ETOOBIG;
    } else if ((size_t)n < room) {
        b->length += (size_t)n;
    } else if ((size_t)n == b->max - b->length) {
        r = append_printed(b, (size_t)n, format, again);
    } else {
        r = ly_buffer_reserve(b, (size_t)n + 1, &place);
        if (r == 0)
            r = (int)print(place, (size_t)n + 1, format, again);
        if (r >= 0) {
            b->length += (size_t)n;
            r = 0;
        }
    }
out:
    va_end(again);
    return r;
}

void ly_buffer_consume(struct ly_buffer *b, size_t n)
{
    assert(n <= b->length);
    b->length -= n;
    b->start = b->length ? b->start + n : 0;
}

char *ly_buffer_string(struct ly_buffer *b)
{
    char *end;
    if (ly_buffer_reserve(b, 1, &end) < 0)
        return NULL;
    *end = 0;
    return b->data + b->start;
}
