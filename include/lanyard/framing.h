/* SPDX-License-Identifier: MIT */
/*
 * Framings: how the borders of messages are kept on a stream of bytes, which has none (the "sticky packets"
 * of TCP). A struct ly_framing describes one; the functions decode and encode it without any I/O, or receive
 * and send messages on a stream.
 *
 *     static const struct ly_framing ints = {.kind = LY_FRAMING_BINARY, .width = 4, .order = LY_ORDER_BIG};
 *     struct ly_message m;
 *     while ((r = ly_message_recv(stream, &ints, &m)) == 1)
 *         r = ly_message_send(stream, &ints, m.body, m.body_length);
 *
 * The frames of lanyard's own protocol, which carry a JSON object and a body, are in lanyard/frame.h.
 */
#ifndef LANYARD_FRAMING_H
#define LANYARD_FRAMING_H

#include <lanyard/buffer.h>
#include <lanyard/error.h>
#include <lanyard/stream.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum ly_framing_kind {
    LY_FRAMING_BINARY, /* a length of `width` bytes in front of the body */
    LY_FRAMING_VARINT, /* a length in groups of 7 bits, the least significant first (Protocol Buffers, LEB128)
                        */
    LY_FRAMING_BER,    /* a length as BER and DER have it (X.690, 8.1.3), definite forms */
    LY_FRAMING_DECIMAL,   /* a length in ASCII digits, ended by `delimiter` */
    LY_FRAMING_DELIMITER, /* no length: the body ends at `delimiter` */
    LY_FRAMING_FIXED      /* every body has `size` bytes */
};

enum ly_byte_order { LY_ORDER_NATIVE, LY_ORDER_LITTLE, LY_ORDER_BIG };

#define LY_FRAMING_HEAD_MAX 64u        /* longest head, in bytes */
#define LY_FRAMING_BODY_MAX (2u << 20) /* longest body unless max says otherwise */
#define LY_FRAMING_DELIMITER_MAX 16u   /* longest delimiter and tail */

/* A head is: `before` bytes of the user's, the length, `behind` bytes of the user's. Zero fields are
 * sensible. */
struct ly_framing {
    enum ly_framing_kind kind;
    int width;                /* BINARY: bytes of the length: 1, 2, 4 or 8 */
    enum ly_byte_order order; /* BINARY */
    bool is_signed;           /* BINARY: the length is a signed number; a negative one is refused */
    size_t before, behind;    /* bytes of the head around the length, of other fields */
    int64_t adjust;        /* the body has that many bytes more (or less, if negative) than the length says */
    const char *delimiter; /* DECIMAL, DELIMITER: 1 to LY_FRAMING_DELIMITER_MAX bytes; NULL: one line feed */
    size_t delimiter_length; /* of delimiter; 0: it is a string */
    const char *tail;        /* bytes that follow every body, such as the "," of a netstring; NULL: none */
    size_t size;             /* FIXED: bytes of a body, at least 1 */
    /* longest body, in bytes; 0: LY_FRAMING_BODY_MAX. ly_message_recv needs a stream with a read_size for it,
     * 72 KiB unless its options say otherwise */
    size_t max;
};

/* A message, as it lies in the bytes given: borrowed from them. */
struct ly_message {
    const char *head; /* the whole head, the length included */
    size_t head_length;
    const char *body;
    size_t body_length;
};

/* Whether a framing makes sense. Returns 0 or -EINVAL. The other functions check nothing of it again. */
LY_API int ly_framing_check(const struct ly_framing *f);

/*
 * Find the message in front of n bytes, without I/O.
 * ret_need   how many bytes there must be before it is worth calling again; may be NULL
 * searched   DELIMITER, DECIMAL: how many bytes were searched in vain; pass 0 for a new message and what the
 *            last call left for the same one, so that no byte is looked at twice; may be NULL
 * Returns the bytes that the message takes, with head, body, delimiter and tail, and *ret_message; 0: more
 * are needed; LY_ETOOBIG: its body is longer than max, or there is no delimiter within it; LY_EFRAME: a
 * length that is none (negative after adjust, not the shortest form, no digits), or another tail.
 */
LY_API ssize_t ly_framing_decode(const struct ly_framing *f, const char *bytes, size_t n,
                                 struct ly_message *ret_message, size_t *ret_need, size_t *searched);

/*
 * Write the head of a message whose body has n bytes; `before` and `behind` are zero bytes, for the caller to
 * fill. out: LY_FRAMING_HEAD_MAX bytes. Returns its length (0 for kinds without one); LY_ETOOBIG: n is beyond
 * max, or the length does not fit its field; LY_EFRAME: n is less than adjust, or is not `size`.
 */
LY_API ssize_t ly_framing_head(const struct ly_framing *f, size_t n, char *out);

/* Append a whole message. Returns 0; errors of ly_framing_head; LY_EFRAME: the delimiter is in the body;
 * LY_ETOOBIG or -ENOMEM of the buffer, which is then as it was. */
LY_API int ly_framing_append(const struct ly_framing *f, struct ly_buffer *b, const void *body, size_t n);

/*
 * Receive the next message. It lies in the stream's buffer, whose read_size must hold it, valid until the
 * next read. Returns 1; 0 at the peer's orderly end between messages; LY_EEOF within one; LY_ETOOBIG (also:
 * longer than read_size) and LY_EFRAME as ly_framing_decode, the stream is of no use then; errors of ly_recv.
 * Suspends.
 */
LY_API int ly_message_recv(struct ly_stream *s, const struct ly_framing *f, struct ly_message *ret_message);

/* Write a message to the stream; ly_stream_flush sends it. Returns 0, errors of ly_framing_append for the
 * message, errors of ly_sendall. Suspends. */
LY_API int ly_message_send(struct ly_stream *s, const struct ly_framing *f, const void *body, size_t n);

#ifdef __cplusplus
}
#endif
#endif
