/* SPDX-License-Identifier: MIT */
#include "net/tls_proof.h"
#include "net/tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* What one connection keeps of its handshake. */
struct ly__tls_record {
    uint8_t challenge[LY__TLS_CHALLENGE];
    struct ly_buffer messages;
    bool is_whole; /* the client's signature is in it */
    bool has_lost; /* something that did not fit */
};

void ly__tls_proof_init(struct ly__tls_proof *p)
{
    *p = (struct ly__tls_proof){.key_length = 0};
    ly_buffer_init(&p->messages, LY__TLS_PROOF_MAX);
}

void ly__tls_proof_done(struct ly__tls_proof *p)
{
    ly_buffer_done(&p->messages);
}

/* ---- what OpenSSL calls ---- */

/* A message in plain text, with its own head, whichever records it came in. */
static void keep_message(int is_ours, int version, int type, const void *message, size_t n, SSL *ssl,
                         void *arg)
{
    struct ly__tls_record *r = arg;
    const uint8_t *bytes = message;
    (void)version;
    (void)ssl;
    if (type != SSL3_RT_HANDSHAKE || r->is_whole || r->has_lost || n == 0)
        return;
    if (ly_buffer_append(&r->messages, bytes, n) < 0)
        r->has_lost = true;
    else
        r->is_whole = !is_ours && bytes[0] == SSL3_MT_CERTIFICATE_VERIFY;
}

static int add_challenge(SSL *ssl, unsigned type, unsigned context, const unsigned char **ret_bytes,
                         size_t *ret_n, X509 *certificate, size_t index, int *alert, void *arg)
{
    const struct ly__tls_record *r = SSL_get_app_data(ssl);
    (void)type, (void)context, (void)certificate, (void)index, (void)alert, (void)arg;
    if (!r)
        return 0;
    *ret_bytes = r->challenge;
    *ret_n = sizeof r->challenge;
    return 1;
}

int ly__tls_ask_proof(struct ly_tls *tls)
{
    char kinds[] = "ECDSA+SHA256:ed25519";
    bool done =
        SSL_CTX_add_custom_ext(tls->ssl, LY__TLS_CHALLENGE_EXTENSION, SSL_EXT_TLS1_3_CERTIFICATE_REQUEST,
                               add_challenge, NULL, NULL, NULL, NULL) == 1 &&
        SSL_CTX_set1_client_sigalgs_list(tls->ssl, kinds) == 1;
#ifdef SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
    SSL_CTX_set_options(tls->ssl,
                        SSL_OP_NO_RX_CERTIFICATE_COMPRESSION | SSL_OP_NO_TX_CERTIFICATE_COMPRESSION);
#endif
    ERR_clear_error();
    return done ? 0 : -ENOMEM;
}

/* ---- one connection ---- */

void ly__tls_record_free(struct ly__tls_conn *c)
{
    if (!c->record)
        return;
    SSL_set_msg_callback(c->ssl, NULL);
    SSL_set_app_data(c->ssl, NULL);
    ly_buffer_done(&c->record->messages);
    free(c->record);
    c->record = NULL;
}

static int begin(struct ly__tls_conn *c, const uint8_t challenge[LY__TLS_CHALLENGE])
{
    if (c->record || SSL_get_state(c->ssl) != TLS_ST_BEFORE)
        return -EISCONN;
    struct ly__tls_record *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    memcpy(r->challenge, challenge, sizeof r->challenge);
    ly_buffer_init(&r->messages, LY__TLS_PROOF_MAX);
    c->record = r;
    SSL_set_msg_callback(c->ssl, keep_message);
    SSL_set_msg_callback_arg(c->ssl, r);
    if (SSL_set_app_data(c->ssl, r))
        return 0;
    ly__tls_record_free(c);
    return -ENOMEM;
}

int ly__tls_challenge(struct ly_sock *sock, const uint8_t challenge[LY__TLS_CHALLENGE])
{
    int r = -EINVAL;
    struct ly__tls_conn *c = sock->is_tls ? ly__tls_enter(sock, &r) : NULL;
    if (!c)
        return r;
    r = begin(c, challenge);
    ERR_clear_error();
    ly__tls_leave(c);
    return r;
}

static int copy_key(X509 *certificate, struct ly__tls_proof *p)
{
    unsigned char *at = p->key;
    X509_PUBKEY *key = X509_get_X509_PUBKEY(certificate);
    int n = i2d_X509_PUBKEY(key, NULL);
    if (n <= 0)
        return -ENOMEM;
    if ((size_t)n > sizeof p->key)
        return -ENOENT;
    n = i2d_X509_PUBKEY(key, &at);
    p->key_length = n > 0 ? (size_t)n : 0;
    return n > 0 ? 0 : -ENOMEM;
}

static int take(struct ly__tls_conn *c, struct ly__tls_proof *p)
{
    X509 *certificate = SSL_get0_peer_certificate(c->ssl);
    if (!certificate || !c->record || !c->record->is_whole)
        return -ENOENT;
    int r = copy_key(certificate, p);
    if (r < 0)
        return r;
    p->messages = c->record->messages;
    ly_buffer_init(&c->record->messages, LY__TLS_PROOF_MAX); /* handed over */
    return 0;
}

int ly__tls_take_proof(struct ly_sock *sock, struct ly__tls_proof *ret_proof)
{
    int r = -EINVAL;
    struct ly__tls_conn *c = sock->is_tls ? ly__tls_enter(sock, &r) : NULL;
    if (!c)
        return r;
    r = c->is_up ? take(c, ret_proof) : -ENOTCONN;
    if (c->is_up)
        ly__tls_record_free(c);
    ERR_clear_error();
    ly__tls_leave(c);
    return r;
}
