/* SPDX-License-Identifier: MIT */
/* ly-lines unix|tcp r|rb line|readline: lines from a socket, lent or copied. */
#include "../common/feed.h"
#include <lanyard/lanyard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void need(int r)
{
    if (r < 0) {
        fprintf(stderr, "ly-lines: %s\n", ly_error_text(r));
        exit(1);
    }
}

/* A connected pair; the second one is a descriptor that blocks. */
static struct ly_sock *connect_pair(bool tcp, int *ret_fd)
{
    struct ly_sock *a, *b, *listener;
    struct ly_address address;
    char text[LY_ADDRESS_TEXT];
    if (!tcp) {
        need(ly_socketpair(&a, &b));
    } else {
        need(ly_listen(&listener, "tcp://127.0.0.1:0", NULL));
        need(ly_sock_local(listener, &address));
        ly_address_format(&address, text, sizeof text);
        need(ly_connect(&b, text, NULL));
        need(ly_accept(listener, &a, NULL));
        ly_sock_free(listener);
    }
    *ret_fd = ly_sock_detach(b);
    ly_sock_free(b);
    return a;
}

int main(int argc, char **argv)
{
    int fd;
    struct ly_file *file;
    const char *line;
    char buf[1024];
    size_t bytes = 0, lines = 0;
    ssize_t n;
    if (argc != 4)
        return 2;
    struct ly_sock *s = connect_pair(strcmp(argv[1], "tcp") == 0, &fd);
    bool lent = strcmp(argv[3], "line") == 0;
    feed(fd);
    need(ly_makefile(&file, s, argv[2], NULL));
    double begin = feed_clock();
    for (; (n = lent ? ly_file_line(file, &line) : ly_file_readline(file, buf, sizeof buf, LY_FILE_ALL)) > 0;
         lines++)
        bytes += (size_t)n;
    feed_result("lines", begin, bytes, lines);
    ly_file_close(file);
    ly_sock_free(s);
    return 0;
}
