/* SPDX-License-Identifier: MIT */
/*
 * Writing to files.
 *
 * Small writes gather. What does not fit goes out behind what was gathered, by one sendmsg(2) and uncopied,
 * where it does not have to be encoded first. On a socket that does not wait, what the kernel does not take
 * is gathered as far as there is room; the caller is told how much of its text has been taken, in whole
 * characters.
 */
#include "base/utf8.h"
#include "net/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PRINT_MAX ((size_t)1 << 20) /* bytes of one ly_file_printf */

static int can_write(struct ly_file *f)
{
    struct ly__file_out *out = &f->out;
    if (out->size == 0)
        return -EBADF;
    if (!out->data && !f->unbuffered)
        out->data = malloc(out->size);
    return out->data || f->unbuffered ? 0 : -ENOMEM;
}

static size_t room(const struct ly__file_out *out)
{
    return out->size - out->end;
}

/* The first n bytes gathered have gone. */
static void sent(struct ly__file_out *out, size_t n)
{
    out->start += n;
    if (out->start == out->end)
        out->start = out->end = 0;
}

static void move_to_front(struct ly__file_out *out)
{
    if (out->start == 0)
        return;
    memmove(out->data, out->data + out->start, out->end - out->start);
    out->end -= out->start;
    out->start = 0;
}

/* ---- sending ---- */

static int send_gathered(struct ly_file *f)
{
    struct ly__file_out *out = &f->out;
    while (out->end > out->start) {
        ssize_t r = ly__sock_send(f->sock, out->data + out->start, out->end - out->start, 0,
                                  ly__sock_deadline(f->sock));
        if (r < 0)
            return (int)r;
        sent(out, (size_t)r);
    }
    return 0;
}

/* Send what is gathered and n bytes behind it, as far as one call goes. Returns how many of the n have gone,
 * or an error. */
static ssize_t send_both(struct ly_file *f, const char *bytes, size_t n)
{
    struct ly__file_out *out = &f->out;
    size_t gathered = out->end - out->start;
    struct iovec iov[2] = {{.iov_base = out->data + out->start, .iov_len = gathered},
                           {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n}};
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
    int64_t deadline = ly__sock_deadline(f->sock);
    ssize_t r = gathered > 0 ? ly__sock_sendmsg(f->sock, &m, 0, deadline)
                             : ly__sock_send(f->sock, bytes, n, 0, deadline);
    if (r < 0)
        return r;
    size_t old = (size_t)r < gathered ? (size_t)r : gathered;
    sent(out, old);
    return r - (ssize_t)old;
}

/* ---- bytes ---- */

static void gather(struct ly__file_out *out, const char *bytes, size_t n)
{
    memcpy(out->data + out->end, bytes, n);
    out->end += n;
}

/* Nothing more can be sent now: of n bytes, of which done have gone, gather what there is room for, up to the
 * end of a character. Returns what was taken in all. */
static ssize_t gather_what_fits(struct ly_file *f, const char *bytes, size_t n, size_t done)
{
    move_to_front(&f->out);
    size_t fits = n - done < room(&f->out) ? n - done : room(&f->out);
    if (!f->binary && done + fits < n)
        while (fits > 0 && ((unsigned char)bytes[done + fits] & 0xc0) == 0x80)
            fits--;
    gather(&f->out, bytes + done, fits);
    return done + fits > 0 ? (ssize_t)(done + fits) : -EAGAIN;
}

static ssize_t write_bytes(struct ly_file *f, const char *bytes, size_t n)
{
    size_t done = 0;
    while (n - done > room(&f->out)) {
        ssize_t r = send_both(f, bytes + done, n - done);
        if (r == -EAGAIN)
            return gather_what_fits(f, bytes, n, done);
        if (r < 0)
            return r;
        done += (size_t)r;
    }
    gather(&f->out, bytes + done, n - done);
    return (ssize_t)n;
}

/* All of it is sent before this returns; at time-out 0, what goes. */
static ssize_t write_unbuffered(struct ly_file *f, const char *bytes, size_t n)
{
    int64_t deadline = ly__sock_deadline(f->sock);
    size_t done = 0;
    while (done < n) {
        ssize_t r = ly__sock_send(f->sock, bytes + done, n - done, 0, deadline);
        if (r < 0)
            return r == -EAGAIN && done > 0 ? (ssize_t)done : r;
        done += (size_t)r;
    }
    return (ssize_t)n;
}

/* ---- text ---- */

static ssize_t write_encoded(struct ly_file *f, const char *text, size_t n)
{
    struct ly__file_out *out = &f->out;
    size_t done = 0;
    while (done < n) {
        size_t used, made;
        if (room(out) < LY__TEXT_ROOM) {
            int r = send_gathered(f);
            move_to_front(out);
            if (r < 0 && room(out) < LY__TEXT_ROOM)
                return r == -EAGAIN && done > 0 ? (ssize_t)done : r;
            if (r < 0 && r != -EAGAIN)
                return r;
        }
        int r = ly__encoder_step(&out->encoder, text + done, n - done, &used, out->data + out->end, room(out),
                                 &made);
        out->end += made;
        done += used;
        if (r < 0)
            return r;
    }
    return (ssize_t)n;
}

static ssize_t write_text(struct ly_file *f, const char *text, size_t n)
{
    const struct ly__encoder *e = &f->out.encoder;
    bool valid = ly__utf8_valid(text, n);
    if (!valid && e->errors == LY_TEXT_STRICT)
        return LY_EENCODE;
    return valid && ly__encoder_copies(e) ? write_bytes(f, text, n) : write_encoded(f, text, n);
}

ssize_t ly_file_write(struct ly_file *f, const void *bytes, size_t n)
{
    int r = can_write(f);
    if (r < 0 || n == 0)
        return r;
    if (f->unbuffered)
        return write_unbuffered(f, bytes, n);
    return f->binary ? write_bytes(f, bytes, n) : write_text(f, bytes, n);
}

ssize_t ly_file_vprintf(struct ly_file *f, const char *format, va_list args)
{
    struct ly_buffer b;
    ly_buffer_init(&b, PRINT_MAX);
    ssize_t r = ly_buffer_vprintf(&b, format, args);
    if (r == 0)
        r = ly_file_write(f, ly_buffer_bytes(&b), b.length);
    ly_buffer_done(&b);
    return r;
}

ssize_t ly_file_printf(struct ly_file *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ssize_t r = ly_file_vprintf(f, format, args);
    va_end(args);
    return r;
}

/* ---- flushing ---- */

int ly_file_flush(struct ly_file *f)
{
    return f->out.size == 0 ? -EBADF : send_gathered(f);
}

int ly__file_finish(struct ly_file *f)
{
    struct ly__file_out *out = &f->out;
    int r = 0;
    if (!f->binary && out->data && room(out) < LY__TEXT_ROOM) {
        r = send_gathered(f);
        move_to_front(out);
    }
    if (r == 0 && !f->binary && out->data)
        out->end += ly__encoder_end(&out->encoder, out->data + out->end, room(out));
    return r < 0 ? r : send_gathered(f);
}
