/* SPDX-License-Identifier: MIT */
/* Key pairs without files. */
#ifndef LY_AUTH_KEY_PAIR_H
#define LY_AUTH_KEY_PAIR_H

#include "auth/key.h"

/* Make a pair. key is zero before, and is closed by ly__key_close. Returns 0, -ENOMEM or -EOPNOTSUPP. */
int ly__pair_make(struct ly__key *key);

/* Read the first key of a PEM text. Returns 0, LY_EKEY (there is none, or it is encrypted, damaged, or not on
 * P-256) or -ENOMEM. */
int ly__pair_read(struct ly__key *key, const char *pem, size_t n);

/* Why OpenSSL has just refused: -ENOMEM, else otherwise. */
int ly__pair_refusal(int otherwise);

#endif
