/* SPDX-License-Identifier: MIT */
/* peer-udp-libuv: echoes datagrams on libuv, received many at once where it can. Prints "listening ADDRESS".
 */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

enum { SLAB = 64 * 65536 }; /* libuv receives one datagram for each 64 KiB of it */

static void alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *ret)
{
    static char slab[SLAB];
    (void)handle;
    (void)suggested;
    *ret = uv_buf_init(slab, sizeof slab);
}

static void sent(uv_udp_send_t *request, int status)
{
    (void)status;
    free(request->data);
    free(request);
}

/* The socket is full: a copy waits. */
static void send_later(uv_udp_t *socket, uv_buf_t bytes, const struct sockaddr *to)
{
    uv_udp_send_t *request = malloc(sizeof *request);
    request->data = malloc(bytes.len);
    for (size_t i = 0; i < bytes.len; i++)
        ((char *)request->data)[i] = bytes.base[i];
    uv_buf_t copy = uv_buf_init(request->data, (unsigned)bytes.len);
    if (uv_udp_send(request, socket, &copy, 1, to, sent) < 0)
        sent(request, 0);
}

static void received(uv_udp_t *socket, ssize_t n, const uv_buf_t *buffer, const struct sockaddr *from,
                     unsigned flags)
{
    (void)flags;
    if (n < 0 || !from)
        return;
    uv_buf_t bytes = uv_buf_init(buffer->base, (unsigned)n);
    if (uv_udp_try_send(socket, &bytes, 1, from) == UV_EAGAIN)
        send_later(socket, bytes, from);
}

int main(void)
{
    uv_udp_t socket;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int length = sizeof address;
    uv_loop_t *loop = uv_default_loop();
    if (uv_udp_init_ex(loop, &socket, AF_INET | UV_UDP_RECVMMSG) ||
        uv_udp_bind(&socket, (struct sockaddr *)&address, 0) ||
        uv_udp_getsockname(&socket, (struct sockaddr *)&address, &length))
        return 1;
    printf("listening udp://127.0.0.1:%u\n", ntohs(address.sin_port));
    fflush(stdout);
    uv_udp_recv_start(&socket, alloc, received);
    return uv_run(loop, UV_RUN_DEFAULT);
}
