/* SPDX-License-Identifier: MIT */
/*
 * What is sent, made into frames: the walk through the tree and its small files, on the offload pool.
 *
 * A small file is appended to the batch with its content. A large one, and a directory of which the receiver
 * may have something already, end the batch: what they need is the fiber's work.
 */
#include "service/files/transfer_send.h"

#include "service/files/partial.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- frames ---- */

int ly__send_begin(struct ly__send *s)
{
    int r = ly_frame_begin(&s->head);
    return r < 0 ? r : ly_json_put_int(&s->head, "id", s->id);
}

/* End the frame in hand and put it into the batch with its body. */
static int add_frame(struct ly__send *s, int r, const void *body, size_t n, int64_t size)
{
    if (r == 0)
        r = ly_frame_end(&s->head, size);
    if (r == 0)
        r = ly_buffer_append(&s->batch, ly_buffer_bytes(&s->head), s->head.length);
    if (r == 0 && n > 0)
        r = ly_buffer_append(&s->batch, body, n);
    if (r < 0)
        s->fatal = r;
    return r;
}

void ly__send_count_failed(struct ly__send *s, int error)
{
    if (s->counts.failed++ == 0)
        s->counts.error = error;
}

void ly__send_fail(struct ly__send *s, int error)
{
    ly__send_count_failed(s, error);
    if (s->hooks->failed) {
        s->hooks->failed(s->arg, error, s->path);
        return;
    }
    int r = ly__send_begin(s);
    if (r == 0)
        r = ly__entry_put_error(&s->head, error, s->path);
    (void)add_frame(s, r, NULL, 0, 0);
}

static int add_entry(struct ly__send *s, const struct stat *st, const char *target)
{
    int r = ly__send_begin(s);
    if (r == 0)
        r = ly__entry_put_fields(&s->head, s->path, st, target, NULL, -1);
    return add_frame(s, r, NULL, 0, 0);
}

static int add_small(struct ly__send *s, struct stat *st, size_t n)
{
    char hash[LY__HASH_TEXT];
    ly__hash_once(s->scratch, n, hash);
    int r = ly__send_begin(s);
    if (r == 0)
        r = ly__entry_put_fields(&s->head, s->path, st, NULL, hash, -1);
    r = add_frame(s, r, s->scratch, n, (int64_t)n);
    if (r == 0) {
        s->batched += (int64_t)n;
        s->counts.bytes += (int64_t)n;
        s->counts.files++;
    }
    return r;
}

/* ---- what the receiver has already ---- */

void ly__send_drop_levels(struct ly__send *s, size_t keep)
{
    while (s->nlevels > keep)
        ly__known_done(&s->levels[--s->nlevels].known);
}

/* The walk has entered a directory. Returns LY__FILL_LIST if the receiver is to be asked what it has of it,
 * 0, or -ENOMEM. */
static int add_level(struct ly__send *s, const char *name)
{
    size_t depth = s->tree.depth - 1; /* the directory's own */
    if (!s->hooks->list)
        return 0;
    if (depth >= s->room) {
        size_t room = 2 * depth + 16;
        struct ly__level *levels = realloc(s->levels, room * sizeof *levels);
        if (!levels)
            return s->fatal = -ENOMEM;
        s->levels = levels;
        s->room = room;
    }
    ly__send_drop_levels(s, depth);
    struct ly__level *l = &s->levels[s->nlevels++];
    ly__known_init(&l->known);
    l->there = depth == 0 || (l[-1].there && ly__known_directory(&l[-1].known, name));
    return l->there ? LY__FILL_LIST : 0;
}

int ly__send_list_level(struct ly__send *s)
{
    struct ly__level *l = &s->levels[s->nlevels - 1];
    int r = s->hooks->list(s->arg, s->path, &l->known);
    ly__known_seal(&l->known);
    l->there = l->known.keys.length > 0;
    return r;
}

/* Whether the receiver has this file of the walk's directory as it is. */
static bool is_there(struct ly__send *s, int dir, const char *name)
{
    struct stat st;
    if (!s->walking || s->nlevels == 0)
        return false;
    const struct ly__level *l = &s->levels[s->tree.depth - 1];
    return l->there && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           ly__known_file(&l->known, name, &st);
}

/* ---- one entry; dir, name: where it is ---- */

/* Read up to the end, at most n bytes. */
static ssize_t read_whole(int fd, char *buf, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t k = read(fd, buf + got, n - got);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return -errno;
        got += (size_t)k;
        if (k == 0 || got <= LY__TRANSFER_SMALL) /* a short read of a file is its end */
            break;
    }
    return (ssize_t)got;
}

static int fill_opened(struct ly__send *s, int fd)
{
    struct stat *st = &s->large.st;
    if (fstat(fd, st) < 0)
        return -errno;
    if (!S_ISREG(st->st_mode))
        return 0;
    if (st->st_size <= LY__TRANSFER_SMALL) {
        ssize_t n = read_whole(fd, s->scratch, LY__TRANSFER_SMALL + 1);
        if (n < 0)
            return (int)n;
        if (n <= LY__TRANSFER_SMALL)
            return add_small(s, st, (size_t)n);
        if (fstat(fd, st) < 0) /* it has grown out of that */
            return -errno;
    }
    s->large.fd = fd;
    return LY__FILL_LARGE;
}

static int fill_file(struct ly__send *s, int dir, const char *name)
{
    if (is_there(s, dir, name)) {
        s->counts.same++;
        return 0;
    }
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fill_opened(s, fd);
    if (r != LY__FILL_LARGE)
        close(fd);
    return r;
}

static int fill_link(struct ly__send *s, int dir, const char *name, const struct stat *st)
{
    char target[LY__PATH_MAX + 1];
    ssize_t n = readlinkat(dir, name, target, sizeof target);
    if (n < 0)
        return -errno;
    if (n > LY__PATH_MAX)
        return -ENAMETOOLONG;
    target[n] = '\0';
    return add_entry(s, st, target);
}

/* An entry of a kind that readdir did not tell, or no file and no directory. */
static int fill_other(struct ly__send *s, int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (S_ISLNK(st.st_mode))
        return fill_link(s, dir, name, &st);
    if (S_ISREG(st.st_mode))
        return fill_file(s, dir, name);
    s->counts.others++;
    if (!s->hooks->other)
        return add_entry(s, &st, NULL);
    s->hooks->other(s->arg, s->path);
    return 0;
}

static bool is_directory(const struct ly__tree *t)
{
    struct stat st;
    if (t->type != DT_UNKNOWN)
        return t->type == DT_DIR;
    return fstatat(t->dir, t->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* ---- the walk ---- */

/* The path of the walk's entry as it is sent. */
static int walk_path(struct ly__send *s)
{
    size_t n = s->prefix, length = strlen(s->tree.path);
    if (n > 0 && length > 0)
        s->path[n++] = '/';
    memcpy(s->path + n, s->tree.path, length + 1);
    return n + length > LY__PATH_MAX ? -ENAMETOOLONG : 0;
}

/* Whether the receiver puts what is sent into this directory. */
static bool is_destination(const struct ly__send *s, int dir, const char *name)
{
    struct stat st;
    const struct ly__spot *spot = &s->avoid;
    if (!spot->directory[0])
        return false;
    if (!strcmp(spot->name, "."))
        return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
               ly__spot_is(spot, st.st_dev, st.st_ino, ".");
    return !strcmp(spot->name, name) && fstat(dir, &st) == 0 && ly__spot_is(spot, st.st_dev, st.st_ino, name);
}

static int fill_entry(struct ly__send *s)
{
    struct ly__tree *t = &s->tree;
    bool directory = is_directory(t);
    int r = walk_path(s);

    if (!directory && ly__partial_is(t->name))
        return 0;
    if (r == 0 && !ly__name_allowed(t->name, strlen(t->name)))
        r = LY_ENAME;
    if (r == 0 && directory && is_destination(s, t->dir, t->name))
        r = LY_EITSELF;
    if (r < 0)
        return r;
    if (directory) {
        char name[LY__NAME_MAX + 1];
        memcpy(name, t->name, strlen(t->name) + 1);
        r = ly__tree_enter(t);
        if (r == 0)
            r = add_entry(s, &t->entered, NULL);
        return r < 0 ? r : add_level(s, name);
    }
    return t->type == DT_REG ? fill_file(s, t->dir, t->name) : fill_other(s, t->dir, t->name);
}

/* On the pool: make a batch. Returns an ly__fill. */
static int fill(void *arg)
{
    struct ly__send *s = arg;

    while (s->batch.length < LY__SEND_BATCH && s->fatal == 0) {
        int event = ly__tree_next(&s->tree);
        if (event == LY__TREE_END)
            return LY__FILL_END;
        if (event == LY__TREE_LEAVE)
            continue;
        if (event == LY__TREE_ENTRY)
            event = fill_entry(s);
        else
            (void)walk_path(s);
        if (event == LY__FILL_LARGE || event == LY__FILL_LIST)
            return event;
        if (event < 0 && s->fatal == 0)
            ly__send_fail(s, event);
    }
    return LY__FILL_MORE;
}

int ly__send_fill(struct ly__send *s)
{
    return ly_offload(fill, s);
}

struct start {
    struct ly__send *s;
    int dir;
    const char *name;
    bool recursive;
};

/* On the pool: the first entry. A directory begins the walk. */
static int fill_start(void *arg)
{
    struct start *start = arg;
    struct ly__send *s = start->s;
    struct stat st;

    if (fstatat(start->dir, start->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return S_ISREG(st.st_mode)   ? fill_file(s, start->dir, start->name)
               : S_ISLNK(st.st_mode) ? fill_link(s, start->dir, start->name, &st)
                                     : -EOPNOTSUPP; /* in a tree it is left out, but this one was asked for */
    if (!start->recursive)
        return -EISDIR;
    if (is_destination(s, start->dir, start->name))
        return LY_EITSELF;
    int r = ly__tree_open(&s->tree, start->dir, start->name);
    s->walking = r == 0;
    if (r == 0)
        r = add_entry(s, &s->tree.entered, NULL);
    return r < 0 ? r : add_level(s, "");
}

int ly__send_fill_first(struct ly__send *s, int dir, const char *name, bool recursive)
{
    struct start start = {s, dir, name, recursive};
    return ly_offload(fill_start, &start);
}
