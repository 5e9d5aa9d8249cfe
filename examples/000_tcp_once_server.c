/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: one connection, one message, its answer, the end: 000_tcp_once_server [host] [port]
 *
 * Bytes: up to 1024 come in; the same go out with the ASCII letters in upper case.
 * The toy waits for ever for a client that says nothing. Here the socket has a time-out.
 */
#include "python_form.h"
#include <ctype.h>

static ssize_t answer_once(struct ly_sock *sock)
{
    char data[1024];
    ly_sock_set_timeout(sock, 60000);
    ssize_t n = ly_recv(sock, data, sizeof data);
    if (n <= 0)
        return n;
    py_print("%s\n", py_bytes(data, (size_t)n));
    for (ssize_t i = 0; i < n; i++)
        data[i] = (char)toupper((unsigned char)data[i]);
    return ly_sendall(sock, data, (size_t)n);
}

int main(int argc, char **argv)
{
    struct ly_sock *listener, *sock;
    struct ly_address peer;
    ssize_t r = py_listen(&listener, argc, argv, "tcp://127.0.0.1:8080");
    if (r < 0)
        return py_end(r);
    r = ly_accept(listener, &sock, &peer);
    if (r == 0) {
        py_print("%s\n", py_tuple(&peer));
        r = answer_once(sock);
        ly_sock_free(sock);
    }
    ly_sock_free(listener);
    return py_end(r);
}
