/* SPDX-License-Identifier: MIT */
/*
 * Sending files.
 *
 * sendfile(2) moves pages of the page cache into the socket without passing this process. It is asked for
 * CHUNK bytes at a time, and every SHARE bytes the fiber gives way: a receiver that keeps up would otherwise
 * never let it wait. Files that the kernel does not send (pipes, /proc, where the size is 0 although there is
 * content) are read and sent.
 */
#include "net/sock.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((int64_t)1 << 20)
#define SHARE ((int64_t)4 << 20)
#define ENCRYPT_LEAST ((int64_t)256 << 10) /* of a file, for the kernel to make TLS records of it */
#define COPY_SIZE ((size_t)64 << 10)       /* of the buffer for read and send */

struct transfer {
    struct ly_sock *sock;
    int fd;
    int64_t offset; /* of the next byte */
    int64_t left;   /* INT64_MAX: up to the end */
    int64_t sent;
    int64_t unpaid; /* bytes sent since the fiber last gave way */
};

static void account(struct transfer *t, int64_t n)
{
    t->offset += n;
    t->left -= t->left == INT64_MAX ? 0 : n;
    t->sent += n;
    t->unpaid += n;
    if (t->unpaid >= SHARE && ly__loop_here) {
        t->unpaid = 0;
        ly__fiber_yield();
    }
}

/* ---- by the kernel ---- */

static ssize_t send_chunk(int socket, void *arg)
{
    const struct transfer *t = arg;
    off_t offset = t->offset;
    ssize_t r = sendfile(socket, t->fd, &offset, (size_t)(t->left < CHUNK ? t->left : CHUNK));
    return r < 0 ? -errno : r;
}

static int send_by_kernel(struct transfer *t)
{
    while (t->left > 0) {
        ssize_t r = ly__io_call(&t->sock->io, LY__OUT, ly__sock_deadline(t->sock), send_chunk, t);
        if (r <= 0)
            return (int)r;
        account(t, r);
    }
    return 0;
}

/* ---- by hand ---- */

/* io: NULL for a file with positions, else what to wait for. */
static ssize_t read_piece(struct transfer *t, struct ly__io *io, char *buf, size_t n)
{
    if (io) {
        int64_t deadline = ly__sock_deadline(t->sock);
        int r = ly__io_poll(io, LY__IN, deadline);
        return r < 0 ? r : ly__io_read(io, buf, n, deadline);
    }
    ssize_t r;
    do {
        r = pread(t->fd, buf, n, t->offset);
    } while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : r;
}

static int copy_pieces(struct transfer *t, struct ly__io *io)
{
    int r = 0;
    char *buf = malloc(COPY_SIZE);
    if (!buf)
        return -ENOMEM;
    while (t->left > 0) {
        size_t n = t->left < (int64_t)COPY_SIZE ? (size_t)t->left : COPY_SIZE;
        ssize_t got = read_piece(t, io, buf, n);
        r = got <= 0 ? (int)got : ly_sendall(t->sock, buf, (size_t)got);
        if (got <= 0 || r < 0)
            break;
        account(t, got);
    }
    free(buf);
    return r;
}

static int send_by_hand(struct transfer *t)
{
    struct ly__io io;
    if (lseek(t->fd, 0, SEEK_CUR) >= 0)
        return copy_pieces(t, NULL);
    /* A descriptor of our own: the caller's may be known to the loop already. */
    int fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    ly__io_init(&io, fd);
    int r = copy_pieces(t, &io);
    ly__io_close(&io);
    return r;
}

/* ---- either ---- */

/* TLS: what is large goes by the kernel too where that has TLS, and never beyond the file's end, since it
 * would keep the last record open for more. */
static int send_encrypted(struct transfer *t, int64_t size)
{
    const struct ly__tls_ops *ops = ly__tls_ops_of(t->sock);
    int64_t there = size - t->offset, left = t->left < there ? t->left : there;
    if (left < ENCRYPT_LEAST || ops->to_kernel(t->sock, ly__sock_deadline(t->sock)) < 0)
        return send_by_hand(t);
    t->left = left;
    int r = send_by_kernel(t);
    int f = ops->from_kernel(t->sock, t->left > 0, ly__sock_deadline(t->sock));
    return r < 0 ? r : f;
}

static bool refuses(int r)
{
    return r == -EINVAL || r == -ENOSYS || r == -EOPNOTSUPP || r == -ESPIPE;
}

static int transfer(struct transfer *t)
{
    struct stat st;
    if (fstat(t->fd, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || st.st_size == 0)
        return send_by_hand(t);
    if (t->sock->is_tls)
        return send_encrypted(t, st.st_size);
    if (t->left >= SHARE)
        posix_fadvise(t->fd, t->offset, t->left == INT64_MAX ? 0 : t->left, POSIX_FADV_SEQUENTIAL);
    int r = send_by_kernel(t);
    return t->sent == 0 && refuses(r) ? send_by_hand(t) : r;
}

int64_t ly_sendfile(struct ly_sock *s, int fd, int64_t offset, int64_t count)
{
    struct transfer t = {.sock = s, .fd = fd, .offset = offset, .left = count == 0 ? INT64_MAX : count};
    if (offset < 0 || count < 0 || s->timeout_ms == 0 || s->type != SOCK_STREAM)
        return -EINVAL;
    if (ly_sock_fileno(s) < 0)
        return -EBADF; /* also where the file has nothing to send */
    ly__sigpipe_ignore();
    int r = transfer(&t);
    if (t.sent > 0)
        lseek(fd, t.offset, SEEK_SET); /* a pipe has no position to set */
    return r < 0 ? r : t.sent;
}
