/* SPDX-License-Identifier: MIT */
#include "auth/announcement.h"
#include "auth/key_pair.h"
#include <errno.h>
#include <lanyard/error.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <string.h>

#define PURPOSE \
    "lanyard next key 1" /* signed with its zero byte, so that no other signature passes for this one */
#define SIGNED_MAX (sizeof PURPOSE + LY__SPKI_MAX)
#define BASE64(n) (((n) + 2) / 3 * 4 + 1) /* bytes of the text of n bytes, with its zero byte */

static size_t fill_signed(uint8_t text[SIGNED_MAX], const struct ly__announcement *a)
{
    memcpy(text, PURPOSE, sizeof PURPOSE);
    memcpy(text + sizeof PURPOSE, a->next, a->next_length);
    return sizeof PURPOSE + a->next_length;
}

int ly__key_announce(struct ly__announcement *ret_announcement, const struct ly__key *key,
                     const struct ly__key *next)
{
    struct ly__announcement a = {.key_length = key->spki_length, .next_length = next->spki_length};
    uint8_t text[SIGNED_MAX];
    memcpy(a.key, key->spki, key->spki_length);
    memcpy(a.next, next->spki, next->spki_length);
    size_t n = fill_signed(text, &a);
    a.signature_length = sizeof a.signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key->pair) == 1 &&
                EVP_DigestSign(context, a.signature, &a.signature_length, text, n) == 1 &&
                a.signature_length <= sizeof a.signature; /* not so where memory is short */
    int r = done ? 0 : ly__pair_refusal(context ? -EOPNOTSUPP : -ENOMEM);
    EVP_MD_CTX_free(context);
    if (r == 0)
        *ret_announcement = a;
    return r;
}

/* ---- checking ---- */

/* A public key on P-256; NULL: none, or no memory. */
static EVP_PKEY *read_public(const uint8_t *spki, size_t n)
{
    const unsigned char *at = spki;
    if (n != LY__SPKI_HEAD + LY__POINT || memcmp(spki, ly__spki_head, LY__SPKI_HEAD) != 0 ||
        spki[LY__SPKI_HEAD] != LY__POINT_FULL)
        return NULL;
    return d2i_PUBKEY(NULL, &at, (long)n);
}

static int verify(EVP_PKEY *key, const struct ly__announcement *a)
{
    uint8_t text[SIGNED_MAX];
    size_t n = fill_signed(text, a);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool done = context && EVP_DigestVerifyInit(context, NULL, EVP_sha256(), NULL, key) == 1 &&
                EVP_DigestVerify(context, a->signature, a->signature_length, text, n) == 1;
    int r = done ? 0 : ly__pair_refusal(context ? LY_EPEER : -ENOMEM);
    EVP_MD_CTX_free(context);
    return r;
}

int ly__announcement_check(const struct ly__announcement *a, const uint8_t id[LY__ID],
                           uint8_t ret_next[LY__ID])
{
    uint8_t signer[LY__ID];
    int r = ly__id_of(signer, a->key, a->key_length);
    if (r == 0 && memcmp(signer, id, LY__ID) != 0)
        return LY_EPEER;
    if (r < 0)
        return r;
    EVP_PKEY *key = read_public(a->key, a->key_length), *next = read_public(a->next, a->next_length);
    r = key && next ? verify(key, a) : ly__pair_refusal(LY_EPEER);
    EVP_PKEY_free(key);
    EVP_PKEY_free(next);
    return r < 0 ? r : ly__id_of(ret_next, a->next, a->next_length);
}

/* ---- JSON ---- */

static int put_bytes(struct ly_buffer *json, const char *name, const uint8_t *bytes, size_t n)
{
    unsigned char text[BASE64(LY__SPKI_MAX)];
    (void)EVP_EncodeBlock(text, bytes, (int)n);
    return ly_json_put_string(json, name, (const char *)text);
}

int ly__announcement_put(struct ly_buffer *json, const char *name, const struct ly__announcement *a)
{
    int r = ly_json_open(json, name, '{');
    if (r == 0)
        r = put_bytes(json, "key", a->key, a->key_length);
    if (r == 0)
        r = put_bytes(json, "next", a->next, a->next_length);
    if (r == 0)
        r = put_bytes(json, "signature", a->signature, a->signature_length);
    return r < 0 ? r : ly_json_close(json, '}');
}

static int get_bytes(struct ly_json object, const char *name, uint8_t *bytes, size_t cap, size_t *ret_n)
{
    char text[BASE64(LY__SPKI_MAX)];
    unsigned char decoded[BASE64(LY__SPKI_MAX)];
    if (ly_json_string(ly_json_get(object, name), text, sizeof text) < 0)
        return LY_EFIELD;
    size_t n = strlen(text), padding = n > 0 && text[n - 1] == '=' ? 1 : 0;
    padding += n > 1 && padding > 0 && text[n - 2] == '=' ? 1 : 0;
    bool is_whole = n > 0 && n % 4 == 0 && strcspn(text, "=") == n - padding;
    int decoded_length = is_whole ? EVP_DecodeBlock(decoded, (const unsigned char *)text, (int)n) : -1;
    if (decoded_length < 0 || (size_t)decoded_length - padding > cap)
        return LY_EFIELD;
    *ret_n = (size_t)decoded_length - padding;
    memcpy(bytes, decoded, *ret_n);
    return 0;
}

int ly__announcement_get(struct ly__announcement *ret_announcement, struct ly_json object)
{
    struct ly__announcement a = {.key_length = 0};
    int r = get_bytes(object, "key", a.key, sizeof a.key, &a.key_length);
    if (r == 0)
        r = get_bytes(object, "next", a.next, sizeof a.next, &a.next_length);
    if (r == 0)
        r = get_bytes(object, "signature", a.signature, sizeof a.signature, &a.signature_length);
    if (r == 0)
        *ret_announcement = a;
    return r;
}
