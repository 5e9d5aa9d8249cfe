/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: what comes goes back in upper case, for any number of messages and clients:
 * 000_tcp_echo_server [host] [port]
 *
 * Bytes: raw, at most 1024 a turn.
 * The toy serves one client at a time, so a silent one holds up all others, and a client that resets its
 * connection ends it. Here each client has its fiber, and an error is the end of its connection alone.
 */
#include "python_form.h"
#include <ctype.h>

static int echo(struct ly_request *rq)
{
    char data[1024];
    ssize_t n;
    py_print("%s\n", py_tuple(&rq->peer));
    while ((n = ly_recv(rq->sock, data, sizeof data)) > 0) {
        py_print("%s\n", py_bytes(data, (size_t)n));
        for (ssize_t i = 0; i < n; i++)
            data[i] = (char)toupper((unsigned char)data[i]);
        int r = ly_sendall(rq->sock, data, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = echo};
    return py_serve(argc, argv, "tcp://127.0.0.1:8080", &options);
}
