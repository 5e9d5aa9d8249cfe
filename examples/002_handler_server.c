/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 002: setup, handle and finish of a request, in threads: 002_handler_server [host] [port]
 *
 * Bytes: each recv of at most 1024 is answered by `Your msg=` and the same; the end of the input by one more
 * bare `Your msg=`.
 * The toy's threading.Event, by which a request is told to end, is a struct of the request's here, made in
 * setup and freed in finish. An error of one request, such as a reset, is reported and its own.
 */
#include "python_form.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/uio.h>

struct state {
    bool ended;
};

static int setup(struct ly_request *rq)
{
    rq->state = calloc(1, sizeof(struct state));
    return rq->state ? 0 : -ENOMEM;
}

static int handle(struct ly_request *rq)
{
    struct state *state = rq->state;
    char data[1024], text[] = "Your msg=";
    int r = 0;
    py_print("<ly_request object at %p>\n", (void *)rq);
    py_print("%s\n%s\n", py_tuple(&rq->peer), py_socket(rq->sock));
    while (r == 0 && !state->ended) {
        ssize_t n = ly_recv(rq->sock, data, sizeof data);
        if (n < 0)
            return (int)n;
        state->ended = n == 0;
        if (n > 0)
            py_print("%s\n", py_text(data, (size_t)n));
        struct iovec both[] = {{text, sizeof text - 1}, {data, (size_t)n}};
        r = ly_sendallv(rq->sock, both, 2, 0);
    }
    return r;
}

static int finish(struct ly_request *rq)
{
    free(rq->state);
    return 0;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.policy = LY_THREADING, .handler = {setup, handle, finish}};
    return py_serve(argc, argv, "tcp://127.0.0.1:9999", &options);
}
