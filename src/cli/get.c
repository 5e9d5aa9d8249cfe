/* SPDX-License-Identifier: MIT */
/*
 * lanyard get: files and trees from there to here.
 *
 * A request a source, several of them sent ahead, so that many sources take no round trip each. What the
 * server sends is written beneath the destination and under the name that was asked for, whatever the server
 * calls it.
 */
#include "cli/get.h"

#include "cli/ask.h"
#include "cli/command.h"
#include "service/files/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_PIECE (256u << 10) /* bytes of a partial file read at a time */

/* ---- where a source goes ---- */

static int find_local(const struct ly__get *g, const char *path, struct ly__local *ret)
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
static int64_t find_partial(const struct ly__local *l, char hash[LY__HASH_TEXT])
{
    struct stat st;
    char name[LY__NAME_MAX + 1];
    int64_t size = 0;

    ly__partial_name(name, l->name);
    int fd = openat(l->dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || hash_file(fd, &size, hash) < 0)
            size = 0;
        close(fd);
    }
    return size;
}

int ly__get_ask(struct ly__get *g, const char *path, const struct ly__local *l)
{
    struct ly__target *t = &g->target;
    char hash[LY__HASH_TEXT];
    int64_t offset = find_partial(l, hash);
    int r = ly__target_begin(t, "get");

    if (r == 0)
        r = ly_json_put_string(&t->head, "path", path);
    if (r == 0)
        r = ly_json_put_bool(&t->head, "recursive", true);
    if (r == 0)
        r = ly__put_spot(&t->head, "into", &g->spot);
    if (r == 0 && offset > 0)
        r = ly_json_put_int(&t->head, "offset", offset);
    if (r == 0 && offset > 0)
        r = ly_json_put_string(&t->head, "prefix_xxh3", hash);
    r = ly__target_send(t, r);
    g->ahead += t->head.length;
    return r;
}

/* ---- an answer ---- */

static int failed(void *arg, int error, const char *text, const char *path)
{
    struct ly__get *g = arg;
    if (!text)
        ly__progress_unwritten(g->progress, error, "here", path);
    else
        ly__progress_failed(g->progress, error, error == -EOPNOTSUPP ? LY__NO_ENTRY : text, path);
    return 0;
}

static void moved(void *arg, const char *path, int64_t bytes)
{
    struct ly__get *g = arg;
    ly__progress_add(g->progress, path, bytes);
}

static void other(void *arg, const char *path)
{
    struct ly__get *g = arg;
    ly__progress_other(g->progress, path);
}

static const struct ly__receive_hooks hooks = {.failed = failed, .other = other, .progress = moved};

static void add_counts(struct ly__get *g, const struct ly__transfer_counts *c)
{
    g->counts.files += c->files;
    g->counts.bytes += c->bytes;
    g->counts.failed += c->failed;
    g->counts.others += c->others;
}

/* The frame behind the entries. Returns 0, or an error that was said. */
static int take_last(struct ly__get *g, const struct ly_frame *f, int64_t id)
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

int ly__get_receive(struct ly__get *g, const char *path, const struct ly__local *l, int64_t id)
{
    struct ly__receive *receive = NULL;
    struct ly_frame last;
    char prefix[LY__PATH_MAX + 1];
    ssize_t n = ly__path_clean(prefix, path);
    const struct ly__receive_options options = {
        .dir = l->dir,
        .name = l->name,
        .prefix = prefix,
        .id = id,
        .hooks = &hooks,
        .arg = g,
    };
    if (n < 0) {
        ly__cli_say("get", "%s: %s", path, ly_error_text((int)n));
        return (int)n;
    }
    int r = ly__receive_new(&receive, g->target.client.stream, &options);
    if (r == 0) {
        r = ly__receive_run(receive, &last);
        add_counts(g, ly__receive_counts(receive));
    }
    if (r <= 0)
        ly__target_say(&g->target, r < 0 ? r : LY_EEOF, NULL);
    r = r == 0 ? LY_EEOF : r < 0 ? r : take_last(g, &last, id);
    g->ahead = 0;
    ly__receive_free(receive);
    return r;
}

void ly__get_failed(struct ly__get *g, int error, const char *path)
{
    g->counts.failed++;
    ly__progress_unwritten(g->progress, error, "here", path);
}

/* ---- all sources ---- */

/* A source, and where it goes. */
struct source {
    const char *path; /* there */
    struct ly__local local;
};

/* Take source i, which may need another connection. Returns 0, or an error that was said. */
static int take_source(struct ly__get *g, int i, struct source *ret)
{
    if (ly__target_take(&g->target, g->arguments.sources[i]) < 0)
        return LY_EADDRESS;
    ret->path = g->target.path;
    int r = find_local(g, ret->path, &ret->local);
    if (r < 0)
        ly__cli_say("get", "%s: %s", g->arguments.destination, ly_error_text(r));
    else
        ly__spot_at(&g->spot, ret->local.dir, ret->local.name);
    return r;
}

static bool is_on_same_machine(const struct ly__get *g, int i)
{
    char host[LY__HOST_TEXT] = "";
    const char *path;
    return ly__host_split(g->arguments.sources[i], host, &path) >= 0 && strcmp(host, g->target.host) == 0;
}

/* Whether there is something here that may be the source, or a part of it. */
static bool is_here(const struct ly__get *g, const struct ly__local *l, struct stat *ret)
{
    return !g->arguments.all && fstatat(l->dir, l->name, ret, AT_SYMLINK_NOFOLLOW) == 0 &&
           (S_ISREG(ret->st_mode) || S_ISDIR(ret->st_mode));
}

/* Get what differs from what is here. */
static int update(struct ly__get *g, const struct source *s, const struct stat *st)
{
    struct ly_frame f;
    struct ly_json entry = {0};
    int r = ly__target_stat(&g->target, s->path, &f);

    if (r == 0)
        entry = ly_json_get(f.header, "entry");
    else if (r != LY_EREMOTE) {
        ly__target_say(&g->target, r, NULL);
        return r;
    }
    if (ly__known_same(entry, st)) {
        g->counts.same++;
        return 0;
    }
    if (S_ISDIR(st->st_mode) && ly_json_equal(ly_json_get(entry, "type"), "dir"))
        return ly__get_tree(g, s->path, entry, &s->local);
    r = ly__get_ask(g, s->path, &s->local);
    if (r < 0)
        ly__target_say(&g->target, r, NULL);
    return r < 0 ? r : ly__get_receive(g, s->path, &s->local, g->target.id);
}

/*
 * Get the sources from i on that are on the machine of source i, asked for ahead; or source i alone if it is
 * here already, as far as that goes. Returns how many, or an error that was said.
 */
static int get_some(struct ly__get *g, int i)
{
    struct source sources[LY__GET_AHEAD];
    struct stat st;
    int n = 0, r = 0;

    while (r == 0 && ly__get_may_ask(g, n) && i + n < g->arguments.count) {
        if (n > 0 && !is_on_same_machine(g, i + n))
            break;
        struct source *s = &sources[n];
        r = take_source(g, i + n, s);
        if (r < 0)
            break;
        bool here = is_here(g, &s->local, &st);
        if (here && n > 0) {
            ly__local_close(&s->local);
            break;
        }
        n++;
        if (here) {
            r = update(g, s, &st);
            ly__local_close(&s->local);
            return r < 0 ? r : 1;
        }
        r = ly__get_ask(g, s->path, &s->local);
        if (r < 0)
            ly__target_say(&g->target, r, NULL);
    }
    for (int k = 0; k < n; k++) {
        if (r == 0)
            r = ly__get_receive(g, sources[k].path, &sources[k].local, g->target.id - n + 1 + k);
        ly__local_close(&sources[k].local);
    }
    return r < 0 ? r : n;
}

static int get_all(struct ly__get *g)
{
    for (int i = 0, n; i < g->arguments.count; i += n) {
        n = get_some(g, i);
        if (n < 0)
            return n;
    }
    return 0;
}

/* The size of a single file, for the bar: one more round trip, before a person who watches. */
static void find_total(struct ly__get *g)
{
    struct ly_frame f;
    struct ly__target *t = &g->target;
    int64_t size = 0;
    if (g->arguments.count != 1 || g->arguments.style != LY__PROGRESS_AUTO || !isatty(STDERR_FILENO) ||
        ly__target_take(t, g->arguments.sources[0]) < 0)
        return;
    if (ly__target_stat(t, t->path, &f) == 0 &&
        ly__field_int(ly_json_get(f.header, "entry"), "size", &size, 0, INT64_MAX) == 0)
        ly__progress_total(g->progress, size);
}

/* Whether the destination makes sense. Returns 0 or an error that was said. */
static int find_out(struct ly__get *g)
{
    char host[LY__HOST_TEXT];
    const char *path, *destination = g->arguments.destination;
    size_t n = strlen(destination);
    bool must = g->arguments.count > 1 || (n > 0 && destination[n - 1] == '/');

    if (ly__host_split(destination, host, &path) != 0) {
        ly__cli_say("get", "%s: the destination is on this machine; a file whose name has a colon is ./NAME",
                    destination);
        return LY_EADDRESS;
    }
    if (ly__local_is_special(destination)) {
        ly__cli_say("get", "%s: " LY__NO_ENTRY "; it would be replaced, not written to", destination);
        return -EINVAL;
    }
    bool directory = ly__local_is_directory(destination);
    g->into = directory && !g->arguments.becomes;
    struct ly__local local = {.dir = -1};
    struct stat st;
    int r = ly__local_open(&local, destination);
    if (r == 0 && must && !directory)
        r = stat(destination, &st) < 0 ? -errno : -ENOTDIR;
    ly__local_close(&local);
    if (r < 0)
        ly__cli_say("get", "%s: %s", destination, ly_error_text(r));
    return r;
}

static int get(struct ly__get *g)
{
    for (int i = 0; i < g->arguments.count; i++)
        if (!ly__transfer_is_there(g->arguments.sources[i], "get"))
            return LY__EXIT_USAGE;
    if (find_out(g) < 0)
        return LY__EXIT_USAGE;
    if (ly__progress_new(&g->progress, "get", g->arguments.style) < 0)
        return LY__EXIT_OURS;
    find_total(g);
    int r = get_all(g);
    if (r < 0) {
        if (!g->into && ly__local_is_directory(g->arguments.destination))
            ly__transfer_hint(&g->arguments, "get");
        return LY__EXIT_OURS;
    }
    ly__progress_done(g->progress, &g->counts);
    return g->counts.failed > 0 ? LY__EXIT_PARTIAL : 0;
}

int ly__cli_get(int argc, char **argv)
{
    struct ly__get g = {0};
    if (ly__transfer_parse(
            &g.arguments, argc, argv, false, "[HOST]:SRC... DST",
            "Copy files and directories from what a machine serves. Into a directory they go by their "
            "names; each file replaces an old one only when it is there whole and checked. Files that are here "
            "already with the same size, time and mode are left out, and a large file goes on where it ended: "
            "to go on with an interrupted transfer, repeat it (with -T if DST was made by it).\v"
            "Exit status: 0, all is there; 2, no such destination here; 23, some entries failed; 255, no connection.") !=
        0)
        return LY__EXIT_USAGE;
    ly__target_init(&g.target, "get");
    int status = get(&g);
    ly__progress_free(g.progress);
    ly__target_done(&g.target);
    return status;
}
