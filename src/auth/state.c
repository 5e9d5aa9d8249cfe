/* SPDX-License-Identifier: MIT */
/*
 * Files in the state directory. One is written under a name beside its own, brought to the disk, and renamed.
 * The lock makes that name ours alone, so a file that a crash left there is only in the way, and is removed.
 * The lock is a file of its own: one that is renamed over would be locked by those who still have the old
 * one.
 */
#include "auth/state.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_LENGTH 32 /* of a file of ours */

static int take_lock(struct ly__state *s)
{
    s->lock = openat(s->dir, LY__STATE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock < 0)
        return -errno;
    while (flock(s->lock, LOCK_EX) < 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

int ly__state_open(struct ly__state *s, const char *directory, bool lock)
{
    s->lock = -1;
    s->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->dir < 0)
        return -errno;
    int r = lock ? take_lock(s) : 0;
    if (r < 0)
        ly__state_close(s);
    return r;
}

void ly__state_close(struct ly__state *s)
{
    if (s->lock >= 0)
        close(s->lock);
    if (s->dir >= 0)
        close(s->dir);
    *s = (struct ly__state){-1, -1};
}

/* ---- reading ---- */

static int check(int fd, mode_t forbidden, size_t *ret_size)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & forbidden))
        return -EPERM;
    *ret_size = (size_t)st.st_size;
    return 0;
}

/* Room for all of it at once and one byte more, which shows that it has grown: a secret is not copied about.
 */
static int read_all(int fd, size_t size, struct ly_buffer *b)
{
    char *place;
    if (size > b->max)
        return LY_ETOOBIG;
    size_t room = size < b->max ? size + 1 : size;
    int r = ly_buffer_reserve(b, room, &place);
    while (r == 0 && b->length < room) {
        ssize_t n = read(fd, place + b->length, room - b->length);
        if (n == 0)
            return 0;
        if (n > 0)
            ly_buffer_commit(b, (size_t)n);
        else if (errno != EINTR)
            r = -errno;
    }
    return r == 0 && b->length > size ? -EAGAIN : r; /* it is never written in place, not by us */
}

int ly__state_read(const struct ly__state *s, const char *name, mode_t forbidden, struct ly_buffer *b)
{
    size_t size = 0;
    int fd = openat(s->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    int r = check(fd, forbidden, &size);
    if (r == 0)
        r = read_all(fd, size, b);
    close(fd);
    return r;
}

/* ---- writing ---- */

static int fill(int fd, const char *bytes, size_t n)
{
    if (fchmod(fd, 0600) < 0) /* whatever the umask */
        return -errno;
    while (n > 0) {
        ssize_t written = write(fd, bytes, n);
        if (written < 0 && errno != EINTR)
            return -errno;
        if (written > 0) {
            bytes += written;
            n -= (size_t)written;
        }
    }
    return fsync(fd) < 0 ? -errno : 0;
}

static int write_beside(const struct ly__state *s, const char *name, const void *bytes, size_t n)
{
    if (unlinkat(s->dir, name, 0) < 0 && errno != ENOENT)
        return -errno;
    int fd = openat(s->dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = fill(fd, bytes, n);
    close(fd); /* what it could tell, fsync has told */
    return r;
}

/* Not every file system can refuse to replace; under the lock nobody of ours makes the file in between. */
static int move_new(const struct ly__state *s, const char *from, const char *to)
{
    struct stat st;
    if (renameat2(s->dir, from, s->dir, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return -errno;
    if (fstatat(s->dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
        return -EEXIST;
    return errno == ENOENT && renameat(s->dir, from, s->dir, to) == 0 ? 0 : -errno;
}

static int move(const struct ly__state *s, const char *from, const char *to, bool replace)
{
    int r = 0;
    if (!replace)
        r = move_new(s, from, to);
    else if (renameat(s->dir, from, s->dir, to) < 0)
        r = -errno;
    if (r == 0 && fsync(s->dir) < 0)
        r = -errno;
    return r;
}

int ly__state_write(const struct ly__state *s, const char *name, const void *bytes, size_t n, bool replace)
{
    char beside[NAME_MAX_LENGTH + sizeof ".new"];
    (void)snprintf(beside, sizeof beside, "%s.new", name);
    int r = write_beside(s, beside, bytes, n);
    if (r == 0)
        r = move(s, beside, name, replace);
    if (r < 0)
        (void)unlinkat(s->dir, beside, 0);
    return r;
}

int ly__state_rename(const struct ly__state *s, const char *from, const char *to)
{
    return move(s, from, to, true);
}
