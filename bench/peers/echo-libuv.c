/* SPDX-License-Identifier: MIT */
/* peer-echo-libuv ADDRESS: one buffer for reading; uv_try_write first, a queued copy of only what did not
 * fit. */
#include "../common/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

static char buffer[65536];
static uv_loop_t *loop;

struct queued {
    uv_write_t request;
    char bytes[];
};

static void freed(uv_handle_t *h)
{
    free(h);
}

static void lend_buffer(uv_handle_t *h, size_t wanted, uv_buf_t *ret)
{
    (void)h;
    (void)wanted;
    *ret = uv_buf_init(buffer, sizeof buffer);
}

static void written(uv_write_t *request, int status)
{
    (void)status;
    free(request->data);
}

static void queue(uv_stream_t *s, const char *bytes, size_t n)
{
    struct queued *q = malloc(sizeof *q + n);
    if (!q)
        die("malloc");
    memcpy(q->bytes, bytes, n);
    q->request.data = q;
    uv_buf_t b = uv_buf_init(q->bytes, (unsigned)n);
    if (uv_write(&q->request, s, &b, 1, written))
        free(q);
}

static void have_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    if (n < 0) {
        uv_close((uv_handle_t *)s, freed);
        return;
    }
    uv_buf_t out = uv_buf_init(b->base, (unsigned)n);
    int sent = uv_try_write(s, &out, 1);
    if (sent < n)
        queue(s, b->base + (sent > 0 ? sent : 0), (size_t)(n - (sent > 0 ? sent : 0)));
}

static void have_connection(uv_stream_t *listener, int status)
{
    uv_tcp_t *c = malloc(sizeof *c);
    if (status < 0 || !c || uv_tcp_init(loop, c) || uv_accept(listener, (uv_stream_t *)c))
        die("accept");
    uv_tcp_nodelay(c, 1);
    uv_read_start((uv_stream_t *)c, lend_buffer, have_read);
}

int main(int argc, char **argv)
{
    uv_tcp_t listener;
    loop = uv_default_loop();
    int fd = listen_on(argc > 1 ? argv[1] : "tcp://127.0.0.1:0");
    errno = 0;
    if (uv_tcp_init(loop, &listener) || uv_tcp_open(&listener, fd) ||
        uv_listen((uv_stream_t *)&listener, 4096, have_connection))
        die("uv_listen");
    return uv_run(loop, UV_RUN_DEFAULT);
}
