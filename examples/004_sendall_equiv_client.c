/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 004: sendall, and what it does by hand: 004_sendall_equiv_client [host] [port]
 *
 * Bytes: `Hello world\n` twice.
 * send may take a part only, when the socket has a time-out; the loop goes on behind it. It is the same
 * stream either way.
 */
#include "python_form.h"
#include <string.h>

static int send_in_parts(struct ly_sock *sock, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t sent = ly_send(sock, data, n);
        if (sent < 0)
            return (int)sent;
        data += sent;
        n -= (size_t)sent;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static const char text[] = "Hello world\n";
    struct ly_sock *sock;
    int r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8080");
    if (r < 0)
        return py_end(r);
    ly_sock_set_timeout(sock, 60000);
    r = ly_sendall(sock, text, strlen(text));
    if (r == 0)
        r = send_in_parts(sock, text, strlen(text));
    ly_sock_free(sock);
    return py_end(r);
}
