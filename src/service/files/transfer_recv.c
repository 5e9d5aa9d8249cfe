/* SPDX-License-Identifier: MIT */
/*
 * Receiving a stream of entries.
 *
 * What has arrived whole is taken in one call on the offload pool (transfer_recv_take.c); the fiber between
 * two such calls only waits for more bytes. A large file is received by itself (transfer_recv_large.c).
 *
 * Whatever fails here, a full disk as well as a forbidden name, fails one entry: its body is read on and
 * dropped. Only a stream that breaks the protocol, or the connection's end, ends the whole.
 */
#include "service/files/transfer_recv.h"

#include <errno.h>
#include <lanyard/fiber.h>
#include <stdlib.h>
#include <string.h>

#define SILENT_MAX 10 /* time-outs of the socket between two entries: a sender may search for long */

static int leave_directories(void *arg)
{
    struct ly__receive *r = arg;
    ly__dirs_leave_all(&r->dirs);
    return 0;
}

/* A frame that is no entry: 1 if it ends the stream, 0 if it told of a failure. */
static int other_frame(struct ly__receive *r, const struct ly_frame *f)
{
    char name[64], text[128], *path = r->entry.path;
    if (ly_json_string(ly_json_get(f->header, "error"), name, sizeof name) <= 0 ||
        ly__field_path(f->header, "path", path) < 0)
        return 1;
    int64_t id = -1;
    if (ly__field_int(f->header, "id", &id, 0, INT64_MAX) < 0 || id != r->options.id || f->size > 0)
        return LY_EFRAME;
    if (ly_json_string(ly_json_get(f->header, "text"), text, sizeof text) < 0)
        text[0] = '\0';
    int error = ly_error_from_name(name);
    return ly__receive_tell_failure(r, error < 0 ? error : LY_EREMOTE, text, path);
}

/* The frame in front is one that take_buffered leaves alone. */
static int handle_frame(struct ly__receive *r, struct ly_frame *ret_frame)
{
    struct ly_frame f;
    int k = ly_frame_recv(r->stream, &f);
    if (k <= 0)
        return k < 0 ? k : LY_EEOF;
    int error = ly__entry_read(&r->entry, &f);
    if (!r->entry.is_entry) {
        k = other_frame(r, &f);
        if (k == 1)
            *ret_frame = f;
        return k;
    }
    ly__receive_tell_entry(r);
    return ly__receive_large(r, error);
}

static int run(struct ly__receive *r, struct ly_frame *ret_frame)
{
    for (;;) {
        r->small = 0;
        int e = ly__receive_take(r);
        if (e == 0)
            e = ly__receive_tell_noted(r);
        if (e < 0)
            return e;
        ly__receive_progress(r, "", r->small);
        if (r->wanted > 0) {
            const char *bytes;
            ssize_t k = ly_stream_peek(r->stream, r->wanted, &bytes);
            if (k == -ETIMEDOUT && ly_stream_buffered(r->stream) == 0 && ++r->silent <= SILENT_MAX)
                continue;
            if (k <= 0)
                return (int)k;
            r->silent = 0;
            continue;
        }
        e = handle_frame(r, ret_frame);
        if (e != 0)
            return e;
    }
}

int ly__receive_run(struct ly__receive *r, struct ly_frame *ret_frame)
{
    int e = run(r, ret_frame);
    if (e != 1)
        return e;
    /* the frame stays valid: nothing is read from here on */
    int left = ly_offload(leave_directories, r);
    if (left == 0)
        left = ly__receive_tell_noted(r);
    return left < 0 ? left : 1;
}

static void note_directory(void *arg, int error, const char *path)
{
    struct ly__receive *r = arg;
    const char *prefix = r->options.prefix;
    size_t n = strlen(prefix);

    memcpy(r->told, prefix, n);
    if (n > 0 && path[0])
        r->told[n++] = '/';
    memcpy(r->told + n, path, strlen(path) + 1);
    ly__receive_note(r, error, r->told);
}

int ly__receive_new(struct ly__receive **ret_receive, struct ly_stream *stream,
                    const struct ly__receive_options *options)
{
    struct ly__receive *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->stream = stream;
    r->options = *options;
    r->piece = options->piece > 0 && options->piece < LY__TRANSFER_CHUNK ? (size_t)options->piece
                                                                         : LY__TRANSFER_CHUNK;
    r->in.partial.fd = -1;
    ly_buffer_init(&r->failures, LY__RECEIVE_NOTES);
    ly_buffer_init(&r->prefix, LY__PATH_MAX + 1);
    if (ly_buffer_append(&r->prefix, options->prefix, strlen(options->prefix) + 1) < 0) {
        free(r);
        return -ENOMEM;
    }
    r->options.prefix = ly_buffer_bytes(&r->prefix);
    ly__dirs_init(&r->dirs, options->dir, options->name);
    r->dirs.failed = note_directory;
    r->dirs.arg = r;
    *ret_receive = r;
    return 0;
}

void ly__receive_free(struct ly__receive *r)
{
    if (!r)
        return;
    ly__receive_large_done(r);
    ly__dirs_done(&r->dirs);
    ly_buffer_done(&r->failures);
    ly_buffer_done(&r->prefix);
    free(r->chunk);
    free(r);
}

const struct ly__transfer_counts *ly__receive_counts(const struct ly__receive *r)
{
    return &r->counts;
}
