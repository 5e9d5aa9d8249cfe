/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 001: the other end of the dialogue: 001_chat_client [host] [port]
 *
 * Bytes: each line as it is, UTF-8, without its end; an answer is up to 1024. An empty line ends it.
 * The tutorial's address is 192.168.1.4; here it is 127.0.0.1 unless one is given. The toy goes on when the
 * server has left.
 */
#include "python_form.h"
#include <string.h>

static ssize_t ask(struct ly_sock *sock, const char *line)
{
    char data[1024];
    int sent = ly_sendall(sock, line, strlen(line));
    ssize_t n = sent < 0 ? sent : ly_recv(sock, data, sizeof data);
    if (n > 0)
        py_print("%s\n", py_text(data, (size_t)n));
    return n == 0 ? LY_EEOF : n;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    const char *line;
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:18888");
    if (r < 0)
        return py_end(r);
    while (r >= 0 && (line = py_input("客户端消息>")) && *line)
        r = ask(sock, line);
    ly_sock_free(sock);
    return py_end(r);
}
