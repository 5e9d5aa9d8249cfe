/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 001: a dialogue from a terminal, 5 bytes a turn: 001_chat_server [host] [port]
 *
 * Bytes: at most 5 a turn come in, UTF-8; the line that is typed goes out, raw, without its end.
 * The tutorial's address is 0.0.0.0; here it is 127.0.0.1 unless one is given. The toy dies of a character
 * that 5 bytes cut in two, and of a client that resets; an empty line is no byte, for which the client waits
 * for ever. Here the part of a character waits for its rest, whoever leaves is followed by the next, and an
 * empty line is asked for again. The end of standard input ends it.
 */
#include "python_form.h"
#include <string.h>

/* How many bytes at the end of the text are the beginning of a character. */
static size_t cut_character(const char *text, size_t n)
{
    for (size_t k = 1; k <= 3 && k <= n; k++) {
        unsigned char c = (unsigned char)text[n - k];
        if (c >= 0xC0)
            return (c >= 0xF0 ? 4u : c >= 0xE0 ? 3u : 2u) > k ? k : 0;
        if (c < 0x80)
            break;
    }
    return 0;
}

/* One client. Returns 0 when it has left, 1 at the end of standard input. */
static int converse(struct ly_sock *sock)
{
    char data[8];
    size_t held = 0;
    ssize_t n;
    while ((n = ly_recv(sock, data + held, 5)) > 0) {
        const char *line = "";
        size_t length = held + (size_t)n;
        held = cut_character(data, length);
        py_print("%s\n", py_text(data, length - held));
        memmove(data, data + length - held, held);
        while (line && !*line)
            line = py_input("服务端消息>");
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
    int ended = 0, r = py_listen(&listener, argc, argv, "tcp://127.0.0.1:18888");
    while (r == 0 && !ended) {
        py_print("waiting for connect...\n");
        if ((r = ly_accept(listener, &sock, &peer)) < 0)
            break;
        py_print("connect from %s\n", py_tuple(&peer));
        ended = converse(sock);
        ly_sock_free(sock);
    }
    if (ended)
        ly_sock_free(listener);
    return py_end(r);
}
