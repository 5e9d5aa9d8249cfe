/* SPDX-License-Identifier: MIT */
/* Key pairs without files. */
#ifndef LY_AUTH_KEY_PAIR_H
#define LY_AUTH_KEY_PAIR_H

#include "auth/key.h"

/* A public key on P-256 in DER: these bytes (RFC 5480), and the point: both coordinates behind a 4 (SEC
 * 1, 2.3.3). */
#define LY__SPKI_HEAD 26
#define LY__POINT 65
#define LY__POINT_FULL 4
extern const uint8_t ly__spki_head[LY__SPKI_HEAD];

/* Make a pair. key is zero before, and is closed by ly__key_close. Returns 0, -ENOMEM or -EOPNOTSUPP. */
int ly__pair_make(struct ly__key *key);

/* Read the first key of a PEM text. Returns 0, LY_EKEY (there is none, or it is encrypted, damaged, or not on
 * P-256) or -ENOMEM. */
int ly__pair_read(struct ly__key *key, const char *pem, size_t n);

/* A public key from its point. NULL: it is none, or no memory: ly__pair_refusal tells. Freed by
 * EVP_PKEY_free. */
struct evp_pkey_st *ly__pair_public(const uint8_t point[LY__POINT]);

/* Why OpenSSL has just refused: -ENOMEM, else otherwise. */
int ly__pair_refusal(int otherwise);

#endif
