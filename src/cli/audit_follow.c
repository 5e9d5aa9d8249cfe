/* SPDX-License-Identifier: MIT */
/*
 * Reading a trail to its end, and on.
 *
 * A trail that is followed may be renamed and begun anew at any moment. The name is looked at each time all
 * has been read: where it leads to another file than the open one, that one is next, after the old one has
 * been read to its end once more, since it may have got a record in between. inotify says when to look: the
 * file is watched for bytes, its directory for names. The watches are set before the look, so that nothing
 * falls in between.
 */
#include "auth/audit_lines.h"
#include "cli/audit.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

struct reading {
    const char *path;
    int fd;    /* -1: there is no file */
    int watch; /* of its bytes; negative: none */
    struct ly__audit_lines lines;
    ly__audit_line_fn *line;
    void *arg;
};

static int give_lines(struct reading *r)
{
    const char *line;
    size_t n;
    int e = 0;
    while (e >= 0 && ly__audit_lines_next(&r->lines, &line, &n))
        e = r->line(r->arg, line, n);
    return e;
}

/* Up to the end of what there is. */
static int read_all(struct reading *r)
{
    char piece[32768];
    int e = 0;
    while (e >= 0) {
        ssize_t n = read(r->fd, piece, sizeof piece);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        e = n < 0 ? -errno : ly__audit_lines_add(&r->lines, piece, (size_t)n);
        if (e == 0)
            e = give_lines(r);
    }
    return e;
}

/* A last line without an end: a piece, or a record that somebody has cut out. */
static int give_rest(struct reading *r)
{
    const char *line;
    size_t n;
    return ly__audit_lines_rest(&r->lines, &line, &n) ? r->line(r->arg, line, n) : 0;
}

static int open_path(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    return fd < 0 ? -errno : fd;
}

int ly__audit_read_file(const char *path, ly__audit_line_fn *line, void *arg)
{
    bool is_input = strcmp(path, "-") == 0;
    struct reading r = {
        .path = path, .fd = is_input ? STDIN_FILENO : open_path(path), .line = line, .arg = arg};
    if (r.fd < 0)
        return r.fd;
    ly__audit_lines_init(&r.lines);
    int e = read_all(&r);
    if (e >= 0)
        e = give_rest(&r);
    ly__audit_lines_done(&r.lines);
    if (!is_input)
        close(r.fd);
    return e;
}

/* ---- following ---- */

static int watch_folder(int inotify, const char *path)
{
    char copy[PATH_MAX];
    int n = snprintf(copy, sizeof copy, "%s", path);
    if (n < 0 || (size_t)n >= sizeof copy)
        return -ENAMETOOLONG;
    return inotify_add_watch(inotify, dirname(copy), IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) < 0 ? -errno : 0;
}

/* Whether the name leads to another file than the open one. */
static bool is_other(const struct reading *r)
{
    struct stat named, open;
    if (stat(r->path, &named) < 0)
        return false;
    return r->fd < 0 || fstat(r->fd, &open) < 0 || named.st_ino != open.st_ino || named.st_dev != open.st_dev;
}

/* The old file to its end. */
static int leave(struct reading *r, int inotify)
{
    if (r->fd < 0)
        return 0;
    int e = read_all(r);
    if (e >= 0)
        e = give_rest(r);
    if (r->watch >= 0)
        (void)inotify_rm_watch(inotify, r->watch); /* the file may be gone, and the watch with it */
    close(r->fd);
    r->fd = -1;
    return e;
}

/* Go over to the file that has the name now. Returns 1 if there was one. */
static int go_over(struct reading *r, int inotify)
{
    if (!is_other(r))
        return 0;
    int fd = open_path(r->path);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    int e = leave(r, inotify);
    r->fd = fd;
    r->watch = inotify_add_watch(inotify, r->path, IN_MODIFY);
    if (r->watch < 0 && errno != ENOENT)
        return -errno;
    return e < 0 ? e : 1;
}

/* Somebody may have emptied the file: begin anew. */
static void find_place(const struct reading *r)
{
    struct stat st;
    if (fstat(r->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < lseek(r->fd, 0, SEEK_CUR))
        (void)lseek(r->fd, 0, SEEK_SET);
}

/* Until something happens to the file or its directory. The events say no more than that. */
static int wait_for_change(int inotify)
{
    struct pollfd p[] = {{.fd = inotify, .events = POLLIN}, {.fd = STDOUT_FILENO}};
    char events[4096];
    if (poll(p, 2, -1) < 0)
        return errno == EINTR ? 0 : -errno;
    if (p[1].revents & (POLLERR | POLLHUP | POLLNVAL))
        return -EPIPE;
    return p[0].revents && read(inotify, events, sizeof events) < 0 && errno != EAGAIN && errno != EINTR
               ? -errno
               : 0;
}

static int follow(struct reading *r, int inotify, int (*before_wait)(void *arg))
{
    int e = watch_folder(inotify, r->path);
    while (e >= 0) {
        e = go_over(r, inotify);
        if (e >= 0 && r->fd >= 0) {
            find_place(r);
            int more = read_all(r);
            e = more < 0 ? more : e;
        }
        if (e == 0) /* else there may be one more */
            e = before_wait(r->arg);
        if (e == 0)
            e = wait_for_change(inotify);
    }
    return e;
}

int ly__audit_follow(const char *path, ly__audit_line_fn *line, int (*before_wait)(void *arg), void *arg)
{
    struct reading r = {.path = path, .fd = -1, .watch = -1, .line = line, .arg = arg};
    int inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (inotify < 0)
        return -errno;
    ly__audit_lines_init(&r.lines);
    int e = follow(&r, inotify, before_wait);
    ly__audit_lines_done(&r.lines);
    if (r.fd >= 0)
        close(r.fd);
    close(inotify);
    return e;
}
