/* SPDX-License-Identifier: MIT */
/* Whatever a stranger sends to a TLS server ends in an error, and no call waits for more than has come. */
#include "../tests/certificates.h"
#include <errno.h>
#include <lanyard/lanyard.h>
#include <stdint.h>

#define MOST 60000 /* what a socket pair takes without a reader */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct ly_tls *context(void)
{
    static struct ly_tls *tls;
    static struct certificate own;
    if (tls)
        return tls;
    certificate_make(&own, "DNS:localhost", NULL, 30);
    static const char *const protocols[] = {"lanyard/1", NULL};
    require(ly_tls_open(&tls, &(struct ly_tls_options){.server = true,
                                                       .certificate = own.pem,
                                                       .key = own.key,
                                                       .verify = LY_TLS_VERIFY_NONE,
                                                       .client_certificate = LY_TLS_ASK,
                                                       .alpn = protocols}) == 0);
    certificate_free(&own);
    return tls;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ly_sock *a, *b, *server;
    char buf[256];
    uint8_t key[32];
    size = size < MOST ? size : MOST;
    require(ly_socketpair(&a, &b) == 0);
    require(ly_sock_set_timeout(b, 10000) == 0);
    require(ly_tls_wrap(&server, b, context(), NULL) == 0);
    require(ly_sendall(a, data, size) == 0 && ly_shutdown(a, SHUT_WR) == 0);

    int r = ly_tls_handshake(server);
    require(r == LY_ETLS || r == LY_ECUT || r == -ENOMEM); /* nobody finishes a handshake without listening */
    require(ly_tls_peer_key(server, key) == -ENOTCONN);
    require(ly_tls_why(server, buf, sizeof buf) > 0 || r != LY_ETLS);
    ssize_t n = ly_recv(server, buf, sizeof buf);
    require(size == 0 ? n == 0 : n == r);
    require(ly_sendall(server, "x", 1) == r);
    ly_sock_free(server);
    ly_sock_free(a);
    return 0;
}
