/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: the remote shell whose answers have a border: 000_remote_shell_framed_server [host] [port]
 *
 * Bytes: a command in, at most 1024, raw; out an int n, n bytes of JSON {"total_size": N}, then N bytes: all
 * of standard output, then all of standard error. `echo hi` gives 11 00 00 00 {"total_size": 3}hi\n.
 * The toy sends that in four pieces, each waiting for the last one's acknowledgement: 40 ms for every
 * command. Here the stream gathers it, and it leaves at once. It also stands still where the raw server does.
 *
 * Whoever can connect can run commands as you: keep it on loopback.
 */
#include "python_form.h"
#include "shell.h"

struct answer {
    struct ly_buffer head, out, err;
};

static int send_answer(struct ly_stream *stream, struct answer *a)
{
    int r = ly_frame_begin(&a->head);
    if (r == 0)
        r = ly_json_put_int(&a->head, "total_size", (int64_t)(a->out.length + a->err.length));
    if (r == 0)
        r = ly_frame_end(&a->head, 0);
    if (r == 0)
        r = ly_frame_send(stream, &a->head, ly_buffer_bytes(&a->out), a->out.length);
    if (r == 0)
        r = ly_stream_write(stream, ly_buffer_bytes(&a->err), a->err.length);
    return r < 0 ? r : ly_stream_flush(stream);
}

static int run(struct ly_stream *stream, const char *command, size_t n)
{
    struct answer a;
    ly_buffer_init(&a.head, LY_FRAME_HEADER_MAX);
    ly_buffer_init(&a.out, SHELL_OUTPUT_MAX);
    ly_buffer_init(&a.err, SHELL_OUTPUT_MAX);
    int r = shell_run(command, n, &a.out, &a.err);
    if (r == 0)
        r = send_answer(stream, &a);
    ly_buffer_done(&a.head);
    ly_buffer_done(&a.out);
    ly_buffer_done(&a.err);
    return r;
}

static int serve(struct ly_request *rq)
{
    struct ly_stream *stream;
    char command[1024];
    ssize_t n;
    int r = ly_stream_open(&stream, rq->sock,
                           &(struct ly_stream_options){.read_size = sizeof command, .borrow = true});
    if (r < 0)
        return r;
    py_print("%s\n", py_tuple(&rq->peer));
    while (r == 0 && (n = ly_stream_read(stream, command, sizeof command)) != 0)
        r = n < 0 ? (int)n : run(stream, command, (size_t)n);
    ly_stream_close(stream);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = serve, .no_delay = true};
    return py_serve(argc, argv, "tcp://127.0.0.1:8080", &options);
}
