/* SPDX-License-Identifier: MIT */
/*
 * Tickets: what a client shows to resume a session.
 *
 * A ticket holds the session itself, encrypted, so that the server keeps nothing. The keys change with each
 * epoch of EPOCH_MS and follow, by HMAC, from one secret of the context and the epoch's number: workers,
 * threads and forked processes agree on them without a word, however long they have run. The last epoch's are
 * still accepted. They live in this process's memory alone.
 */
#include "net/tls.h"
#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

#define EPOCH_MS INT64_C(7200000)
#define LIFETIME_S 7200 /* of a session; at most an epoch, so that its key is known for all of it */

static int64_t epoch_now(void)
{
    return ly_now() / (EPOCH_MS * 1000000);
}

static bool derive(const struct ly_tls *t, int64_t epoch, char purpose, unsigned char *ret, size_t n)
{
    unsigned char text[1 + sizeof epoch], digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    text[0] = (unsigned char)purpose;
    memcpy(text + 1, &epoch, sizeof epoch);
    if (!HMAC(EVP_sha256(), t->secret, sizeof t->secret, text, sizeof text, digest, &length) || length < n)
        return false;
    memcpy(ret, digest, n);
    OPENSSL_cleanse(digest, sizeof digest);
    return true;
}

static bool derive_all(const struct ly_tls *t, int64_t epoch, struct ly__ticket_keys *ret)
{
    ret->epoch = epoch;
    return derive(t, epoch, 'n', ret->name, sizeof ret->name) &&
           derive(t, epoch, 'c', ret->cipher, sizeof ret->cipher) &&
           derive(t, epoch, 'm', ret->mac, sizeof ret->mac);
}

/* The keys of an epoch; those of the last two that were asked for are kept. */
static bool keys_of(struct ly_tls *t, int64_t epoch, struct ly__ticket_keys *ret)
{
    struct ly__ticket_keys *kept = &t->keys[epoch & 1];
    bool ok = true;
    pthread_mutex_lock(&t->lock);
    if (kept->epoch != epoch)
        ok = derive_all(t, epoch, kept);
    if (ok)
        *ret = *kept;
    else
        kept->epoch = -1;
    pthread_mutex_unlock(&t->lock);
    return ok;
}

/* The keys for a ticket: of now to make one, of its name to read it. Returns 1, 0 (unknown), -1. */
static int find_keys(struct ly_tls *t, unsigned char *name, struct ly__ticket_keys *ret, bool makes)
{
    int64_t epoch = epoch_now();
    for (int64_t back = 0; back < 2 && epoch >= back; back++) {
        if (!keys_of(t, epoch - back, ret))
            return -1;
        if (makes)
            memcpy(name, ret->name, sizeof ret->name);
        if (memcmp(name, ret->name, sizeof ret->name) == 0)
            return 1;
    }
    return 0;
}

/* Returns as of SSL_CTX_set_tlsext_ticket_key_evp_cb(3). 2: a ticket that was used is replaced
 * by a new one, since clients use each only once (RFC 8446, C.4). */
static int use_keys(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                    EVP_MAC_CTX *mac, int makes)
{
    struct ly_tls *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct ly__ticket_keys keys;
    char sha256[] = "SHA256";
    if (makes && RAND_bytes(iv, EVP_CIPHER_get_iv_length(t->cipher)) <= 0)
        return -1;
    int r = find_keys(t, name, &keys, makes);
    if (r <= 0)
        return r;
    OSSL_PARAM params[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, keys.mac, sizeof keys.mac),
                           OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, sha256, 0),
                           OSSL_PARAM_construct_end()};
    bool ok = EVP_CipherInit_ex(cipher, t->cipher, NULL, keys.cipher, iv, makes) &&
              EVP_MAC_CTX_set_params(mac, params);
    OPENSSL_cleanse(&keys, sizeof keys);
    return !ok ? -1 : makes ? 1 : 2;
}

int ly__tickets_init(struct ly_tls *t)
{
    t->keys[0].epoch = t->keys[1].epoch = -1;
    t->cipher = EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL);
    if (!t->cipher || RAND_priv_bytes(t->secret, sizeof t->secret) <= 0)
        return -ENOMEM;
    SSL_CTX_set_app_data(t->ssl, t);
    SSL_CTX_set_timeout(t->ssl, LIFETIME_S);
    SSL_CTX_set_num_tickets(t->ssl, 1); /* each costs as much as the rest of a resumed handshake's bytes */
    return SSL_CTX_set_tlsext_ticket_key_evp_cb(t->ssl, use_keys) ? 0 : -ENOMEM;
}

void ly__tickets_done(struct ly_tls *t)
{
    EVP_CIPHER_free(t->cipher);
    OPENSSL_cleanse(t->secret, sizeof t->secret);
    OPENSSL_cleanse(t->keys, sizeof t->keys);
    pthread_mutex_destroy(&t->lock);
}
