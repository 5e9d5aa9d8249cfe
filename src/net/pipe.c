/* SPDX-License-Identifier: MIT */
/*
 * Pipes, and whatever else a program is given as its standard input and output.
 *
 * O_NONBLOCK belongs to the open file, which the descriptors 0, 1 and 2 share with the shell and with the
 * other programs of a pipeline: to set it there breaks them. So a pipe is opened anew, which gives an open
 * file of one's own; a socket is asked not to wait call by call; and for anything else (a terminal, a pipe
 * that cannot be opened anew) each call is made only after poll(2) said that it would not wait, writes being
 * small enough to keep that promise.
 */
#include "net/pipe.h"
#include "net/sock.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum kind {
    OWN,    /* the open file is non-blocking, or never waits */
    SOCKET, /* MSG_DONTWAIT */
    SHARED, /* a blocking open file: poll(2) first */
};

struct ly_pipe {
    struct ly__io io;
    int original; /* the descriptor that was given, when io has another one; -1 */
    enum kind kind;
};

static int make(struct ly_pipe **ret_pipe, int fd, int original, enum kind kind)
{
    struct ly_pipe *p = malloc(sizeof *p);
    if (!p)
        return -ENOMEM;
    ly__sigpipe_ignore();
    ly__io_init(&p->io, fd);
    p->original = original;
    p->kind = kind;
    *ret_pipe = p;
    return 0;
}

int ly__pipe_wrap(struct ly_pipe **ret_pipe, int fd)
{
    return make(ret_pipe, fd, -1, OWN);
}

struct ly__io *ly__pipe_io(struct ly_pipe *p)
{
    return &p->io;
}

/* Another descriptor of the same pipe, with an open file of its own; -1 where it cannot be had. */
static int open_anew(int fd, int flags)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, (flags & O_ACCMODE) | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

/* /dev/null, /dev/zero and /dev/full, which never wait. */
static bool is_memory(const struct stat *st)
{
    unsigned which = minor(st->st_rdev);
    return S_ISCHR(st->st_mode) && major(st->st_rdev) == 1 && (which == 3 || which == 5 || which == 7);
}

int ly_pipe_from_fd(struct ly_pipe **ret_pipe, int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (fd > STDERR_FILENO && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return -errno;
    if (S_ISSOCK(st.st_mode))
        return make(ret_pipe, fd, -1, SOCKET);
    if (flags & O_NONBLOCK || S_ISREG(st.st_mode) || is_memory(&st))
        return make(ret_pipe, fd, -1, OWN);
    int anew = S_ISFIFO(st.st_mode) ? open_anew(fd, flags) : -1;
    if (anew < 0)
        return make(ret_pipe, fd, -1, SHARED);
    int r = make(ret_pipe, anew, fd, OWN);
    if (r < 0)
        close(anew);
    return r;
}

void ly_pipe_close(struct ly_pipe *p)
{
    if (!p)
        return;
    ly__io_close(&p->io);
    if (p->original >= 0)
        close(p->original);
    free(p);
}

int ly_pipe_fileno(const struct ly_pipe *p)
{
    return p->io.fd;
}

ssize_t ly_pipe_read(struct ly_pipe *p, void *buf, size_t n)
{
    if (p->kind == SOCKET)
        return ly__io_recv(&p->io, buf, n, 0, LY_NEVER);
    if (p->kind == SHARED) {
        int r = ly__io_poll(&p->io, LY__IN, LY_NEVER);
        if (r < 0)
            return r;
    }
    return ly__io_read(&p->io, buf, n, LY_NEVER);
}

static ssize_t write_some(struct ly_pipe *p, const void *buf, size_t n)
{
    if (p->kind == SOCKET)
        return ly__io_send(&p->io, buf, n, 0, LY_NEVER);
    if (p->kind == SHARED) {
        int r = ly__io_poll(&p->io, LY__OUT, LY_NEVER);
        if (r < 0)
            return r;
        n = n < PIPE_BUF ? n : PIPE_BUF;
    }
    return ly__io_write(&p->io, buf, n, LY_NEVER);
}

int ly_pipe_writeall(struct ly_pipe *p, const void *buf, size_t n)
{
    const char *at = buf;
    while (n > 0) {
        ssize_t r = write_some(p, at, n);
        if (r < 0)
            return (int)r;
        at += r;
        n -= (size_t)r;
    }
    return 0;
}

int ly_pipe_wait(struct ly_pipe *p, int64_t timeout_ms)
{
    if (timeout_ms < LY_FOREVER)
        return -EINVAL;
    int r = ly__io_poll(&p->io, LY__IN, ly_deadline(timeout_ms));
    return r == -EAGAIN ? -ETIMEDOUT : r;
}
