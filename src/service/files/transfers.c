/* SPDX-License-Identifier: MIT */
/* The file service's get, put and partial: requests around the two engines. Source: docs/protocol.md, 5.3
 * to 5.5. */
#include "service/files/entry.h"
#include "service/files/files.h"
#include "service/files/partial.h"
#include "service/files/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PIECE_LEAST (16 << 10)     /* bytes of a limited transfer received at a time */
#define PARTIAL_PIECE (256u << 10) /* bytes of a partial file hashed at a time */
#define PARTIAL_SLICE 64           /* pieces in one call on the pool */

/* One transfer, or the question for a partial file. */
struct transfer {
    struct ly__session *session;
    char path[LY__PATH_MAX + 1];
    struct ly__place place; /* held: dir, once it is found */
    bool placed;
    bool flag;                /* get: recursive; put: parents */
    bool named;               /* put: what comes has the name that the request has */
    struct ly__spot spot;     /* get: where the client puts it; put: where the entries go */
    int64_t offset;           /* get: what the client has; partial: what there is */
    char hash[LY__HASH_TEXT]; /* of these bytes */
    int fd;                   /* partial: the file */
    int64_t size;             /* partial: its length at the beginning */
    struct ly__hash state;    /* partial */
    char *piece;              /* partial */
    int64_t until;            /* partial: of ly__partial_await */
};

static struct transfer *transfer_new(struct ly__session *s, const struct ly_frame *f, int *ret_error)
{
    struct transfer *t = calloc(1, sizeof *t);
    *ret_error = t ? ly__field_path(f->header, "path", t->path) : -ENOMEM;
    if (!t)
        return NULL;
    t->session = s;
    t->fd = -1;
    return t;
}

static void transfer_free(struct transfer *t)
{
    if (!t)
        return;
    if (t->placed)
        ly__place_done(&t->place);
    if (t->fd >= 0)
        close(t->fd);
    free(t->piece);
    free(t);
}

static int find(void *arg)
{
    struct transfer *t = arg;
    char clean[LY__PATH_MAX + 1];
    ssize_t n = ly__path_clean(clean, t->path);
    if (n < 0)
        return (int)n;
    memcpy(t->path, clean, (size_t)n + 1);
    int r = ly__place_find(&t->place, t->session->root_fd, t->path, 0);
    t->placed = r == 0;
    return r;
}

static int put_counts(struct ly__session *s, const struct ly__transfer_counts *c, bool always_failed)
{
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ok", true);
    if (r == 0)
        r = ly_json_put_int(&s->out, "files", c->files);
    if (r == 0)
        r = ly_json_put_int(&s->out, "bytes", c->bytes);
    if (r == 0 && (always_failed || c->failed > 0))
        r = ly_json_put_int(&s->out, "failed", c->failed);
    return r < 0 ? r : ly__session_send(s, 0);
}

/* ---- get ---- */

static int resume_get(void *arg, const char *path, int64_t size, int64_t *offset, char hash[LY__HASH_TEXT])
{
    const struct transfer *t = arg;
    (void)size;
    *offset = strcmp(path, t->path) == 0 ? t->offset : 0; /* what was asked for itself, not what is in it */
    memcpy(hash, t->hash, LY__HASH_TEXT);
    return 0;
}

static void count_sent(void *arg, const char *path, int64_t bytes)
{
    const struct transfer *t = arg;
    (void)path;
    ly__session_sent(t->session, bytes);
}

static const struct ly__send_hooks get_hooks = {.resume = resume_get, .progress = count_sent};

/* A get whose path leads nowhere: an error frame with the path, and the end. */
static int answer_missing(struct ly__session *s, int error, const char *path)
{
    struct ly__transfer_counts counts = {.failed = 1};
    int r = ly__session_error(s, error, path);
    return r < 0 ? r : put_counts(s, &counts, true);
}

static int get(struct ly__session *s, struct transfer *t)
{
    char asked[LY__PATH_MAX + 1];
    memcpy(asked, t->path, sizeof asked);
    int r = ly_offload(find, t);
    if (r < 0)
        return answer_missing(s, r, asked);

    struct ly__send *send;
    if (ly__send_new(&send, s->stream, s->id, &get_hooks, t) < 0)
        return ly__session_error(s, -ENOMEM, NULL);
    ly__send_avoid(send, &t->spot);
    ly__session_sent(s, 0);
    r = ly__send_entry(send, t->place.dir, t->place.name, t->path, t->flag);
    if (r == 0)
        s->result = ly__send_counts(send)->error; /* the sender has put the error frames itself */
    if (r == 0)
        r = put_counts(s, ly__send_counts(send), false);
    else if (r == -EISDIR)
        r = answer_missing(s, r, t->path);
    ly__send_free(send);
    return r;
}

static int take_get(struct transfer *t, const struct ly_frame *f)
{
    struct ly_json hash = ly_json_get(f->header, "prefix_xxh3");
    int r = ly__field_bool(f->header, "recursive", &t->flag);
    ly__field_spot(ly_json_get(f->header, "into"), &t->spot);
    if (r == 0)
        r = ly__field_int(f->header, "offset", &t->offset, 0, INT64_MAX);
    if (r == 0 && (t->offset > 0 || hash.length > 0))
        r = ly__field_hash(hash, t->hash);
    return r;
}

int ly__files_get(struct ly__session *s, const struct ly_frame *f)
{
    int r;
    if (s->root_fd < 0)
        return ly__session_error(s, -EOPNOTSUPP, NULL);
    struct transfer *t = transfer_new(s, f, &r);
    if (r == 0)
        r = take_get(t, f);
    r = r < 0 ? ly__session_error(s, r, NULL) : get(s, t);
    transfer_free(t);
    return r;
}

/* ---- put ---- */

static int put_failed(void *arg, int error, const char *text, const char *path)
{
    struct transfer *t = arg;
    (void)text; /* the sender's own words need not go back to it */
    return ly__session_error(t->session, error, path);
}

static void count_received(void *arg, const char *path, int64_t bytes)
{
    const struct transfer *t = arg;
    (void)path;
    ly__session_received(t->session, bytes);
}

/* What comes under the name that the request has, or in it, is told by that; what comes into the directory
 * that it names is told one by one. */
static void note_entry(void *arg, const char *path)
{
    struct transfer *t = arg;
    t->named = t->named || !*path;
    if (!t->named && !strchr(path, '/'))
        ly__deed_add_name(t->session->names, t->path, path);
}

static const struct ly__receive_hooks put_hooks = {
    .failed = put_failed, .entry = note_entry, .progress = count_received};

/* The end of the entries: the answer, or what is wrong with the frame that came instead. */
static int put_ended(struct ly__session *s, const struct ly_frame *last,
                     const struct ly__transfer_counts *counts)
{
    int64_t id = -1;
    bool end = false;

    if (ly__field_int(last->header, "id", &id, 0, INT64_MAX) < 0 || id != s->id ||
        ly__field_bool(last->header, "end", &end) < 0 || !end || last->size > 0)
        return LY_EFRAME;
    return put_counts(s, counts, true);
}

/* Who has a limit pays for a few seconds at once: of a connection that was not read from for a minute, the
 * other end would think that this machine is gone. */
static int64_t piece_of(const struct ly__session *s)
{
    int64_t rate = s->grant.bandwidth;
    if (rate <= 0 || rate > LY__TRANSFER_CHUNK)
        return 0;
    return rate * 4 > PIECE_LEAST ? rate * 4 : PIECE_LEAST;
}

static int receive(struct ly__session *s, struct transfer *t)
{
    struct ly_frame last;
    struct ly__receive *receive;
    ly__session_received(s, 0);
    const struct ly__receive_options options = {
        .dir = t->place.dir,
        .name = t->place.name,
        .prefix = "",
        .id = s->id,
        .piece = piece_of(s),
        .hooks = &put_hooks,
        .arg = t,
    };
    if (ly__receive_new(&receive, s->stream, &options) < 0)
        return ly__session_error(s, -ENOMEM, NULL);
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ready", true);
    if (r == 0)
        r = ly__put_spot(&s->out, "into", &t->spot);
    if (r == 0)
        r = ly__session_send(s, 0);
    if (r == 0)
        r = ly_stream_flush(s->stream);
    if (r == 0)
        r = ly__receive_run(receive, &last);
    else
        r = r < 0 ? r : LY_EEOF;
    if (r > 0)
        r = put_ended(s, &last, ly__receive_counts(receive));
    else if (r == 0)
        r = LY_EEOF;
    ly__receive_free(receive);
    return r;
}

/* Where the entries go: into a directory that is there, or to be one in its parent. */
static void find_spot(struct transfer *t)
{
    struct stat st;
    if (fstatat(t->place.dir, t->place.name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode)) {
        ly__spot_at(&t->spot, t->place.dir, t->place.name);
        return;
    }
    ly__spot_identity(st.st_dev, st.st_ino, t->spot.directory);
    memcpy(t->spot.name, ".", 2);
}

static int find_put(void *arg)
{
    struct transfer *t = arg;
    char clean[LY__PATH_MAX + 1];
    ssize_t n = ly__path_clean(clean, t->path);
    int r = n < 0 ? (int)n : 0;
    if (r == 0 && t->flag)
        r = ly__make_parents(t->session->root_fd, clean);
    if (r == 0)
        r = find(t);
    if (r == 0)
        find_spot(t);
    return r;
}

static int put(struct ly__session *s, struct transfer *t)
{
    int r = ly__session_drop_body(s);
    if (r < 0)
        return r;
    r = ly_offload(find_put, t);
    return r < 0 ? ly__session_error(s, r, t->path) : receive(s, t);
}

int ly__files_put(struct ly__session *s, const struct ly_frame *f)
{
    int r;
    if (s->root_fd < 0)
        return ly__session_error(s, -EOPNOTSUPP, NULL);
    struct transfer *t = transfer_new(s, f, &r);
    if (r == 0)
        r = ly__field_bool(f->header, "parents", &t->flag);
    r = r < 0 ? ly__session_error(s, r, NULL) : put(s, t);
    transfer_free(t);
    return r;
}

/* ---- partial ---- */

/* A partial file that a transfer still writes would be longer than the answer said. */
static int see_unowned(int fd)
{
    if (flock(fd, LOCK_SH | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? -EBUSY : -errno;
    (void)flock(fd, LOCK_UN);
    return 0;
}

/* Returns 1 if there is something to hash, 0 if not, -EBUSY (a transfer owns it; it can be called again), or
 * an error. */
static int open_partial(void *arg)
{
    struct transfer *t = arg;
    char name[LY__NAME_MAX + 1];
    struct stat st;
    int r = t->placed ? 0 : find(t);

    if (r < 0)
        return r;
    if (!strcmp(t->place.name, "."))
        return 0;
    ly__partial_name(name, t->place.name);
    if (t->fd >= 0)
        close(t->fd);
    t->fd = openat(t->place.dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (t->fd < 0)
        return errno == ENOENT || errno == ELOOP ? 0 : -errno;
    r = see_unowned(t->fd);
    if (r < 0)
        return r;
    if (fstat(t->fd, &st) < 0)
        return -errno;
    t->size = S_ISREG(st.st_mode) ? st.st_size : 0;
    if (t->size > 0 && !(t->piece = malloc(PARTIAL_PIECE)))
        return -ENOMEM;
    ly__hash_init(&t->state);
    return t->size > 0;
}

/* Returns 1 while there is more. */
static int hash_partial(void *arg)
{
    struct transfer *t = arg;
    for (int i = 0; i < PARTIAL_SLICE && t->offset < t->size; i++) {
        int64_t left = t->size - t->offset;
        ssize_t n = pread(t->fd, t->piece, left < PARTIAL_PIECE ? (size_t)left : PARTIAL_PIECE, t->offset);
        if (n < 0)
            return -errno;
        if (n == 0)
            t->size = t->offset;
        ly__hash_update(&t->state, t->piece, (size_t)n);
        t->offset += n;
    }
    return t->offset < t->size;
}

static int answer_partial(struct ly__session *s, struct transfer *t)
{
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ok", true);
    if (r == 0)
        r = ly_json_put_int(&s->out, "offset", t->offset);
    if (r == 0 && t->offset > 0) {
        ly__hash_text(&t->state, t->hash);
        r = ly_json_put_string(&s->out, "xxh3", t->hash);
    }
    return r < 0 ? r : ly__session_send(s, 0);
}

int ly__files_partial(struct ly__session *s, const struct ly_frame *f)
{
    int r;
    if (s->root_fd < 0)
        return ly__session_error(s, -EOPNOTSUPP, NULL);
    struct transfer *t = transfer_new(s, f, &r);
    bool named = r == 0;
    int more = r < 0 ? r : ly_offload(open_partial, t);
    while (more == -EBUSY && (more = ly__partial_await(&t->until)) == 0)
        more = ly_offload(open_partial, t);
    while (more > 0)
        more = ly_offload(hash_partial, t);
    if (more == -ENOENT)
        more = 0; /* no such directory: no partial file either */
    r = more < 0 ? ly__session_error(s, more, named ? t->path : NULL) : answer_partial(s, t);
    transfer_free(t);
    return r;
}
