/* SPDX-License-Identifier: MIT */
/* Frames over a buffered stream. The header is decoded where the stream has read it: no copy, no allocation
 * of its own. */
#include <lanyard/frame.h>

int ly_frame_recv(struct ly_stream *s, struct ly_frame *ret_frame)
{
    size_t need = 1; /* whatever has come may be a whole head already */
    for (;;) {
        const char *bytes;
        ssize_t n = ly_stream_peek(s, need, &bytes);
        if (n <= 0)
            return (int)n;
        ssize_t taken = ly_frame_decode(bytes, (size_t)n, ret_frame, &need);
        if (taken < 0)
            return (int)taken;
        if (taken > 0) {
            ly_stream_consume(s, (size_t)taken);
            return 1;
        }
    }
}

int ly_frame_skip(struct ly_stream *s, int64_t n)
{
    while (n > 0) {
        const char *bytes;
        ssize_t got = ly_stream_peek(s, 1, &bytes);
        if (got <= 0)
            return got == 0 ? LY_EEOF : (int)got;
        size_t drop = got < n ? (size_t)got : (size_t)n;
        ly_stream_consume(s, drop);
        n -= (int64_t)drop;
    }
    return 0;
}

int ly_frame_send(struct ly_stream *s, const struct ly_buffer *head, const void *body, size_t n)
{
    int r = ly_stream_write(s, ly_buffer_bytes(head), head->length);
    if (r < 0 || !body || n == 0)
        return r;
    return ly_stream_write(s, body, n);
}
