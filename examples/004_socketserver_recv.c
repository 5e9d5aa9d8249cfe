/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 004: the smallest TCPServer: prints one message of each client: 004_socketserver_recv [host]
 * [port]
 *
 * Bytes: up to 1024 in, nothing out; then the connection is closed.
 * The tutorial's address is 192.168.19.200; here it is 127.0.0.1 unless one is given. The toy serves one
 * client at a time, so one that says nothing holds up all others. Here each has its fiber.
 */
#include "python_form.h"

static int handle(struct ly_request *rq)
{
    char data[1024];
    ssize_t n = ly_recv(rq->sock, data, sizeof data);
    if (n > 0)
        py_print("%s\n", py_text(data, (size_t)n));
    return n < 0 ? (int)n : 0;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = handle};
    return py_serve(argc, argv, "tcp://127.0.0.1:9090", &options);
}
