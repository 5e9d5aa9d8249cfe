/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 004: logs in: 004_login_client [host] [port] [seconds]
 *
 * Bytes: JSON as json.dumps writes it, {"username": "\u65ed\u54e5", "passwd": "123"}, without any border; in
 * come `success!` or `failed!`, or nothing for a user who is not known.
 * The toy waits for ever in that case. Here the next login is asked for after some seconds (10). Of an answer
 * in two packets it shows a part; here its first letter says how long it is.
 */
#include "python_form.h"
#include <errno.h>

static int make_request(struct ly_buffer *b, const char *name, const char *password)
{
    int r = ly_json_open(b, NULL, '{');
    if (r == 0)
        r = ly_json_put_string(b, "username", name);
    if (r == 0)
        r = ly_json_put_string(b, "passwd", password);
    return r < 0 ? r : ly_json_close(b, '}');
}

static ssize_t receive_answer(struct ly_sock *sock)
{
    char data[8];
    ssize_t n = ly_recvall(sock, data, 1);
    if (n == 1)
        n = ly_recvall(sock, data + 1, *data == 's' ? 7 : 6);
    if (n > 0)
        py_print("%s\n", py_bytes(data, (size_t)n + 1));
    return n == -ETIMEDOUT ? 0 : n;
}

static ssize_t log_in(struct ly_sock *sock, const char *name, const char *password)
{
    struct ly_buffer request;
    ly_buffer_init(&request, 65536);
    ssize_t r = make_request(&request, name, password);
    if (r == 0)
        r = ly_sendall(sock, ly_buffer_bytes(&request), request.length);
    ly_buffer_done(&request);
    return r < 0 ? r : receive_answer(sock);
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    char *line, name[1024];
    double seconds = py_number(argc, argv, 3, 10);
    ssize_t r = py_connect(&sock, argc, argv, "tcp://127.0.0.1:9090");
    if (r < 0)
        return py_end(r);
    ly_sock_set_timeout(sock, (int64_t)(seconds * 1000));
    while (r >= 0 && (line = py_input("用户名>>>"))) {
        snprintf(name, sizeof name, "%s", py_strip(line));
        if (!(line = py_input("密码>>>")))
            break;
        r = log_in(sock, name, py_strip(line));
    }
    ly_sock_free(sock);
    return py_end(r);
}
