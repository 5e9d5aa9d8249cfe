/* SPDX-License-Identifier: MIT */
/*
 * Echo with TLS 1.3: tls_echo_server ADDRESS CERTIFICATE KEY. The handler is that of echo_server.c; what is
 * new is the context.
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
 *         -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
 *     tls_echo_server tls://localhost:8443 cert.pem key.pem
 */
#include <lanyard/lanyard.h>
#include <signal.h>
#include <stdio.h>

static struct ly_server *server;

static int echo(struct ly_request *rq)
{
    char buf[1024];
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = ly_recv(rq->sock, buf, sizeof buf)) > 0)
        r = ly_sendall(rq->sock, buf, (size_t)n);
    return r < 0 ? r : (int)n; /* LY_ECUT where TLS's closing message was missing */
}

static void stop(__attribute__((unused)) int signal_number)
{
    ly_server_request_shutdown(server);
}

int main(int argc, char **argv)
{
    struct ly_tls *tls = NULL;
    struct ly_address bound;
    char why[LY_TLS_WHY] = "";
    if (argc != 4) {
        fprintf(stderr, "usage: tls_echo_server tls://HOST:PORT CERTIFICATE KEY\n");
        return 2;
    }
    int r = ly_tls_open(&tls, &(struct ly_tls_options){.server = true,
                                                       .certificate_file = argv[2],
                                                       .key_file = argv[3],
                                                       .why = why,
                                                       .why_size = sizeof why});
    if (r == 0 &&
        (r = ly_server_open(
             &server, &(struct ly_server_options){
                          .address = argv[1], .tls = tls, .handler.handle = echo, .drain_ms = 1000})) == 0) {
        ly_server_address(server, &bound);
        fprintf(stderr, "listening on tls://localhost:%d\n", ly_address_port(&bound));
        signal(SIGINT, stop);
        signal(SIGTERM, stop);
        r = ly_serve_forever(server);
    }
    ly_server_close(server);
    ly_tls_close(tls);
    if (r < 0)
        fprintf(stderr, "tls_echo_server: %s\n", *why ? why : ly_error_text(r));
    return r < 0;
}
