/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: two people in turns, this side answers: 003_chat_server [host] [port]
 *
 * Bytes: lines, raw UTF-8 without their ends, at most 1024.
 * The toy notices only a client that resets: one that leaves in an orderly way is for ever an empty message,
 * and the second answer to it ends the server. Here both are noticed, and the next client is served. An empty
 * answer would be no byte at all, for which the client would wait for ever, so it is asked for again.
 */
#include "python_form.h"
#include <string.h>

/* One client. Returns 0 when it has left, 1 at the end of standard input. */
static int converse(struct ly_sock *sock)
{
    char data[1024];
    ssize_t n;
    while ((n = ly_recv(sock, data, sizeof data)) > 0) {
        const char *line = "";
        py_print("客户端:%s\n", py_text(data, (size_t)n));
        while (line && !*line)
            line = py_input(">>>");
        if (!line)
            return 1;
        if (ly_sendall(sock, line, strlen(line)) < 0)
            break;
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct ly_sock *listener, *sock;
    struct ly_address peer;
    int ended = 0, r = py_listen(&listener, argc, argv, "tcp://127.0.0.1:8899");
    if (r < 0)
        return py_end(r);
    while (!ended && (r = ly_accept(listener, &sock, &peer)) == 0) {
        py_print("客户端%s建立连接\n", py_tuple(&peer));
        ended = converse(sock);
        if (!ended)
            py_print("客户端%s退出\n", py_tuple(&peer));
        ly_sock_free(sock);
    }
    ly_sock_free(listener);
    return py_end(r);
}
