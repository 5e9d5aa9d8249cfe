/* SPDX-License-Identifier: MIT */
/* TLS sockets made of others, and what is known of a connection: the peer's key, the session, what failed. */
#include "net/tls.h"
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

int ly_tls_wrap(struct ly_sock **ret_sock, struct ly_sock *sock, struct ly_tls *tls, const char *name)
{
    struct ly_sock *s;
    if (sock->io.fd < 0)
        return -EBADF;
    if (sock->is_tls || sock->type != SOCK_STREAM || atomic_load(&sock->files))
        return -EINVAL;
    int r = ly__sock_wrap_tls(&s, sock->io.fd, sock->family, sock->type, sock->proto, tls);
    if (r < 0)
        return r;
    s->timeout_ms = sock->timeout_ms;
    if (!tls->base.is_server)
        r = ly__tls_ops_of(s)->begin(s, name);
    if (r < 0) {
        s->io.fd = -1; /* the caller's still */
        ly_sock_free(s);
        return r;
    }
    ly__io_release(&sock->io);
    ly_sock_free(sock);
    *ret_sock = s;
    return 0;
}

bool ly_tls_is_on(const struct ly_sock *s)
{
    return s->is_tls;
}

/* ---- entering for a look ---- */

/* With a connection that has begun; else NULL. */
static struct ly__tls_conn *enter_begun(const struct ly_sock *s, int *ret_error)
{
    *ret_error = -EINVAL;
    if (!s->is_tls)
        return NULL;
    *ret_error = s->io.fd < 0 ? -EBADF : -ENOTCONN;
    if (!atomic_load(&ly__tls_sock_of(s)->conn))
        return NULL;
    return ly__tls_enter((struct ly_sock *)(uintptr_t)s, ret_error);
}

static struct ly__tls_conn *enter_up(const struct ly_sock *s, int *ret_error)
{
    struct ly__tls_conn *c = enter_begun(s, ret_error);
    if (!c || c->is_up)
        return c;
    ly__tls_leave(c);
    *ret_error = -ENOTCONN;
    return NULL;
}

/* ---- the peer ---- */

static int hash_key(X509 *certificate, uint8_t ret_sha256[32])
{
    unsigned char *der = NULL;
    int n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate), &der);
    if (n <= 0)
        return -ENOMEM;
    int ok = EVP_Digest(der, (size_t)n, ret_sha256, NULL, EVP_sha256(), NULL);
    OPENSSL_free(der);
    return ok ? 0 : -ENOMEM;
}

int ly_tls_peer_key(const struct ly_sock *s, uint8_t ret_sha256[32])
{
    int r;
    struct ly__tls_conn *c = enter_up(s, &r);
    if (!c)
        return r;
    X509 *certificate = SSL_get0_peer_certificate(c->ssl);
    r = certificate ? hash_key(certificate, ret_sha256) : -ENOENT;
    ERR_clear_error();
    ly__tls_leave(c);
    return r;
}

int ly_tls_export(struct ly_sock *s, const char *label, void *ret_bytes, size_t n)
{
    int r;
    struct ly__tls_conn *c = enter_up(s, &r);
    if (!c)
        return r;
    r = SSL_export_keying_material(c->ssl, ret_bytes, n, label, strlen(label), NULL, 0, 0) == 1 ? 0 : -EINVAL;
    ERR_clear_error();
    ly__tls_leave(c);
    return r;
}

ssize_t ly_tls_alpn(const struct ly_sock *s, char *buf, size_t cap)
{
    int r;
    const unsigned char *name = NULL;
    unsigned n = 0;
    struct ly__tls_conn *c = enter_up(s, &r);
    if (!c)
        return r;
    SSL_get0_alpn_selected(c->ssl, &name, &n);
    if (cap > 0)
        snprintf(buf, cap, "%.*s", (int)n, n > 0 ? (const char *)name : "");
    ly__tls_leave(c);
    return (ssize_t)n;
}

int ly_tls_is_resumed(const struct ly_sock *s)
{
    int r;
    struct ly__tls_conn *c = enter_up(s, &r);
    if (!c)
        return r;
    r = SSL_session_reused(c->ssl);
    ly__tls_leave(c);
    return r;
}

const char *ly_tls_version(const struct ly_sock *s)
{
    int r;
    struct ly__tls_conn *c = enter_up(s, &r);
    if (!c)
        return NULL;
    const char *name = SSL_get_version(c->ssl);
    ly__tls_leave(c);
    return name;
}

const char *ly_tls_cipher(const struct ly_sock *s)
{
    int r;
    struct ly__tls_conn *c = enter_up(s, &r);
    if (!c)
        return NULL;
    const char *name = SSL_get_cipher_name(c->ssl);
    ly__tls_leave(c);
    return name;
}

/* ---- the session ---- */

static ssize_t save(SSL_SESSION *session, void *buf, size_t cap)
{
    if (!session || !SSL_SESSION_is_resumable(session))
        return -ENOENT;
    int n = i2d_SSL_SESSION(session, NULL);
    unsigned char *at = buf;
    if (n <= 0)
        return -ENOMEM;
    if ((size_t)n > cap)
        return LY_ETOOBIG;
    return i2d_SSL_SESSION(session, &at);
}

ssize_t ly_tls_session(const struct ly_sock *s, void *buf, size_t cap)
{
    int error;
    struct ly__tls_conn *c = enter_up(s, &error);
    if (!c)
        return error;
    ssize_t r = SSL_is_server(c->ssl) ? -ENOENT : save(SSL_get0_session(c->ssl), buf, cap);
    ERR_clear_error();
    ly__tls_leave(c);
    return r;
}

static int resume(struct ly__tls_conn *c, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    if (SSL_is_server(c->ssl) || n > LONG_MAX)
        return -EINVAL;
    if (SSL_get_state(c->ssl) != TLS_ST_BEFORE)
        return -EISCONN;
    SSL_SESSION *session = d2i_SSL_SESSION(NULL, &at, (long)n);
    bool ok = session && at == (const unsigned char *)bytes + n && SSL_set_session(c->ssl, session);
    SSL_SESSION_free(session);
    return ok ? 0 : -EINVAL;
}

int ly_tls_set_session(struct ly_sock *s, const void *session, size_t n)
{
    int r;
    if (!s->is_tls)
        return -EINVAL;
    struct ly__tls_conn *c = ly__tls_enter(s, &r);
    if (!c)
        return r;
    r = resume(c, session, n);
    ERR_clear_error();
    ly__tls_leave(c);
    return r;
}

/* ---- the rest ---- */

size_t ly_tls_pending(const struct ly_sock *s)
{
    int r;
    struct ly__tls_conn *c = enter_begun(s, &r);
    if (!c)
        return 0;
    size_t n = (size_t)SSL_pending(c->ssl) + (c->in.end - c->in.start);
    ly__tls_leave(c);
    return n;
}

size_t ly_tls_why(const struct ly_sock *s, char *buf, size_t cap)
{
    int r;
    if (cap > 0)
        *buf = 0;
    struct ly__tls_conn *c = enter_begun(s, &r);
    if (!c)
        return 0;
    size_t n = 0;
    if (c->error)
        n = ly__tls_describe(c->code, SSL_get_verify_result(c->ssl), buf, cap);
    if (n > 0 && !c->is_up)
        n = ly__tls_add_protocol(&c->in, buf, n, cap);
    ly__tls_leave(c);
    return n;
}
