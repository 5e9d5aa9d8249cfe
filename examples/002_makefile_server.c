/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 002: a connection as a text file: 002_makefile_server [host] [port]
 *
 * Bytes: 10 characters of UTF-8 (not bytes) or fewer and the end come in, every kind of line end read as \n;
 * `Return your msg:` and the same go out.
 * The toy waits for ever for the tenth character, and dies of bytes that are no text. Here the socket has a
 * time-out, and what is text in front of such bytes is the message; where there is none, that is the error.
 */
#include "python_form.h"

#define CHARACTERS 10

static ssize_t answer(struct ly_file *file)
{
    char text[4 * CHARACTERS];
    ssize_t n = ly_file_read(file, text, sizeof text, CHARACTERS);
    if (n < 0)
        return n;
    py_print("%s\n", py_text(text, (size_t)n));
    ssize_t r = ly_file_printf(file, "Return your msg:%.*s", (int)n, text);
    return r < 0 ? r : ly_file_flush(file);
}

static ssize_t serve(struct ly_sock *sock)
{
    struct ly_file *file;
    ly_sock_set_timeout(sock, 60000);
    ssize_t r = ly_makefile(&file, sock, "rw", NULL);
    if (r < 0)
        return r;
    r = answer(file);
    ly_file_close(file);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_sock *listener, *sock;
    ssize_t r = py_listen(&listener, argc, argv, "tcp://127.0.0.1:9999");
    if (r < 0)
        return py_end(r);
    r = ly_accept(listener, &sock, NULL);
    if (r == 0) {
        r = serve(sock);
        ly_sock_free(sock);
    }
    ly_sock_free(listener);
    return py_end(r);
}
