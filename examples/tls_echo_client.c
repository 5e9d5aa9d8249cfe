/* SPDX-License-Identifier: MIT */
/*
 * The client of tls_echo_server.c: tls_echo_client ADDRESS TRUSTED, such as tls://localhost:8443 and
 * cert.pem, sends each line of standard input and prints the answer. It talks only to who has a certificate
 * for this name that TRUSTED vouches for.
 */
#include <lanyard/lanyard.h>
#include <stdio.h>
#include <string.h>

static int echo_lines(struct ly_sock *sock)
{
    char line[1024];
    int r = 0;
    while (r >= 0 && fgets(line, sizeof line, stdin)) {
        r = ly_sendall(sock, line, strlen(line)); /* the first call does the handshake */
        if (r == 0)
            r = (int)ly_recvall(sock, line, strlen(line));
        if (r > 0)
            fwrite(line, 1, (size_t)r, stdout);
    }
    return r;
}

int main(int argc, char **argv)
{
    struct ly_tls *tls = NULL;
    struct ly_sock *sock = NULL;
    char why[LY_TLS_WHY] = "";
    if (argc != 3) {
        fprintf(stderr, "usage: tls_echo_client tls://HOST:PORT TRUSTED\n");
        return 2;
    }
    int r =
        ly_tls_open(&tls, &(struct ly_tls_options){.ca_file = argv[2], .why = why, .why_size = sizeof why});
    if (r == 0)
        r = ly_connect(&sock, argv[1], &(struct ly_connect_options){.tls = tls});
    if (r == 0 && (r = echo_lines(sock)) < 0)
        ly_tls_why(sock, why, sizeof why);
    ly_sock_free(sock);
    ly_tls_close(tls);
    if (r < 0)
        fprintf(stderr, "tls_echo_client: %s\n", *why ? why : ly_error_text(r));
    return r < 0;
}
