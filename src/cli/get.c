/* SPDX-License-Identifier: MIT */
/*
 * lanyard get: files and trees from there to here.
 *
 * A request a source, several of them sent ahead, so that many sources take no round trip each. What the
 * server sends is written beneath the destination and under the name that was asked for, whatever the server
 * calls it.
 */
#include "cli/ask.h"
#include "cli/local.h"
#include "cli/request.h"
#include "cli/transfer.h"
#include "service/files/partial.h"
#include "service/files/transfer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AHEAD 64                /* requests sent before the first of them is answered */
#define HASH_PIECE (256u << 10) /* bytes of a partial file read at a time */

struct get {
    struct ly__transfer_arguments arguments;
    struct ly__target target;
    bool into; /* the destination is a directory */
    struct ly__progress *progress;
    struct ly__transfer_counts counts; /* of all requests */
};

/* ---- where a source goes ---- */

static int find_local(const struct get *g, const char *path, struct ly__local *ret)
{
    const char *name;
    size_t n = ly__last_name(path, &name);
    if (g->into)
        return ly__local_inside(ret, g->arguments.destination, name, n);
    return ly__local_open(ret, g->arguments.destination);
}

/* ---- a request ---- */

/* The length and hash of a file. Returns 0 or an error. */
static int hash_file(int fd, int64_t *ret_size, char hash[LY__HASH_TEXT])
{
    struct ly__hash state;
    ssize_t n = 0;
    char *piece = malloc(HASH_PIECE);
    if (!piece)
        return -ENOMEM;
    ly__hash_init(&state);
    *ret_size = 0;
    while ((n = read(fd, piece, HASH_PIECE)) > 0) {
        ly__hash_update(&state, piece, (size_t)n);
        *ret_size += n;
    }
    int r = n < 0 ? -errno : 0;
    ly__hash_text(&state, hash);
    free(piece);
    return r;
}

/* What an earlier transfer left of this file; 0 bytes if nothing. */
static int64_t find_partial(const struct get *g, const char *path, char hash[LY__HASH_TEXT])
{
    struct ly__local l;
    struct stat st;
    char name[LY__NAME_MAX + 1];
    int64_t size = 0;

    if (find_local(g, path, &l) < 0)
        return 0;
    ly__partial_name(name, l.name);
    int fd = openat(l.dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || hash_file(fd, &size, hash) < 0)
            size = 0;
        close(fd);
    }
    ly__local_close(&l);
    return size;
}

/* Ask for the path in t->path. */
static int ask(struct get *g)
{
    struct ly__target *t = &g->target;
    char hash[LY__HASH_TEXT];
    int64_t offset = find_partial(g, t->path, hash);
    int r = ly__target_begin(t, "get");

    if (r == 0)
        r = ly_json_put_string(&t->head, "path", t->path);
    if (r == 0)
        r = ly_json_put_bool(&t->head, "recursive", true);
    if (r == 0 && offset > 0)
        r = ly_json_put_int(&t->head, "offset", offset);
    if (r == 0 && offset > 0)
        r = ly_json_put_string(&t->head, "prefix_xxh3", hash);
    return ly__target_send(t, r);
}

/* ---- an answer ---- */

static int failed(void *arg, int error, const char *text, const char *path)
{
    struct get *g = arg;
    ly__progress_failed(g->progress, error, text, path);
    return 0;
}

static void moved(void *arg, const char *path, int64_t bytes)
{
    struct get *g = arg;
    ly__progress_add(g->progress, path, bytes);
}

static const struct ly__receive_hooks hooks = {.failed = failed, .progress = moved};

static void add_counts(struct get *g, const struct ly__transfer_counts *c)
{
    g->counts.files += c->files;
    g->counts.bytes += c->bytes;
    g->counts.failed += c->failed;
}

/* The frame behind the entries. Returns 0, or an error that was said. */
static int take_last(struct get *g, const struct ly_frame *f, int64_t id)
{
    int64_t answered = -1;
    bool ok = false;
    if (ly_json_type(ly_json_get(f->header, "error")) != LY_JSON_NONE) {
        ly__say_remote("get", f->header);
        g->counts.failed++;
        return 0;
    }
    if (ly__field_int(f->header, "id", &answered, 0, INT64_MAX) < 0 || answered != id || f->size > 0 ||
        ly__field_bool(f->header, "ok", &ok) < 0 || !ok) {
        ly__target_say(&g->target, LY_EFRAME, NULL);
        return LY_EFRAME;
    }
    return 0;
}

static int receive(struct get *g, const struct ly__local *l, const char *prefix, int64_t id)
{
    struct ly__receive *receive = NULL;
    struct ly_frame last;
    const struct ly__receive_options options = {
        .dir = l->dir,
        .name = l->name,
        .prefix = prefix,
        .id = id,
        .hooks = &hooks,
        .arg = g,
    };
    int r = ly__receive_new(&receive, g->target.client.stream, &options);
    if (r == 0) {
        r = ly__receive_run(receive, &last);
        add_counts(g, ly__receive_counts(receive));
    }
    if (r <= 0)
        ly__target_say(&g->target, r < 0 ? r : LY_EEOF, NULL);
    r = r == 0 ? LY_EEOF : r < 0 ? r : take_last(g, &last, id);
    ly__receive_free(receive);
    return r;
}

static int take_answer(struct get *g, const char *path, int64_t id)
{
    struct ly__local l;
    char prefix[LY__PATH_MAX + 1];
    ssize_t n = ly__path_clean(prefix, path);
    int r = n < 0 ? (int)n : find_local(g, path, &l);

    if (r < 0) {
        ly__cli_say("get", "%s: %s", n < 0 ? path : g->arguments.destination, ly_error_text(r));
        return r;
    }
    r = receive(g, &l, prefix, id);
    ly__local_close(&l);
    return r;
}

/* ---- all sources ---- */

/* Ask for the sources from i on that are on the machine of source i. Returns how many, or an error. */
static int ask_ahead(struct get *g, int i)
{
    char host[LY_ADDRESS_TEXT];
    const char *path;
    int n = 0;

    for (; n < AHEAD && i + n < g->arguments.count; n++) {
        host[0] = '\0';
        if (n > 0 && (ly__host_split(g->arguments.sources[i + n], host, &path) < 0 ||
                      strcmp(host, g->target.host) != 0))
            break;
        if (ly__target_take(&g->target, g->arguments.sources[i + n]) < 0)
            return LY_EADDRESS;
        int r = ask(g);
        if (r < 0) {
            ly__target_say(&g->target, r, NULL);
            return r;
        }
    }
    return n;
}

static int get_all(struct get *g)
{
    for (int i = 0; i < g->arguments.count;) {
        int n = ask_ahead(g, i);
        if (n < 0)
            return n;
        int64_t first = g->target.id - n + 1;
        for (int k = 0; k < n; k++) {
            char host[LY_ADDRESS_TEXT];
            const char *path = g->arguments.sources[i + k];
            (void)ly__host_split(g->arguments.sources[i + k], host, &path);
            int r = take_answer(g, path, first + k);
            if (r < 0)
                return r;
        }
        i += n;
    }
    return 0;
}

/* The size of a single file, for the bar: one more round trip, before a person who watches. */
static void find_total(struct get *g)
{
    struct ly_frame f;
    struct ly__target *t = &g->target;
    int64_t size = 0;
    if (g->arguments.count != 1 || g->arguments.style != LY__PROGRESS_AUTO || !isatty(STDERR_FILENO) ||
        ly__target_take(t, g->arguments.sources[0]) < 0)
        return;
    int r = ly__target_begin(t, "stat");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", t->path);
    r = ly__target_receive(t, ly__target_send(t, r), &f);
    if (r == 0 && ly__field_int(ly_json_get(f.header, "entry"), "size", &size, 0, INT64_MAX) == 0)
        ly__progress_total(g->progress, size);
}

/* Whether the destination makes sense. Returns 0 or an error that was said. */
static int find_out(struct get *g)
{
    char host[LY_ADDRESS_TEXT];
    const char *path, *destination = g->arguments.destination;
    size_t n = strlen(destination);
    bool must = g->arguments.count > 1 || (n > 0 && destination[n - 1] == '/');

    if (ly__host_split(destination, host, &path) != 0) {
        ly__cli_say("get", "%s: the destination is on this machine; a file whose name has a colon is ./NAME",
                    destination);
        return LY_EADDRESS;
    }
    g->into = ly__local_is_directory(destination);
    if (!must || g->into)
        return 0;
    ly__cli_say("get", "%s: %s", destination, ly_error_text(-ENOTDIR));
    return -ENOTDIR;
}

static int get(struct get *g)
{
    if (find_out(g) < 0 || ly__progress_new(&g->progress, "get", g->arguments.style) < 0)
        return LY__EXIT_OURS;
    find_total(g);
    int r = get_all(g);
    if (r < 0)
        return LY__EXIT_OURS;
    ly__progress_done(g->progress, g->counts.files, g->counts.bytes, g->counts.failed);
    return g->counts.failed > 0 ? LY__EXIT_PARTIAL : 0;
}

int ly__cli_get(int argc, char **argv)
{
    struct get g = {0};
    if (ly__transfer_parse(
            &g.arguments, argc, argv, false, "[HOST]:SRC... DST",
            "Copy files and directories from what a machine serves. Into a directory they go by their "
            "names; each file replaces an old one only when it is there whole and checked. An "
            "interrupted transfer of a large file goes on where it ended.\v"
            "Exit status: 0, all is there; 23, some entries failed; 255, no connection, or "
            "no such destination here.") != 0)
        return LY__EXIT_USAGE;
    ly__target_init(&g.target, "get");
    int status = get(&g);
    ly__progress_free(g.progress);
    ly__target_done(&g.target);
    return status;
}
