/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 002: one connection, one message, its confirmation: 002_tcp_once_server [host] [port]
 *
 * Bytes: up to 1024 come in; `已接收到数据 ` (UTF-8) and the same go out.
 * The toy waits for ever for a client that says nothing. Here the socket has a time-out.
 */
#include "python_form.h"
#include <sys/uio.h>

static ssize_t confirm(struct ly_sock *sock)
{
    char data[1024], text[] = "已接收到数据 ";
    ly_sock_set_timeout(sock, 60000);
    ssize_t n = ly_recv(sock, data, sizeof data);
    if (n <= 0)
        return n;
    py_print("%s\n", py_bytes(data, (size_t)n));
    struct iovec both[] = {{text, sizeof text - 1}, {data, (size_t)n}};
    return ly_sendallv(sock, both, 2, 0);
}

int main(int argc, char **argv)
{
    struct ly_sock *listener, *sock;
    ssize_t r = py_listen(&listener, argc, argv, "tcp://127.0.0.1:9999");
    if (r < 0)
        return py_end(r);
    r = ly_accept(listener, &sock, NULL);
    if (r == 0) {
        r = confirm(sock);
        ly_sock_free(sock);
    }
    ly_sock_free(listener);
    return py_end(r);
}
