/* SPDX-License-Identifier: MIT */
/* What a server's end keeps of a handshake. Whether it proves anything is tested with who checks it
 * (auth/proof.c). */
#include "../handshakes.h"
#include "everywhere.h"

static struct certificate server, device;
static const uint8_t challenge[LY__TLS_CHALLENGE] = "a challenge of thirty-two bytes";

static const struct shaking usual = {.server = &server, .client = &device, .challenge = challenge};

static int the_messages_and_the_key_are_kept_once(void *arg)
{
    struct shaking s = usual;
    struct ly__tls_proof p;
    uint8_t key[32];
    (void)arg;
    ly__tls_proof_init(&p);
    NEED_OK(open_contexts(&s));
    NEED_OK(open_ends(&s));
    NEED_INT(ly__tls_take_proof(s.socks[0], &p), -ENOTCONN);
    NEED_OK(shake_ends(&s));
    NEED_OK(ly__tls_take_proof(s.socks[0], &p));
    EVP_Digest(p.key, p.key_length, key, NULL, EVP_sha256(), NULL);
    NEED(memcmp(key, device.identity, sizeof key) == 0);
    NEED(p.messages.length > 500 && *ly_buffer_bytes(&p.messages) == SSL3_MT_CLIENT_HELLO);
    NEED(memmem(ly_buffer_bytes(&p.messages), p.messages.length, challenge, sizeof challenge));
    ly__tls_proof_done(&p);
    NEED_INT(ly__tls_take_proof(s.socks[0], &p), -ENOENT);
    ly__tls_proof_done(&p);
    free_shaking(&s);
    return 0;
}

static int nothing_is_kept_of(struct shaking s)
{
    struct ly__tls_proof p;
    NEED_INT(prove(&s, &p), -ENOENT);
    NEED_OK(s.result); /* there is a connection all the same */
    NEED_INT(p.messages.length, 0);
    ly__tls_proof_done(&p);
    return 0;
}

static int a_client_that_shows_no_key_proves_nothing(void *arg)
{
    struct shaking s = usual;
    (void)arg;
    s.client = NULL;
    return nothing_is_kept_of(s);
}

static int a_key_of_another_kind_is_not_asked_for(void *arg)
{
    static struct certificate rsa;
    struct shaking s = usual;
    (void)arg;
    certificate_make_of(&rsa, EVP_RSA_gen(2048), "DNS:rsa", NULL, 30);
    s.client = &rsa;
    int r = nothing_is_kept_of(s);
    certificate_free(&rsa);
    return r;
}

static int without_a_challenge_nothing_is_kept(void *arg)
{
    struct shaking s = usual;
    (void)arg;
    s.challenge = NULL;
    return nothing_is_kept_of(s);
}

static void lengthen(SSL_CTX *ours, SSL_CTX *theirs)
{
    (void)ours;
    for (int i = 0; i < LY__TLS_PROOF_MAX / 256; i++)
        SSL_CTX_add1_chain_cert(theirs, device.x509);
}

static int more_than_is_kept_proves_nothing(void *arg)
{
    struct shaking s = usual;
    (void)arg;
    s.shape = lengthen;
    return nothing_is_kept_of(s);
}

static int resume(struct shaking *s)
{
    static char session[LY_TLS_SESSION_MAX];
    struct ly__tls_proof p;
    char byte;
    ly__tls_proof_init(&p);
    NEED_OK(open_contexts(s));
    NEED_OK(open_ends(s));
    NEED_OK(shake_ends(s));
    NEED_OK(ly_sendall(s->socks[0], "x", 1));
    NEED_INT(ly_recv(s->socks[1], &byte, 1), 1); /* the ticket has come before it */
    ssize_t n = ly_tls_session(s->socks[1], session, sizeof session);
    NEED(n > 0);
    free_ends(s);
    NEED_OK(open_ends(s));
    NEED_OK(ly_tls_set_session(s->socks[1], session, (size_t)n));
    NEED_OK(shake_ends(s));
    NEED_INT(ly_tls_is_resumed(s->socks[0]), 1);
    NEED_INT(ly__tls_take_proof(s->socks[0], &p), -ENOENT);
    return 0;
}

static int a_session_that_is_resumed_proves_nothing(void *arg)
{
    struct shaking s = usual;
    (void)arg;
    s.tickets = true;
    int r = resume(&s);
    free_shaking(&s);
    return r;
}

static int a_challenge_comes_before_the_handshake_and_once(void *arg)
{
    struct shaking s = usual;
    struct ly_sock *a, *b;
    struct ly__tls_proof p;
    (void)arg;
    NEED_OK(open_contexts(&s));
    NEED_OK(open_ends(&s));
    NEED_INT(ly__tls_challenge(s.socks[0], challenge), -EISCONN);
    NEED_OK(shake_ends(&s));
    ly__tls_proof_init(&p);
    NEED_OK(ly__tls_take_proof(s.socks[0], &p));
    NEED_INT(ly__tls_challenge(s.socks[0], challenge), -EISCONN);
    ly__tls_proof_done(&p);
    free_shaking(&s);
    NEED_OK(ly_socketpair(&a, &b));
    NEED_INT(ly__tls_challenge(a, challenge), -EINVAL);
    NEED_INT(ly__tls_take_proof(a, &p), -EINVAL);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(the_messages_and_the_key_are_kept_once),
        BODY(a_client_that_shows_no_key_proves_nothing),
        BODY(a_key_of_another_kind_is_not_asked_for),
        BODY(without_a_challenge_nothing_is_kept),
        BODY(more_than_is_kept_proves_nothing),
        BODY(a_session_that_is_resumed_proves_nothing),
        BODY(a_challenge_comes_before_the_handshake_and_once),
    };
    certificate_make(&server, "DNS:server", NULL, 30);
    certificate_make(&device, "DNS:device", NULL, 30);
    int r = EVERYWHERE("net/tls_proof", bodies);
    certificate_free(&server);
    certificate_free(&device);
    return r;
}
