/* SPDX-License-Identifier: MIT */
/*
 * Small files.
 *
 * Where the file system can (O_TMPFILE), a small file is written without a name and then linked to the name
 * it is to have. Nobody ever sees it incomplete, nothing is left if the process is killed, and a name is
 * looked up once instead of four times (create under one name, rename to the other), which in a large
 * directory is most of the cost. A link cannot replace, so if the name is taken the file is linked to its
 * temporary name and renamed from there; it is locked first, as partial.c wants the owner of that name to be.
 *
 * Elsewhere it goes the way of large files.
 */
#include "service/files/whole.h"

#include "service/files/entry.h"
#include "service/files/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define CANNOT 1 /* not in this way: by a partial file */

/* Link by the descriptor alone where the kernel lets us (Linux 6.10, or privileges), else by /proc. */
static int link_to(int fd, int dir, const char *name)
{
    static atomic_bool by_proc;
    char path[64];

    if (!atomic_load_explicit(&by_proc, memory_order_relaxed)) {
        if (linkat(fd, "", dir, name, AT_EMPTY_PATH) == 0)
            return 0;
        if (errno != ENOENT && errno != EPERM)
            return -errno;
    }
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW) < 0)
        return errno == ENOENT || errno == EXDEV ? CANNOT : -errno;
    atomic_store_explicit(&by_proc, true, memory_order_relaxed);
    return 0;
}

/* The name is taken: through the temporary one. */
static int replace(int fd, const struct ly__whole *w)
{
    char temporary[LY__NAME_MAX + 1];
    if (flock(fd, LOCK_EX | LOCK_NB) < 0)
        return -errno;
    ly__partial_name(temporary, w->name);
    int r = ly__partial_may_replace(w->dir, w->name);
    if (r < 0)
        return r;
    r = link_to(fd, w->dir, temporary);
    if (r != 0)
        return r == -EEXIST ? CANNOT : r; /* a leftover, or another transfer: partial.c tells them apart */
    if (renameat(w->dir, temporary, w->dir, w->name) == 0)
        return 0;
    r = -errno;
    (void)unlinkat(w->dir, temporary, 0);
    return r;
}

static int fill(int fd, const struct ly__whole *w)
{
    const struct ly__partial p = {.fd = fd};
    int r = w->n > 0 ? ly__partial_write(&p, w->bytes, w->n, 0) : 0;
    if (r == 0 && w->set_mode && fchmod(fd, w->mode) < 0)
        r = -errno;
    if (r == 0 && w->mtime_ns) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, ly__entry_timespec(*w->mtime_ns)};
        if (futimens(fd, times) < 0)
            r = -errno;
    }
    return r;
}

static int write_nameless(const struct ly__whole *w)
{
    int fd = openat(w->dir, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, w->mode);
    if (fd < 0) /* a file system, or a kernel, that cannot; what else is wrong shows in the other way too */
        return CANNOT;
    int r = fill(fd, w);
    if (r == 0)
        r = link_to(fd, w->dir, w->name);
    if (r == -EEXIST)
        r = replace(fd, w);
    close(fd);
    return r;
}

static int write_partial(const struct ly__whole *w)
{
    struct ly__partial p;
    int r = ly__partial_create(&p, w->dir, w->name, w->mode);
    if (r < 0)
        return r;
    r = w->n > 0 ? ly__partial_write(&p, w->bytes, w->n, 0) : 0;
    if (r == 0)
        return ly__partial_finish(&p, w->name, w->set_mode ? &w->mode : NULL, w->mtime_ns);
    ly__partial_drop(&p, false);
    return r;
}

int ly__whole_write(const struct ly__whole *w)
{
    int r = write_nameless(w);
    return r == CANNOT ? write_partial(w) : r;
}
