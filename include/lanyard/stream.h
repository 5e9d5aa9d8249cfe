/* SPDX-License-Identifier: MIT */
/*
 * Buffered streams over a socket: reading ahead into one buffer, gathering writes in another.
 *
 * Reading and writing do not disturb each other; two tasks may use the two directions at once.
 */
#ifndef LANYARD_STREAM_H
#define LANYARD_STREAM_H

#include <lanyard/error.h>
#include <lanyard/socket.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ly_stream;

struct ly_stream_options {
    size_t read_size;  /* bytes read ahead at most, and the longest peek; 0: 72 KiB, enough for frames */
    size_t write_size; /* bytes gathered before a write goes out by itself; 0: 16 KiB */
    bool borrow;       /* closing the stream leaves the socket to the caller */
};

/* Put a stream over a socket. The socket is taken (unless borrow), even on failure. options may be NULL.
 * Buffers are allocated at the first use. Returns 0 or -ENOMEM. */
LY_API int ly_stream_open(struct ly_stream **ret_stream, struct ly_sock *sock,
                          const struct ly_stream_options *options);

/* Flush what is written (errors are dropped: call ly_stream_flush first to see them), close the socket unless
 * borrowed, and free. NULL is accepted. Suspends. */
LY_API void ly_stream_close(struct ly_stream *s);

/* The socket underneath; borrowed. Do not receive from it while the stream holds bytes read ahead. */
LY_API struct ly_sock *ly_stream_sock(struct ly_stream *s);

/* Read at most n bytes: what is buffered, else one receive (straight into buf where n is large). 0 at the
 * end. Errors: those of ly_recv. Suspends. */
LY_API ssize_t ly_stream_read(struct ly_stream *s, void *buf, size_t n);

/* Read exactly n bytes. Returns n; LY_EEOF if the peer ends within them. Suspends. */
LY_API ssize_t ly_stream_readall(struct ly_stream *s, void *buf, size_t n);

/*
 * Have at least n bytes (1..read_size) buffered and show them without consuming.
 * ret_bytes   the buffered bytes; borrowed until the next read call on the stream
 * Returns how many are buffered, at least n; 0 if the peer ended before the first byte; LY_EEOF if it ended
 * within the n; LY_ETOOBIG (n > read_size); or an error of ly_recv. Suspends.
 */
LY_API ssize_t ly_stream_peek(struct ly_stream *s, size_t n, const char **ret_bytes);

/* Drop n of the bytes that ly_stream_peek has shown. */
LY_API void ly_stream_consume(struct ly_stream *s, size_t n);

/* Bytes held read ahead. */
LY_API size_t ly_stream_buffered(const struct ly_stream *s);

/*
 * Read through the delimiter, at most cap bytes. Returns the bytes stored, the delimiter included; at the end
 * of the stream what is left, without one (0: nothing). Errors: LY_ETOOBIG (no delimiter in cap bytes;
 * nothing is consumed, cap is at most read_size), those of ly_recv. Suspends.
 */
LY_API ssize_t ly_stream_read_until(struct ly_stream *s, void *buf, size_t cap, const void *delimiter,
                                    size_t length);

/* Write n bytes: gathered, sent when the buffer is full. Returns 0 or an error of ly_sendall. Suspends. */
LY_API int ly_stream_write(struct ly_stream *s, const void *bytes, size_t n);

/* Send what is gathered. Returns 0 or an error of ly_sendall. Suspends. */
LY_API int ly_stream_flush(struct ly_stream *s);

#ifdef __cplusplus
}
#endif
#endif
