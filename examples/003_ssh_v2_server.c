/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 003: a remote shell, second version: 003_ssh_v2_server [host] [port] [encoding]
 *
 * Bytes: a command in, at most 1024; out the length of its output in decimal digits, a moment of nothing, the
 * output (as in the first version). `0` alone where there is none.
 * Digits that nothing ends: only the pause tells the length from the output, and nothing guarantees it.
 * That cannot be mended here without changing the bytes, so the pause stays (and TCP_NODELAY sends the length
 * at once); the third version is the cure. The rest is as in the first version.
 *
 * Whoever can connect can run commands as you: keep it on loopback.
 */
#include "python_form.h"
#include "shell.h"

#define MOMENT_MS 100

static const char *encoding;

static int send_answer(struct ly_sock *sock, const char *output, size_t n)
{
    char length[24];
    int digits = snprintf(length, sizeof length, "%zu", n);
    int r = ly_sendall(sock, length, (size_t)digits);
    if (r < 0 || n == 0)
        return r;
    r = ly_sleep(MOMENT_MS);
    return r < 0 ? r : ly_sendall(sock, output, n);
}

static int serve(struct ly_request *rq)
{
    char command[1024];
    struct ly_buffer out;
    ssize_t n;
    int r = 0;
    ly_buffer_init(&out, SHELL_OUTPUT_MAX);
    while (r == 0 && (n = ly_recv(rq->sock, command, sizeof command)) != 0) {
        if (n > 0)
            n = shell_getoutput(command, (size_t)n, encoding, &out);
        r = n < 0 ? (int)n : send_answer(rq->sock, ly_buffer_bytes(&out), (size_t)n);
    }
    ly_buffer_done(&out);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = serve, .no_delay = true};
    encoding = py_argument(argc, argv, 3, NULL);
    return py_serve(argc, argv, "tcp://127.0.0.1:8899", &options);
}
