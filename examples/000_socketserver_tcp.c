/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: the echo server as a ThreadingTCPServer: 000_socketserver_tcp [host] [port]
 *
 * Bytes: raw, at most 1024 a turn; the same in upper case back.
 * The class with its `handle` is a function here, and the class of the server an option. The toy starts
 * threads without an end; here there are 1000 at most, and accepting pauses while all are busy.
 */
#include "python_form.h"
#include <ctype.h>

static int handle(struct ly_request *rq)
{
    char data[1024];
    ssize_t n;
    while ((n = ly_recv(rq->sock, data, sizeof data)) > 0) {
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
    struct ly_server_options options = {.policy = LY_THREADING, .handler.handle = handle};
    return py_serve(argc, argv, "tcp://127.0.0.1:8080", &options);
}
