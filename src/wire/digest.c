/* SPDX-License-Identifier: MIT */
/* Digests and HMACs, by OpenSSL. Nothing else in the library calls it, so a program that is linked statically
 * and needs no digest has none of it. */
#include <errno.h>
#include <lanyard/challenge.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdlib.h>
#include <sys/random.h>

struct ly_digest {
    EVP_MD_CTX *plain; /* one of the two */
    EVP_MAC_CTX *keyed;
};

/* Why OpenSSL has just refused. */
static int refusal(void)
{
    bool no_memory = ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE;
    ERR_clear_error();
    return no_memory ? -ENOMEM : -EOPNOTSUPP;
}

static int begin_plain(struct ly_digest *d, enum ly_digest_kind kind)
{
    d->plain = EVP_MD_CTX_new();
    if (!d->plain)
        return -ENOMEM;
    return EVP_DigestInit_ex(d->plain, kind == LY_MD5 ? EVP_md5() : EVP_sha256(), NULL) ? 0 : refusal();
}

static int begin_keyed(struct ly_digest *d, enum ly_digest_kind kind, const void *key, size_t key_length)
{
    char md5[] = "MD5", sha256[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, kind == LY_MD5 ? md5 : sha256, 0),
        OSSL_PARAM_construct_end()};
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (!hmac)
        return refusal();
    d->keyed = EVP_MAC_CTX_new(hmac);
    EVP_MAC_free(hmac);
    if (!d->keyed)
        return -ENOMEM;
    return EVP_MAC_init(d->keyed, key, key_length, params) ? 0 : refusal();
}

int ly_digest_new(struct ly_digest **ret_digest, enum ly_digest_kind kind, const void *key, size_t key_length)
{
    struct ly_digest *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    int r = key ? begin_keyed(d, kind, key, key_length) : begin_plain(d, kind);
    if (r < 0) {
        ly_digest_free(d);
        return r;
    }
    *ret_digest = d;
    return 0;
}

int ly_digest_update(struct ly_digest *d, const void *bytes, size_t n)
{
    int done = d->plain ? EVP_DigestUpdate(d->plain, bytes, n) : EVP_MAC_update(d->keyed, bytes, n);
    return done ? 0 : refusal();
}

ssize_t ly_digest_end(struct ly_digest *d, unsigned char out[LY_DIGEST_MAX])
{
    unsigned int plain_length = 0;
    size_t length = 0;
    int done;
    if (d->plain) {
        done = EVP_DigestFinal_ex(d->plain, out, &plain_length);
        length = plain_length;
    } else {
        done = EVP_MAC_final(d->keyed, out, &length, LY_DIGEST_MAX);
    }
    return done ? (ssize_t)length : refusal();
}

void ly_digest_free(struct ly_digest *d)
{
    if (!d)
        return;
    EVP_MD_CTX_free(d->plain); /* both wipe what they held */
    EVP_MAC_CTX_free(d->keyed);
    free(d);
}

void ly_hex(char *out, const void *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++) {
        *out++ = digits[p[i] >> 4];
        *out++ = digits[p[i] & 15];
    }
    *out = '\0';
}

bool ly_equal_secret(const void *a, const void *b, size_t n)
{
    return CRYPTO_memcmp(a, b, n) == 0;
}

int ly_random(void *out, size_t n)
{
    unsigned char *place = out;
    while (n > 0) {
        ssize_t got = getrandom(place, n, 0);
        if (got < 0 && errno != EINTR)
            return -errno;
        if (got > 0) {
            place += got;
            n -= (size_t)got;
        }
    }
    return 0;
}
