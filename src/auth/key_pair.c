/* SPDX-License-Identifier: MIT */
/* Key pairs and certificates, by OpenSSL. */
#include "auth/key_pair.h"
#include <errno.h>
#include <lanyard/error.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#define CURVE "P-256"
#define CURVE_SHORT "prime256v1" /* OpenSSL's name for it */

int ly__pair_refusal(int otherwise)
{
    unsigned long error;
    while ((error = ERR_get_error())) {
        if (ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE)
            otherwise = -ENOMEM;
    }
    return otherwise;
}

void ly__key_close(struct ly__key *key)
{
    EVP_PKEY_free(key->pair); /* wipes it */
    *key = (struct ly__key){0};
}

/* ---- a pair ---- */

static int describe(struct ly__key *key)
{
    unsigned char *at = key->spki;
    int n = i2d_PUBKEY(key->pair, NULL);
    if (n <= 0)
        return ly__pair_refusal(LY_EKEY);
    if (n > LY__SPKI_MAX)
        return LY_EKEY;
    n = i2d_PUBKEY(key->pair, &at);
    if (n <= 0)
        return ly__pair_refusal(LY_EKEY);
    key->spki_length = (size_t)n;
    int r = ly__id_of(key->id, key->spki, key->spki_length);
    if (r == 0)
        ly__id_format(key->text, key->id);
    return r;
}

int ly__pair_make(struct ly__key *key)
{
    key->pair = EVP_EC_gen(CURVE);
    int r = key->pair ? describe(key) : ly__pair_refusal(-EOPNOTSUPP);
    if (r < 0)
        ly__key_close(key);
    return r;
}

/* An encrypted key would have a person asked for its password. */
static int no_password(char *buf, int size, int for_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)for_writing;
    (void)arg;
    return -1;
}

/* A public half that belongs to another key would give us an identity that we cannot prove. */
static int check(EVP_PKEY *pair)
{
    char curve[32] = "";
    size_t n = 0;
    if (!EVP_PKEY_is_a(pair, "EC") || !EVP_PKEY_get_group_name(pair, curve, sizeof curve, &n))
        return ly__pair_refusal(LY_EKEY);
    if (strcmp(curve, CURVE_SHORT) != 0)
        return LY_EKEY;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pair, NULL);
    bool is_right = context && EVP_PKEY_pairwise_check(context) == 1;
    EVP_PKEY_CTX_free(context);
    return is_right ? 0 : ly__pair_refusal(context ? LY_EKEY : -ENOMEM);
}

int ly__pair_read(struct ly__key *key, const char *pem, size_t n)
{
    BIO *text = n <= INT_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
    if (!text)
        return ly__pair_refusal(-ENOMEM);
    key->pair = PEM_read_bio_PrivateKey(text, NULL, no_password, NULL);
    BIO_free(text);
    int r = key->pair ? check(key->pair) : ly__pair_refusal(LY_EKEY);
    if (r == 0)
        r = describe(key);
    if (r < 0)
        ly__key_close(key);
    return r;
}

/* ---- PEM ---- */

/* What is in a BIO of memory; the copy is wiped with the BIO where that is of the secure kind. */
static int take(BIO *memory, struct ly_buffer *ret_pem)
{
    char *text, *place;
    long n = BIO_get_mem_data(memory, &text);
    if (n <= 0)
        return ly__pair_refusal(-ENOMEM);
    int r = ly_buffer_reserve(ret_pem, (size_t)n + 1, &place); /* at once: growing would leave copies */
    if (r < 0)
        return r;
    memcpy(place, text, (size_t)n);
    place[n] = 0;
    ly_buffer_commit(ret_pem, (size_t)n);
    return 0;
}

int ly__key_private_pem(const struct ly__key *key, struct ly_buffer *ret_pem)
{
    BIO *memory = BIO_new(BIO_s_secmem());
    bool written = memory && PEM_write_bio_PKCS8PrivateKey(memory, key->pair, NULL, NULL, 0, NULL, NULL) == 1;
    int r = written ? take(memory, ret_pem) : ly__pair_refusal(-ENOMEM);
    BIO_free(memory);
    return r;
}

/* The beginning lies before every clock's, the end is RFC 5280's for none (4.1.2.5). The serial number is the
 * identity's first bytes: the same key gives the same one. */
static bool fill_certificate(X509 *c, const struct ly__key *key)
{
    uint8_t serial[16];
    memcpy(serial, key->id, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and never 0 */
    BIGNUM *number = BN_bin2bn(serial, sizeof serial, NULL);
    X509_NAME *name = X509_get_subject_name(c);
    bool done = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(c)) &&
                X509_set_version(c, X509_VERSION_3) == 1 &&
                X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"lanyard", -1, -1,
                                           0) == 1 &&
                X509_set_issuer_name(c, name) == 1 &&
                ASN1_TIME_set_string_X509(X509_getm_notBefore(c), "19700101000000Z") == 1 &&
                ASN1_TIME_set_string_X509(X509_getm_notAfter(c), "99991231235959Z") == 1 &&
                X509_set_pubkey(c, key->pair) == 1;
    BN_free(number);
    return done;
}

int ly__key_certificate_pem(const struct ly__key *key, struct ly_buffer *ret_pem)
{
    X509 *c = X509_new();
    BIO *memory = BIO_new(BIO_s_mem());
    bool written = c && memory && fill_certificate(c, key) && X509_sign(c, key->pair, EVP_sha256()) > 0 &&
                   PEM_write_bio_X509(memory, c) == 1;
    int r = written ? take(memory, ret_pem) : ly__pair_refusal(-ENOMEM);
    BIO_free(memory);
    X509_free(c);
    return r;
}
