/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: lines out, answers in: 000_tcp_echo_client [host] [port]
 *
 * Bytes: each line of standard input without blanks at its ends, UTF-8, no line end; blank lines are skipped.
 * The toy shows what one recv gives: of a long answer, or one that arrives in parts, the rest appears as the
 * answer to the next line. Here as many bytes are received as were sent.
 */
#include "python_form.h"
#include <string.h>

static ssize_t ask(struct ly_sock *sock, char *line, size_t n)
{
    int sent = ly_sendall(sock, line, n);
    ssize_t r = sent < 0 ? sent : ly_recvall(sock, line, n);
    if (r > 0)
        py_print("%s\n", py_text(line, n));
    return r;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    char *line;
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8080");
    if (r < 0)
        return py_end(r);
    while (r >= 0 && (line = py_input(">>>:"))) {
        line = py_strip(line);
        if (*line)
            r = ask(sock, line, strlen(line));
    }
    ly_sock_free(sock);
    return py_end(r);
}
