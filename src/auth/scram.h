/* SPDX-License-Identifier: MIT */
/*
 * SCRAM-SHA-256-PLUS (RFC 5802, 7677) bound to the TLS channel by tls-exporter (RFC 9266): both sides as
 * steps on messages in memory, without I/O. Neither side offers or accepts anything weaker: no other
 * mechanism, no other kind of binding, no login in the name of another user.
 */
#ifndef LY_AUTH_SCRAM_H
#define LY_AUTH_SCRAM_H

#include <lanyard/buffer.h>
#include <stddef.h>
#include <stdint.h>

#define LY__SCRAM_MECHANISM "SCRAM-SHA-256-PLUS"
#define LY__SCRAM_BINDING 32   /* bytes of the channel's tls-exporter */
#define LY__SCRAM_KEY 32       /* bytes of a key: SHA-256's */
#define LY__SCRAM_SALT 16      /* bytes of a salt that we make */
#define LY__SCRAM_MESSAGE 1024 /* bytes of the longest message that is taken */

#define LY__PASSWORD_MIN 8    /* characters, once prepared */
#define LY__PASSWORD_MAX 1024 /* bytes, as given */

/* What a client accepts. Below the least, the password could be guessed from what is sent (RFC 7677, 4);
 * above the most, the server only keeps us busy. */
#define LY__SCRAM_ITERATIONS_MIN 4096
#define LY__SCRAM_ITERATIONS_MAX 10000000

/* What a server keeps of a password: enough to check it, too little to log in elsewhere with. */
struct ly__scram_secret {
    uint32_t iterations;
    uint8_t salt[LY__SCRAM_SALT];
    uint8_t stored_key[LY__SCRAM_KEY];
    uint8_t server_key[LY__SCRAM_KEY];
};

/*
 * Make the keys of a password; the secret's salt and iterations are set already. It computes for a good part
 * of a second: run it on the offload pool. Returns 0; LY_EDECODE (the password is not UTF-8, or has
 * characters that SASLprep (RFC 4013) forbids); LY_ETOOBIG; -EINVAL (nothing is left of it); -ENOMEM.
 */
int ly__scram_derive(struct ly__scram_secret *secret, const char *password);

/* How many characters a password has once prepared; its errors are those of ly__scram_derive. */
int ly__scram_password_length(const char *password);

/*
 * A name as both sides compare it (SASLprep, RFC 4013), to be freed. Returns 0; LY_EDECODE (it is not UTF-8,
 * or has forbidden characters); -EINVAL (nothing is left of it); -ENOMEM.
 */
int ly__scram_prepare(const char *text, char **ret_text);

/* ---- the server ---- */

struct ly__scram_server;

/*
 * Find the secret of a name (prepared by SASLprep). A name that is unknown gets one too, so that nobody can
 * tell: see ly__secret_of. A negative result ends the login with that error.
 */
typedef int ly__scram_find_fn(void *arg, const char *name, struct ly__scram_secret *ret_secret);

/* binding: what the server's side of the TLS connection exports. Returns 0 or -ENOMEM. */
int ly__scram_server_new(struct ly__scram_server **ret_server, const uint8_t binding[LY__SCRAM_BINDING],
                         ly__scram_find_fn *find, void *arg);

/*
 * Take the client's next message; the answer is appended to out. Returns 0 (more is to come), 1 (logged in:
 * send the answer, which proves to the client who we are), LY_EDENIED (a wrong proof, a foreign channel, a
 * malformed message: all the same), an error of find, LY_ETOOBIG or -ENOMEM. After anything but 0 there is no
 * further step.
 */
int ly__scram_server_step(struct ly__scram_server *s, const void *message, size_t n, struct ly_buffer *out);

/* The name that find was asked for; "" before. Until the login succeeds it is a claim. */
const char *ly__scram_server_name(const struct ly__scram_server *s);

void ly__scram_server_free(struct ly__scram_server *s);

/* ---- the client ---- */

struct ly__scram_client;

/* The texts are copied. Returns 0, LY_EDECODE, -EINVAL, LY_ETOOBIG or -ENOMEM. */
int ly__scram_client_new(struct ly__scram_client **ret_client, const char *name, const char *password,
                         const uint8_t binding[LY__SCRAM_BINDING]);

/*
 * Take the server's message (none, n = 0, at the first step) and append ours to out. Returns 0 (send it), 1
 * (the server has proved that it knows the password's keys; nothing to send), LY_EDENIED (the server is not
 * who it says, or speaks another language), LY_EREFUSED (it wants a number of iterations that we do not
 * accept), LY_ETOOBIG or -ENOMEM. The second step computes for a good part of a second.
 */
int ly__scram_client_step(struct ly__scram_client *c, const void *message, size_t n, struct ly_buffer *out);

void ly__scram_client_free(struct ly__scram_client *c);

#endif
