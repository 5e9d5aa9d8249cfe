/* SPDX-License-Identifier: MIT */
/*
 * Reading from files by amount.
 *
 * Bytes come into the file's buffer. Of a text file they come into the decoder's first, which fills the
 * buffer with UTF-8, so that lines are searched and lent in the same way for both kinds. The buffer has the
 * size that was asked for and grows only for a line, or for what a delimiter ends, that is longer: as far as
 * the caller allows.
 *
 * "Nothing yet" on a socket that does not wait and the end are two results, -EAGAIN and 0, all the way up.
 * What was read before the first stays in the buffer or is given; nothing needs to be remembered. After any
 * other error the part that a caller had already got is lost, so the file refuses to go on in the middle.
 */
#include "base/utf8.h"
#include "net/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int ly__file_can_read(const struct ly_file *f)
{
    if (f->mode[0] != 'r')
        return -EBADF;
    return f->in.lost ? LY_EUNREADABLE : 0;
}

size_t ly__file_whole(const struct ly_file *f, size_t n)
{
    const char *text = ly__file_first(f);
    if (!f->binary && n < ly__file_held(f))
        while (n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    return n;
}

/* ---- receiving ---- */

ssize_t ly__file_receive(struct ly_file *f, void *buf, size_t n, int flags)
{
    ssize_t r = f->in.ended ? 0 : ly__sock_recv(f->sock, buf, n, flags, ly__sock_deadline(f->sock));
    if (r == 0)
        f->in.ended = true;
    if (r < 0 && r != -EAGAIN)
        f->in.lost = true;
    return r;
}

/* Receive into the decoder. Returns as ly__file_receive, and LY_EDECODE where bytes that stand for nothing
 * yet fill all of it, which no text does. */
static ssize_t receive_raw(struct ly_file *f)
{
    struct ly__decoder *d = &f->in.decoder;
    if (!d->raw) {
        d->raw = malloc(d->size);
        if (!d->raw)
            return -ENOMEM;
    }
    if (d->start > 0 && d->start < d->end)
        memmove(d->raw, d->raw + d->start, d->end - d->start);
    d->end -= d->start;
    d->start = 0;
    if (d->end == d->size)
        return LY_EDECODE;
    ssize_t r = ly__file_receive(f, d->raw + d->end, d->size - d->end, 0);
    if (r > 0)
        d->end += (size_t)r;
    return r;
}

/* Have at least room bytes behind what is held. */
static int make_room(struct ly__file_in *in, size_t room, size_t limit)
{
    size_t held = in->end - in->start;
    if (in->data && in->start > 0) {
        memmove(in->data, in->data + in->start, held);
        in->start = 0;
        in->end = held;
    }
    if (in->data && in->size - held >= room)
        return 0;
    size_t size = in->data ? in->size * 2 : in->size;
    if (in->data && size - room > limit)
        size = limit + room;
    if (size < held + room)
        size = held + room;
    char *data = realloc(in->data, size);
    if (!data)
        return -ENOMEM;
    in->data = data;
    in->size = size;
    return 0;
}

int ly__file_fill(struct ly_file *f, size_t limit)
{
    struct ly__file_in *in = &f->in;
    int r = make_room(in, f->binary ? 1 : LY__TEXT_ROOM, limit);
    if (r < 0)
        return r;
    for (;;) {
        ssize_t n = f->binary
                        ? ly__file_receive(f, in->data + in->end, in->size - in->end, 0)
                        : ly__decoder_step(&in->decoder, in->data + in->end, in->size - in->end, in->ended);
        if (n > 0)
            in->end += (size_t)n;
        if (n != 0 || f->binary || in->ended)
            return n > 0 ? 1 : (int)n;
        n = receive_raw(f);
        if (n < 0)
            return (int)n;
    }
}

/* ---- reading ---- */

static size_t take(struct ly_file *f, char *buf, size_t n)
{
    memcpy(buf, ly__file_first(f), n);
    ly__file_consume(f, n);
    return n;
}

/* Take at most n characters, which fit into cap bytes, of what is held. Counts n down. */
static size_t take_some(struct ly_file *f, char *buf, size_t cap, size_t *n)
{
    size_t held = ly__file_held(f), bytes = ly__file_whole(f, held < cap ? held : cap);
    size_t count = *n;
    if (f->binary)
        bytes = count = bytes < *n ? bytes : *n;
    else
        bytes = ly__utf8_take(ly__file_first(f), bytes, &count);
    *n -= count;
    return take(f, buf, bytes);
}

/* What is too large for the buffer goes past it. */
static ssize_t read_past(struct ly_file *f, char *buf, size_t n)
{
    return ly__file_receive(f, buf, n, 0);
}

/* Have something in the buffer, or read past it. Returns the bytes read past it, 0 at the end or if something
 * is held now, or an error. */
static ssize_t supply(struct ly_file *f, char *buf, size_t room)
{
    if (f->unbuffered || (f->binary && room >= f->in.size))
        return read_past(f, buf, room);
    int r = ly__file_fill(f, 1);
    return r < 0 ? r : 0;
}

ssize_t ly_file_read(struct ly_file *f, void *buf, size_t cap, size_t n)
{
    char *to = buf;
    size_t done = 0;
    int r = ly__file_can_read(f);
    if (r < 0)
        return r;
    if (f->binary && n > cap)
        n = cap;
    while (n > 0 && done < cap) {
        if (ly__file_held(f) > 0) {
            size_t took = take_some(f, to + done, cap - done, &n);
            if (took == 0)
                return done > 0 ? (ssize_t)done : LY_ETOOBIG;
            done += took;
            continue;
        }
        ssize_t past = supply(f, to + done, n < cap - done ? n : cap - done);
        if (past < 0) /* what cannot be read any more is told after what could be */
            return done > 0 && !f->in.lost ? (ssize_t)done : past;
        done += (size_t)past;
        n -= (size_t)past;
        if (f->unbuffered || (past == 0 && ly__file_held(f) == 0))
            break;
    }
    return (ssize_t)done;
}

ssize_t ly_file_read1(struct ly_file *f, void *buf, size_t cap)
{
    size_t all = LY_FILE_ALL;
    int r = ly__file_can_read(f);
    if (r < 0 || cap == 0)
        return r;
    if (ly__file_held(f) == 0) {
        ssize_t past = supply(f, buf, cap);
        if (past != 0 || ly__file_held(f) == 0)
            return past;
    }
    size_t took = take_some(f, buf, cap, &all);
    return took > 0 ? (ssize_t)took : LY_ETOOBIG;
}

/* Move what is held into b. Returns LY_ETOOBIG if not all of it fits. */
static int move_out(struct ly_file *f, struct ly_buffer *b)
{
    size_t held = ly__file_held(f), room = b->max - b->length;
    size_t n = ly__file_whole(f, held < room ? held : room);
    int r = ly_buffer_append(b, ly__file_first(f), n);
    if (r < 0)
        return r;
    ly__file_consume(f, n);
    return n < held ? LY_ETOOBIG : 0;
}

int ly_file_readall(struct ly_file *f, struct ly_buffer *b)
{
    int r = ly__file_can_read(f);
    if (r < 0)
        return r;
    if (f->unbuffered)
        return ly__file_raw_readall(f, b);
    do {
        r = ly__file_held(f) > 0 ? move_out(f, b) : 0;
        if (r == 0)
            r = ly__file_fill(f, 1);
    } while (r > 0);
    return r;
}
