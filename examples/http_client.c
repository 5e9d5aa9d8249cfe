/* SPDX-License-Identifier: MIT */
/*
 * An HTTP client: http_client [ADDRESS [TARGET]] prints what a GET of the target answers; its result is 0 for
 * a status below 400.
 *
 * Whatever the server sends is bounded: the head by the parser's limits, the body by BODY_MAX.
 */
#include <lanyard/lanyard.h>
#include <stdio.h>

#define BODY_MAX (100 << 20)

static int ask(struct ly_stream *stream, const char *target)
{
    struct ly_buffer head;
    ly_buffer_init(&head, LY_HTTP_HEAD_MAX);
    int r = ly_http_put_request(&head, "GET", target, "localhost", 0);
    if (r == 0)
        r = ly_http_put_field(&head, "Connection", "close");
    if (r == 0)
        r = ly_http_put_end(&head);
    if (r == 0)
        r = ly_stream_write(stream, ly_buffer_bytes(&head), head.length);
    ly_buffer_done(&head);
    return r < 0 ? r : ly_stream_flush(stream);
}

/* The answer's head, after any 1xx before it. Returns its status. */
static int receive_head(struct ly_stream *stream, struct ly_http_head *head)
{
    int r;
    do {
        ly_http_head_init(head, LY_HTTP_RESPONSE, NULL);
        r = ly_http_head_recv(stream, head);
    } while (r > 0 && head->status < 200);
    return r > 0 ? head->status : r == 0 ? LY_EEOF : r;
}

static int show(struct ly_stream *stream, const struct ly_http_head *head)
{
    char buf[16384];
    struct ly_http_body body;
    ssize_t n = ly_http_body_init(&body, head, LY_HTTP_GET, BODY_MAX);
    if (n < 0)
        return (int)n;
    while ((n = ly_http_body_read(stream, &body, buf, sizeof buf, NULL)) > 0)
        fwrite(buf, 1, (size_t)n, stdout);
    return (int)n;
}

int main(int argc, char **argv)
{
    struct ly_sock *sock;
    struct ly_stream *stream;
    struct ly_http_head head;
    int status = 0;
    int r = ly_connect(&sock, argc > 1 ? argv[1] : "tcp://127.0.0.1:8080", NULL);
    if (r == 0)
        r = ly_stream_open(&stream, sock, NULL); /* takes the socket, even on failure */
    if (r == 0) {
        r = ask(stream, argc > 2 ? argv[2] : "/");
        status = r < 0 ? r : receive_head(stream, &head);
        r = status < 0 ? status : show(stream, &head);
        ly_stream_close(stream);
    }
    if (r < 0)
        fprintf(stderr, "http_client: %s\n", ly_error_text(r));
    return r < 0 || status >= 400;
}
