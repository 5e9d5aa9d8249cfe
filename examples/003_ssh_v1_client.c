/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: the first version's client: 003_ssh_v1_client [host] [port] [seconds]
 *
 * Bytes: a command, raw; one recv of at most 1024 bytes is its answer.
 * The toy waits for ever after a command without output. Here the next is asked for after some seconds (10).
 */
#include "python_form.h"
#include <errno.h>
#include <string.h>

static ssize_t ask(struct ly_sock *sock, const char *command)
{
    char data[1024];
    int sent = ly_sendall(sock, command, strlen(command));
    ssize_t n = sent < 0 ? sent : ly_recv(sock, data, sizeof data);
    if (n > 0) {
        py_print("字节长度: %zd\n执行命令结果:", n);
        fwrite(data, 1, (size_t)n, stdout);
        py_print("\n");
    }
    return n == 0 ? LY_EEOF : n == -ETIMEDOUT ? 0 : n;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    const char *line;
    double seconds = py_number(argc, argv, 3, 10);
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8899");
    if (r < 0)
        return py_end(r);
    ly_sock_set_timeout(sock, (int64_t)(seconds * 1000));
    while (r >= 0 && (line = py_input("输入执行命令>>>")))
        r = *line ? ask(sock, line) : 0;
    ly_sock_free(sock);
    return py_end(r);
}
