/* SPDX-License-Identifier: MIT */
/*
 * Sending a stream of entries.
 *
 * The work with files and the work with the connection are kept apart. `fill`, on the offload pool, walks the
 * tree and appends frames, small files with their content, to a buffer until it is full; the fiber then
 * writes the buffer out. So a small file costs four system calls (open, fstat, read, close) and its share of
 * one send.
 *
 * A large file goes in chunks by sendfile(2), from the page cache to the socket without passing through this
 * process. Its hash needs the bytes all the same: each chunk is read piece by piece into a buffer that stays
 * in the processor's cache. That read does not wait (RWF_NOWAIT); where the disk would have to be asked, the
 * chunk is read on the pool instead, and sendfile finds it in memory. If the file changes between the two the
 * hash does not fit what was sent, and the receiver drops the file.
 * Over TLS, where the kernel has nothing to send from the page cache, the piece that was hashed is encrypted
 * from the same buffer.
 */
#include "service/files/transfer.h"

#include "service/files/partial.h"
#include "service/files/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <lanyard/socket.h>
#include <lanyard/tls.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define BATCH (192u << 10)      /* bytes of frames after which a batch goes out */
#define BATCH_MAX (512u << 10)  /* and the most it may be: one more small file and its header */
#define HASH_PIECE (128u << 10) /* bytes hashed at a time */
#define SHARE (2 << 20)         /* bytes sent, or hashed on the pool, before others have their turn */
#define SEND_CHUNK                                                                            \
    (256 << 10) /* bytes of a large file hashed and sent in turn: small, so that the receiver \
                 * has the last one to work on while the next is hashed */

enum fill { FILL_END, FILL_MORE, FILL_LARGE, FILL_LIST };

/* The large file whose turn it is. */
struct outgoing {
    int fd;               /* -1: none */
    struct stat st;       /* as it was opened */
    struct ly__hash hash; /* up to hashed */
    int64_t hashed;       /* bytes of the file that are in hash */
    int64_t goal;         /* hash_range: up to where */
    size_t held;          /* bytes up to hashed that are in scratch, if they are wanted: see send_held */
    bool may_wait;        /* hash_range runs on the pool */
};

/* A directory of the walk, as the receiver has it. */
struct level {
    struct ly__known known;
    bool there; /* it has it: known tells what is in it */
};

struct ly__send {
    struct ly_stream *stream;
    int64_t id;
    const struct ly__send_hooks *hooks;
    void *arg;
    struct ly__transfer_counts counts;
    struct ly_buffer batch; /* finished frames */
    struct ly_buffer head;  /* the frame in hand */
    int64_t batched;        /* bytes of bodies in the batch */
    int fatal;              /* the batch could not take a frame */
    struct ly__tree tree;   /* while walking */
    bool walking;
    struct level *levels; /* hooks->list: of the directories from the start to the walk's, by depth */
    size_t nlevels, room; /* in use, allocated */
    struct outgoing large;
    struct ly__spot avoid;           /* where the receiver puts what is sent */
    size_t prefix;                   /* bytes of path that are the start's */
    char path[2 * LY__PATH_MAX + 2]; /* of the entry in hand, as sent */
    char scratch[HASH_PIECE];        /* a small file, or a piece of a large one */
};

/* ---- frames ---- */

static int begin(struct ly__send *s)
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

static void count_failed(struct ly__send *s, int error)
{
    if (s->counts.failed++ == 0)
        s->counts.error = error;
}

static void fail(struct ly__send *s, int error)
{
    count_failed(s, error);
    if (s->hooks->failed) {
        s->hooks->failed(s->arg, error, s->path);
        return;
    }
    int r = begin(s);
    if (r == 0)
        r = ly__entry_put_error(&s->head, error, s->path);
    (void)add_frame(s, r, NULL, 0, 0);
}

static int add_entry(struct ly__send *s, const struct stat *st, const char *target)
{
    int r = begin(s);
    if (r == 0)
        r = ly__entry_put_fields(&s->head, s->path, st, target, NULL, -1);
    return add_frame(s, r, NULL, 0, 0);
}

static int add_small(struct ly__send *s, struct stat *st, size_t n)
{
    char hash[LY__HASH_TEXT];
    ly__hash_once(s->scratch, n, hash);
    int r = begin(s);
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

static void drop_levels(struct ly__send *s, size_t keep)
{
    while (s->nlevels > keep)
        ly__known_done(&s->levels[--s->nlevels].known);
}

/* The walk has entered a directory. Returns FILL_LIST if the receiver is to be asked what it has of it, 0, or
 * -ENOMEM. */
static int add_level(struct ly__send *s, const char *name)
{
    size_t depth = s->tree.depth - 1; /* the directory's own */
    if (!s->hooks->list)
        return 0;
    if (depth >= s->room) {
        size_t room = 2 * depth + 16;
        struct level *levels = realloc(s->levels, room * sizeof *levels);
        if (!levels)
            return s->fatal = -ENOMEM;
        s->levels = levels;
        s->room = room;
    }
    drop_levels(s, depth);
    struct level *l = &s->levels[s->nlevels++];
    ly__known_init(&l->known);
    l->there = depth == 0 || (l[-1].there && ly__known_directory(&l[-1].known, name));
    return l->there ? FILL_LIST : 0;
}

/* Ask what the receiver has of the directory entered last. */
static int list_level(struct ly__send *s)
{
    struct level *l = &s->levels[s->nlevels - 1];
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
    const struct level *l = &s->levels[s->tree.depth - 1];
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
    return FILL_LARGE;
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
    if (r != FILL_LARGE)
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

/* On the pool: make a batch. Returns a fill. */
static int fill(void *arg)
{
    struct ly__send *s = arg;

    while (s->batch.length < BATCH && s->fatal == 0) {
        int event = ly__tree_next(&s->tree);
        if (event == LY__TREE_END)
            return FILL_END;
        if (event == LY__TREE_LEAVE)
            continue;
        if (event == LY__TREE_ENTRY)
            event = fill_entry(s);
        else
            (void)walk_path(s);
        if (event == FILL_LARGE || event == FILL_LIST)
            return event;
        if (event < 0 && s->fatal == 0)
            fail(s, event);
    }
    return FILL_MORE;
}

/* ---- a large file ---- */

/* Hash up to large.goal. Returns 0; 1: the disk must be waited for; LY_ECHANGED: the file ends before;
 * -errno. */
static int hash_range(void *arg)
{
    struct ly__send *s = arg;
    struct outgoing *o = &s->large;

    while (o->hashed < o->goal) {
        int64_t left = o->goal - o->hashed;
        if (o->held == HASH_PIECE)
            o->held = 0; /* not wanted any more */
        size_t room = HASH_PIECE - o->held;
        struct iovec iov = {s->scratch + o->held, left < (int64_t)room ? (size_t)left : room};
        ssize_t n = preadv2(o->fd, &iov, 1, o->hashed, o->may_wait ? 0 : RWF_NOWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !o->may_wait && (errno == EAGAIN || errno == EOPNOTSUPP))
            return 1;
        if (n <= 0)
            return n < 0 ? -errno : LY_ECHANGED;
        ly__hash_update(&o->hash, iov.iov_base, (size_t)n);
        o->held += (size_t)n;
        o->hashed += n;
    }
    return 0;
}

static int hash_on_pool(struct ly__send *s, int64_t goal)
{
    s->large.goal = goal;
    s->large.may_wait = true;
    return ly_offload(hash_range, s);
}

static int hash_up_to(struct ly__send *s, int64_t goal)
{
    s->large.goal = goal;
    s->large.may_wait = false;
    int r = hash_range(s);
    return r == 1 ? hash_on_pool(s, goal) : r;
}

/* How much of the file the receiver has already, checked: the hash is then that of this part. */
static int find_offset(struct ly__send *s, int64_t *ret)
{
    char claimed[LY__HASH_TEXT] = "", hash[LY__HASH_TEXT];
    int64_t offset = 0;
    int r = s->hooks->resume ? s->hooks->resume(s->arg, s->path, s->large.st.st_size, &offset, claimed) : 0;

    *ret = -1;
    if (r < 0 || offset <= 0 || offset > s->large.st.st_size)
        return r;
    for (int64_t at = 0; r == 0 && at < offset;) {
        at = offset - at < SHARE ? offset : at + SHARE;
        r = hash_on_pool(s, at);
    }
    ly__hash_text(&s->large.hash, hash);
    if (r == 0 && !strcmp(hash, claimed)) {
        *ret = offset;
        return 0;
    }
    ly__hash_init(&s->large.hash);
    s->large.hashed = 0;
    return r == -ECANCELED || r == -ETIMEDOUT ? r : 0;
}

/* Fill up what was announced and cannot be read. */
static int send_zeros(struct ly__send *s, int64_t n)
{
    memset(s->scratch, 0, sizeof s->scratch);
    while (n > 0) {
        size_t k = n < (int64_t)sizeof s->scratch ? (size_t)n : sizeof s->scratch;
        int r = ly_stream_write(s->stream, s->scratch, k);
        if (r < 0)
            return r;
        n -= (int64_t)k;
    }
    return 0;
}

/* What was hashed last, n bytes, out of the buffer that it was read into. */
static int64_t send_held(struct ly__send *s, int64_t n)
{
    int r = ly_sendall(ly_stream_sock(s->stream), s->scratch, (size_t)n);
    return r < 0 ? r : n;
}

/* Send n bytes from at on, hashed. Returns the bytes sent, in *ret_error why they are fewer; or the
 * connection's error. TLS needs them in memory, where the hash had them a moment ago. */
static int64_t send_chunk(struct ly__send *s, int64_t at, int64_t n, int *ret_error)
{
    bool from_memory = ly_tls_is_on(ly_stream_sock(s->stream));
    if (from_memory && n > HASH_PIECE)
        n = HASH_PIECE;
    s->large.held = 0;
    *ret_error = hash_up_to(s, at + n);
    if (*ret_error == -ECANCELED || *ret_error == -ETIMEDOUT)
        return *ret_error;
    if (*ret_error < 0)
        return 0;
    if (from_memory)
        return send_held(s, n);
    int64_t sent = ly_sendfile(ly_stream_sock(s->stream), s->large.fd, at, n);
    if (sent == -EIO) /* the file's, not the connection's */
        sent = 0;
    if (sent >= 0 && sent < n)
        *ret_error = LY_ECHANGED;
    return sent;
}

/* A receiver that keeps up would never let this fiber wait: give way to the others now and then. */
static int share(int64_t *unpaid, int64_t sent)
{
    *unpaid += sent;
    if (*unpaid < SHARE)
        return 0;
    *unpaid = 0;
    return ly_sleep(0);
}

/* Returns 0, or the connection's error; *ret_error is the file's. */
static int send_body(struct ly__send *s, int64_t at, int *ret_error)
{
    int64_t end = s->large.st.st_size, unpaid = 0;
    int r = ly_stream_flush(s->stream);

    while (r == 0 && *ret_error == 0 && at < end) {
        int64_t sent = send_chunk(s, at, end - at < SEND_CHUNK ? end - at : SEND_CHUNK, ret_error);
        if (sent < 0)
            return (int)sent;
        at += sent;
        if (s->hooks->progress)
            s->hooks->progress(s->arg, s->path, sent);
        r = share(&unpaid, sent);
    }
    return r < 0 ? r : send_zeros(s, end - at);
}

static bool has_changed(const struct outgoing *o)
{
    struct stat now;
    return fstat(o->fd, &now) < 0 || now.st_size != o->st.st_size ||
           now.st_mtim.tv_sec != o->st.st_mtim.tv_sec || now.st_mtim.tv_nsec != o->st.st_mtim.tv_nsec;
}

static int send_trailer(struct ly__send *s, int error)
{
    char hash[LY__HASH_TEXT];
    int r = begin(s);
    if (r == 0 && error < 0)
        r = ly__entry_put_error(&s->head, error, s->path);
    if (r == 0 && error == 0) {
        ly__hash_text(&s->large.hash, hash);
        r = ly_json_put_string(&s->head, "xxh3", hash);
    }
    if (r == 0)
        r = ly_frame_end(&s->head, 0);
    return r < 0 ? r : ly_frame_send(s->stream, &s->head, NULL, 0);
}

static int send_large(struct ly__send *s)
{
    struct outgoing *o = &s->large;
    int64_t offset = -1;
    int error = 0;

    ly__hash_init(&o->hash);
    o->hashed = 0;
    int r = find_offset(s, &offset);
    if (r == 0)
        r = begin(s);
    if (r == 0)
        r = ly__entry_put_fields(&s->head, s->path, &o->st, NULL, NULL, offset);
    int64_t at = offset < 0 ? 0 : offset;
    if (r == 0)
        r = ly_frame_end(&s->head, o->st.st_size - at);
    if (r == 0)
        r = ly_frame_send(s->stream, &s->head, NULL, 0);
    if (r == 0)
        r = send_body(s, at, &error);
    if (r == 0 && error == 0 && has_changed(o))
        error = LY_ECHANGED;
    if (r == 0)
        r = send_trailer(s, error);
    if (r < 0)
        return r;
    if (error == 0) {
        s->counts.files++;
        s->counts.bytes += o->st.st_size - at;
        return 0;
    }
    count_failed(s, error);
    if (s->hooks->failed)
        s->hooks->failed(s->arg, error, s->path);
    return 0;
}

/* ---- the pump ---- */

static int send_batch(struct ly__send *s)
{
    int r = s->fatal;
    if (r == 0 && s->batch.length > 0)
        r = ly_stream_write(s->stream, ly_buffer_bytes(&s->batch), s->batch.length);
    ly_buffer_clear(&s->batch);
    if (r == 0 && s->batched > 0 && s->hooks->progress)
        s->hooks->progress(s->arg, "", s->batched);
    s->batched = 0;
    return r;
}

/* Send what fill has left: the batch, then the large file; or ask what it wants to know. */
static int send_filled(struct ly__send *s, int how)
{
    int r = send_batch(s);
    if (how == FILL_LIST && r == 0)
        r = list_level(s);
    if (how == FILL_LARGE) {
        if (r == 0)
            r = send_large(s);
        close(s->large.fd);
        s->large.fd = -1;
    }
    return r;
}

static int send_tree(struct ly__send *s)
{
    int how;
    do {
        how = ly_offload(fill, s);
        int r = how < 0 ? how : send_filled(s, how);
        if (r < 0)
            return r;
    } while (how != FILL_END);
    return 0;
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

int ly__send_entry(struct ly__send *s, int dir, const char *name, const char *as, bool recursive)
{
    struct start start = {s, dir, name, recursive};

    s->prefix = strlen(as);
    memcpy(s->path, as, s->prefix + 1);
    int how = ly_offload(fill_start, &start);
    if (how == -EISDIR || how == -ECANCELED || how == -ETIMEDOUT)
        return how;
    if (how < 0 && s->fatal == 0)
        fail(s, how);
    int r = send_filled(s, how);
    if (r == 0 && s->walking)
        r = send_tree(s);
    if (s->walking)
        ly__tree_close(&s->tree);
    s->walking = false;
    drop_levels(s, 0);
    return r;
}

int ly__send_new(struct ly__send **ret_send, struct ly_stream *stream, int64_t id,
                 const struct ly__send_hooks *hooks, void *arg)
{
    struct ly__send *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->stream = stream;
    s->id = id;
    s->hooks = hooks;
    s->arg = arg;
    s->large.fd = -1;
    ly_buffer_init(&s->batch, BATCH_MAX);
    ly_buffer_init(&s->head, LY_FRAME_HEADER_MAX + 4);
    *ret_send = s;
    return 0;
}

void ly__send_avoid(struct ly__send *s, const struct ly__spot *spot)
{
    s->avoid = *spot;
}

void ly__send_free(struct ly__send *s)
{
    if (!s)
        return;
    if (s->large.fd >= 0)
        close(s->large.fd);
    drop_levels(s, 0);
    free(s->levels);
    ly_buffer_done(&s->batch);
    ly_buffer_done(&s->head);
    free(s);
}

const struct ly__transfer_counts *ly__send_counts(const struct ly__send *s)
{
    return &s->counts;
}
