/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous operations: begin now, go on with something else, ask for the result later, many at once.
 *
 *     struct ly_async *op[2];
 *     ly_async_recv(&op[0], a, buf_a, sizeof buf_a, 0);
 *     ly_async_recv(&op[1], b, buf_b, sizeof buf_b, 0);
 *     int first = ly_async_await_any(op, 2, 1000);
 *
 * Each is the blocking call of the same name (socket.h), with the same result. Inside a loop it runs in a
 * fiber of that loop; on the io_uring reactor receiving is then by completion. In a plain thread it runs in a
 * loop that the library keeps on a thread of its own, begun with the first operation. Files and work that
 * blocks go to the offload pool.
 *
 * Whoever begins an operation ends it by ly_async_finish or ly_async_free. Until then, or until awaiting has
 * told that it is done, the operation may use all that was given to it: the socket, the buffer, the address,
 * the place for a result. Cancelling does not give them back; that the operation is done does. Two operations
 * in the two directions of a socket may be under way at once; of two in one direction, which comes first is
 * not defined. In a loop an operation may be awaited and freed by the fibers of that loop alone (-EPERM); one
 * that a thread began, by anybody, but by one task at a time (-EBUSY).
 */
#ifndef LANYARD_ASYNC_H
#define LANYARD_ASYNC_H

#include <lanyard/fiber.h>
#include <lanyard/socket.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* An operation. */
struct ly_async;

/* ---- beginning ---- */

/*
 * All return 0, -ENOMEM, -ECANCELED or -ETIMEDOUT (by the scopes around the caller); in a thread also
 * -EAGAIN, LY_ENOREACTOR, -EMFILE (the loop could not be started). What goes wrong later is the operation's
 * result. None suspends. */

/* ly_recv_flags, ly_recvall, ly_recvfrom. Result: as theirs. */
LY_API int ly_async_recv(struct ly_async **ret_op, struct ly_sock *s, void *buf, size_t n, int flags);
LY_API int ly_async_recvall(struct ly_async **ret_op, struct ly_sock *s, void *buf, size_t n);
LY_API int ly_async_recvfrom(struct ly_async **ret_op, struct ly_sock *s, void *buf, size_t n, int flags,
                             struct ly_address *ret_from);

/* ly_send_flags, ly_sendall, ly_sendto. Result: as theirs. */
LY_API int ly_async_send(struct ly_async **ret_op, struct ly_sock *s, const void *buf, size_t n, int flags);
LY_API int ly_async_sendall(struct ly_async **ret_op, struct ly_sock *s, const void *buf, size_t n);
LY_API int ly_async_sendto(struct ly_async **ret_op, struct ly_sock *s, const void *buf, size_t n, int flags,
                           const struct ly_address *to);

/* ly_accept, ly_connect, ly_sock_connect. Result: as theirs. *ret_sock is NULL from now on, unless the
 * operation succeeds; the socket is then the caller's, also after ly_async_free. */
LY_API int ly_async_accept(struct ly_async **ret_op, struct ly_sock *listener, struct ly_sock **ret_sock,
                           struct ly_address *ret_peer);
LY_API int ly_async_connect(struct ly_async **ret_op, struct ly_sock **ret_sock, const char *address,
                            const struct ly_connect_options *options);
LY_API int ly_async_sock_connect(struct ly_async **ret_op, struct ly_sock *s,
                                 const struct ly_address *address);

/*
 * Read from, or write to, any descriptor.
 *
 * offset    position in the file; -1: where the descriptor stands, after waiting until it is ready, for
 *           pipes, terminals and files alike
 *
 * Result: the bytes moved, 0 at the end of a file, or -errno. Source: pread(2), read(2).
 */
LY_API int ly_async_read(struct ly_async **ret_op, int fd, void *buf, size_t n, int64_t offset);
LY_API int ly_async_write(struct ly_async **ret_op, int fd, const void *buf, size_t n, int64_t offset);

/* ly_sleep. Result: 0, or -ECANCELED. */
LY_API int ly_async_sleep(struct ly_async **ret_op, int64_t ms);

/* ly_offload: fn(arg), which may block, on the offload pool. Result: what it returned; -ECANCELED if it was
 * cancelled before it began; -EAGAIN. */
LY_API int ly_async_offload(struct ly_async **ret_op, ly_task_fn *fn, void *arg);

/* fn(arg) in a fiber: any number of calls that suspend, as one operation. Result: what it returned. */
LY_API int ly_async_call(struct ly_async **ret_op, ly_task_fn *fn, void *arg);

/* ---- awaiting ---- */

/*
 * timeout_ms: LY_FOREVER, 0 (only look: -EAGAIN if it is not done), or milliseconds (-ETIMEDOUT). A wait that
 * ends early leaves the operations under way. Each suspends, and also returns -EINVAL (the time-out), -EPERM,
 * -EBUSY (see above), -ECANCELED, -ETIMEDOUT (by the scopes around the caller). */

/* Wait until it is done. Returns 0 then. */
LY_API int ly_async_await(struct ly_async *op, int64_t timeout_ms);

/* Wait until one of them is done, and return its index; of several, the one that was done first, so that none
 * is passed over. Entries may be NULL; if all are, -EINVAL. */
LY_API int ly_async_await_any(struct ly_async *const *ops, size_t count, int64_t timeout_ms);

/* Wait until all of them are done. Returns 0 then. Entries may be NULL. */
LY_API int ly_async_await_all(struct ly_async *const *ops, size_t count, int64_t timeout_ms);

/* Whether it is done. */
LY_API bool ly_async_is_done(const struct ly_async *op);

/* The result; -EINPROGRESS while it is not done. */
LY_API int64_t ly_async_result(const struct ly_async *op);

/* ---- ending ---- */

/* Ask the operation to end: its result will be -ECANCELED, unless it is done before. It does not wait. From
 * any thread; any number of times. */
LY_API void ly_async_cancel(struct ly_async *op);

/* Wait until it is done, free it and return the result. If a scope ends the wait the operation is cancelled,
 * and waited for nevertheless. Suspends. */
LY_API int64_t ly_async_finish(struct ly_async *op);

/* Cancel it if it is not done, wait until it is, and free it. NULL is accepted. Suspends; nothing ends it
 * early, since the caller's buffers are free to go afterwards. */
LY_API void ly_async_free(struct ly_async *op);

#ifdef __cplusplus
}
#endif
#endif
