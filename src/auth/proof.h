/* SPDX-License-Identifier: MIT */
/*
 * Checking that a client of this machine holds its key (net/tls_proof.h), for who trusts nobody's word.
 *
 * What a client signs in TLS 1.3 is a hash of all messages of the handshake up to there. They are taken apart
 * here as far as needed to see that the client was answering this machine, whose certificate is among them,
 * and this challenge. A signature that was made for another server, or for an earlier connection, is of other
 * messages. The messages come from who may have been taken over: any bytes are taken.
 */
#ifndef LY_AUTH_PROOF_H
#define LY_AUTH_PROOF_H

#include "auth/id.h"
#include "net/tls_proof.h"

#define LY__PROOF_CERTIFICATE 1024 /* bytes of the longest certificate of ours, DER */

/* Whom the client must have been answering. */
struct ly__proof_server {
    uint8_t certificate[LY__PROOF_CERTIFICATE];
    size_t length; /* 0: nobody, and no proof holds */
};

/* certificate: PEM, as the machine shows it. Returns 0, LY_EKEY (it is none) or -ENOMEM. */
int ly__proof_server(struct ly__proof_server *ret_server, const char *certificate);

/*
 * Whether all of it that a client chooses has the form that ly__proof_check takes, for who has seen that the
 * signature is good, and speaks of it to others. TLS takes more: a point in fewer bytes, bits that are not
 * used. Returns 0, LY_EPEER or -ENOMEM.
 */
int ly__proof_has_form(const struct ly__tls_proof *p);

/* Returns 0, and the identity of the key; LY_EPEER (it does not hold); -ENOMEM. */
int ly__proof_check(const struct ly__tls_proof *p, const struct ly__proof_server *server,
                    const uint8_t challenge[LY__TLS_CHALLENGE], uint8_t ret_id[LY__ID]);

#endif
