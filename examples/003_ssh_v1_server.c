/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: a remote shell, first version: 003_ssh_v1_server [host] [port] [encoding]
 *
 * Bytes: a command in, at most 1024; out its output and errors as they came, without the last line end
 * (subprocess.getoutput). No border, so a command without output is answered by nothing.
 * The toy decodes the command as GBK, so a client's UTF-8 ends it or runs something else; errors are only
 * noticed on the way in. Here the shell gets the bytes as they are, or, with an encoding such as GBK, the
 * text that they are in it; what is none is an answer, not the end.
 *
 * Whoever can connect can run commands as you: keep it on loopback.
 */
#include "python_form.h"
#include "shell.h"

static const char *encoding;

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
        r = n < 0 ? (int)n : ly_sendall(rq->sock, ly_buffer_bytes(&out), (size_t)n);
    }
    ly_buffer_done(&out);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = serve};
    encoding = py_argument(argc, argv, 3, NULL);
    return py_serve(argc, argv, "tcp://127.0.0.1:8899", &options);
}
