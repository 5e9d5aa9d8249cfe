/* SPDX-License-Identifier: MIT */
/* ly-tls CERTIFICATE KEY: answers one request a TLS connection, in fibers. Prints "listening ADDRESS". */
#include <lanyard/lanyard.h>

#include <stdio.h>

static int answer(struct ly_request *rq)
{
    static const char text[] = "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok";
    char request[1024];
    ssize_t n = ly_recv(rq->sock, request, sizeof request);
    return n > 0 ? ly_sendall(rq->sock, text, sizeof text - 1) : (int)n;
}

/* A load that ends hangs up in the middle of messages: no news. */
static void ignore_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
}

int main(int argc, char **argv)
{
    struct ly_server *server = NULL;
    struct ly_tls *tls = NULL;
    struct ly_address address;
    char text[LY_ADDRESS_TEXT];
    if (argc != 3)
        return 2;
    struct ly_tls_options identity = {.server = true, .certificate_file = argv[1], .key_file = argv[2]};
    struct ly_server_options options = {.address = "tls://127.0.0.1:0",
                                        .handler.handle = answer,
                                        .hooks.handle_error = ignore_error,
                                        .no_delay = true};
    int r = ly_tls_open(&tls, &identity);
    options.tls = tls;
    if (r >= 0)
        r = ly_server_open(&server, &options);
    if (r >= 0)
        r = ly_server_address(server, &address);
    if (r < 0) {
        fprintf(stderr, "ly-tls: %s\n", ly_error_text(r));
        return 1;
    }
    ly_address_format(&address, text, sizeof text);
    printf("listening %s\n", text);
    fflush(stdout);
    r = ly_serve_forever(server);
    ly_server_close(server);
    ly_tls_close(tls);
    return r < 0;
}
