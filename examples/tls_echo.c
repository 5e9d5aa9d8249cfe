/* SPDX-License-Identifier: MIT */
/*
 * Echo with TLS 1.3. The handler is that of echo_server.c; what is new is the context.
 *
 *     openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
 *         -addext subjectAltName=DNS:localhost -keyout key.pem -out cert.pem
 *     tls_echo serve tls://localhost:8443 cert.pem key.pem
 *     echo hello | tls_echo call tls://localhost:8443 cert.pem
 */
#include <lanyard/lanyard.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct ly_server *server;

static int echo(struct ly_request *rq)
{
    char buf[1024];
    ssize_t n;
    while ((n = ly_recv(rq->sock, buf, sizeof buf)) > 0) {
        int r = ly_sendall(rq->sock, buf, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)n; /* LY_ECUT where TLS's closing message was missing */
}

static void stop(__attribute__((unused)) int signal_number)
{
    ly_server_request_shutdown(server);
}

static int serve(const char *address, struct ly_tls *tls)
{
    struct ly_address bound;
    int r = ly_server_open(&server,
                           &(struct ly_server_options){
                               .address = address, .tls = tls, .handler.handle = echo, .drain_ms = 1000});
    if (r < 0)
        return r;
    ly_server_address(server, &bound);
    fprintf(stderr, "listening on tls://localhost:%d\n", ly_address_port(&bound));
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    r = ly_serve_forever(server);
    ly_server_close(server);
    return r;
}

static int call(const char *address, struct ly_tls *tls)
{
    struct ly_sock *sock;
    char line[1024], why[LY_TLS_WHY];
    int r = ly_connect(&sock, address, &(struct ly_connect_options){.tls = tls});
    if (r < 0)
        return r;
    while (r >= 0 && fgets(line, sizeof line, stdin)) {
        r = ly_sendall(sock, line, strlen(line)); /* the first call does the handshake */
        if (r == 0)
            r = (int)ly_recvall(sock, line, strlen(line));
        if (r > 0)
            fwrite(line, 1, (size_t)r, stdout);
    }
    if (r < 0 && ly_tls_why(sock, why, sizeof why) > 0)
        fprintf(stderr, "tls_echo: %s\n", why);
    ly_sock_free(sock);
    return r;
}

int main(int argc, char **argv)
{
    struct ly_tls *tls;
    char why[LY_TLS_WHY] = "";
    bool serves = argc == 5 && strcmp(argv[1], "serve") == 0;
    if (!serves && (argc != 4 || strcmp(argv[1], "call") != 0)) {
        fprintf(stderr, "usage: tls_echo serve ADDRESS CERTIFICATE KEY | call ADDRESS TRUSTED\n");
        return 2;
    }
    struct ly_tls_options options = {.server = serves, .why = why, .why_size = sizeof why};
    if (serves) {
        options.certificate_file = argv[3];
        options.key_file = argv[4];
    } else {
        options.ca_file = argv[3];
    }
    int r = ly_tls_open(&tls, &options);
    if (r == 0) {
        r = serves ? serve(argv[2], tls) : call(argv[2], tls);
        ly_tls_close(tls);
    }
    if (r < 0)
        fprintf(stderr, "tls_echo: %s%s%s\n", ly_error_text(r), *why ? ": " : "", why);
    return r < 0;
}
