/* SPDX-License-Identifier: MIT */
/* An echo client: echo_client [ADDRESS] sends each line of standard input and prints the answer. */
#include <lanyard/lanyard.h>
#include <stdio.h>
#include <string.h>

static int echo_lines(struct ly_stream *stream)
{
    char line[1024];
    while (fgets(line, sizeof line, stdin)) {
        size_t length = strlen(line);
        int r = ly_stream_write(stream, line, length);
        if (r == 0)
            r = ly_stream_flush(stream);
        if (r < 0)
            return r;
        ssize_t n = ly_stream_readall(stream, line, length);
        if (n < 0)
            return (int)n;
        fwrite(line, 1, (size_t)n, stdout);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    struct ly_stream *stream;
    int r = ly_connect(&sock, argc > 1 ? argv[1] : "tcp://127.0.0.1:8080", NULL);
    if (r == 0)
        r = ly_stream_open(&stream, sock, NULL); /* takes the socket, even on failure */
    if (r == 0) {
        r = echo_lines(stream);
        ly_stream_close(stream);
    }
    if (r < 0)
        fprintf(stderr, "echo_client: %s\n", ly_error_text(r));
    return r < 0;
}
