/* SPDX-License-Identifier: MIT */
/*
 * Partial files and who owns them.
 *
 * The temporary name of a file is fixed, so that a transfer finds what an earlier one left. Two transfers to
 * one file therefore meet in it, in one process or in two. Whoever holds the file's lock (flock, which ends
 * with the descriptor, however the process ends) owns it, under two conditions:
 *
 * - who has created it must see, after locking, that it is still linked: another may have found the unlocked
 *   newcomer, taken it for a leftover, and removed it;
 * - who has found it must see, after locking, that the name still means this file: its owner may have renamed
 *   it meanwhile.
 *
 * A leftover is not written over but removed and made anew, so that its permissions, or other names it may
 * have (hard links), do no harm.
 */
#include "service/files/partial.h"

#include "base/utf8.h"
#include "service/files/entry.h"
#include "service/files/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <lanyard/fiber.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".lanyard-partial"
#define KEPT_OF_LONG 200 /* bytes of a long name that its temporary name shows */
#define ATTEMPTS 8       /* to own the file, while others come and go */
#define PATIENCE_MS 5000 /* of a transfer, for all its files; a lock that is released tells nobody */
#define PAUSE_MS 50

#define OPEN_FLAGS (O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)

void ly__partial_name(char out[LY__NAME_MAX + 1], const char *name)
{
    size_t n = strlen(name);
    if (1 + n + strlen(SUFFIX) <= LY__NAME_MAX) {
        (void)snprintf(out, LY__NAME_MAX + 1, ".%s" SUFFIX, name);
        return;
    }
    size_t kept = KEPT_OF_LONG;
    /* the name's end must not be mistaken for a cut: go back only if a character begins here and goes on */
    for (size_t back = 1; back < LY__UTF8_MAX; back++) {
        uint32_t code;
        size_t length = ly__utf8_decode(name + KEPT_OF_LONG - back, n - KEPT_OF_LONG + back, &code);
        if (length > back)
            kept = KEPT_OF_LONG - back;
        if (length > 0)
            break;
    }
    (void)snprintf(out, LY__NAME_MAX + 1, ".%.*s~%016llx" SUFFIX, (int)kept, name,
                   (unsigned long long)ly__hash_name(name, n));
}

void ly__partial_link_name(char out[LY__NAME_MAX + 1], const char *name)
{
    (void)snprintf(out, LY__NAME_MAX + 1, ".%.*s~link" SUFFIX, KEPT_OF_LONG, name);
}

bool ly__partial_is(const char *name)
{
    size_t n = strlen(name);
    return name[0] == '.' && n > 1 + strlen(SUFFIX) && !strcmp(name + n - strlen(SUFFIX), SUFFIX);
}

static int lock(int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return 0;
    return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

/* A fresh file. Returns 0, 1 (try again: taken for a leftover), -EEXIST, or an error. */
static int create(struct ly__partial *p, mode_t mode)
{
    struct stat st = {0};
    int fd = openat(p->dir, p->name, OPEN_FLAGS | O_CREAT | O_EXCL, mode);
    if (fd < 0)
        return -errno;
    int r = lock(fd);
    if (r == 0 && fstat(fd, &st) < 0)
        r = -errno;
    if (r < 0 && r != -EBUSY)
        (void)unlinkat(p->dir, p->name, 0);
    if (r == 0 && (st.st_nlink != 1 || st.st_size != 0))
        r = 1;
    if (r != 0)
        close(fd);
    else
        p->fd = fd;
    return r;
}

/* Own the file that is there. Returns 0, 1 (try again: it changed, or has gone), -EBUSY, or an error. */
static int take(struct ly__partial *p, struct stat *st)
{
    struct stat named = {0};
    int fd = openat(p->dir, p->name, OPEN_FLAGS);
    if (fd < 0)
        return errno == ENOENT ? 1 : -errno;
    int r = lock(fd);
    if (r == 0 && (fstat(fd, st) < 0 || fstatat(p->dir, p->name, &named, AT_SYMLINK_NOFOLLOW) < 0))
        r = errno == ENOENT ? 1 : -errno;
    if (r == 0 && (st->st_ino != named.st_ino || st->st_dev != named.st_dev))
        r = 1;
    if (r != 0)
        close(fd);
    else
        p->fd = fd;
    return r;
}

static void let_go(struct ly__partial *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}

/* Whether it could not be opened or locked for a reason of ours, which says nothing of whose it is. */
static bool is_for_want(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOLCK || error == -EINTR;
}

/* Remove what stands under the temporary name, unless another transfer owns it. */
static int remove_leftover(struct ly__partial *p)
{
    struct stat st = {0};
    int r = take(p, &st);
    if (r == -EBUSY || r == 1 || is_for_want(r))
        return r;
    /* a link, a device, or a file that may not be opened is nobody's transfer */
    r = unlinkat(p->dir, p->name, 0) < 0 && errno != ENOENT ? -errno : 1;
    let_go(p);
    return r;
}

int ly__partial_create(struct ly__partial *p, int dir, const char *name, mode_t mode)
{
    int r = 1;
    p->fd = -1;
    p->dir = dir;
    ly__partial_name(p->name, name);
    for (int i = 0; r == 1 && i < ATTEMPTS; i++) {
        r = create(p, mode);
        if (r == -EEXIST)
            r = remove_leftover(p);
    }
    return r == 1 ? -EBUSY : r;
}

int ly__partial_resume(struct ly__partial *p, int dir, const char *name, int64_t size)
{
    struct stat st = {0};
    p->fd = -1;
    p->dir = dir;
    ly__partial_name(p->name, name);
    int r = take(p, &st);
    if (r == 1 || r == -ELOOP)
        return LY_ECHANGED;
    if (r < 0)
        return r;
    if (S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_size == size && size > 0)
        return 0;
    let_go(p);
    return LY_ECHANGED;
}

int ly__partial_await(int64_t *until)
{
    if (*until == 0)
        *until = ly_deadline(PATIENCE_MS);
    return ly_now() < *until ? ly_sleep(PAUSE_MS) : -EBUSY;
}

int ly__partial_write(const struct ly__partial *p, const void *bytes, size_t n, int64_t offset)
{
    const char *at = bytes;
    while (n > 0) {
        ssize_t k = pwrite(p->fd, at, n, offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            return k < 0 ? -errno : -ENOSPC;
        at += k;
        n -= (size_t)k;
        offset += k;
    }
    return 0;
}

int ly__partial_may_replace(int dir, const char *name)
{
    struct stat st;
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
        return 0; /* of what cannot be seen, the rename says why */
    return S_ISDIR(st.st_mode) ? -EISDIR : LY_ESPECIAL;
}

int ly__partial_finish(struct ly__partial *p, const char *name, const mode_t *mode, const int64_t *mtime_ns)
{
    int r = 0;
    if (mode && fchmod(p->fd, *mode) < 0)
        r = -errno;
    if (r == 0 && mtime_ns) {
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, ly__entry_timespec(*mtime_ns)};
        if (futimens(p->fd, times) < 0)
            r = -errno;
    }
    if (r == 0)
        r = ly__partial_may_replace(p->dir, name);
    if (r == 0 && renameat(p->dir, p->name, p->dir, name) < 0)
        r = -errno;
    ly__partial_drop(p, r == 0);
    return r;
}

void ly__partial_drop(struct ly__partial *p, bool keep)
{
    if (p->fd >= 0 && !keep)
        (void)unlinkat(p->dir, p->name, 0);
    let_go(p);
}

/* ---- umask ---- */

static mode_t read_umask(void)
{
    char line[128];
    unsigned mask = 0777;
    FILE *f = fopen("/proc/self/status", "re");
    if (!f)
        return (mode_t)mask;
    while (fgets(line, sizeof line, f))
        if (!strncmp(line, "Umask:", 6)) {
            mask = (unsigned)strtoul(line + 6, NULL, 8) & 0777;
            break;
        }
    (void)fclose(f);
    return (mode_t)mask;
}

mode_t ly__umask(void)
{
    static _Atomic int known = -1;
    int mask = atomic_load_explicit(&known, memory_order_relaxed);
    if (mask < 0) {
        mask = (int)read_umask();
        atomic_store_explicit(&known, mask, memory_order_relaxed);
    }
    return (mode_t)mask;
}
