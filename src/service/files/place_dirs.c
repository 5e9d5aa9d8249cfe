/* SPDX-License-Identifier: MIT */
/*
 * A tree arrives depth first, so at any time the directories that still get entries are the current one and
 * those above it. They are kept as one path and a list of how much of it each is. A directory's own mode and
 * time are set when an entry outside it comes: what is created in it would change its time, and a mode
 * without write permission would keep its content out.
 *
 * Only the destination and the current directory are held open. Every other is found anew from the
 * destination, following no link: links arrive in the same stream, and may lie where a directory was.
 */
#include "service/files/place_dirs.h"

#include "service/files/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPEN_DIRECTORY (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

struct ly__dirs_pending {
    size_t length;    /* bytes of deepest that name it */
    int64_t mtime_ns; /* valid with has_mtime */
    mode_t mode;      /* valid with has_mode */
    bool has_mode, has_mtime;
};

void ly__dirs_init(struct ly__dirs *d, int parent, const char *name)
{
    memset(d, 0, sizeof *d);
    d->parent = parent;
    d->name = name;
    d->base = d->dir = -1;
}

static void forget(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

void ly__dirs_done(struct ly__dirs *d)
{
    forget(&d->dir);
    forget(&d->base);
    free(d->pending);
    d->pending = NULL;
}

static int open_base(struct ly__dirs *d)
{
    if (d->base >= 0)
        return 0;
    d->base = openat(d->parent, d->name, OPEN_DIRECTORY);
    if (d->base >= 0)
        return 0;
    return errno == ELOOP ? -ENOTDIR : -errno;
}

/* Make the directory of this path the current one. */
static int change_to(struct ly__dirs *d, const char *path, size_t length)
{
    char wanted[LY__PATH_MAX + 1];
    int r = open_base(d);

    if (r < 0)
        return r;
    if (d->dir >= 0 && strlen(d->at) == length && !memcmp(d->at, path, length))
        return 0;
    memcpy(wanted, path, length);
    wanted[length] = '\0';
    int fd = ly__beneath_dir(d->base, wanted, LY__BENEATH_STRICT);
    if (fd < 0)
        return fd;
    forget(&d->dir);
    d->dir = fd;
    memcpy(d->at, wanted, length + 1);
    return 0;
}

/* ---- leaving ---- */

static int settle(struct ly__dirs *d, const struct ly__dirs_pending *p)
{
    int r = change_to(d, d->deepest, p->length);
    if (r < 0)
        return r;
    int fd = openat(d->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (p->has_mode && fchmod(fd, p->mode) < 0)
        r = -errno;
    if (r == 0 && p->has_mtime) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, ly__entry_timespec(p->mtime_ns)};
        if (futimens(fd, times) < 0)
            r = -errno;
    }
    close(fd);
    return r;
}

static void leave_last(struct ly__dirs *d)
{
    const struct ly__dirs_pending *p = &d->pending[--d->count];
    d->deepest[p->length] = '\0';
    int r = settle(d, p);
    if (r < 0 && d->failed)
        d->failed(d->arg, r, d->deepest);
}

/* Whether an entry lies in the directory whose path is the first bytes of dir. */
static bool contains(const char *dir, size_t length, const char *path)
{
    if (length == 0)
        return path[0] != '\0';
    return !strncmp(path, dir, length) && path[length] == '/';
}

static void leave_for(struct ly__dirs *d, const char *path)
{
    while (d->count > 0 && !contains(d->deepest, d->pending[d->count - 1].length, path))
        leave_last(d);
}

void ly__dirs_leave_all(struct ly__dirs *d)
{
    while (d->count > 0)
        leave_last(d);
}

/* ---- entering ---- */

int ly__dirs_go(struct ly__dirs *d, const char *path, const char **ret_name)
{
    leave_for(d, path);
    if (!path[0]) {
        *ret_name = d->name;
        return d->parent;
    }
    const char *slash = strrchr(path, '/');
    int r = change_to(d, path, slash ? (size_t)(slash - path) : 0);
    if (r < 0)
        return r;
    *ret_name = slash ? slash + 1 : path;
    return d->dir;
}

static int remember(struct ly__dirs *d, const char *path, const struct ly__entry *e, mode_t made)
{
    if (d->count == d->room) {
        size_t room = d->room ? 2 * d->room : 16;
        struct ly__dirs_pending *pending = realloc(d->pending, room * sizeof *pending);
        if (!pending)
            return -ENOMEM;
        d->pending = pending;
        d->room = room;
    }
    d->pending[d->count++] = (struct ly__dirs_pending){
        .length = strlen(path),
        .mode = e->has_mode ? e->mode : made,
        .has_mode = e->has_mode || made,
        .mtime_ns = e->mtime_ns,
        .has_mtime = e->has_mtime,
    };
    memcpy(d->deepest, path, strlen(path) + 1);
    return 0;
}

int ly__dirs_make(struct ly__dirs *d, const char *path, const struct ly__entry *e)
{
    const char *name;
    int at = ly__dirs_go(d, path, &name);
    if (at < 0)
        return at;
    mode_t made = e->has_mode ? 0 : 0777 & ~ly__umask();
    if (mkdirat(at, name, 0700) < 0) {
        if (errno != EEXIST)
            return -errno;
        made = 0;
    }
    int fd = openat(at, name, OPEN_DIRECTORY);
    if (fd < 0)
        return errno == ELOOP ? -ENOTDIR : -errno;
    if (!path[0] && d->base < 0 && (d->base = fcntl(fd, F_DUPFD_CLOEXEC, 0)) < 0) {
        int error = -errno;
        close(fd);
        return error;
    }
    forget(&d->dir);
    d->dir = fd;
    memcpy(d->at, path, strlen(path) + 1);
    return remember(d, path, e, made);
}
