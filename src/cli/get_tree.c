/* SPDX-License-Identifier: MIT */
/*
 * A tree of which a part is here already, as an interrupted get leaves it.
 *
 * Each directory that is on both sides is listed and compared; what is missing or different is asked for,
 * many requests ahead, and what is missing altogether comes as a tree of its own. Directories wait on a
 * stack, the deepest on top, each with a second item below its content: its own mode and time, set when all
 * in it is done. Listed names are the server's word: they go through the same gate as any stranger's.
 */
#include "cli/get.h"

#include "cli/command.h"
#include "service/files/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX (64u << 20) /* bytes of names that are missing in one directory */

/* A directory to visit, or one to finish. */
struct item {
    char *path; /* below the tree's top; "" for the top */
    int64_t mtime_ns, mode;
    bool finish;
};

struct walk {
    struct ly__get *get;
    const char *top; /* path there */
    int base;        /* the top here (O_PATH) */
    struct item *items;
    size_t count, room;
    /* of the directory in hand: */
    const char *path;         /* below the top */
    int dir;                  /* here (O_PATH) */
    struct ly_buffer missing; /* names, each with its zero byte */
};

/* ---- paths ---- */

static char *join(const char *a, const char *b)
{
    char *path;
    return asprintf(&path, "%s%s%s", a, *a && *b ? "/" : "", b) < 0 ? NULL : path;
}

/* The path there of a name in the directory in hand, or of that itself with ""; NULL without memory. */
static char *there(const struct walk *w, const char *name)
{
    char *below = join(w->path, name), *path = below ? join(w->top, below) : NULL;
    free(below);
    return path;
}

static void fail(struct walk *w, int error, const char *name)
{
    char *path = there(w, name);
    ly__get_failed(w->get, error, path ? path : name);
    free(path);
}

/* ---- the stack ---- */

/* path is taken, also when it fails. */
static int push(struct walk *w, char *path, struct ly_json entry)
{
    struct item item = {.path = path, .mode = -1};
    int r = path ? 0 : -ENOMEM;
    if (r == 0 && w->count == w->room) {
        size_t room = w->room ? 2 * w->room : 16;
        struct item *items = realloc(w->items, room * sizeof *items);
        r = items ? 0 : -ENOMEM;
        w->items = items ? items : w->items;
        w->room = items ? room : w->room;
    }
    if (r == 0)
        r = ly__field_int(entry, "mtime_ns", &item.mtime_ns, INT64_MIN, INT64_MAX);
    if (r == 0)
        r = ly__field_int(entry, "mode", &item.mode, 0, INT64_MAX);
    if (r < 0)
        free(path);
    else
        w->items[w->count++] = item;
    return r;
}

/* ---- comparing ---- */

static bool is_same_link(const struct walk *w, const char *name, struct ly_json entry)
{
    char here[LY__PATH_MAX + 1], there[LY__PATH_MAX + 1];
    ssize_t n = readlinkat(w->dir, name, here, sizeof here - 1);
    if (n < 0 || ly__field_path(entry, "target", there) < 0)
        return false;
    here[n] = '\0';
    return strcmp(here, there) == 0;
}

/* Look at one entry of the listing: it is here, is to be visited, or is missing. */
static int compare(struct walk *w, const char *name, struct ly_json entry)
{
    struct ly_json type = ly_json_get(entry, "type");
    struct stat st = {.st_mode = 0};
    bool here = fstatat(w->dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;

    if (ly_json_equal(type, "other")) {
        char *path = there(w, name);
        w->get->counts.others++;
        ly__progress_other(w->get->progress, path ? path : name);
        free(path);
        return 0;
    }
    if (here && ly_json_equal(type, "dir") && S_ISDIR(st.st_mode))
        return push(w, join(w->path, name), entry);
    if (here && ly__known_same(entry, &st)) {
        w->get->counts.same++;
        return 0;
    }
    if (here && ly_json_equal(type, "link") && S_ISLNK(st.st_mode) && is_same_link(w, name, entry))
        return 0;
    return ly_buffer_append(&w->missing, name, strlen(name) + 1);
}

static int take_entry(void *arg, struct ly_json entry)
{
    struct walk *w = arg;
    char name[LY__PATH_MAX + 1];
    int r = ly__field_path(entry, "name", name);

    if (r == 0 && !ly__name_allowed(name, strlen(name)))
        r = LY_ENAME;
    if (r < 0) {
        fail(w, r, r == LY_ENAME ? name : "");
        return 0;
    }
    if (ly__partial_is(name) && ly_json_equal(ly_json_get(entry, "type"), "file"))
        return 0;
    return compare(w, name, entry);
}

/* ---- getting ---- */

/* The next of the missing names that begin at *at. */
static const char *next_name(const struct walk *w, size_t *at)
{
    const char *name = ly_buffer_bytes(&w->missing) + *at;
    *at += strlen(name) + 1;
    return name;
}

/* Ask for a name of the directory in hand, or receive it as the request id if that is not 0. */
static int get_one(struct walk *w, const char *name, int64_t id)
{
    struct ly__local l = {.dir = w->dir};
    char *path = there(w, name);
    int r = path ? 0 : -ENOMEM;

    memcpy(l.name, name, strlen(name) + 1); /* ly__name_allowed: it fits */
    if (r == 0 && id == 0)
        r = ly__get_ask(w->get, path, &l);
    if (r < 0 || id == 0) {
        if (r < 0)
            ly__target_say(&w->get->target, r, NULL);
    } else
        r = ly__get_receive(w->get, path, &l, id);
    free(path);
    return r;
}

static int get_missing(struct walk *w)
{
    size_t asked = 0, received = 0;
    int r = 0;
    while (r == 0 && received < w->missing.length) {
        int n = 0;
        for (; r == 0 && ly__get_may_ask(w->get, n) && asked < w->missing.length; n++)
            r = get_one(w, next_name(w, &asked), 0);
        int64_t id = w->get->target.id - n + 1;
        for (; r == 0 && n > 0; n--)
            r = get_one(w, next_name(w, &received), id++);
    }
    return r;
}

/* ---- directories ---- */

static int finish(const struct walk *w, const struct item *item)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, ly__entry_timespec(item->mtime_ns)};
    int fd = openat(w->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
    if (fd < 0)
        return -errno;
    if (item->mode >= 0 && fchmod(fd, (mode_t)(item->mode & 0777)) < 0)
        r = -errno;
    if (r == 0 && futimens(fd, times) < 0)
        r = -errno;
    close(fd);
    return r;
}

static int visit(struct walk *w)
{
    struct ly__target *t = &w->get->target;
    struct ly_frame last;
    char name[64], *path = there(w, "");
    int r = path ? ly__target_list(t, path, take_entry, w, &last) : -ENOMEM;

    free(path);
    if (r == LY_EREMOTE && ly_json_type(ly_json_get(last.header, "path")) == LY_JSON_STRING) {
        r = ly_json_string(ly_json_get(last.header, "error"), name, sizeof name) > 0
                ? ly_error_from_name(name)
                : 0;
        fail(w, r < 0 ? r : LY_EREMOTE, "");
        return 0;
    }
    if (r < 0) {
        ly__target_say(t, r, &last);
        return r;
    }
    return get_missing(w);
}

/* The item on top. Returns 0, or an error that was said. */
static int take_item(struct walk *w)
{
    struct item item = w->items[w->count - 1];
    int r = 0;

    w->path = item.path;
    w->dir = ly__beneath_dir(w->base, item.path, LY__BENEATH_STRICT);
    ly_buffer_clear(&w->missing);
    w->items[w->count - 1].finish = true;
    if (w->dir < 0)
        fail(w, w->dir, "");
    else if (!item.finish)
        r = visit(w);
    else if ((r = finish(w, &item)) < 0) {
        fail(w, r, "");
        r = 0;
    }
    if (w->dir >= 0)
        close(w->dir);
    if (item.finish || w->dir < 0) { /* then nothing was pushed above it */
        free(item.path);
        w->count--;
    }
    return r;
}

int ly__get_tree(struct ly__get *g, const char *path, struct ly_json entry, const struct ly__local *l)
{
    struct walk w = {.get = g, .top = path, .path = "", .dir = -1};
    ly_buffer_init(&w.missing, NAMES_MAX);
    w.base = openat(l->dir, l->name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int r = w.base < 0 ? -errno : push(&w, strdup(""), entry);
    if (r < 0) {
        fail(&w, r, "");
        r = 0;
    }
    while (r == 0 && w.count > 0)
        r = take_item(&w);
    while (w.count > 0)
        free(w.items[--w.count].path);
    free(w.items);
    ly_buffer_done(&w.missing);
    if (w.base >= 0)
        close(w.base);
    return r;
}
