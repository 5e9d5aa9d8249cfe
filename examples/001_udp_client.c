/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 001: lines as datagrams: 001_udp_client HOST PORT [SECONDS]
 *
 * Bytes: a line, UTF-8; an answer is up to 1024. An empty line ends it.
 * The toy waits for ever for an answer that was lost. Here the next line is asked for after some seconds
 * (10).
 */
#include "python_form.h"
#include <errno.h>
#include <string.h>

static ssize_t ask(struct ly_sock *sock, const char *line)
{
    char data[1024];
    ssize_t n = ly_send(sock, line, strlen(line));
    if (n >= 0)
        n = ly_recv(sock, data, sizeof data);
    if (n >= 0)
        py_print("从服务端收到: %s\n", py_text(data, (size_t)n));
    return n == -ETIMEDOUT ? 0 : n;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    const char *line;
    double seconds = py_number(argc, argv, 3, 10);
    if (argc < 3) {
        fprintf(stderr, "usage: 001_udp_client HOST PORT [SECONDS]\n");
        return 2;
    }
    ssize_t r = py_connect(&sock, argc, argv, "udp://127.0.0.1:0");
    if (r < 0)
        return py_end(r);
    ly_sock_set_timeout(sock, (int64_t)(seconds * 1000));
    while (r >= 0 && (line = py_input("发往服务端数据>>")) && *line)
        r = ask(sock, line);
    ly_sock_free(sock);
    return py_end(r);
}
