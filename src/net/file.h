/* SPDX-License-Identifier: MIT */
/*
 * A file over a socket. Its two directions share nothing but what stays the same while it is open, so that
 * two tasks may use them at once.
 */
#ifndef LY_NET_FILE_H
#define LY_NET_FILE_H

#include "net/file_text.h"
#include "net/sock.h"
#include <lanyard/file.h>

/* What has come and was not read yet: data[start..end), of a text file decoded. */
struct ly__file_in {
    char *data; /* NULL until the first read; size bytes, which grow for long lines */
    size_t start, end, size;
    size_t searched; /* bytes from start on that hold no line's end, but for a "\r" as the last of them */
    bool ended;      /* the peer's end has come */
    bool lost;       /* a receive failed: not readable any more */
    struct ly__decoder decoder; /* text */
};

/* What was written and not sent yet: data[start..end), encoded. */
struct ly__file_out {
    char *data; /* NULL until the first write */
    size_t start, end, size;
    struct ly__encoder encoder; /* text */
};

struct ly_file {
    struct ly_sock *sock;
    char mode[4];
    bool binary, unbuffered;
    enum ly__line_end ending;
    size_t line_max;
    struct ly__file_in in;   /* size 0: not opened for reading */
    struct ly__file_out out; /* size 0: not opened for writing */
};

static inline size_t ly__file_held(const struct ly_file *f)
{
    return f->in.end - f->in.start;
}

static inline const char *ly__file_first(const struct ly_file *f)
{
    return f->in.data + f->in.start;
}

/* 0, -EBADF or LY_EUNREADABLE. */
int ly__file_can_read(const struct ly_file *f);

/*
 * Receive, and decode, behind what is held, which must be less than limit: the buffer grows to that at most,
 * and a little. Returns 1, 0 at the end, -EAGAIN (nothing has come yet), LY_EDECODE, -ENOMEM; or an error of
 * the socket, after which the file is not readable.
 */
int ly__file_fill(struct ly_file *f, size_t limit);

/* One receive into the caller's memory. Returns as ly_recv; errors as of ly__file_fill. */
ssize_t ly__file_receive(struct ly_file *f, void *buf, size_t n, int flags);

/* The first n bytes held are read. They stay where they are until the next fill. */
static inline void ly__file_consume(struct ly_file *f, size_t n)
{
    f->in.start += n;
    f->in.searched = 0;
    if (f->in.start == f->in.end)
        f->in.start = f->in.end = 0;
}

/* How many of the n first bytes held are whole characters; n of a binary file. */
size_t ly__file_whole(const struct ly_file *f, size_t n);

/* Reading without a buffer, by file_raw.c. */
ssize_t ly__file_raw_until(struct ly_file *f, char *buf, size_t cap, const void *delimiter, size_t length);
int ly__file_raw_readall(struct ly_file *f, struct ly_buffer *b);

/* The last flush, by file_write.c: with what brings the encoding back to its first state. */
int ly__file_finish(struct ly_file *f);

#endif
