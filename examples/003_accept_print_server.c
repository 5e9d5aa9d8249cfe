/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: a socket as it prints itself, before bind, and what accept gives:
 * 003_accept_print_server [host] [port]
 *
 * Bytes: none.
 * The toy waits for one client and ends without closing anything.
 */
#include "python_form.h"

static int accept_one(struct ly_sock *listener)
{
    struct ly_sock *sock;
    struct ly_address peer;
    int r = ly_accept(listener, &sock, &peer);
    if (r < 0)
        return r;
    py_print("%s\n", py_socket(sock));
    py_print("%s\n", py_tuple(&peer));
    ly_sock_free(sock);
    return 0;
}

int main(int argc, char **argv)
{
    struct ly_sock *unbound, *listener;
    int r = ly_socket(&unbound, AF_INET, SOCK_STREAM, 0);
    if (r < 0)
        return py_end(r);
    py_print("%s\n", py_socket(unbound));
    ly_sock_free(unbound);
    r = py_listen(&listener, argc, argv, "tcp://127.0.0.1:8899");
    if (r == 0) {
        r = accept_one(listener);
        ly_sock_free(listener);
    }
    return py_end(r);
}
