/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: "hello" out, its answer in: 000_tcp_once_client [host] [port]
 *
 * Bytes: 5 out, 5 in.
 * The toy takes what its one recv gives, which may be less than the answer. Here as many bytes are received
 * as were sent.
 */
#include "python_form.h"

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    char data[5];
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8080");
    if (r < 0)
        return py_end(r);
    r = ly_sendall(sock, "hello", 5);
    if (r == 0)
        r = ly_recvall(sock, data, sizeof data);
    if (r > 0)
        py_print("%s\n", py_text(data, (size_t)r));
    ly_sock_free(sock);
    return py_end(r);
}
