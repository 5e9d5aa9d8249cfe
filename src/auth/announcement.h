/* SPDX-License-Identifier: MIT */
/*
 * A machine says which key it will have next: the public keys, and a signature by the present one. Peers that
 * remember the present key remember the next one with it, and accept it when it comes.
 *
 * What is signed is "lanyard next key 1", a zero byte, and the next public key. In JSON it is an object,
 * {"key": K, "next": K, "signature": S}, of DER in base64: SubjectPublicKeyInfo, and ECDSA with SHA-256.
 */
#ifndef LY_AUTH_ANNOUNCEMENT_H
#define LY_AUTH_ANNOUNCEMENT_H

#include "auth/key.h"
#include <lanyard/json.h>

#define LY__SIGNATURE_MAX 80 /* bytes of the longest signature on P-256: 72, and some room */

/* DER, as it is sent; what came from a peer is not to be believed before it was checked. */
struct ly__announcement {
    uint8_t key[LY__SPKI_MAX];
    size_t key_length;
    uint8_t next[LY__SPKI_MAX];
    size_t next_length;
    uint8_t signature[LY__SIGNATURE_MAX];
    size_t signature_length;
};

/* Make one. Returns 0, -ENOMEM or -EOPNOTSUPP. */
int ly__key_announce(struct ly__announcement *ret_announcement, const struct ly__key *key,
                     const struct ly__key *next);

/*
 * Check one that a peer has sent whose identity is known (by TLS). Returns 0 and the identity that it will
 * have; LY_EPEER (it is not of that peer, not signed by it, or of a key that is none on P-256); -ENOMEM.
 */
int ly__announcement_check(const struct ly__announcement *a, const uint8_t id[LY__ID],
                           uint8_t ret_next[LY__ID]);

/* Append it as a field of a JSON object; name as in ly_json_put_string. Errors as there. */
int ly__announcement_put(struct ly_buffer *json, const char *name, const struct ly__announcement *a);

/* Read it. Returns 0 or LY_EFIELD. */
int ly__announcement_get(struct ly__announcement *ret_announcement, struct ly_json object);

#endif
