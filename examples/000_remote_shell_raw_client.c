/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 000: commands out, output in: 000_remote_shell_raw_client [host] [port] [seconds]
 *
 * Bytes: a command, raw; one recv of at most 1024 bytes is taken for its answer. That is what the tutorial is
 * about: of a longer answer the rest comes as the answer to the next command (try `seq 1 400`).
 * The toy waits for ever after a command without output. Here the next command is asked for after some
 * seconds (10).
 */
#include "python_form.h"
#include <errno.h>
#include <string.h>

static ssize_t ask(struct ly_sock *sock, const char *command)
{
    char data[1024];
    int r = ly_sendall(sock, command, strlen(command));
    ssize_t n = r < 0 ? r : ly_recv(sock, data, sizeof data);
    if (n > 0) {
        fwrite(data, 1, (size_t)n, stdout);
        py_print("\n");
    }
    return n == 0 ? LY_EEOF : n == -ETIMEDOUT ? 0 : n;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    char *line;
    double seconds = py_number(argc, argv, 3, 10);
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:8080");
    if (r < 0)
        return py_end(r);
    ly_sock_set_timeout(sock, (int64_t)(seconds * 1000));
    while (r >= 0 && (line = py_input(">>>:"))) {
        line = py_strip(line);
        if (*line)
            r = ask(sock, line);
    }
    ly_sock_free(sock);
    return py_end(r);
}
