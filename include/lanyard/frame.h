/* SPDX-License-Identifier: MIT */
/*
 * Frames: 4 bytes little-endian length of the header, a JSON object, then a body of the object's "size" bytes
 * (0 without one). Source: docs/protocol.md, section 2.
 */
#ifndef LANYARD_FRAME_H
#define LANYARD_FRAME_H

#include <lanyard/buffer.h>
#include <lanyard/error.h>
#include <lanyard/json.h>
#include <lanyard/stream.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LY_FRAME_HEADER_MAX 65536u /* longest header, in bytes */

struct ly_frame {
    struct ly_json header; /* the object */
    int64_t size;          /* bytes of body that follow, at least 0 */
};

/*
 * Decode the head of a frame (length and header) without I/O.
 * Returns the bytes it takes when it is complete; 0 when more are needed (*ret_need, may be NULL, is how many
 * bytes there must be in all before it is worth calling again); LY_ETOOBIG (header longer than
 * LY_FRAME_HEADER_MAX), LY_EFRAME (a header shorter than 2 bytes, or no object, or a bad size), LY_EJSON.
 * bytes must stay while ret_frame is used.
 */
LY_API ssize_t ly_frame_decode(const char *bytes, size_t n, struct ly_frame *ret_frame, size_t *ret_need);

/*
 * Receive the head of the next frame. The header is shown in the stream's buffer, valid until the next read
 * on it; the stream's read_size must be at least LY_FRAME_HEADER_MAX + 4, as the default is. Read the body,
 * all of it, before the next call. Returns 1; 0 at the peer's orderly end between frames; LY_EEOF within a
 * head; errors of ly_frame_decode (the stream is unusable afterwards) and of ly_recv. Suspends.
 */
LY_API int ly_frame_recv(struct ly_stream *s, struct ly_frame *ret_frame);

/* Read and drop n bytes of body. Returns 0, LY_EEOF or an error of ly_recv. Suspends. */
LY_API int ly_frame_skip(struct ly_stream *s, int64_t n);

/* Begin a header in b (cleared first): room for the length and an opened object. Add fields with
 * ly_json_put_..., then ly_frame_end. Returns 0, LY_ETOOBIG, -ENOMEM. */
LY_API int ly_frame_begin(struct ly_buffer *b);

/* Close the object, with "size" if size is above 0, and fill in the length. Returns 0, LY_ETOOBIG, -ENOMEM,
 * -EINVAL (size < 0). */
LY_API int ly_frame_end(struct ly_buffer *b, int64_t size);

/* Write a finished head and the body's bytes (body may be NULL where they follow otherwise). Gathered; flush
 * to send. Returns 0 or an error of ly_stream_write. Suspends. */
LY_API int ly_frame_send(struct ly_stream *s, const struct ly_buffer *head, const void *body, size_t n);

#ifdef __cplusplus
}
#endif
#endif
