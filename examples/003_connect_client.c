/* SPDX-License-Identifier: MIT */
/* Tutorial 003: connects and leaves: 003_connect_client [host] [port]. Bytes: none. */
#include "python_form.h"

int main(int argc, char **argv)
{
    struct ly_sock *sock = NULL;
    int r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8899");
    ly_sock_free(sock);
    return py_end(r);
}
