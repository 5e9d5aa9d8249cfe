/* SPDX-License-Identifier: MIT */
/*
 * Reading from files without a buffer. To find where a line ends without taking what is behind it, the bytes
 * are peeked at first: two calls for each packet instead of one for each byte.
 */
#include "net/file.h"
#include <errno.h>
#include <string.h>

#define BLOCK ((size_t)64 << 10)

/* Through the delimiter in buf[0..n); 0 if there is none. The first old bytes were searched before. */
static size_t find(const char *buf, size_t old, size_t n, const void *delimiter, size_t length)
{
    size_t from = old >= length ? old - length + 1 : 0;
    const char *at = memmem(buf + from, n - from, delimiter, length);
    return at ? (size_t)(at - buf) + length : 0;
}

ssize_t ly__file_raw_until(struct ly_file *f, char *buf, size_t cap, const void *delimiter, size_t length)
{
    size_t done = 0, end = 0;
    while (done < cap && end == 0) {
        ssize_t r = ly__file_receive(f, buf + done, cap - done, MSG_PEEK);
        if (r > 0) {
            end = find(buf, done, done + (size_t)r, delimiter, length);
            r = ly__file_receive(f, buf + done, end ? end - done : (size_t)r, 0);
        }
        if (r < 0)
            return r == -EAGAIN && done > 0 ? (ssize_t)done : r;
        if (r == 0)
            break;
        done += (size_t)r;
        if (done < end) /* somebody else has received some of it */
            end = 0;
    }
    return (ssize_t)done;
}

/* b is full: that is the end only if nothing comes any more. */
static int expect_end(struct ly_file *f)
{
    char byte;
    ssize_t r = ly__file_receive(f, &byte, 1, MSG_PEEK);
    return r > 0 ? LY_ETOOBIG : (int)r;
}

int ly__file_raw_readall(struct ly_file *f, struct ly_buffer *b)
{
    for (;;) {
        char *place;
        size_t room = b->max - b->length;
        if (room == 0)
            return expect_end(f);
        size_t n = room < BLOCK ? room : BLOCK;
        int r = ly_buffer_reserve(b, n, &place);
        if (r < 0)
            return r;
        ssize_t got = ly__file_receive(f, place, n, 0);
        if (got <= 0)
            return (int)got;
        ly_buffer_commit(b, (size_t)got);
    }
}
