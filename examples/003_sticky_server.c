/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: "sticky packets": three sends that one recv takes: 003_sticky_server [host] [port] [seconds]
 *
 * Bytes: what one recv gives after some seconds (10) goes back as it is.
 * There is nothing to mend: a stream of bytes has no borders. ly_message_recv and ly_frame_recv put some in.
 * Only here the others need not wait while one client's server sleeps.
 */
#include "python_form.h"

static double seconds;

static int echo(struct ly_request *rq)
{
    char data[1024];
    ssize_t n;
    while ((n = ly_sleep((int64_t)(seconds * 1000))) == 0 && (n = ly_recv(rq->sock, data, sizeof data)) > 0) {
        py_print("%s\n", py_bytes(data, (size_t)n));
        int r = ly_sendall(rq->sock, data, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)n;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = echo};
    seconds = py_number(argc, argv, 3, 10);
    return py_serve(argc, argv, "tcp://127.0.0.1:8080", &options);
}
