/* SPDX-License-Identifier: MIT */
/*
 * lanyard put: files and trees from here to there.
 *
 * All sources go in one request. A task of its own receives what the server says meanwhile, so that neither
 * side waits for the other with full buffers. What the server has of a large file is asked on a second
 * connection, since the first is busy with entries.
 */
#include "cli/local.h"
#include "cli/request.h"
#include "cli/transfer.h"
#include "service/files/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOCKET_BUFFER (1 << 20)
#define RESUME_LEAST (1 << 20) /* shorter files are not worth the question what the server has of them */

struct put {
    struct ly__transfer_arguments arguments;
    struct ly__target target;
    struct ly__target asking; /* the second connection */
    bool cannot_ask;          /* it failed: files are sent whole */
    bool into;                /* the destination is a directory: sources go into it by their names */
    struct ly__spot spot;     /* where the server puts the entry "" */
    struct ly__progress *progress;
    struct ly__send *send;
    const char *source; /* the argument in hand */
    size_t as;          /* bytes of a path as sent that stand for it */
    int64_t refused;    /* entries that the server reported as failed */
    int64_t arrived;    /* files that it reported as there */
    int64_t same;       /* files named as sources that the server has already */
};

/* ---- the sender's hooks ---- */

/* A path as sent, as the user named it; NULL without memory. */
static char *as_local(const struct put *p, const char *path)
{
    char *local;
    const char *rest = path + p->as;
    rest += *rest == '/';
    return asprintf(&local, "%s%s%s", p->source, *rest ? "/" : "", rest) < 0 ? NULL : local;
}

static void failed(void *arg, int error, const char *path)
{
    struct put *p = arg;
    char *local = as_local(p, path);
    const char *text = error == -EOPNOTSUPP ? LY__NO_ENTRY : NULL;
    ly__progress_failed(p->progress, error, text, local ? local : path);
    free(local);
}

static void moved(void *arg, const char *path, int64_t bytes)
{
    struct put *p = arg;
    ly__progress_add(p->progress, path, bytes);
}

/* A path as sent, below the served root; NULL without memory. */
static char *whole_path(const struct put *p, const char *path)
{
    char *whole;
    const char *between = *path && *p->target.path ? "/" : "";
    return asprintf(&whole, "%s%s%s", p->target.path, between, path) < 0 ? NULL : whole;
}

/* Whether the second connection is there, which is made when it is first needed. */
static bool may_ask(struct put *p)
{
    if (!p->asking.connected && !p->cannot_ask)
        p->cannot_ask = ly__target_take(&p->asking, p->arguments.destination) < 0;
    return !p->cannot_ask;
}

static int add_known(void *arg, struct ly_json entry)
{
    return ly__known_add(arg, entry);
}

static int ask_partial(struct put *p, const char *path, int64_t *offset, char hash[LY__HASH_TEXT])
{
    struct ly__target *t = &p->asking;
    struct ly_frame f;
    char *whole = whole_path(p, path);

    if (!whole)
        return -ENOMEM;
    int r = ly__target_begin(t, "partial");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", whole);
    free(whole);
    r = ly__target_receive(t, ly__target_send(t, r), &f);
    if (r == 0)
        r = ly__field_int(f.header, "offset", offset, 0, INT64_MAX);
    if (r == 0 && *offset > 0)
        r = ly__field_hash(ly_json_get(f.header, "xxh3"), hash);
    return r;
}

/* A question that cannot be answered is no reason to fail: the file is sent whole. */
static int resume(void *arg, const char *path, int64_t size, int64_t *offset, char hash[LY__HASH_TEXT])
{
    struct put *p = arg;
    *offset = 0;
    int r = size < RESUME_LEAST || !may_ask(p) ? 0 : ask_partial(p, path, offset, hash);
    if (r < 0) {
        *offset = 0;
        p->cannot_ask = r != LY_EREMOTE;
    }
    return 0;
}

static void other(void *arg, const char *path)
{
    struct put *p = arg;
    char *local = as_local(p, path);
    ly__progress_other(p->progress, local ? local : path);
    free(local);
}

/* The listing of what is no directory would be that one entry. Below the start the server's listings have
 * said what is one. */
static bool is_directory(struct put *p, const char *path, const char *there)
{
    return path[p->as] != '\0' || ly__target_type(&p->asking, there) == 'd';
}

/* What the server has of the directory at path. Where it does not say, nothing is left out. */
static int list(void *arg, const char *path, struct ly__known *known)
{
    struct put *p = arg;
    struct ly_frame last;
    char *there = whole_path(p, path);
    int r = there ? 0 : -ENOMEM;

    if (r == 0 && !p->arguments.all && may_ask(p) && is_directory(p, path, there)) {
        r = ly__target_list(&p->asking, there, add_known, known, &last);
        if (r < 0 && r != LY_EREMOTE)
            p->cannot_ask = true;
        if (r < 0)
            ly_buffer_clear(&known->keys);
        r = 0;
    }
    free(there);
    return r;
}

static const struct ly__send_hooks hooks = {
    .failed = failed,
    .resume = resume,
    .list = list,
    .other = other,
    .progress = moved,
};

/* ---- what the server says ---- */

/* One frame of the answer. Returns 1 at its end, 0 before, or an error that was said. */
static int take_answer(struct put *p, struct ly_frame *f)
{
    char name[64], text[256], path[LY__PATH_MAX + 1];
    int r = ly__target_receive(&p->target, 0, f);

    if (r == 0 && (ly_json_type(ly_json_get(f->header, "ok")) != LY_JSON_BOOL ||
                   ly__field_int(f->header, "files", &p->arrived, 0, INT64_MAX) < 0))
        r = LY_EFRAME;
    if (r == 0)
        return 1;
    if (r != LY_EREMOTE || ly__field_path(f->header, "path", path) < 0) {
        ly__target_say(&p->target, r, f);
        return r;
    }
    if (ly_json_string(ly_json_get(f->header, "text"), text, sizeof text) < 0)
        text[0] = '\0';
    if (ly_json_string(ly_json_get(f->header, "error"), name, sizeof name) < 0)
        name[0] = '\0';
    int error = ly_error_from_name(name);
    char *there = whole_path(p, path);
    p->refused++;
    if (error < 0 && error > LY_EEOF)
        ly__progress_unwritten(p->progress, error, "there", there ? there : path);
    else
        ly__progress_failed(p->progress, error < 0 ? error : LY_EREMOTE, text[0] ? text : NULL,
                            there ? there : path);
    free(there);
    return 0;
}

static int take_answers(void *arg)
{
    struct put *p = arg;
    struct ly_frame f;
    int r;
    while ((r = take_answer(p, &f)) == 0)
        continue;
    if (r < 0) /* wake the sender, which may wait for room */
        (void)ly_shutdown(ly_stream_sock(p->target.client.stream), SHUT_RDWR);
    return r;
}

/* ---- the request ---- */

static int begin(struct put *p)
{
    struct ly__target *t = &p->target;
    struct ly_frame f;
    int r = ly__target_begin(t, "put");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", t->path);
    if (r == 0 && p->arguments.parents)
        r = ly_json_put_bool(&t->head, "parents", true);
    r = ly__target_ask(t, r, &f);
    if (r == 0)
        ly__field_spot(ly_json_get(f.header, "into"), &p->spot);
    return r;
}

static int end(struct ly__target *t)
{
    int r = ly_frame_begin(&t->head);
    if (r == 0)
        r = ly_json_put_int(&t->head, "id", t->id);
    if (r == 0)
        r = ly_json_put_bool(&t->head, "end", true);
    return ly__target_send(t, r);
}

/* A source that goes into a directory is avoided where it will be. */
static void avoid(struct put *p, const char *as)
{
    struct ly__spot spot = p->spot;
    if (as[0] && !strcmp(spot.name, "."))
        memcpy(spot.name, as, strlen(as) + 1);
    ly__send_avoid(p->send, &spot);
}

/* Whether the server has this file as it is. It is asked where that is shorter than sending. */
static bool is_there(struct put *p, const struct stat *st, const char *as)
{
    struct ly_frame f;
    if (p->arguments.all || st->st_size < RESUME_LEAST || !may_ask(p))
        return false;
    char *there = whole_path(p, as);
    bool same = there && ly__target_stat(&p->asking, there, &f) == 0 &&
                ly__known_same(ly_json_get(f.header, "entry"), st);
    free(there);
    return same;
}

static int send_source(struct put *p, const char *source)
{
    struct ly__local l;
    struct stat st = {.st_mode = 0};
    int r = ly__local_open(&l, source);

    if (r < 0) {
        ly__progress_failed(p->progress, r, NULL, source);
        p->refused++;
        return 0;
    }
    bool file = fstatat(l.dir, l.name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
    const char *as = p->into && strcmp(l.name, ".") != 0 ? l.name : "";
    p->source = source;
    p->as = strlen(as);
    if (file && is_there(p, &st, as)) {
        p->same++;
    } else {
        if (file)
            ly__progress_total(p->progress, st.st_size);
        avoid(p, as);
        r = ly__send_entry(p->send, l.dir, l.name, as, true);
    }
    ly__local_close(&l);
    return r;
}

static int send_sources(struct put *p)
{
    int r = 0;
    for (int i = 0; r == 0 && i < p->arguments.count; i++)
        r = send_source(p, p->arguments.sources[i]);
    return r < 0 ? r : end(&p->target);
}

/*
 * What the system still holds of ours would go to the server after our end, as slowly as the server takes it,
 * and keep it busy with the file. If we are killed the connection is to be cut instead: then the file can be
 * resumed at once.
 */
static void cut_at_end(struct ly_sock *sock, bool cut)
{
    struct linger linger = {.l_onoff = cut};
    if (ly_sock_family(sock) != AF_UNIX)
        (void)ly_sock_set_option(sock, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

/* Send while a task receives. Returns 0 or an error that was said. */
static int transfer(struct put *p)
{
    struct ly_scope *scope;
    struct ly_future *answers;
    int r = ly__send_new(&p->send, p->target.client.stream, p->target.id, &hooks, p);
    if (r < 0)
        return r;
    r = ly_scope_open(&scope, &(struct ly_scope_options){.name = "put"});
    if (r < 0)
        return r;
    cut_at_end(ly_stream_sock(p->target.client.stream), true);
    r = ly_async(scope, &answers, take_answers, p);
    if (r == 0) {
        int sent = send_sources(p);
        if (sent < 0 && sent != -EPIPE && sent != -ECONNRESET) {
            ly__target_say(&p->target, sent, NULL);
            (void)ly_shutdown(ly_stream_sock(p->target.client.stream), SHUT_RDWR);
        }
        r = ly_await(answers, NULL);
    }
    if (r >= 0)
        cut_at_end(ly_stream_sock(p->target.client.stream), false);
    ly_scope_close(scope);
    return r < 0 ? r : 0;
}

/* Make the directory that the sources go into. Returns 0 or an error that was said. */
static int make_destination(struct ly__target *t)
{
    struct ly_frame f;
    int r = ly__target_begin(t, "mkdir");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", t->path);
    if (r == 0)
        r = ly_json_put_bool(&t->head, "parents", true);
    return ly__target_ask(t, r, &f);
}

/* Whether the sources go into the destination or become it. Returns 0 or an error that was said. */
static int find_out(struct put *p)
{
    struct ly__target *t = &p->target;
    size_t n = strlen(t->path);
    bool must = p->arguments.count > 1 || (n > 0 && t->path[n - 1] == '/');
    if (p->arguments.becomes)
        return 0;
    int type = ly__target_type(t, t->path);

    p->into = type == 'd';
    if (type < 0 && t->failed)
        ly__target_say(t, type, NULL);
    else if (type < 0)
        ly__cli_say("put", "%s: %s", n > 0 ? t->path : p->arguments.destination, ly_error_text(type));
    if (type < 0)
        return type;
    if (!must || p->into)
        return 0;
    if (type == 'n' && p->arguments.parents) {
        p->into = true;
        return make_destination(t);
    }
    ly__cli_say("put", "%s: %s", t->path, ly_error_text(type == 'n' ? -ENOENT : -ENOTDIR));
    return -ENOTDIR;
}

/* A Unix socket holds 208 KiB unless it is told otherwise: with more on its way, we read while the server
 * writes. */
static void widen(struct ly_sock *sock)
{
    if (ly_sock_family(sock) == AF_UNIX)
        (void)ly_sock_set_int(sock, SOL_SOCKET, SO_SNDBUF, SOCKET_BUFFER);
}

/* Whether a source that is missing was meant to be one there; it is said if so. */
static bool is_elsewhere(const char *source)
{
    char host[LY__HOST_TEXT];
    const char *path;
    struct stat st;
    if (ly__host_split(source, host, &path) == 0 || lstat(source, &st) == 0)
        return false;
    ly__cli_say("put", "%s: a source is on this machine; what is there is copied to here by get", source);
    return true;
}

static int put(struct put *p)
{
    for (int i = 0; i < p->arguments.count; i++)
        if (is_elsewhere(p->arguments.sources[i]))
            return LY__EXIT_USAGE;
    if (!ly__transfer_is_there(p->arguments.destination, "put"))
        return LY__EXIT_USAGE;
    if (ly__target_take(&p->target, p->arguments.destination) < 0)
        return LY__EXIT_OURS;
    widen(ly_stream_sock(p->target.client.stream));
    if (find_out(p) < 0 || begin(p) < 0)
        return p->target.failed ? LY__EXIT_OURS : LY__EXIT_PARTIAL;
    if (ly__progress_new(&p->progress, "put", p->arguments.style) < 0)
        return LY__EXIT_OURS;
    int r = transfer(p);
    if (r == 0 && ly__client_has_said(&p->asking.client)) /* an error, as it seemed */
        ly__cli_say("put",
                    "so what is there already could not be asked, on a second connection: all was sent");
    if (r == 0) {
        struct ly__transfer_counts c = *ly__send_counts(p->send);
        c.files = p->arrived;
        c.failed += p->refused;
        c.same += p->same;
        ly__progress_done(p->progress, &c);
        r = c.failed > 0 ? LY__EXIT_PARTIAL : 0;
    } else if (!p->into && ly__local_is_directory(p->arguments.sources[0])) {
        ly__transfer_hint(&p->arguments, "put");
    }
    return r < 0 ? LY__EXIT_OURS : r;
}

int ly__cli_put(int argc, char **argv)
{
    struct put p = {0};
    if (ly__transfer_parse(
            &p.arguments, argc, argv, true, "SRC... [HOST]:DST",
            "Copy files and directories to what a machine serves. Into a directory they go by their "
            "names; each file replaces an old one only when it is there whole and checked. Files of a "
            "tree that are there already with the same size, time and mode are left out, and a large file "
            "goes on where it ended: to go on with an interrupted transfer, repeat it (with -T if DST was made "
            "by it).\v"
            "Exit status: 0, all is there; 23, some entries failed; 255, no connection.") != 0)
        return LY__EXIT_USAGE;
    ly__target_init(&p.target, "put");
    ly__target_init(&p.asking, "put");
    int status = put(&p);
    ly__progress_free(p.progress);
    ly__send_free(p.send);
    ly__target_done(&p.asking);
    ly__target_done(&p.target);
    return status;
}
