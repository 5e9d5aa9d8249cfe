/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 001: one file for every request, by hand: 001_http_server [host] [port] [file] [literal]
 *
 * Bytes: one recv of at most 4096 is taken for the request and not looked at; out goes `HTTP/1.1 200 ok`, two
 * line ends and the file (django.html), or `HTTP/1.1 404 not found`, two line ends and a text. No header at
 * all. With a fourth argument, `literal`, each line end is the blank that the tutorial's text shows.
 * The tutorial's address is 0.0.0.0; here it is 127.0.0.1 unless one is given. The toy closes a connection
 * only at the next accept, serves one client at a time, so a silent one holds all up, and its 404 kills it.
 * Here each has its fiber and is closed after the answer. http_server.c is the one with real HTTP.
 */
#include "python_form.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *file_name, *line_end = "\r\n";

/* bytes.splitlines */
static void print_lines(const char *data, size_t n)
{
    while (n > 0) {
        size_t length = 0;
        while (length < n && data[length] != '\n' && data[length] != '\r')
            length++;
        py_print("%s\n", py_bytes(data, length));
        if (length + 1 < n && data[length] == '\r' && data[length + 1] == '\n')
            length++;
        length += length < n;
        data += length;
        n -= length;
    }
}

static int send_file(struct ly_sock *sock, int fd, const char *status)
{
    char head[64];
    int n = snprintf(head, sizeof head, "%s%s%s", status, line_end, line_end);
    ssize_t r = ly_send_flags(sock, head, (size_t)n, MSG_MORE);
    int64_t sent = r < 0 ? r : ly_sendfile(sock, fd, 0, 0);
    return sent < 0 ? (int)sent : 0;
}

static int send_sorry(struct ly_sock *sock, const char *status)
{
    char answer[128];
    int n = snprintf(answer, sizeof answer, "%s%s%s=====sorry,file not find", status, line_end, line_end);
    return ly_sendall(sock, answer, (size_t)n);
}

static int serve(struct ly_request *rq)
{
    char data[4096];
    struct stat st;
    ssize_t n = ly_recv(rq->sock, data, sizeof data);
    if (n <= 0)
        return (int)n;
    print_lines(data, (size_t)n);
    int fd = open(file_name, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    bool found = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    const char *status = found ? "HTTP/1.1 200 ok" : "HTTP/1.1 404 not found";
    py_print("%s\n", status);
    int r = found ? send_file(rq->sock, fd, status) : send_sorry(rq->sock, status);
    if (fd >= 0)
        close(fd);
    py_print("任务完成\n");
    return r;
}

int main(int argc, char **argv)
{
    struct ly_server_options options = {.handler.handle = serve};
    file_name = py_argument(argc, argv, 3, "django.html");
    if (strcmp(py_argument(argc, argv, 4, ""), "literal") == 0)
        line_end = " ";
    return py_serve(argc, argv, "tcp://127.0.0.1:15555", &options);
}
