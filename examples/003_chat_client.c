/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: two people in turns, this side begins: 003_chat_client [host] [port]
 *
 * Bytes: lines, raw UTF-8 without their ends; of an answer at most 1024 are shown at once.
 * The toy sends an empty line as nothing and waits for its answer for ever, and goes on for ever when the
 * server has left. Here an empty line is asked for again, and the end is the end.
 */
#include "python_form.h"
#include <string.h>

static ssize_t ask(struct ly_sock *sock, const char *line)
{
    char data[1024];
    int sent = ly_sendall(sock, line, strlen(line));
    ssize_t n = sent < 0 ? sent : ly_recv(sock, data, sizeof data);
    if (n > 0)
        py_print("服务端:%s\n", py_text(data, (size_t)n));
    return n == 0 ? LY_EEOF : n;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    const char *line;
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8899");
    if (r < 0)
        return py_end(r);
    while (r >= 0 && (line = py_input(">>>")))
        r = *line ? ask(sock, line) : 0;
    ly_sock_free(sock);
    return py_end(r);
}
