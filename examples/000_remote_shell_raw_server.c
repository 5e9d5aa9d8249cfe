/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: runs what it is sent: 000_remote_shell_raw_server [host] [port]
 *
 * Bytes: a command in, at most 1024; all of its standard output, then all of its standard error, out. Nothing
 * says where the answer ends, and a command without output is answered by nothing at all: see the framed
 * server for the cure.
 * The toy stands still when a command writes more than 64 KiB of errors (it reads the outputs one after the
 * other), or leaves something running that holds them open, and a command that reads takes the server's own
 * input. shell.c has none of that.
 *
 * Whoever can connect can run commands as you: keep it on loopback.
 */
#include "python_form.h"
#include "shell.h"

static int run(struct ly_sock *sock, const char *command, size_t n)
{
    struct ly_buffer out, err;
    ly_buffer_init(&out, SHELL_OUTPUT_MAX);
    ly_buffer_init(&err, SHELL_OUTPUT_MAX);
    int r = shell_run(command, n, &out, &err);
    struct iovec both[] = {{ly_buffer_bytes(&out), out.length}, {ly_buffer_bytes(&err), err.length}};
    if (r == 0)
        r = ly_sendallv(sock, both, 2, 0);
    ly_buffer_done(&out);
    ly_buffer_done(&err);
    return r;
}

static int serve(struct ly_request *rq)
{
    char command[1024];
    ssize_t n;
    py_print("%s\n", py_tuple(&rq->peer));
    while ((n = ly_recv(rq->sock, command, sizeof command)) > 0) {
        int r = run(rq->sock, command, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = serve};
    return py_serve(argc, argv, "tcp://127.0.0.1:8080", &options);
}
