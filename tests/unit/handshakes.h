/* SPDX-License-Identifier: MIT */
/* Handshakes over a socket pair whose server keeps a proof of the client's key. */
#ifndef LY_TESTS_HANDSHAKES_H
#define LY_TESTS_HANDSHAKES_H

#include "../certificates.h"
#include "net/tls.h"
#include "net/tls_proof.h"
#include <lanyard/fiber.h>
#include <lanyard/socket.h>

struct shaking {
    const struct certificate *server, *client; /* client NULL: it shows none */
    const uint8_t *challenge;                  /* NULL: none is put */
    bool tickets;
    void (*shape)(SSL_CTX *server, SSL_CTX *client); /* before the first connection; NULL: as they are */
    struct ly_tls *contexts[2];                      /* the server's and the client's */
    struct ly_sock *socks[2];
    int result; /* the server's, of the handshake */
};

static inline int open_contexts(struct shaking *s)
{
    int r = ly_tls_open(&s->contexts[0], &(struct ly_tls_options){.server = true,
                                                                  .certificate = s->server->pem,
                                                                  .key = s->server->key,
                                                                  .verify = LY_TLS_VERIFY_NONE,
                                                                  .client_certificate = LY_TLS_ASK,
                                                                  .no_tickets = !s->tickets});
    if (r == 0)
        r = ly__tls_ask_proof(s->contexts[0]);
    if (r == 0)
        r = ly_tls_open(&s->contexts[1],
                        &(struct ly_tls_options){.certificate = s->client ? s->client->pem : NULL,
                                                 .key = s->client ? s->client->key : NULL,
                                                 .verify = LY_TLS_VERIFY_NONE});
    if (r == 0 && s->shape)
        s->shape(s->contexts[0]->ssl, s->contexts[1]->ssl);
    return r;
}

/* Two ends without a handshake. */
static inline int open_ends(struct shaking *s)
{
    int r = ly_socketpair(&s->socks[0], &s->socks[1]);
    for (int i = 0; i < 2 && r == 0; i++)
        r = ly_tls_wrap(&s->socks[i], s->socks[i], s->contexts[i], NULL);
    if (r == 0 && s->challenge)
        r = ly__tls_challenge(s->socks[0], s->challenge);
    return r;
}

static inline int shake_server(void *arg)
{
    struct shaking *s = arg;
    s->result = ly_tls_handshake(s->socks[0]);
    if (s->result < 0)
        ly_shutdown(s->socks[0], SHUT_RDWR);
    return 0;
}

static inline int shake_ends(struct shaking *s)
{
    struct ly_scope *scope;
    int r = ly_scope_open(&scope, NULL);
    if (r == 0)
        r = ly_go(scope, shake_server, s);
    if (r == 0)
        r = ly_tls_handshake(s->socks[1]);
    ly_scope_join(scope);
    ly_scope_close(scope);
    return r < 0 ? r : s->result;
}

static inline void free_ends(struct shaking *s)
{
    for (int i = 0; i < 2; i++)
        ly_sock_free(s->socks[i]);
}

static inline void free_shaking(struct shaking *s)
{
    free_ends(s);
    for (int i = 0; i < 2; i++)
        ly_tls_close(s->contexts[i]);
}

/* A handshake, and the proof that comes of it. Returns 0, or an error of any step. */
static inline int prove(struct shaking *s, struct ly__tls_proof *ret_proof)
{
    ly__tls_proof_init(ret_proof);
    int r = open_contexts(s);
    if (r == 0)
        r = open_ends(s);
    if (r == 0)
        r = shake_ends(s);
    if (r == 0)
        r = ly__tls_take_proof(s->socks[0], ret_proof);
    free_shaking(s);
    return r;
}

#endif
