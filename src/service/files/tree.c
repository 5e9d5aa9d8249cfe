/* SPDX-License-Identifier: MIT */
/*
 * A tree may be thousands of levels deep, and a server walks many at once, so a walk cannot keep every
 * directory on its way open. It keeps the start and the deepest few. The others are closed with their reading
 * position noted; when the walk comes back to one, it is opened again from the start, following no link, and
 * must be the same directory (device and inode) as before: ".." is not used, since a directory that was moved
 * meanwhile would lead out of the tree.
 */
#include "service/files/tree.h"

#include <dirent.h>
#include <errno.h>
#include <lanyard/error.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ly__tree_level {
    DIR *names;    /* NULL while closed */
    long position; /* where to go on reading once it is open again */
    dev_t device;  /* which directory it was */
    ino_t inode;
    size_t length; /* bytes of path that name it */
};

static struct ly__tree_level *top(struct ly__tree *t)
{
    return &t->levels[t->depth - 1];
}

static int open_level(struct ly__tree *t, struct ly__tree_level *l, int dir, const char *name)
{
    int fd = ly__open_names(dir, name);
    if (fd < 0)
        return fd;
    if (fstat(fd, &t->entered) < 0 || !(l->names = fdopendir(fd))) {
        int error = -errno;
        close(fd);
        return error;
    }
    l->device = t->entered.st_dev;
    l->inode = t->entered.st_ino;
    t->held++;
    return 0;
}

static void close_level(struct ly__tree *t, struct ly__tree_level *l)
{
    if (!l->names)
        return;
    closedir(l->names);
    l->names = NULL;
    t->held--;
}

/* Close the shallowest open level but the start. */
static void evict(struct ly__tree *t)
{
    for (size_t i = 1; i < t->depth; i++) {
        struct ly__tree_level *l = &t->levels[i];
        if (!l->names)
            continue;
        l->position = telldir(l->names);
        close_level(t, l);
        return;
    }
}

static int reopen(struct ly__tree *t, struct ly__tree_level *l)
{
    dev_t device = l->device;
    ino_t inode = l->inode;

    t->path[l->length] = '\0';
    int at = ly__beneath_dir(dirfd(t->levels[0].names), t->path, LY__BENEATH_STRICT);
    if (at < 0)
        return at;
    int r = open_level(t, l, at, ".");
    close(at);
    if (r < 0 || !l->names)
        return r;
    if (l->device != device || l->inode != inode) {
        close_level(t, l);
        return LY_ECHANGED;
    }
    /* Where entries are removed a position means another place afterwards (overlayfs counts entries), and
     * what was passed is gone: from the start, then. */
    if (!t->removing)
        seekdir(l->names, l->position);
    return 0;
}

static int make_room(struct ly__tree *t)
{
    if (t->depth < t->room)
        return 0;
    size_t room = t->room ? 2 * t->room : 16;
    struct ly__tree_level *levels = realloc(t->levels, room * sizeof *levels);
    if (!levels)
        return -ENOMEM;
    t->levels = levels;
    t->room = room;
    return 0;
}

int ly__tree_open(struct ly__tree *t, int dir, const char *name)
{
    *t = (struct ly__tree){.dir = -1};
    int r = make_room(t);
    if (r == 0)
        r = open_level(t, &t->levels[0], dir, name);
    if (r < 0) {
        free(t->levels);
        t->levels = NULL;
        return r;
    }
    t->levels[0].length = 0;
    t->depth = 1;
    return 0;
}

void ly__tree_close(struct ly__tree *t)
{
    while (t->depth > 0) {
        close_level(t, top(t));
        t->depth--;
    }
    free(t->levels);
    t->levels = NULL;
}

/* Show a name of the current directory. */
static int show(struct ly__tree *t, const struct dirent *entry)
{
    struct ly__tree_level *l = top(t);
    size_t n = strlen(entry->d_name), at = l->length;

    t->dir = dirfd(l->names);
    t->type = entry->d_type;
    if (at + (at > 0) + n > LY__PATH_MAX) {
        t->path[at] = '\0';
        return -ENAMETOOLONG;
    }
    if (at > 0)
        t->path[at++] = '/';
    memcpy(t->path + at, entry->d_name, n + 1);
    t->name = t->path + at;
    return LY__TREE_ENTRY;
}

/* Leave the deepest directory. The one above may be closed: opening it is what can fail. */
static int leave(struct ly__tree *t)
{
    t->path[top(t)->length] = '\0';
    close_level(t, top(t));
    t->depth--;
    t->name = NULL;
    if (t->depth == 0)
        return LY__TREE_LEAVE;
    struct ly__tree_level *l = top(t);
    if (!l->names) {
        size_t length = strlen(t->path);
        char kept = t->path[l->length];
        int r = reopen(t, l);
        if (r < 0 || !l->names)
            return r;
        t->path[l->length] = kept;
        t->path[length] = '\0';
    }
    t->dir = dirfd(l->names);
    t->name = t->path + l->length + (l->length > 0);
    return LY__TREE_LEAVE;
}

int ly__tree_next(struct ly__tree *t)
{
    if (t->depth == 0)
        return LY__TREE_END;
    struct ly__tree_level *l = top(t);
    if (!l->names)
        return leave(t);
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(l->names);
        if (!entry && errno) {
            int error = -errno;
            t->path[l->length] = '\0';
            close_level(t, l);
            return error;
        }
        if (!entry)
            return leave(t);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return show(t, entry);
    }
}

int ly__tree_enter(struct ly__tree *t)
{
    int r = make_room(t);
    if (r < 0)
        return r;
    if (t->held >= LY__TREE_HELD)
        evict(t);
    struct ly__tree_level *l = &t->levels[t->depth];
    *l = (struct ly__tree_level){.length = strlen(t->path)};
    r = open_level(t, l, t->dir, t->name);
    if (r == 0)
        t->depth++;
    return r;
}
