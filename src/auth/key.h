/* SPDX-License-Identifier: MIT */
/*
 * The machine's key: ECDSA on P-256, in key.pem of the state directory, made when it is first needed. The
 * next one may wait beside it, in next.pem, until peers have learned of it (announcement.h).
 *
 * Nothing here runs at the start of a program; the first call starts OpenSSL. The functions on files wait for
 * the disk.
 */
#ifndef LY_AUTH_KEY_H
#define LY_AUTH_KEY_H

#include "auth/id.h"
#include <lanyard/buffer.h>
#include <stdbool.h>

#define LY__KEY_FILE "key.pem"
#define LY__KEY_NEXT_FILE "next.pem"
#define LY__KEY_ANNOUNCED_FILE "announced" /* the next key's identity, once a server announced it */

#define LY__SPKI_MAX 128 /* bytes of the longest public key that is taken; one on P-256 has 91 */

struct ly__key {
    struct evp_pkey_st *pair;   /* OpenSSL's EVP_PKEY */
    uint8_t spki[LY__SPKI_MAX]; /* the public key, DER */
    size_t spki_length;
    uint8_t id[LY__ID];     /* its identity */
    char text[LY__ID_TEXT]; /* and that, printed */
};

/*
 * Load a key from a file of a state directory. With make it is made where there is none: of several processes
 * that come at once, one makes it and all get that one. A file that is there is never overwritten. Returns 0;
 * -ENOENT; -EPERM (it belongs to somebody else, or others may read it: then it is secret no longer); LY_EKEY
 * (it holds no key on P-256, or a damaged one); -ENOSPC, -EACCES and others of -errno; -ENOMEM.
 */
int ly__key_open(struct ly__key *key, const char *directory, const char *file, bool make);

/* Forget it; what is secret is wiped. */
void ly__key_close(struct ly__key *key);

/* Make the next key the machine's. The old one is gone then. Returns 0, -ENOENT (there is no next one) or an
 * error of ly__key_open. */
int ly__key_rotate(const char *directory);

/* A server has begun to announce the key of this identity; whether one has. Returns 0 or -errno. */
int ly__key_note_announced(const char *directory, const char *id);
bool ly__key_is_announced(const char *directory, const char *id);

/* What an error of these functions means and what to do, as half a sentence to stand behind the file's name.
 */
const char *ly__key_text(int error);

/*
 * For TLS: the key (PKCS #8), and a certificate for it that it has signed itself, which says nothing else
 * (CN=lanyard, without an end). Both are PEM, appended to ret_pem, which ends in a zero byte that is not
 * counted. A private key is to be wiped: ly__key_wipe. Return 0, -ENOMEM or LY_ETOOBIG.
 */
int ly__key_private_pem(const struct ly__key *key, struct ly_buffer *ret_pem);
int ly__key_certificate_pem(const struct ly__key *key, struct ly_buffer *ret_pem);

/* ly_buffer_done for a secret. */
void ly__key_wipe(struct ly_buffer *b);

#endif
