/* SPDX-License-Identifier: MIT */
/*
 * Taking the entries that have arrived whole, on the offload pool.
 *
 * Small entries come by the thousand, so what each costs decides the speed. They are handled where they lie,
 * in the stream's buffer: `take_buffered` runs through all that are there completely, without a copy and
 * without waiting for anything but the disk, in one call on the pool.
 */
#include "service/files/transfer_recv.h"

#include "service/files/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

int ly__receive_find(struct ly__receive *r)
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
    int dir = ly__receive_find(r);
    int error = dir < 0 ? dir : ly__partial_may_replace(dir, r->name);
    if (error < 0)
        return error;
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
    error = -errno;
    (void)unlinkat(dir, temporary, 0);
    return error;
}

bool ly__receive_mode(const struct ly__entry *e, mode_t *ret)
{
    *ret = e->has_mode ? e->mode : 0666;
    return e->has_mode && (e->mode & ly__umask()) != 0;
}

/* A file that lies whole in memory: it is checked before anything is made. */
static int take_small(struct ly__receive *r, const char *body)
{
    char hash[LY__HASH_TEXT];
    size_t n = (size_t)r->entry.size;
    int dir = ly__receive_find(r);

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
    whole.set_mode = ly__receive_mode(&r->entry, &whole.mode);
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
    ly__receive_note(r, 0, r->entry.path);
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
        ly__receive_note(r, error, r->entry.path);
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
    ly__receive_tell_entry(r);
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
        if (n == 0 || r->failures.length > LY__RECEIVE_NOTES / 2 || ly_stream_peek(r->stream, n, &bytes) < 0)
            return 0;
        size_t took = take_frame(r, bytes, n);
        if (took == 0)
            return 0;
        ly_stream_consume(r->stream, took);
        if (r->fatal < 0)
            return 0;
    }
}

int ly__receive_take(struct ly__receive *r)
{
    return ly_offload(take_buffered, r);
}
