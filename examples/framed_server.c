/* SPDX-License-Identifier: MIT */
/*
 * A server of frames (length, JSON object, body): framed_server [ADDRESS]
 *
 * {"cmd": "ping"} is answered {"ok": true}; {"cmd": "echo", "size": N} and N bytes come back as they are.
 */
#include <lanyard/lanyard.h>
#include <stdio.h>

#define BODY_MAX 4096

static int answer(struct ly_stream *stream, struct ly_buffer *head, const struct ly_frame *frame)
{
    char body[BODY_MAX];
    bool known = ly_json_equal(ly_json_get(frame->header, "cmd"), "ping") ||
                 ly_json_equal(ly_json_get(frame->header, "cmd"), "echo");
    if (frame->size > BODY_MAX)
        return LY_ETOOBIG;
    size_t size = (size_t)frame->size;
    ssize_t n = ly_stream_readall(stream, body, size); /* frame->header is gone after this */
    int r = n < 0 ? (int)n : ly_frame_begin(head);
    if (r == 0)
        r = known ? ly_json_put_bool(head, "ok", true) : ly_json_put_string(head, "error", "EOPNOTSUPP");
    if (r == 0)
        r = ly_frame_end(head, frame->size);
    if (r == 0)
        r = ly_frame_send(stream, head, body, size);
    return r < 0 ? r : ly_stream_flush(stream);
}

static int converse(struct ly_request *rq)
{
    struct ly_stream *stream;
    struct ly_buffer head;
    struct ly_frame frame;
    struct ly_stream_options options = {.read_size = LY_FRAME_HEADER_MAX + 4, .borrow = true};
    int r = ly_stream_open(&stream, rq->sock, &options);
    if (r < 0)
        return r;
    ly_buffer_init(&head, LY_FRAME_HEADER_MAX + 4);
    while ((r = ly_frame_recv(stream, &frame)) > 0)
        if ((r = answer(stream, &head, &frame)) < 0)
            break;
    ly_buffer_done(&head);
    ly_stream_close(stream);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_server *server;
    const char *address = argc > 1 ? argv[1] : "tcp://127.0.0.1:8080";
    int r =
        ly_server_open(&server, &(struct ly_server_options){.address = address, .handler.handle = converse});
    if (r == 0)
        r = ly_serve_forever(server);
    if (r < 0)
        fprintf(stderr, "framed_server: %s\n", ly_error_text(r));
    return r < 0;
}
