/* SPDX-License-Identifier: MIT */
/*
 * Key pairs and certificates, by OpenSSL.
 *
 * Its general readers and writers of keys look through all formats that they know, which takes longer than a
 * handshake, and a client reads its key at each start. So the one form that we write ourselves is taken apart
 * here, byte for byte; every other one goes the general way.
 */
#include "auth/key_pair.h"
#include <errno.h>
#include <lanyard/error.h>
#include <limits.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
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

/* DER around a key on P-256: SubjectPublicKeyInfo (RFC 5480), and PrivateKeyInfo (RFC 5958) with an
 * ECPrivateKey (RFC 5915) in it; the numbers lie behind each piece. */
const uint8_t ly__spki_head[LY__SPKI_HEAD] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                              0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                              0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
static const uint8_t private_head[] = {0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06,
                                       0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                                       0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
                                       0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01, 0x04, 0x20};
static const uint8_t public_head[] = {0xa1, 0x44, 0x03, 0x42, 0x00};
#define NUMBER 32 /* bytes of a private key */
#define PRIVATE_LENGTH (sizeof private_head + NUMBER + sizeof public_head + LY__POINT)

/* Fill in what is not the pair. */
static int describe(struct ly__key *key)
{
    size_t n = 0;
    _Static_assert(sizeof ly__spki_head + LY__POINT <= LY__SPKI_MAX, "a public key has room");
    memcpy(key->spki, ly__spki_head, sizeof ly__spki_head);
    uint8_t *point = key->spki + sizeof ly__spki_head;
    if (!EVP_PKEY_get_octet_string_param(key->pair, OSSL_PKEY_PARAM_PUB_KEY, point, LY__POINT, &n))
        return ly__pair_refusal(LY_EKEY);
    if (n != LY__POINT || *point != LY__POINT_FULL)
        return LY_EKEY;
    key->spki_length = sizeof ly__spki_head + LY__POINT;
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

/* A pair from its numbers. NULL: it is none, or no memory. */
static EVP_PKEY *build(const uint8_t *number, uint8_t *point)
{
    char curve[] = CURVE;
    EVP_PKEY *pair = NULL;
    BIGNUM *secret = BN_bin2bn(number, NUMBER, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (secret && builder && context &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, LY__POINT) &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, secret) &&
        (params = OSSL_PARAM_BLD_to_param(builder)) && EVP_PKEY_fromdata_init(context) == 1)
        (void)EVP_PKEY_fromdata(context, &pair, EVP_PKEY_KEYPAIR, params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(context);
    BN_clear_free(secret);
    return pair;
}

EVP_PKEY *ly__pair_public(const uint8_t point[LY__POINT])
{
    char curve[] = CURVE;
    uint8_t copy[LY__POINT];
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    if (*point == LY__POINT_FULL && context && EVP_PKEY_fromdata_init(context) == 1) {
        memcpy(copy, point, sizeof copy);
        OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, curve, 0),
                               OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, copy, sizeof copy),
                               OSSL_PARAM_construct_end()};
        (void)EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params);
    }
    EVP_PKEY_CTX_free(context);
    return key;
}

/* Our own form. Returns 1, 0 (it is another), or an error. */
static int read_own(struct ly__key *key, BIO *text)
{
    char *name = NULL, *header = NULL;
    unsigned char *der = NULL;
    long n = 0;
    if (PEM_read_bio(text, &name, &header, &der, &n) != 1)
        return ly__pair_refusal(LY_EKEY);
    uint8_t *number = der + sizeof private_head, *middle = number + NUMBER,
            *point = middle + sizeof public_head;
    bool is_own = strcmp(name, PEM_STRING_PKCS8INF) == 0 && !*header && (size_t)n == PRIVATE_LENGTH &&
                  memcmp(der, private_head, sizeof private_head) == 0 &&
                  memcmp(middle, public_head, sizeof public_head) == 0 && *point == LY__POINT_FULL;
    if (is_own)
        key->pair = build(number, point);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_clear_free(der, (size_t)n);
    return key->pair ? 1 : is_own ? ly__pair_refusal(LY_EKEY) : 0;
}

/* Any other. Its certificate will have the point in full, as its identity has. */
static int read_other(struct ly__key *key, BIO *text)
{
    key->pair = PEM_read_bio_PrivateKey(text, NULL, no_password, NULL);
    if (!key->pair || !EVP_PKEY_is_a(key->pair, "EC") ||
        !EVP_PKEY_set_utf8_string_param(key->pair, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                        "uncompressed"))
        return ly__pair_refusal(LY_EKEY);
    return 1;
}

int ly__pair_read(struct ly__key *key, const char *pem, size_t n)
{
    BIO *text = n <= INT_MAX ? BIO_new_mem_buf(pem, (int)n) : NULL;
    if (!text)
        return ly__pair_refusal(-ENOMEM);
    int r = read_own(key, text);
    if (r == 0)
        r = BIO_reset(text) == 1 ? read_other(key, text) : LY_EKEY;
    BIO_free(text);
    if (r > 0)
        r = check(key->pair);
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

/* Our own form. */
static bool put_private(uint8_t der[PRIVATE_LENGTH], const struct ly__key *key)
{
    BIGNUM *secret = NULL;
    uint8_t *number = der + sizeof private_head, *middle = number + NUMBER;
    memcpy(der, private_head, sizeof private_head);
    memcpy(middle, public_head, sizeof public_head);
    memcpy(middle + sizeof public_head, key->spki + LY__SPKI_HEAD, LY__POINT);
    bool done = EVP_PKEY_get_bn_param(key->pair, OSSL_PKEY_PARAM_PRIV_KEY, &secret) == 1 &&
                BN_bn2binpad(secret, number, NUMBER) == NUMBER;
    BN_clear_free(secret);
    return done;
}

int ly__key_private_pem(const struct ly__key *key, struct ly_buffer *ret_pem)
{
    uint8_t der[PRIVATE_LENGTH];
    BIO *memory = BIO_new(BIO_s_secmem());
    bool written = memory && put_private(der, key) &&
                   PEM_write_bio(memory, PEM_STRING_PKCS8INF, "", der, sizeof der) > 0;
    int r = written ? take(memory, ret_pem) : ly__pair_refusal(-ENOMEM);
    OPENSSL_cleanse(der, sizeof der);
    BIO_free(memory);
    return r;
}

/* ---- the certificate ---- */

/*
 * A certificate (RFC 5280, 4.1) in DER, in which only the serial number, the key and the signature differ
 * from machine to machine. OpenSSL would make it as well, but to take a key into a certificate it writes the
 * key, and reads it again by a search through all formats. The beginning lies before every clock's, the end
 * is RFC 5280's for none (4.1.2.5). The serial number is the identity's first bytes: the same key gives the
 * same one.
 */
#define SERIAL 16
#define SIGNATURE_MAX 72
#define SIGNATURE_LEAST 64 /* a shorter one would need shorter lengths before it; almost none is */
#define NAME               /* CN=lanyard */                                                                \
    0x30, 0x12, 0x31, 0x10, 0x30, 0x0e, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x07, 'l', 'a', 'n', 'y', 'a', \
        'r', 'd'
#define ECDSA_SHA256 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02
static const uint8_t signed_head[] = {0x30, 0x81,  0xc8,             /* what is signed, 200 bytes */
                                      0xa0, 0x03,  0x02, 0x01, 0x02, /* version 3 */
                                      0x02, SERIAL};                 /* and the serial number */
static const uint8_t middle[] = {
    ECDSA_SHA256, NAME,                                                                  /* the issuer */
    0x30,         0x20,                                                                  /* the validity */
    0x17,         0x0d, '7', '0', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z', /* 1970 */
    0x18,         0x0f, '9', '9', '9', '9', '1', '2', '3', '1', '2', '3', '5', '9', '5', '9', 'Z', NAME};
static const uint8_t algorithm[] = {ECDSA_SHA256};
#define SIGNED (sizeof signed_head + SERIAL + sizeof middle + LY__SPKI_HEAD + LY__POINT)
_Static_assert(SIGNED == 203, "the length in its head is right");

struct der {
    uint8_t bytes[4 + SIGNED + sizeof algorithm + 3 + SIGNATURE_MAX];
    size_t n;
};

static void put(struct der *to, const void *bytes, size_t n)
{
    memcpy(to->bytes + to->n, bytes, n);
    to->n += n;
}

static void put_signed(struct der *to, const struct ly__key *key)
{
    uint8_t serial[SERIAL];
    memcpy(serial, key->id, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 0x40); /* positive, and never 0 */
    put(to, signed_head, sizeof signed_head);
    put(to, serial, sizeof serial);
    put(to, middle, sizeof middle);
    put(to, key->spki, LY__SPKI_HEAD + LY__POINT);
}

/* Returns its length; 0: OpenSSL refuses. Without memory it may say yes, and a length that cannot be. */
static size_t sign(const struct ly__key *key, const struct der *text, uint8_t signature[SIGNATURE_MAX])
{
    size_t n = 0;
    bool done = true;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    while (context && done && n < SIGNATURE_LEAST) {
        n = SIGNATURE_MAX;
        done = EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->pair) == 1 &&
               EVP_DigestSign(context, signature, &n, text->bytes, text->n) == 1 && n <= SIGNATURE_MAX;
    }
    EVP_MD_CTX_free(context);
    return done ? n : 0;
}

/* All of it; empty if OpenSSL refuses. */
static struct der make_certificate(const struct ly__key *key)
{
    uint8_t signature[SIGNATURE_MAX];
    struct der text = {.n = 0}, whole = {.n = 0};
    put_signed(&text, key);
    size_t n = sign(key, &text, signature), inside = text.n + sizeof algorithm + 3 + n;
    if (n == 0)
        return whole;
    const uint8_t head[] = {0x30, 0x82, (uint8_t)(inside >> 8), (uint8_t)inside};
    const uint8_t bits[] = {0x03, (uint8_t)(n + 1), 0}; /* none unused */
    put(&whole, head, sizeof head);
    put(&whole, text.bytes, text.n);
    put(&whole, algorithm, sizeof algorithm);
    put(&whole, bits, sizeof bits);
    put(&whole, signature, n);
    return whole;
}

int ly__key_certificate_pem(const struct ly__key *key, struct ly_buffer *ret_pem)
{
    BIO *memory = BIO_new(BIO_s_mem());
    struct der der = memory ? make_certificate(key) : (struct der){.n = 0};
    bool written = der.n > 0 && PEM_write_bio(memory, PEM_STRING_X509, "", der.bytes, (long)der.n) > 0;
    int r = written ? take(memory, ret_pem) : ly__pair_refusal(-ENOMEM);
    BIO_free(memory);
    return r;
}
