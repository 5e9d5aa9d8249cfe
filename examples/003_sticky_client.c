/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: three sends of each line: 003_sticky_client [host] [port]
 *
 * Bytes: the line three times, in three sends; the same come back.
 * The toy binds where it must connect, and shows whatever its one recv gives. Here as many bytes are received
 * as were sent.
 */
#include "python_form.h"
#include <string.h>

static ssize_t ask(struct ly_sock *sock, const char *line)
{
    char data[PY_BYTES_MAX];
    size_t n = strlen(line);
    int sent = 3 * n > sizeof data ? LY_ETOOBIG : 0;
    for (int i = 0; i < 3 && sent == 0; i++)
        sent = ly_sendall(sock, line, n);
    ssize_t r = sent < 0 ? sent : ly_recvall(sock, data, 3 * n);
    if (r > 0)
        py_print("%s\n", py_bytes(data, (size_t)r));
    return r;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    const char *line;
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8080");
    if (r < 0)
        return py_end(r);
    while (r >= 0 && (line = py_input(">>>")))
        r = *line ? ask(sock, line) : 0;
    ly_sock_free(sock);
    return py_end(r);
}
