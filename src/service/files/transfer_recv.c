/* SPDX-License-Identifier: MIT */
/*
 * Receiving a stream of entries.
 *
 * Small entries come by the thousand, so what each costs decides the speed. They are handled where they lie,
 * in the stream's buffer: `take_buffered` runs through all that are there completely, without a copy and
 * without waiting for anything but the disk, in one call on the offload pool. The fiber between two such
 * calls only waits for more bytes. A large file is received in pieces, each hashed and written by one call on
 * the pool while it is still in the processor's cache.
 *
 * Whatever fails here, a full disk as well as a forbidden name, fails one entry: its body is read on and
 * dropped. Only a stream that breaks the protocol, or the connection's end, ends the whole.
 */
#include "service/files/transfer.h"

#include "service/files/partial.h"
#include "service/files/place_dirs.h"
#include "service/files/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <lanyard/socket.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SILENT_MAX 10 /* time-outs of the socket between two entries: a sender may search for long */
#define FAILURES_MAX (256u << 10) /* bytes of failures noted in one call on the pool */

/* A large file on its way. */
struct incoming {
    struct ly__partial partial; /* fd -1: not being written */
    struct ly__hash hash;       /* of the file up to offset */
    int64_t offset;             /* where the next piece goes */
    int64_t left;               /* bytes of body still to come */
    size_t filled;              /* bytes in chunk */
    int error;                  /* why it is only read and dropped; 0: it is written */
    bool trailer;               /* one must follow */
};

struct ly__receive {
    struct ly_stream *stream;
    struct ly__receive_options options;
    struct ly__transfer_counts counts;
    struct ly__dirs dirs;
    struct ly_buffer failures; /* noted on the pool, told by the fiber: int (0: no failure, an entry left
                                * out), then the path with its zero byte */
    struct ly_buffer prefix;   /* of all paths; see the options */
    int fatal;                 /* noted on the pool: the error that ends the transfer */
    size_t wanted; /* bytes to have buffered before take_buffered is worth another call; 0: the frame in
                    * front is not for it */
    int silent;    /* time-outs of the socket since the last byte */
    int64_t small; /* bytes of small bodies taken in this call */
    size_t piece;  /* of a large file, received, hashed and written at a time */
    int64_t until; /* of ly__partial_await */
    struct incoming in;
    char *chunk;                     /* LY__TRANSFER_CHUNK bytes, once a large file came */
    const char *name;                /* of the entry in hand, in its directory */
    struct ly__entry entry;          /* the entry in hand */
    char path[LY__PATH_MAX + 1];     /* its path below the destination, clean */
    char told[2 * LY__PATH_MAX + 2]; /* a path as the sender has it, put together */
};

/* ---- failures ---- */

static void note_failure(struct ly__receive *r, int error, const char *path)
{
    int e = ly_buffer_append(&r->failures, &error, sizeof error);
    if (e == 0)
        e = ly_buffer_append(&r->failures, path, strlen(path) + 1);
    if (e < 0)
        r->fatal = e;
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
    note_failure(r, error, r->told);
}

static int tell_failure(struct ly__receive *r, int error, const char *text, const char *path)
{
    r->counts.failed++;
    return r->options.hooks->failed(r->options.arg, error, text, path);
}

static int tell_failures(struct ly__receive *r)
{
    int result = r->fatal;
    while (result == 0 && r->failures.length > 0) {
        int error;
        memcpy(&error, ly_buffer_bytes(&r->failures), sizeof error);
        const char *path = ly_buffer_bytes(&r->failures) + sizeof error;
        size_t n = strlen(path) + 1;
        if (error < 0)
            result = tell_failure(r, error, NULL, path);
        else if (r->options.hooks->other)
            r->options.hooks->other(r->options.arg, path);
        ly_buffer_consume(&r->failures, sizeof error + n);
    }
    return result;
}

static void tell_entry(const struct ly__receive *r)
{
    if (r->options.hooks->entry)
        r->options.hooks->entry(r->options.arg, r->entry.path);
}

static void progress(const struct ly__receive *r, const char *path, int64_t n)
{
    if (n > 0 && r->options.hooks->progress)
        r->options.hooks->progress(r->options.arg, path, n);
}

/* ---- one entry ---- */

/* The path below the destination. What does not lie there was not asked for. */
static int find_path(struct ly__receive *r)
{
    char clean[LY__PATH_MAX + 1];
    const char *prefix = r->options.prefix;
    size_t n = strlen(prefix);
    ssize_t length = ly__path_clean(clean, r->entry.path);

    if (length < 0)
        return (int)length;
    if (strncmp(clean, prefix, n) != 0 || (n > 0 && clean[n] != '\0' && clean[n] != '/'))
        return LY_EOUTSIDE;
    const char *rest = clean + n;
    rest += n > 0 && *rest == '/';
    memcpy(r->path, rest, strlen(rest) + 1);
    return 0;
}

/* The directory of the entry in hand; its name there is then in r->name. */
static int find_place(struct ly__receive *r)
{
    int error = find_path(r);
    if (error < 0)
        return error;
    int dir = ly__dirs_go(&r->dirs, r->path, &r->name);
    if (dir >= 0 && !strcmp(r->name, "."))
        return -EISDIR;
    return dir;
}

static int take_directory(struct ly__receive *r)
{
    int error = find_path(r);
    return error < 0 ? error : ly__dirs_make(&r->dirs, r->path, &r->entry);
}

/* A link has no lock to say whose it is, so it keeps off the temporary name of a file: another transfer's may
 * lie there. */
static int take_link(struct ly__receive *r)
{
    char temporary[LY__NAME_MAX + 1];
    int dir = find_place(r);
    if (dir < 0)
        return dir;
    ly__partial_link_name(temporary, r->name);
    if (symlinkat(r->entry.target, dir, temporary) < 0) {
        if (errno != EEXIST || unlinkat(dir, temporary, 0) < 0 ||
            symlinkat(r->entry.target, dir, temporary) < 0)
            return -errno;
    }
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, ly__entry_timespec(r->entry.mtime_ns)};
    if (r->entry.has_mtime)
        (void)utimensat(dir, temporary, times, AT_SYMLINK_NOFOLLOW); /* a link's time is no reason to fail */
    if (renameat(dir, temporary, dir, r->name) == 0)
        return 0;
    int error = -errno;
    (void)unlinkat(dir, temporary, 0);
    return error;
}

/* The mode to open a new file with, and whether it must be set again because the umask takes bits away. */
static bool mode_of(const struct ly__entry *e, mode_t *ret)
{
    *ret = e->has_mode ? e->mode : 0666;
    return e->has_mode && (e->mode & ly__umask()) != 0;
}

static int finish(struct ly__receive *r, struct ly__partial *p)
{
    mode_t mode;
    bool again = mode_of(&r->entry, &mode);
    return ly__partial_finish(p, r->name, again ? &mode : NULL,
                              r->entry.has_mtime ? &r->entry.mtime_ns : NULL);
}

/* A file that lies whole in memory: it is checked before anything is made. */
static int take_small(struct ly__receive *r, const char *body)
{
    char hash[LY__HASH_TEXT];
    size_t n = (size_t)r->entry.size;
    int dir = find_place(r);

    if (dir < 0)
        return dir;
    ly__hash_once(body, n, hash);
    if (strcmp(hash, r->entry.xxh3) != 0)
        return LY_ECHECKSUM;
    struct ly__whole whole = {
        .dir = dir,
        .name = r->name,
        .bytes = body,
        .n = n,
        .mtime_ns = r->entry.has_mtime ? &r->entry.mtime_ns : NULL,
    };
    whole.set_mode = mode_of(&r->entry, &whole.mode);
    int error = ly__whole_write(&whole);
    if (error == 0)
        r->counts.files++;
    return error;
}

/* ---- all that are in the buffer ---- */

static bool is_small(const struct ly__entry *e)
{
    return e->type == LY__ENTRY_FILE && e->xxh3[0] && !e->has_offset && e->size <= LY__TRANSFER_SMALL;
}

/* The sender has left out what cannot be transferred, and says so. */
static void note_other(struct ly__receive *r)
{
    r->counts.others++;
    note_failure(r, 0, r->entry.path);
}

/* Take the entry in hand, whose body is at body. */
static void take_entry(struct ly__receive *r, int error, const char *body)
{
    if (error == 0 && r->entry.type == LY__ENTRY_OTHER) {
        note_other(r);
        return;
    }
    if (error == 0)
        error = r->entry.type == LY__ENTRY_DIR    ? take_directory(r)
                : r->entry.type == LY__ENTRY_LINK ? take_link(r)
                                                  : take_small(r, body);
    if (error < 0)
        note_failure(r, error, r->entry.path);
    else
        r->counts.bytes += r->entry.size;
    r->small += r->entry.size;
}

/* One frame of the n bytes in front. Returns the bytes it took, or 0: r->wanted or r->fatal say why. */
static size_t take_frame(struct ly__receive *r, const char *bytes, size_t n)
{
    struct ly_frame f;
    size_t need = 0;
    ssize_t head = ly_frame_decode(bytes, n, &f, &need);

    r->wanted = need;
    if (head == 0)
        return 0;
    r->wanted = 0;
    if (head < 0) {
        r->fatal = (int)head;
        return 0;
    }
    int error = ly__entry_read(&r->entry, &f);
    if (!r->entry.is_entry)
        return 0;
    if (error == LY_EFIELD || r->entry.id != r->options.id ||
        (r->entry.type != LY__ENTRY_FILE && f.size > 0)) {
        r->fatal = LY_EFRAME;
        return 0;
    }
    if (r->entry.type == LY__ENTRY_FILE && !is_small(&r->entry))
        return 0;
    size_t whole = (size_t)head + (size_t)f.size;
    if (whole > n) {
        r->wanted = whole;
        return 0;
    }
    tell_entry(r);
    take_entry(r, error, bytes + head);
    return whole;
}

/* On the pool: everything that is buffered whole. */
static int take_buffered(void *arg)
{
    struct ly__receive *r = arg;
    const char *bytes;

    for (;;) {
        size_t n = ly_stream_buffered(r->stream);
        r->wanted = 1;
        if (n == 0 || r->failures.length > FAILURES_MAX / 2 || ly_stream_peek(r->stream, n, &bytes) < 0)
            return 0;
        size_t took = take_frame(r, bytes, n);
        if (took == 0)
            return 0;
        ly_stream_consume(r->stream, took);
        if (r->fatal < 0)
            return 0;
    }
}

/* ---- a large file ---- */

static int open_incoming(void *arg)
{
    struct ly__receive *r = arg;
    struct incoming *in = &r->in;
    struct stat st;
    mode_t mode;
    int dir = find_place(r);

    if (dir < 0)
        return dir;
    if (fstatat(dir, r->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
        return -EISDIR;
    (void)mode_of(&r->entry, &mode);
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
    struct incoming *in = &r->in;
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
    struct incoming *in = &r->in;

    ly__hash_update(&in->hash, r->chunk, in->filled);
    return ly__partial_write(&in->partial, r->chunk, in->filled, in->offset);
}

static int close_incoming(void *arg)
{
    struct ly__receive *r = arg;
    struct incoming *in = &r->in;
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

static int begin_incoming(struct ly__receive *r, int error)
{
    struct incoming *in = &r->in;
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
    struct incoming *in = &r->in;
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
    struct incoming *in = &r->in;
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
        progress(r, r->entry.path, (int64_t)in->filled);
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

/* error: why it cannot be written, known from its frame; or 0. */
static int receive_large(struct ly__receive *r, int error)
{
    struct incoming *in = &r->in;
    char text[128] = "";
    int broken = begin_incoming(r, error);

    if (broken == 0)
        broken = receive_body(r);
    if (broken == 0 && in->trailer)
        broken = receive_trailer(r, text);
    if (broken < 0) {
        (void)ly_offload(keep_incoming, r);
        if (in->partial.fd >= 0) /* cancelled: the pool was not asked */
            (void)keep_incoming(r);
        return broken;
    }
    error = ly_offload(close_incoming, r);
    if (in->partial.fd >= 0)
        (void)keep_incoming(r);
    if (error < 0)
        return tell_failure(r, error, text[0] ? text : NULL, r->entry.path);
    r->counts.files++;
    r->counts.bytes += r->entry.size;
    return 0;
}

/* ---- the whole stream ---- */

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
    return tell_failure(r, error < 0 ? error : LY_EREMOTE, text, path);
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
    tell_entry(r);
    return receive_large(r, error);
}

static int run(struct ly__receive *r, struct ly_frame *ret_frame)
{
    for (;;) {
        r->small = 0;
        int e = ly_offload(take_buffered, r);
        if (e == 0)
            e = tell_failures(r);
        if (e < 0)
            return e;
        progress(r, "", r->small);
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
        left = tell_failures(r);
    return left < 0 ? left : 1;
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
    ly_buffer_init(&r->failures, FAILURES_MAX);
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
    if (r->in.partial.fd >= 0)
        (void)keep_incoming(r);
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
