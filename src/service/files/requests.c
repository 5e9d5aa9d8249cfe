/* SPDX-License-Identifier: MIT */
/*
 * The service of files: small requests here, get and put in transfers.c.
 *
 * Each function takes its fields, lets the pool do what may wait for a disk, and answers. A request fails
 * with an error frame that names the path; only a lost connection ends the session.
 */
#include "service/files/files.h"

#include "auth/roles.h"
#include "service/files/entry.h"
#include "service/files/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LIST_BATCH (64u << 10)      /* bytes of ls answers made in one call on the pool */
#define LIST_BATCH_MAX (128u << 10) /* and the most they may be */
#define REMOVE_SLICE 512            /* entries removed in one call on the pool */

/* One small request: what its function on the pool gets and gives. */
struct request {
    int root;
    char path[LY__PATH_MAX + 1];
    char to[LY__PATH_MAX + 1]; /* mv */
    bool flag;                 /* mkdir: parents; rm: recursive */
    mode_t mode;               /* mkdir */
    struct stat st;            /* stat, ls */
    char name[LY__NAME_MAX + 1];
    char target[LY__PATH_MAX + 1]; /* a link's text */
    int64_t count;                 /* ls, rm: entries so far */
    bool walking;                  /* ls, rm: tree is open */
    struct ly__tree tree;
    struct ly_buffer head, batch; /* ls */
    int64_t id;                   /* ls */
};

static struct request *request_new(const struct ly__session *s)
{
    struct request *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->root = s->root_fd;
    q->id = s->id;
    ly_buffer_init(&q->head, LY_FRAME_HEADER_MAX + 4);
    ly_buffer_init(&q->batch, LIST_BATCH_MAX);
    return q;
}

static void request_free(struct request *q)
{
    if (q->walking)
        ly__tree_close(&q->tree);
    ly_buffer_done(&q->head);
    ly_buffer_done(&q->batch);
    free(q);
}

/* ---- stat ---- */

static int look(struct request *q, int dir, const char *name)
{
    if (fstatat(dir, name, &q->st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    q->target[0] = '\0';
    if (!S_ISLNK(q->st.st_mode))
        return 0;
    ssize_t n = readlinkat(dir, name, q->target, sizeof q->target - 1);
    if (n < 0)
        return -errno;
    q->target[n] = '\0';
    return 0;
}

static int do_stat(void *arg)
{
    struct request *q = arg;
    struct ly__place p;
    int r = ly__place_find(&p, q->root, q->path, 0);
    if (r < 0)
        return r;
    memcpy(q->name, p.name, sizeof q->name);
    r = look(q, p.dir, p.name);
    ly__place_done(&p);
    return r;
}

static int put_entry(struct ly_buffer *b, const struct request *q, const char *name)
{
    return ly__entry_put(b, name, &q->st, S_ISLNK(q->st.st_mode) ? q->target : NULL);
}

static int answer_stat(struct ly__session *s, struct request *q)
{
    int r = ly_offload(do_stat, q);
    if (r < 0)
        return ly__session_error(s, r, q->path);
    r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ok", true);
    if (r == 0)
        r = put_entry(&s->out, q, q->name);
    return r < 0 ? r : ly__session_send(s, 0);
}

/* ---- ls ---- */

/* Make the frame of one entry. */
static int list_one(struct request *q, const char *name)
{
    int r = ly_frame_begin(&q->head);
    if (r == 0)
        r = ly_json_put_int(&q->head, "id", q->id);
    if (r == 0)
        r = put_entry(&q->head, q, name);
    if (r == 0)
        r = ly_frame_end(&q->head, 0);
    if (r == 0)
        r = ly_buffer_append(&q->batch, ly_buffer_bytes(&q->head), q->head.length);
    q->count += r == 0;
    return r;
}

static int do_list_begin(void *arg)
{
    struct request *q = arg;
    struct ly__place p;
    int r = ly__place_find(&p, q->root, q->path, 0);
    if (r < 0)
        return r;
    r = look(q, p.dir, p.name);
    if (r == 0 && S_ISDIR(q->st.st_mode)) {
        r = ly__tree_open(&q->tree, p.dir, p.name);
        q->walking = r == 0;
    } else if (r == 0) {
        r = list_one(q, p.name);
    }
    ly__place_done(&p);
    return r;
}

/* Returns 1 while there is more. An entry that vanishes meanwhile is left out. */
static int do_list(void *arg)
{
    struct request *q = arg;
    while (q->batch.length < LIST_BATCH) {
        int event = ly__tree_next(&q->tree);
        if (event != LY__TREE_ENTRY)
            return event < 0 ? event : 0;
        int r = look(q, q->tree.dir, q->tree.name);
        if (r == 0)
            r = list_one(q, q->tree.name);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 1;
}

static int send_list(struct ly__session *s, struct request *q)
{
    int r = q->batch.length ? ly_stream_write(s->stream, ly_buffer_bytes(&q->batch), q->batch.length) : 0;
    ly_buffer_clear(&q->batch);
    return r;
}

static int answer_count(struct ly__session *s, int64_t count)
{
    int r = ly__session_begin(s);
    if (r == 0)
        r = ly_json_put_bool(&s->out, "ok", true);
    if (r == 0)
        r = ly_json_put_int(&s->out, "count", count);
    return r < 0 ? r : ly__session_send(s, 0);
}

static int answer_ls(struct ly__session *s, struct request *q)
{
    int more = ly_offload(do_list_begin, q);
    if (more == 0)
        more = q->walking;
    while (more > 0) {
        more = ly_offload(do_list, q);
        int lost = send_list(s, q);
        if (lost < 0)
            return lost;
    }
    if (more < 0)
        return ly__session_error(s, more, q->path);
    int lost = send_list(s, q);
    return lost < 0 ? lost : answer_count(s, q->count);
}

/* ---- mkdir ---- */

static bool is_directory(int dir, const char *name)
{
    struct stat st;
    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int make_one(int root, const char *path, mode_t mode, bool may_exist)
{
    struct ly__place p;
    int r = ly__place_find(&p, root, path, 0);
    if (r < 0)
        return r;
    if (mkdirat(p.dir, p.name, mode) < 0)
        r = errno == EEXIST && may_exist && is_directory(p.dir, p.name) ? 0 : -errno;
    ly__place_done(&p);
    return r;
}

/* Make what is missing above a clean path. A link to a directory counts as one. */
int ly__make_parents(int root, const char *path)
{
    char part[LY__PATH_MAX + 1];
    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        memcpy(part, path, (size_t)(slash - path));
        part[slash - path] = '\0';
        int fd = ly__beneath_dir(root, part, 0);
        if (fd >= 0)
            close(fd);
        int r = fd == -ENOENT ? make_one(root, part, 0777, true) : fd < 0 ? fd : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

int ly__files_directory(int root, const char *path)
{
    char clean[LY__PATH_MAX + 1];
    ssize_t n = ly__path_clean(clean, path);
    if (n < 0)
        return (int)n;
    int fd = ly__beneath_dir(root, clean, 0);
    if (fd != -ENOENT)
        return fd;
    int r = ly__make_parents(root, clean);
    if (r == 0)
        r = make_one(root, clean, 0700, true);
    return r < 0 ? r : ly__beneath_dir(root, clean, 0);
}

static int do_mkdir(void *arg)
{
    struct request *q = arg;
    char clean[LY__PATH_MAX + 1];
    ssize_t n = ly__path_clean(clean, q->path);
    int r = n < 0 ? (int)n : q->flag ? ly__make_parents(q->root, clean) : 0;
    return r < 0 ? r : make_one(q->root, clean, q->mode, q->flag);
}

static int answer_mkdir(struct ly__session *s, struct request *q)
{
    int r = ly_offload(do_mkdir, q);
    return r < 0 ? ly__session_error(s, r, q->path) : ly__session_ok(s);
}

/* ---- rm ---- */

static int remove_file(const struct ly__place *p)
{
    if (unlinkat(p->dir, p->name, 0) == 0)
        return 0;
    int error = -errno; /* Linux says EISDIR, POSIX allows EPERM */
    return is_directory(p->dir, p->name) ? -EISDIR : error;
}

static int do_remove_begin(void *arg)
{
    struct request *q = arg;
    struct ly__place p;
    int r = ly__place_find(&p, q->root, q->path, 0);
    if (r < 0)
        return r;
    r = strcmp(p.name, ".") != 0 ? remove_file(&p) : -EBUSY; /* the root itself stays */
    q->count += r == 0;
    if (r == -EISDIR && q->flag) {
        r = ly__tree_open(&q->tree, p.dir, p.name);
        q->walking = r == 0;
        q->tree.removing = true;
    }
    ly__place_done(&p);
    return r;
}

/* A directory that was entered and is empty now. */
static int remove_left(struct request *q)
{
    if (unlinkat(q->tree.dir, q->tree.name, AT_REMOVEDIR) < 0)
        return -errno;
    q->count++;
    return 0;
}

static int remove_entry(struct request *q)
{
    struct ly__tree *t = &q->tree;
    if (t->type != DT_DIR) {
        if (unlinkat(t->dir, t->name, 0) == 0) {
            q->count++;
            return 0;
        }
        if (errno != EISDIR)
            return -errno;
    }
    return ly__tree_enter(t);
}

/* Returns 1 while there is more; an error ends it. */
static int do_remove(void *arg)
{
    struct request *q = arg;
    for (int i = 0; i < REMOVE_SLICE; i++) {
        int event = ly__tree_next(&q->tree);
        if (event <= 0)
            return event;
        if (event == LY__TREE_LEAVE && !q->tree.name)
            return 0;
        int r = event == LY__TREE_LEAVE ? remove_left(q) : remove_entry(q);
        if (r < 0 && r != -ENOENT)
            return r;
    }
    return 1;
}

/* The start, now empty. */
static int do_remove_end(void *arg)
{
    struct request *q = arg;
    struct ly__place p;
    int r = ly__place_find(&p, q->root, q->path, 0);
    if (r < 0)
        return r;
    if (unlinkat(p.dir, p.name, AT_REMOVEDIR) < 0)
        r = -errno;
    else
        q->count++;
    ly__place_done(&p);
    return r;
}

/* The path of what could not be removed, for the answer. */
static void blame(struct request *q)
{
    size_t n = strlen(q->path), length = strlen(q->tree.path);
    if (length == 0 || n + 1 + length > LY__PATH_MAX)
        return;
    if (n > 0 && q->path[n - 1] != '/')
        q->path[n++] = '/';
    memcpy(q->path + n, q->tree.path, length + 1);
}

static int answer_rm(struct ly__session *s, struct request *q)
{
    int r = ly_offload(do_remove_begin, q);
    int more = r == 0 && q->walking;
    while (more > 0)
        more = ly_offload(do_remove, q);
    if (more < 0)
        blame(q);
    else if (r == 0 && q->walking)
        r = ly_offload(do_remove_end, q);
    if (more < 0)
        r = more;
    return r < 0 ? ly__session_error(s, r, q->path) : answer_count(s, q->count);
}

/* ---- mv ---- */

static int do_move(void *arg)
{
    struct request *q = arg;
    struct ly__place from, to = {.held = false};
    int r = ly__place_find(&from, q->root, q->path, 0);
    if (r < 0)
        return r;
    r = ly__place_find(&to, q->root, q->to, 0);
    if (r < 0)
        memcpy(q->path, q->to, sizeof q->path); /* the one to blame */
    else if (!strcmp(from.name, ".") || !strcmp(to.name, "."))
        r = -EBUSY;
    else if (renameat(from.dir, from.name, to.dir, to.name) < 0)
        r = -errno;
    ly__place_done(&to);
    ly__place_done(&from);
    return r;
}

static int answer_mv(struct ly__session *s, struct request *q)
{
    int r = ly_offload(do_move, q);
    return r < 0 ? ly__session_error(s, r, q->path) : ly__session_ok(s);
}

/* ---- fields and rows ---- */

static int take_flag(struct request *q, const struct ly_frame *f, const char *name)
{
    return ly__field_bool(f->header, name, &q->flag);
}

static int take_mkdir(struct request *q, const struct ly_frame *f)
{
    int64_t mode = 0755;
    int r = ly__field_int(f->header, "mode", &mode, 0, INT64_MAX);
    q->mode = (mode_t)(mode & 0777);
    return r < 0 ? r : take_flag(q, f, "parents");
}

static int take_rm(struct request *q, const struct ly_frame *f)
{
    return take_flag(q, f, "recursive");
}

static int take_to(struct request *q, const struct ly_frame *f)
{
    return ly__field_path(f->header, "to", q->to);
}

/* One small request: its fields, then its answer. */
static int handle(struct ly__session *s, const struct ly_frame *f, const char *path,
                  int (*take)(struct request *q, const struct ly_frame *f),
                  int (*answer)(struct ly__session *s, struct request *q))
{
    if (s->root_fd < 0)
        return ly__session_error(s, -EOPNOTSUPP, NULL);
    struct request *q = request_new(s);
    if (!q)
        return ly__session_error(s, -ENOMEM, NULL);
    int r = ly__field_path(f->header, path, q->path);
    if (r == 0 && take)
        r = take(q, f);
    r = r < 0 ? ly__session_error(s, r, NULL) : answer(s, q);
    request_free(q);
    return r;
}

static int run_stat(struct ly__session *s, const struct ly_frame *f)
{
    return handle(s, f, "path", NULL, answer_stat);
}

static int run_ls(struct ly__session *s, const struct ly_frame *f)
{
    return handle(s, f, "path", NULL, answer_ls);
}

static int run_mkdir(struct ly__session *s, const struct ly_frame *f)
{
    return handle(s, f, "path", take_mkdir, answer_mkdir);
}

static int run_rm(struct ly__session *s, const struct ly_frame *f)
{
    return handle(s, f, "path", take_rm, answer_rm);
}

static int run_mv(struct ly__session *s, const struct ly_frame *f)
{
    return handle(s, f, "from", take_to, answer_mv);
}

const struct ly__service_command ly__files_commands[] = {
    {"stat", LY__READ, run_stat},
    {"ls", LY__READ, run_ls},
    {"get", LY__READ, ly__files_get},
    {"mkdir", LY__WRITE, run_mkdir},
    {"rm", LY__WRITE, run_rm},
    {"mv", LY__WRITE, run_mv},
    {"put", LY__WRITE, ly__files_put},
    {"partial", LY__WRITE, ly__files_partial},
    {0},
};
