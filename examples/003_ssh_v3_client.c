/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: the third version's client: 003_ssh_v3_client [host] [port]
 *
 * Bytes: a command, raw; then an int n (4 bytes, native, signed) and n bytes of output.
 * The toy takes its first recv(4) for the length and believes whatever it says. Here all 4 bytes are waited
 * for, a negative length is refused, and the output is shown as it comes.
 */
#include "python_form.h"
#include <string.h>

static ssize_t show(struct ly_sock *sock, int32_t left)
{
    char data[4096];
    py_print("执行命令结果: ");
    while (left > 0) {
        ssize_t n = ly_recv(sock, data, left < (int32_t)sizeof data ? (size_t)left : sizeof data);
        if (n <= 0)
            return n < 0 ? n : LY_EEOF;
        fwrite(data, 1, (size_t)n, stdout);
        left -= (int32_t)n;
    }
    py_print("\n");
    return 0;
}

static ssize_t ask(struct ly_sock *sock, const char *command)
{
    int32_t length = 0;
    ssize_t r = ly_sendall(sock, command, strlen(command));
    if (r == 0)
        r = ly_recvall(sock, &length, sizeof length);
    if (r < 0)
        return r;
    return length < 0 ? LY_EFRAME : show(sock, length);
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    const char *line;
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8899");
    if (r < 0)
        return py_end(r);
    while (r >= 0 && (line = py_input("输入执行命令>>>")))
        r = *line ? ask(sock, line) : 0;
    ly_sock_free(sock);
    return py_end(r);
}
