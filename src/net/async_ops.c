/* SPDX-License-Identifier: MIT */
/* What each asynchronous operation does: the blocking call, made in its fiber. */
#include "net/async.h"
#include "reactor/io.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- sockets ---- */

static int64_t do_recv(struct ly_async *op)
{
    return ly_recv_flags(op->sock, op->buf, op->size, op->flags);
}

int ly_async_recv(struct ly_async **ret_op, struct ly_sock *s, void *buf, size_t n, int flags)
{
    return ly__async_begin(
        ret_op, &(struct ly_async){.run = do_recv, .sock = s, .buf = buf, .size = n, .flags = flags});
}

static int64_t do_recvall(struct ly_async *op)
{
    return ly_recvall(op->sock, op->buf, op->size);
}

int ly_async_recvall(struct ly_async **ret_op, struct ly_sock *s, void *buf, size_t n)
{
    return ly__async_begin(ret_op, &(struct ly_async){.run = do_recvall, .sock = s, .buf = buf, .size = n});
}

static int64_t do_recvfrom(struct ly_async *op)
{
    return ly_recvfrom(op->sock, op->buf, op->size, op->flags, op->ret_address);
}

int ly_async_recvfrom(struct ly_async **ret_op, struct ly_sock *s, void *buf, size_t n, int flags,
                      struct ly_address *ret_from)
{
    return ly__async_begin(
        ret_op,
        &(struct ly_async){
            .run = do_recvfrom, .sock = s, .buf = buf, .size = n, .flags = flags, .ret_address = ret_from});
}

static int64_t do_send(struct ly_async *op)
{
    return ly_send_flags(op->sock, op->data, op->size, op->flags);
}

int ly_async_send(struct ly_async **ret_op, struct ly_sock *s, const void *buf, size_t n, int flags)
{
    return ly__async_begin(
        ret_op, &(struct ly_async){.run = do_send, .sock = s, .data = buf, .size = n, .flags = flags});
}

static int64_t do_sendall(struct ly_async *op)
{
    return ly_sendall(op->sock, op->data, op->size);
}

int ly_async_sendall(struct ly_async **ret_op, struct ly_sock *s, const void *buf, size_t n)
{
    return ly__async_begin(ret_op, &(struct ly_async){.run = do_sendall, .sock = s, .data = buf, .size = n});
}

static int64_t do_sendto(struct ly_async *op)
{
    return ly_sendto(op->sock, op->data, op->size, op->flags, op->address);
}

int ly_async_sendto(struct ly_async **ret_op, struct ly_sock *s, const void *buf, size_t n, int flags,
                    const struct ly_address *to)
{
    return ly__async_begin(
        ret_op, &(struct ly_async){
                    .run = do_sendto, .sock = s, .data = buf, .size = n, .flags = flags, .address = to});
}

static int64_t do_accept(struct ly_async *op)
{
    return ly_accept(op->sock, op->ret_sock, op->ret_address);
}

int ly_async_accept(struct ly_async **ret_op, struct ly_sock *listener, struct ly_sock **ret_sock,
                    struct ly_address *ret_peer)
{
    *ret_sock = NULL;
    return ly__async_begin(
        ret_op, &(struct ly_async){
                    .run = do_accept, .sock = listener, .ret_sock = ret_sock, .ret_address = ret_peer});
}

static int64_t do_connect(struct ly_async *op)
{
    return ly_connect(op->ret_sock, op->text, op->options);
}

int ly_async_connect(struct ly_async **ret_op, struct ly_sock **ret_sock, const char *address,
                     const struct ly_connect_options *options)
{
    *ret_sock = NULL;
    return ly__async_begin(
        ret_op,
        &(struct ly_async){.run = do_connect, .ret_sock = ret_sock, .text = address, .options = options});
}

static int64_t do_sock_connect(struct ly_async *op)
{
    return ly_sock_connect(op->sock, op->address);
}

int ly_async_sock_connect(struct ly_async **ret_op, struct ly_sock *s, const struct ly_address *address)
{
    return ly__async_begin(ret_op, &(struct ly_async){.run = do_sock_connect, .sock = s, .address = address});
}

/* ---- other descriptors ---- */

/*
 * Until fd is ready. It is waited for by a duplicate, because the loop may know the descriptor already
 * through somebody else's. What cannot be waited for, as a regular file, is ready.
 */
static int wait_for_fd(int fd, enum ly__dir dir)
{
    struct pollfd p = {.fd = fd, .events = dir == LY__IN ? POLLIN : POLLOUT};
    struct ly__io io;
    if (poll(&p, 1, 0) > 0)
        return 0;
    int twin = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (twin < 0)
        return -errno;
    ly__io_init(&io, twin);
    int r = ly__io_poll(&io, dir, LY_NEVER);
    ly__io_close(&io);
    return r == -EPERM ? 0 : r;
}

/*
 * Somebody else may have been quicker since it was ready; a thread of the pool that waited then could not be
 * called back. Whether fd is one to ask not to wait: a file does not, and not all others know how
 * (-EOPNOTSUPP).
 */
static bool may_wait(int fd)
{
    return lseek(fd, 0, SEEK_CUR) < 0 && errno == ESPIPE;
}

static ssize_t read_here(const struct ly_async *op)
{
    const struct iovec piece = {op->buf, op->size};
    ssize_t n = may_wait(op->fd) ? preadv2(op->fd, &piece, 1, -1, RWF_NOWAIT) : -2;
    return n == -2 || (n < 0 && errno == EOPNOTSUPP) ? read(op->fd, op->buf, op->size) : n;
}

static ssize_t write_here(const struct ly_async *op)
{
    const struct iovec piece = {(void *)(uintptr_t)op->data, op->size};
    ssize_t n = may_wait(op->fd) ? pwritev2(op->fd, &piece, 1, -1, RWF_NOWAIT) : -2;
    return n == -2 || (n < 0 && errno == EOPNOTSUPP) ? write(op->fd, op->data, op->size) : n;
}

static int read_once(void *arg)
{
    struct ly_async *op = arg;
    ssize_t n = op->offset < 0 ? read_here(op) : pread(op->fd, op->buf, op->size, op->offset);
    op->moved = n < 0 ? -errno : n;
    return 0;
}

static int write_once(void *arg)
{
    struct ly_async *op = arg;
    ssize_t n = op->offset < 0 ? write_here(op) : pwrite(op->fd, op->data, op->size, op->offset);
    op->moved = n < 0 ? -errno : n;
    return 0;
}

/* On the pool, as a disk may be slow. The number of bytes may not fit into the pool's int, so it is left in
 * the operation. */
static int64_t move(struct ly_async *op, enum ly__dir dir, ly_task_fn *once)
{
    int r;
    do {
        int waited = op->offset < 0 ? wait_for_fd(op->fd, dir) : 0;
        if (waited < 0)
            return waited;
        op->moved = -EAGAIN;
        r = ly_offload(once, op); /* its own error: it never began */
    } while (r == 0 && (op->moved == -EINTR || (op->moved == -EAGAIN && op->offset < 0)));
    return r < 0 ? r : op->moved;
}

static int64_t do_read(struct ly_async *op)
{
    return move(op, LY__IN, read_once);
}

int ly_async_read(struct ly_async **ret_op, int fd, void *buf, size_t n, int64_t offset)
{
    if (offset < -1)
        return -EINVAL;
    return ly__async_begin(
        ret_op, &(struct ly_async){.run = do_read, .fd = fd, .buf = buf, .size = n, .offset = offset});
}

static int64_t do_write(struct ly_async *op)
{
    return move(op, LY__OUT, write_once);
}

int ly_async_write(struct ly_async **ret_op, int fd, const void *buf, size_t n, int64_t offset)
{
    if (offset < -1)
        return -EINVAL;
    return ly__async_begin(
        ret_op, &(struct ly_async){.run = do_write, .fd = fd, .data = buf, .size = n, .offset = offset});
}

/* ---- time and work ---- */

static int64_t do_sleep(struct ly_async *op)
{
    return ly_sleep(op->ms);
}

int ly_async_sleep(struct ly_async **ret_op, int64_t ms)
{
    return ly__async_begin(ret_op, &(struct ly_async){.run = do_sleep, .ms = ms});
}

static int64_t do_offload(struct ly_async *op)
{
    return ly_offload(op->fn, op->arg);
}

int ly_async_offload(struct ly_async **ret_op, ly_task_fn *fn, void *arg)
{
    return ly__async_begin(ret_op, &(struct ly_async){.run = do_offload, .fn = fn, .arg = arg});
}

static int64_t do_call(struct ly_async *op)
{
    return op->fn(op->arg);
}

int ly_async_call(struct ly_async **ret_op, ly_task_fn *fn, void *arg)
{
    return ly__async_begin(ret_op, &(struct ly_async){.run = do_call, .fn = fn, .arg = arg});
}
