/* SPDX-License-Identifier: MIT */
/* Files over sockets: opening, closing and what they are. */
#include "net/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUFFERING ((size_t)8192)
#define LINE_MAX ((size_t)64 << 10)
#define LARGEST ((size_t)1 << 30) /* of both */

static const char *const newlines[] = {
    [LY__LF] = "\n", [LY__CR] = "\r", [LY__CRLF] = "\r\n", [LY__ANY_END] = ""};

/* ---- opening ---- */

/* A mode, whose letters may be in any order, as f->mode has it. */
static int set_mode(struct ly_file *f, const char *mode)
{
    if (mode[strspn(mode, "rwb")])
        return -EINVAL;
    bool writes = strchr(mode, 'w'), reads = !writes || strchr(mode, 'r');
    size_t n = 0;
    f->binary = strchr(mode, 'b');
    if (reads)
        f->mode[n++] = 'r';
    if (writes)
        f->mode[n++] = 'w';
    if (f->binary)
        f->mode[n++] = 'b';
    return 0;
}

static bool writes(const struct ly_file *f)
{
    return strchr(f->mode, 'w');
}

static int set_newline(struct ly_file *f, const char *newline)
{
    size_t i = 0;
    if (!newline)
        return 0; /* translated: what is left ends with "\n" */
    while (i < sizeof newlines / sizeof *newlines && strcmp(newline, newlines[i]) != 0)
        i++;
    f->ending = (enum ly__line_end)i;
    return i < sizeof newlines / sizeof *newlines ? 0 : -EINVAL;
}

static int set_options(struct ly_file *f, const struct ly_file_options *o)
{
    bool text = o->encoding || o->newline || o->errors != LY_TEXT_STRICT;
    size_t size = o->buffering ? o->buffering : BUFFERING;
    if ((f->binary && text) || (o->unbuffered && (!f->binary || o->buffering)))
        return -EINVAL;
    if (size > LARGEST || o->line_max > LARGEST || (unsigned)o->errors > LY_TEXT_IGNORE)
        return -EINVAL;
    f->unbuffered = o->unbuffered;
    f->line_max = o->line_max ? o->line_max : LINE_MAX;
    if (!f->binary && size < LY__TEXT_ROOM)
        size = LY__TEXT_ROOM;
    f->in.size = f->mode[0] == 'r' ? size : 0;
    f->out.size = writes(f) ? size : 0;
    return set_newline(f, o->newline);
}

static int open_text(struct ly_file *f, const struct ly_file_options *o)
{
    struct ly__encoding e;
    int r = ly__encoding_find(&e, o->encoding);
    if (r < 0)
        return r;
    r = ly__decoder_open(&f->in.decoder, &e, f->in.size, o->errors, !o->newline);
    if (r < 0)
        return r;
    r = ly__encoder_open(&f->out.encoder, &e, o->errors, o->newline);
    if (r < 0)
        ly__decoder_close(&f->in.decoder);
    return r;
}

static void close_text(struct ly_file *f)
{
    if (f->binary)
        return;
    ly__decoder_close(&f->in.decoder);
    ly__encoder_close(&f->out.encoder);
}

static int set_up(struct ly_file *f, const char *mode, const struct ly_file_options *options)
{
    static const struct ly_file_options defaults = {0};
    const struct ly_file_options *o = options ? options : &defaults;
    int r = set_mode(f, mode ? mode : "");
    if (r == 0)
        r = set_options(f, o);
    return r < 0 || f->binary ? r : open_text(f, o);
}

int ly_makefile(struct ly_file **ret_file, struct ly_sock *sock, const char *mode,
                const struct ly_file_options *options)
{
    if (sock->type != SOCK_STREAM)
        return -EOPNOTSUPP;
    struct ly_file *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    int r = set_up(f, mode, options);
    if (r < 0)
        goto out;
    r = ly__sock_hold(sock);
    if (r < 0) {
        close_text(f);
        goto out;
    }
    f->sock = sock;
    *ret_file = f;
    f = NULL; /* handed over */
out:
    free(f);
    return r;
}

/* ---- closing ---- */

int ly_file_close(struct ly_file *f)
{
    if (!f)
        return 0;
    int r = writes(f) ? ly__file_finish(f) : 0;
    close_text(f);
    ly__sock_release(f->sock);
    free(f->in.data);
    free(f->out.data);
    free(f);
    return r;
}

/* ---- attributes ---- */

struct ly_sock *ly_file_sock(const struct ly_file *f)
{
    return f->sock;
}

int ly_file_fileno(const struct ly_file *f)
{
    return ly_sock_fileno(f->sock);
}

const char *ly_file_mode(const struct ly_file *f)
{
    return f->mode;
}

size_t ly_file_buffered(const struct ly_file *f)
{
    return ly__file_held(f) + (f->binary ? 0 : f->in.decoder.end - f->in.decoder.start);
}
