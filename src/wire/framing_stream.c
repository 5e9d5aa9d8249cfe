/* SPDX-License-Identifier: MIT */
/* Framed messages over a buffered stream: received where the stream has read them, without a copy. */
#include "wire/framing.h"

int ly_message_recv(struct ly_stream *s, const struct ly_framing *f, struct ly_message *ret_message)
{
    size_t need = 1, searched = 0;
    for (;;) {
        const char *bytes;
        ssize_t n = ly_stream_peek(s, need, &bytes);
        if (n <= 0)
            return (int)n;
        ssize_t taken = ly_framing_decode(f, bytes, (size_t)n, ret_message, &need, &searched);
        if (taken < 0)
            return (int)taken;
        if (taken > 0) {
            ly_stream_consume(s, (size_t)taken);
            return 1;
        }
    }
}

int ly_message_send(struct ly_stream *s, const struct ly_framing *f, const void *body, size_t n)
{
    struct ly__envelope e;
    int r = ly__framing_envelope(f, body, n, &e);
    if (r == 0 && e.head_length > 0)
        r = ly_stream_write(s, e.head, e.head_length);
    if (r == 0 && n > 0)
        r = ly_stream_write(s, body, n);
    if (r == 0 && e.end_length > 0)
        r = ly_stream_write(s, e.end, e.end_length);
    return r;
}
