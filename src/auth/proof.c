/* SPDX-License-Identifier: MIT */
#include "auth/proof.h"
#include "auth/key_pair.h"
#include <errno.h>
#include <lanyard/error.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <string.h>

int ly__proof_server(struct ly__proof_server *ret_server, const char *certificate)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    BIO *text = BIO_new_mem_buf(certificate, -1);
    int r = text && PEM_read_bio(text, &name, &header, &der, &n) == 1
                ? 0
                : ly__pair_refusal(text ? LY_EKEY : -ENOMEM);
    if (r == 0 && (!name || strcmp(name, PEM_STRING_X509) != 0 || n < 1 || n > LY__PROOF_CERTIFICATE))
        r = LY_EKEY;
    if (r == 0) {
        memcpy(ret_server->certificate, der, (size_t)n);
        ret_server->length = (size_t)n;
    }
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(text);
    return r;
}

/* ---- taking messages apart (RFC 8446, 4) ---- */

struct bytes {
    const uint8_t *at;
    size_t n;
};

static bool take(struct bytes *from, size_t n, struct bytes *ret)
{
    if (from->n < n)
        return false;
    *ret = (struct bytes){from->at, n};
    from->at += n;
    from->n -= n;
    return true;
}

/* A number of some bytes. */
static bool take_number(struct bytes *from, size_t width, size_t *ret)
{
    struct bytes number;
    if (!take(from, width, &number))
        return false;
    *ret = 0;
    for (size_t i = 0; i < width; i++)
        *ret = *ret << 8 | number.at[i];
    return true;
}

/* What stands behind its own length. */
static bool take_vector(struct bytes *from, size_t width, struct bytes *ret)
{
    size_t n;
    return take_number(from, width, &n) && take(from, n, ret);
}

enum message {
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    ENCRYPTED_EXTENSIONS = 8,
    CERTIFICATE = 11,
    CERTIFICATE_REQUEST = 13,
    CERTIFICATE_VERIFY = 15,
    FINISHED = 20,
    MESSAGE_HASH = 254,
};

static bool take_message(struct bytes *from, enum message type, struct bytes *ret_body)
{
    size_t is;
    return take_number(from, 1, &is) && is == (size_t)type && take_vector(from, 3, ret_body);
}

/* The pieces of a handshake that matter here. */
struct handshake {
    struct bytes first_hello; /* of two, the whole message: the server asked for another; n 0: it did not */
    struct bytes rest;        /* the other messages that are signed, as they were sent */
    struct bytes hello, request; /* the server's: their bodies */
    struct bytes certificate;    /* the server's */
    struct bytes signature;      /* the client's CertificateVerify */
};

/* The hellos. A server that cannot use the client's key share asks for another ClientHello (4.1.4). */
static bool read_hellos(struct handshake *h, struct bytes *from)
{
    struct bytes start = *from, body;
    if (!take_message(from, CLIENT_HELLO, &body))
        return false;
    struct bytes first = {start.at, start.n - from->n};
    h->rest = start;
    if (!take_message(from, SERVER_HELLO, &h->hello))
        return false;
    if (from->n == 0 || *from->at != CLIENT_HELLO)
        return true;
    h->first_hello = first;
    h->rest.at += first.n;
    return take_message(from, CLIENT_HELLO, &body) && take_message(from, SERVER_HELLO, &h->hello);
}

/* All of it, in the one order that there is for a client who shows a certificate (4.4, appendix A.2). */
static bool read_handshake(struct handshake *h, struct bytes from)
{
    struct bytes body;
    *h = (struct handshake){.first_hello = {NULL, 0}};
    if (!read_hellos(h, &from) || !take_message(&from, ENCRYPTED_EXTENSIONS, &body) ||
        !take_message(&from, CERTIFICATE_REQUEST, &h->request) ||
        !take_message(&from, CERTIFICATE, &h->certificate) ||
        !take_message(&from, CERTIFICATE_VERIFY, &body) || !take_message(&from, FINISHED, &body) ||
        !take_message(&from, CERTIFICATE, &body))
        return false;
    h->rest.n = (size_t)(from.at - h->rest.at);
    return take_message(&from, CERTIFICATE_VERIFY, &h->signature) && from.n == 0;
}

/* Whether the server has shown this certificate (4.4.2): the first of its list. */
static bool shows(struct bytes body, const struct ly__proof_server *server)
{
    struct bytes context, list, certificate;
    return take_vector(&body, 1, &context) && take_vector(&body, 3, &list) &&
           take_vector(&list, 3, &certificate) && server->length > 0 && certificate.n == server->length &&
           memcmp(certificate.at, server->certificate, server->length) == 0;
}

/* Whether the challenge is among the extensions of the CertificateRequest (4.3.2). */
static bool asks(struct bytes body, const uint8_t challenge[LY__TLS_CHALLENGE])
{
    struct bytes context, list, data;
    size_t type;
    if (!take_vector(&body, 1, &context) || !take_vector(&body, 2, &list))
        return false;
    while (take_number(&list, 2, &type) && take_vector(&list, 2, &data)) {
        if (type == LY__TLS_CHALLENGE_EXTENSION)
            return data.n == LY__TLS_CHALLENGE && memcmp(data.at, challenge, LY__TLS_CHALLENGE) == 0;
    }
    return false;
}

/* ---- what was signed ---- */

/* The hash that the cipher suite goes with (appendix B.4); NULL: another suite. */
static const EVP_MD *choose_hash(struct bytes hello)
{
    struct bytes skipped;
    size_t suite;
    if (!take(&hello, 2 + 32, &skipped) || !take_vector(&hello, 1, &skipped) ||
        !take_number(&hello, 2, &suite))
        return NULL;
    switch (suite) {
    case 0x1301: /* TLS_AES_128_GCM_SHA256 */
    case 0x1303: /* TLS_CHACHA20_POLY1305_SHA256 */
        return EVP_sha256();
    case 0x1302: /* TLS_AES_256_GCM_SHA384 */
        return EVP_sha384();
    default:
        return NULL;
    }
}

/* The transcript's hash (4.4.1): of two ClientHellos the first is represented by its own. */
static bool hash(const struct handshake *h, const EVP_MD *kind, uint8_t ret[EVP_MAX_MD_SIZE], size_t *ret_n)
{
    unsigned n = (unsigned)EVP_MD_get_size(kind);
    uint8_t head[4] = {MESSAGE_HASH, 0, 0, (uint8_t)n};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestInit_ex(context, kind, NULL) == 1;
    if (done && h->first_hello.n > 0)
        done = EVP_Digest(h->first_hello.at, h->first_hello.n, ret, NULL, kind, NULL) == 1 &&
               EVP_DigestUpdate(context, head, sizeof head) == 1 && EVP_DigestUpdate(context, ret, n) == 1;
    done = done && EVP_DigestUpdate(context, h->rest.at, h->rest.n) == 1 &&
           EVP_DigestFinal_ex(context, ret, &n) == 1;
    EVP_MD_CTX_free(context);
    *ret_n = n;
    return done;
}

#define PURPOSE "TLS 1.3, client CertificateVerify" /* with its zero byte (4.4.3) */
#define SPACES 64

struct content {
    uint8_t bytes[SPACES + sizeof PURPOSE + EVP_MAX_MD_SIZE];
    size_t n;
};

/* What the client signs. Returns 0, LY_EPEER or -ENOMEM. */
static int make_content(struct content *c, const struct handshake *h)
{
    const EVP_MD *kind = choose_hash(h->hello);
    if (!kind)
        return LY_EPEER;
    memset(c->bytes, ' ', SPACES);
    memcpy(c->bytes + SPACES, PURPOSE, sizeof PURPOSE);
    if (!hash(h, kind, c->bytes + SPACES + sizeof PURPOSE, &c->n))
        return ly__pair_refusal(-ENOMEM);
    c->n += SPACES + sizeof PURPOSE;
    return 0;
}

/* ---- the key and its signature ---- */

static const uint8_t ed25519_head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                       0x2b, 0x65, 0x70, 0x03, 0x21, 0x00}; /* RFC 8410 */
#define ED25519_KEY 32

static bool has_head(const struct ly__tls_proof *p, const uint8_t *head, size_t n, size_t key)
{
    return p->key_length == n + key && memcmp(p->key, head, n) == 0;
}

/* The client's key, and the scheme (4.2.3) of its signatures. NULL: another kind of key, a bad one, or no
 * memory. */
static EVP_PKEY *read_key(const struct ly__tls_proof *p, size_t *ret_scheme, const EVP_MD **ret_digest)
{
    if (has_head(p, ed25519_head, sizeof ed25519_head, ED25519_KEY)) {
        *ret_scheme = 0x0807;
        *ret_digest = NULL;
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, p->key + sizeof ed25519_head, ED25519_KEY);
    }
    if (!has_head(p, ly__spki_head, LY__SPKI_HEAD, LY__POINT))
        return NULL;
    *ret_scheme = 0x0403;
    *ret_digest = EVP_sha256();
    return ly__pair_public(p->key + LY__SPKI_HEAD);
}

/* The signature of a CertificateVerify (4.4.3) of this scheme. */
static bool read_signature(struct bytes body, size_t wanted, struct bytes *ret)
{
    size_t scheme;
    return take_number(&body, 2, &scheme) && scheme == wanted && take_vector(&body, 2, ret) && body.n == 0;
}

static int verify(const struct ly__tls_proof *p, const struct handshake *h, const struct content *c)
{
    struct bytes signature;
    size_t scheme = 0;
    const EVP_MD *digest = NULL;
    EVP_PKEY *key = read_key(p, &scheme, &digest);
    if (!key)
        return ly__pair_refusal(LY_EPEER);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool holds = read_signature(h->signature, scheme, &signature) && context &&
                 EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                 EVP_DigestVerify(context, signature.at, signature.n, c->bytes, c->n) == 1;
    int r = holds ? 0 : ly__pair_refusal(context ? LY_EPEER : -ENOMEM);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(key);
    return r;
}

static bool read_proof(const struct ly__tls_proof *p, struct handshake *h)
{
    const struct bytes all = {(const uint8_t *)ly_buffer_bytes(&p->messages), p->messages.length};
    return p->key_length <= sizeof p->key && read_handshake(h, all);
}

int ly__proof_has_form(const struct ly__tls_proof *p)
{
    struct handshake h;
    struct bytes signature;
    size_t scheme = 0;
    const EVP_MD *digest = NULL;
    if (!read_proof(p, &h) || !choose_hash(h.hello))
        return LY_EPEER;
    EVP_PKEY *key = read_key(p, &scheme, &digest);
    int r = key ? 0 : ly__pair_refusal(LY_EPEER);
    EVP_PKEY_free(key);
    return r == 0 && !read_signature(h.signature, scheme, &signature) ? LY_EPEER : r;
}

int ly__proof_check(const struct ly__tls_proof *p, const struct ly__proof_server *server,
                    const uint8_t challenge[LY__TLS_CHALLENGE], uint8_t ret_id[LY__ID])
{
    struct handshake h;
    struct content c;
    if (!read_proof(p, &h) || !shows(h.certificate, server) || !asks(h.request, challenge))
        return LY_EPEER;
    int r = make_content(&c, &h);
    if (r == 0)
        r = verify(p, &h, &c);
    return r < 0 ? r : ly__id_of(ret_id, p->key, p->key_length);
}
