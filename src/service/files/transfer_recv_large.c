/* SPDX-License-Identifier: MIT */
/* Receiving one large file: in pieces, each hashed and written by one call on the pool while it is still in
 * the processor's cache. */
#include "service/files/transfer_recv.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <lanyard/socket.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_incoming(void *arg)
{
    struct ly__receive *r = arg;
    struct ly__incoming *in = &r->in;
    mode_t mode;
    int dir = ly__receive_find(r);
    int error = dir < 0 ? dir : ly__partial_may_replace(dir, r->name);

    if (error < 0)
        return error;
    (void)ly__receive_mode(&r->entry, &mode);
    if (!r->entry.has_offset)
        return ly__partial_create(&in->partial, dir, r->name, mode);
    return ly__partial_resume(&in->partial, dir, r->name, r->entry.offset);
}

/* Returns what open_incoming does, or an error of ly__partial_await. */
static int open_patiently(struct ly__receive *r)
{
    int error;
    do
        error = ly_offload(open_incoming, r);
    while (error == -EBUSY && (error = ly__partial_await(&r->until)) == 0);
    return error;
}

/* The hash goes on from what an earlier transfer has written: read the next piece of it. */
static int hash_earlier(void *arg)
{
    struct ly__receive *r = arg;
    struct ly__incoming *in = &r->in;
    int64_t left = r->entry.offset - in->offset;
    size_t n = left < LY__TRANSFER_CHUNK ? (size_t)left : LY__TRANSFER_CHUNK;
    ssize_t k = pread(in->partial.fd, r->chunk, n, in->offset);

    if (k <= 0)
        return k < 0 ? -errno : LY_ECHANGED;
    ly__hash_update(&in->hash, r->chunk, (size_t)k);
    in->offset += k;
    return in->offset < r->entry.offset;
}

static int write_chunk(void *arg)
{
    struct ly__receive *r = arg;
    struct ly__incoming *in = &r->in;

    ly__hash_update(&in->hash, r->chunk, in->filled);
    return ly__partial_write(&in->partial, r->chunk, in->filled, in->offset);
}

static int finish(struct ly__receive *r, struct ly__partial *p)
{
    mode_t mode;
    bool again = ly__receive_mode(&r->entry, &mode);
    return ly__partial_finish(p, r->name, again ? &mode : NULL,
                              r->entry.has_mtime ? &r->entry.mtime_ns : NULL);
}

static int close_incoming(void *arg)
{
    struct ly__receive *r = arg;
    struct ly__incoming *in = &r->in;
    char hash[LY__HASH_TEXT];

    if (in->error == 0) {
        ly__hash_text(&in->hash, hash);
        if (strcmp(hash, r->entry.xxh3) != 0)
            in->error = LY_ECHECKSUM;
    }
    if (in->error == 0)
        in->error = finish(r, &in->partial);
    else
        ly__partial_drop(&in->partial, false);
    return in->error;
}

/* The connection broke within the file. */
static int keep_incoming(void *arg)
{
    struct ly__receive *r = arg;
    /* compared so that the sum, which may be 2^63, is not made */
    bool long_enough = r->entry.size > LY__PARTIAL_KEPT - r->entry.offset;
    ly__partial_drop(&r->in.partial, r->in.error == 0 && long_enough);
    return 0;
}

void ly__receive_large_done(struct ly__receive *r)
{
    if (r->in.partial.fd >= 0)
        (void)keep_incoming(r);
}

static int begin_incoming(struct ly__receive *r, int error)
{
    struct ly__incoming *in = &r->in;
    if (!r->chunk && !(r->chunk = malloc(LY__TRANSFER_CHUNK)))
        return -ENOMEM;
    ly__hash_init(&in->hash);
    in->partial.fd = -1;
    in->offset = 0;
    in->left = r->entry.size;
    in->trailer = r->entry.has_offset || !r->entry.xxh3[0];
    in->error = error < 0 ? error : open_patiently(r);
    int more = in->error == 0 && r->entry.has_offset;
    while (more > 0)
        more = ly_offload(hash_earlier, r);
    if (more < 0)
        in->error = more;
    return 0;
}

/*
 * Receive what is there of the body, at least half a piece before its end. A piece is written while it is
 * still in the processor's cache; half a large one is enough for a call on the pool to be worth it. The
 * stream's buffer is passed by once it is empty: it would be one more copy.
 */
static int fill_chunk(struct ly__receive *r)
{
    struct ly__incoming *in = &r->in;
    size_t n = in->left < (int64_t)r->piece ? (size_t)in->left : r->piece;
    size_t enough = n < r->piece / 2 ? n : r->piece / 2;

    in->filled = 0;
    while (in->filled < enough) {
        char *at = r->chunk + in->filled;
        ssize_t k = ly_stream_buffered(r->stream) > 0
                        ? ly_stream_read(r->stream, at, n - in->filled)
                        : ly_recv(ly_stream_sock(r->stream), at, n - in->filled);
        if (k <= 0)
            return k < 0 ? (int)k : LY_EEOF;
        in->filled += (size_t)k;
        in->left -= k;
    }
    return 0;
}

static int receive_body(struct ly__receive *r)
{
    struct ly__incoming *in = &r->in;
    while (in->left > 0) {
        int broken = fill_chunk(r);
        if (in->error == 0 && in->filled > 0)
            in->error = ly_offload(write_chunk, r);
        if (in->error == -ECANCELED ||
            in->error == -ETIMEDOUT) { /* not the file's fault: it may be resumed */
            broken = in->error;
            in->error = 0;
        }
        in->offset += (int64_t)in->filled;
        if (broken < 0)
            return broken;
        ly__receive_progress(r, r->entry.path, (int64_t)in->filled);
    }
    return 0;
}

/* What the sender says at the file's end: its hash, or why it has none. */
static int receive_trailer(struct ly__receive *r, char text[128])
{
    struct ly_frame f;
    int64_t id = -1;
    char name[64];
    int k = ly_frame_recv(r->stream, &f);

    if (k <= 0)
        return k < 0 ? k : LY_EEOF;
    if (ly__field_int(f.header, "id", &id, 0, INT64_MAX) < 0 || id != r->options.id || f.size > 0)
        return LY_EFRAME;
    if (ly_json_type(ly_json_get(f.header, "type")) != LY_JSON_NONE)
        return LY_EFRAME;
    if (ly_json_string(ly_json_get(f.header, "error"), name, sizeof name) > 0) {
        int error = ly_error_from_name(name);
        if (ly_json_string(ly_json_get(f.header, "text"), text, 128) < 0)
            text[0] = '\0';
        if (r->in.error == 0)
            r->in.error = error < 0 ? error : LY_EREMOTE;
        return 0;
    }
    return ly__field_hash(ly_json_get(f.header, "xxh3"), r->entry.xxh3) < 0 ? LY_EFRAME : 0;
}

int ly__receive_large(struct ly__receive *r, int error)
{
    struct ly__incoming *in = &r->in;
    char text[128] = "";
    int broken = begin_incoming(r, error);

    if (broken == 0)
        broken = receive_body(r);
    if (broken == 0 && in->trailer)
        broken = receive_trailer(r, text);
    if (broken < 0) {
        (void)ly_offload(keep_incoming, r);
        ly__receive_large_done(r); /* cancelled: the pool was not asked */
        return broken;
    }
    error = ly_offload(close_incoming, r);
    ly__receive_large_done(r);
    if (error < 0)
        return ly__receive_tell_failure(r, error, text[0] ? text : NULL, r->entry.path);
    r->counts.files++;
    r->counts.bytes += r->entry.size;
    return 0;
}
