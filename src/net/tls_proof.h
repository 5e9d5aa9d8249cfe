/* SPDX-License-Identifier: MIT */
/*
 * That a client holds its key, as somebody can check who was not there.
 *
 * In the handshake the client signs all messages up to its signature (RFC 8446, 4.4.3), and OpenSSL checks
 * that. Whoever does not trust this process wants to check it himself. So these messages are kept, and he has
 * a challenge of his put among them: an extension of the CertificateRequest, which clients pass over without
 * knowing it (4.3.2). The client does nothing that it would not do anyway, and signs that it is alive now.
 */
#ifndef LY_NET_TLS_PROOF_H
#define LY_NET_TLS_PROOF_H

#include <lanyard/buffer.h>
#include <lanyard/tls.h>
#include <stdint.h>

#define LY__TLS_CHALLENGE 32              /* bytes */
#define LY__TLS_CHALLENGE_EXTENSION 65356 /* its type; among those for private use (RFC 8446, 11) */
#define LY__TLS_PROOF_MAX 8192            /* bytes of messages; a client who sends more proves nothing */
#define LY__TLS_PROOF_KEY 128             /* bytes of a key; one on P-256 has 91 */

struct ly__tls_proof {
    uint8_t key[LY__TLS_PROOF_KEY]; /* SubjectPublicKeyInfo, DER */
    size_t key_length;
    struct ly_buffer messages; /* from the ClientHello to the client's CertificateVerify, as they were sent */
};

void ly__tls_proof_init(struct ly__tls_proof *p);
void ly__tls_proof_done(struct ly__tls_proof *p);

/* For a context of servers that ask for certificates: clients are asked for keys on P-256 and Ed25519 alone.
 * Before its first connection. Returns 0 or -ENOMEM. */
int ly__tls_ask_proof(struct ly_tls *tls);

/* Put this to the client of a connection of such a context, before the handshake. Returns 0; -EISCONN (too
 * late); -EBADF, -EINVAL, -ENOMEM. */
int ly__tls_challenge(struct ly_sock *sock, const uint8_t challenge[LY__TLS_CHALLENGE]);

/*
 * The proof of a connection whose handshake is over; once. ret_proof: an empty one. Returns 0; -ENOENT (no
 * challenge was put; or the client has shown no key, or sent more than is kept); -EBADF, -ENOTCONN, -EINVAL,
 * -ENOMEM.
 */
int ly__tls_take_proof(struct ly_sock *sock, struct ly__tls_proof *ret_proof);

#endif
