/* SPDX-License-Identifier: MIT */
/* Contexts for TLS: from options to what connections have in common. */
#include "net/tls.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#endif

#define CERTIFICATES_MAX 32768 /* bytes of certificates that a peer may send */
#define AES_FIRST "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define CHACHA_FIRST "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384"

/* ---- certificate and key ---- */

/* A key with a password is refused; OpenSSL would ask for it at the terminal. */
static int no_password(char *buf, int size, int rwflag, void *user)
{
    (void)buf, (void)size, (void)rwflag, (void)user;
    return -1;
}

static int open_pem(BIO **ret_bio, const char *file, const char *text)
{
    if (text) {
        *ret_bio = BIO_new_mem_buf(text, -1);
        return *ret_bio ? 0 : -ENOMEM;
    }
    errno = 0;
    FILE *f = fopen(file, "re");
    if (!f)
        return errno ? -errno : -ENOMEM;
    *ret_bio = BIO_new_fp(f, BIO_CLOSE);
    if (*ret_bio)
        return 0;
    fclose(f);
    return -ENOMEM;
}

/* The certificates that follow the first, up to the end. */
static bool read_chain(SSL_CTX *ssl, BIO *bio)
{
    X509 *next;
    while ((next = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
        if (!SSL_CTX_add0_chain_cert(ssl, next)) {
            X509_free(next);
            return false;
        }
    }
    bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
    if (at_end)
        ERR_clear_error();
    return at_end;
}

static bool read_certificate(SSL_CTX *ssl, BIO *bio)
{
    X509 *own = PEM_read_bio_X509_AUX(bio, NULL, no_password, NULL);
    bool ok = own && SSL_CTX_use_certificate(ssl, own) && read_chain(ssl, bio);
    X509_free(own);
    return ok;
}

static bool read_key(SSL_CTX *ssl, BIO *bio)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    bool ok = key && SSL_CTX_use_PrivateKey(ssl, key);
    EVP_PKEY_free(key);
    return ok;
}

static int load(struct ly_tls *t, const char *file, const char *text, bool (*read)(SSL_CTX *, BIO *))
{
    BIO *bio = NULL;
    t->reading = file;
    int r = open_pem(&bio, file, text);
    if (r < 0)
        return r;
    r = read(t->ssl, bio) ? 0 : LY_ETLS;
    BIO_free(bio);
    return r;
}

static int load_own(struct ly_tls *t, const struct ly_tls_options *o)
{
    if (!o->certificate && !o->certificate_file)
        return 0;
    int r = load(t, o->certificate_file, o->certificate, read_certificate);
    if (r == 0 && o->key_object)
        r = SSL_CTX_use_PrivateKey(t->ssl, o->key_object) ? 0 : LY_ETLS;
    else if (r == 0)
        r = load(t, o->key_file, o->key, read_key);
    return r == 0 && !SSL_CTX_check_private_key(t->ssl) ? LY_ETLS : r;
}

/* ---- trust ---- */

/* LY_TLS_VERIFY_NONE: that the peer has the key is proved by the handshake; whose it is, the caller finds
 * out. */
static int accept_any(X509_STORE_CTX *store, void *user)
{
    (void)user;
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static int set_trust(struct ly_tls *t, const struct ly_tls_options *o)
{
    int mode = SSL_VERIFY_PEER;
    if (o->server && o->client_certificate == LY_TLS_NO_CERTIFICATE)
        mode = SSL_VERIFY_NONE;
    if (o->server && o->client_certificate == LY_TLS_REQUIRE)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(t->ssl, mode, NULL);
    if (o->verify == LY_TLS_VERIFY_NONE) {
        SSL_CTX_set_cert_verify_callback(t->ssl, accept_any, NULL);
        return 0;
    }
    if (mode == SSL_VERIFY_NONE)
        return 0;
    t->verifies = !o->server;
    t->reading = o->ca_file;
    int ok =
        o->ca_file ? SSL_CTX_load_verify_file(t->ssl, o->ca_file) : SSL_CTX_set_default_verify_paths(t->ssl);
    return ok ? 0 : LY_ETLS;
}

/* ---- protocols ---- */

static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_length,
                           const unsigned char *theirs, unsigned n, void *tls)
{
    const struct ly_tls *t = tls;
    unsigned char *chosen;
    (void)ssl;
    if (SSL_select_next_proto(&chosen, ret_length, t->alpn, t->alpn_length, theirs, n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301, 3.2 */
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* The names as they travel, each behind a byte with its length. */
static int set_protocols(struct ly_tls *t, const char *const *names)
{
    size_t total = 0;
    for (size_t i = 0; names && names[i]; i++) {
        size_t n = strlen(names[i]);
        if (n < 1 || n > 255)
            return -EINVAL;
        total += n + 1;
    }
    if (total == 0)
        return 0;
    if (total > UINT16_MAX)
        return -EINVAL;
    unsigned char *at = t->alpn = malloc(total);
    if (!at)
        return -ENOMEM;
    for (size_t i = 0; names[i]; i++) {
        size_t n = strlen(names[i]);
        *at++ = (unsigned char)n;
        memcpy(at, names[i], n);
        at += n;
    }
    t->alpn_length = (unsigned)total;
    if (t->base.is_server)
        SSL_CTX_set_alpn_select_cb(t->ssl, choose_protocol, t);
    else if (SSL_CTX_set_alpn_protos(t->ssl, t->alpn, t->alpn_length) != 0)
        return -ENOMEM;
    return 0;
}

/* ---- the whole ---- */

/* AES is the fastest where the processor has it, and slow where it does not. */
static bool has_aes(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("aes");
#elif defined(__aarch64__)
    return getauxval(AT_HWCAP) & HWCAP_AES;
#else
    return false;
#endif
}

static int set_up(struct ly_tls *t, const struct ly_tls_options *o)
{
    static const unsigned char where[] = "lanyard";
    t->ssl = SSL_CTX_new(o->server ? TLS_server_method() : TLS_client_method());
    if (!t->ssl || !SSL_CTX_set_min_proto_version(t->ssl, TLS1_3_VERSION) ||
        !SSL_CTX_set_ciphersuites(t->ssl, has_aes() ? AES_FIRST : CHACHA_FIRST) ||
        !SSL_CTX_set_session_id_context(t->ssl, where, sizeof where - 1))
        return -ENOMEM;
    SSL_CTX_set_options(t->ssl, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(t->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_session_cache_mode(t->ssl, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(t->ssl, CERTIFICATES_MAX);
    SSL_CTX_set_default_passwd_cb(t->ssl, no_password);
    if (o->server && !o->no_kernel && ly__tls_kernel_is_there())
        ly__tls_kernel_prepare(t->ssl);
    int r = load_own(t, o);
    if (r == 0)
        r = set_trust(t, o);
    if (r == 0)
        t->reading = NULL;
    if (r == 0)
        r = set_protocols(t, o->alpn);
    if (r == 0 && o->no_tickets) {
        SSL_CTX_set_options(t->ssl, SSL_OP_NO_TICKET);
        SSL_CTX_set_num_tickets(t->ssl, 0);
    } else if (r == 0 && o->server) {
        r = ly__tickets_init(t);
    }
    return r;
}

static int count(const void *a, const void *b, const void *c)
{
    return (a != NULL) + (b != NULL) + (c != NULL);
}

static int check(const struct ly_tls_options *o)
{
    int certificates = count(o->certificate_file, o->certificate, NULL);
    int keys = count(o->key_file, o->key, o->key_object);
    bool ok = certificates == keys && certificates <= 1 && (certificates || !o->server) &&
              (o->verify == LY_TLS_VERIFY_CA || (o->verify == LY_TLS_VERIFY_NONE && !o->ca_file)) &&
              o->client_certificate >= LY_TLS_NO_CERTIFICATE && o->client_certificate <= LY_TLS_REQUIRE &&
              (o->server || o->client_certificate == LY_TLS_NO_CERTIFICATE);
    return ok ? 0 : -EINVAL;
}

void ly__tls_context_free(struct ly_tls *t)
{
    SSL_CTX_free(t->ssl);
    ly__tickets_done(t);
    free(t->alpn);
    free(t);
}

/* Tell what failed; the queue of OpenSSL is empty afterwards. */
static int tell(const struct ly_tls_options *o, const char *reading, int r)
{
    unsigned long code = 0;
    int meant = ly__tls_failed(&code);
    if (r == LY_ETLS)
        r = meant;
    if (o->why && r < 0) {
        char text[LY_TLS_WHY] = "";
        if (r == LY_ETLS)
            ly__tls_describe(code, X509_V_OK, text, sizeof text);
        snprintf(o->why, o->why_size, "%s%s%s", reading ? reading : "", reading ? ": " : "",
                 *text ? text : ly_error_text(r));
    }
    return r;
}

int ly_tls_open(struct ly_tls **ret_tls, const struct ly_tls_options *options)
{
    int r = check(options);
    if (r < 0)
        return tell(options, NULL, r);
    struct ly_tls *t = calloc(1, sizeof *t);
    if (!t)
        return -ENOMEM;
    pthread_mutex_init(&t->lock, NULL);
    t->base.ops = &ly__tls_calls;
    t->base.is_server = options->server;
    atomic_init(&t->base.references, 1);
    ERR_clear_error();
    r = set_up(t, options);
    if (r < 0) {
        const char *reading = t->reading;
        ly__tls_context_free(t);
        return tell(options, reading, r);
    }
    *ret_tls = t;
    return 0;
}

void ly_tls_close(struct ly_tls *tls)
{
    ly__tls_unref(tls);
}
