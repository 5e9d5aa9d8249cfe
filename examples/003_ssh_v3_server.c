/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: a remote shell, third version: 003_ssh_v3_server [host] [port] [encoding]
 *
 * Bytes: a command in, at most 1024; out an int n (4 bytes, native, signed) and n bytes of output (as in the
 * first version). 00 00 00 00 where there is none.
 * The toy sends length and output apart, and the second waits 40 ms for an acknowledgement of the first.
 * Here both leave in one call. The rest is as in the first version.
 *
 * Whoever can connect can run commands as you: keep it on loopback.
 */
#include "python_form.h"
#include "shell.h"

static const char *encoding;

static int send_answer(struct ly_sock *sock, char *output, size_t n)
{
    int32_t length = (int32_t)n; /* at most SHELL_OUTPUT_MAX */
    struct iovec both[] = {{&length, sizeof length}, {output, n}};
    return ly_sendallv(sock, both, 2, 0);
}

static int serve(struct ly_request *rq)
{
    char command[1024];
    struct ly_buffer out;
    ssize_t n;
    int r = 0;
    ly_buffer_init(&out, SHELL_OUTPUT_MAX);
    while (r == 0 && (n = ly_recv(rq->sock, command, sizeof command)) != 0) {
        if (n > 0)
            n = shell_getoutput(command, (size_t)n, encoding, &out);
        r = n < 0 ? (int)n : send_answer(rq->sock, ly_buffer_bytes(&out), (size_t)n);
    }
    ly_buffer_done(&out);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = serve, .no_delay = true};
    encoding = py_argument(argc, argv, 3, NULL);
    return py_serve(argc, argv, "tcp://127.0.0.1:8899", &options);
}
