/* SPDX-License-Identifier: MIT */
/*
 * Proving that one knows a key without sending it, logins kept as digests, and the digests themselves.
 *
 * A challenge is random bytes; its answer is a digest of them under the shared key. It proves the key to the
 * one who asked, once. It does not encrypt what follows, nor prove the asker: that takes TLS. Digests and
 * keys are compared in constant time and wiped after use. Source: RFC 1321, 2104, 6234; OpenSSL's EVP(7).
 */
#ifndef LANYARD_CHALLENGE_H
#define LANYARD_CHALLENGE_H

#include <lanyard/buffer.h>
#include <lanyard/error.h>
#include <lanyard/socket.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- digests ---- */

enum ly_digest_kind {
    LY_SHA256 = 0, /* 32 bytes */
    LY_MD5,        /* 16 bytes; broken: for what the tutorials' programs say and store, and nothing else */
};

#define LY_DIGEST_MAX 32 /* bytes of the longest digest */

struct ly_digest;

/*
 * Begin a digest.
 * key   NULL: of what follows alone; else an HMAC (RFC 2104) under this key of key_length bytes, any number;
 *       borrowed for the call
 * Returns 0, -ENOMEM, or -EOPNOTSUPP (the system's OpenSSL has this digest switched off).
 */
LY_API int ly_digest_new(struct ly_digest **ret_digest, enum ly_digest_kind kind, const void *key,
                         size_t key_length);

/* Take in n more bytes. Returns 0, -ENOMEM or -EOPNOTSUPP. */
LY_API int ly_digest_update(struct ly_digest *d, const void *bytes, size_t n);

/* The digest of all that was taken in; the object then only waits to be freed. Returns its length, -ENOMEM or
 * -EOPNOTSUPP. */
LY_API ssize_t ly_digest_end(struct ly_digest *d, unsigned char out[LY_DIGEST_MAX]);

/* Wipe and free. NULL is accepted. */
LY_API void ly_digest_free(struct ly_digest *d);

/* Write n bytes as 2 n lower-case hexadecimal digits and a zero byte. */
LY_API void ly_hex(char *out, const void *bytes, size_t n);

/* Whether n bytes are equal, in a time that does not depend on where they differ. */
LY_API bool ly_equal_secret(const void *a, const void *b, size_t n);

/* Fill with n bytes of the system's random generator. Returns 0 or -errno. Source: getrandom(2). */
LY_API int ly_random(void *out, size_t n);

/* ---- challenges ---- */

enum ly_challenge_kind {
    LY_CHALLENGE_HMAC_SHA256 = 0, /* the answer is 32 bytes: HMAC-SHA-256(key, challenge) */
    LY_CHALLENGE_HMAC_MD5,        /* 16 bytes: HMAC-MD5(key, challenge), as in tutorial 004 */
    LY_CHALLENGE_MD5_HEX,         /* 32 hexadecimal digits: MD5(key + challenge), as in tutorial 004 */
};

#define LY_CHALLENGE_MAX 64        /* longest challenge, in bytes */
#define LY_CHALLENGE_ANSWER_MAX 32 /* longest answer, in bytes */

struct ly_challenge {
    enum ly_challenge_kind kind;
    const void *key; /* borrowed */
    size_t key_length;
    size_t length; /* bytes of the challenge, at most LY_CHALLENGE_MAX; both sides know it. 0: 32 for SHA-256,
                    * 10 for the tutorials' kinds */
};

/*
 * The answer to a challenge of n bytes (any number), without I/O.
 * Returns its length: 32, 16 or 32. Errors: -ENOMEM, -EOPNOTSUPP, -EINVAL (no such kind).
 */
LY_API ssize_t ly_challenge_digest(const struct ly_challenge *c, const void *challenge, size_t n,
                                   unsigned char answer[LY_CHALLENGE_ANSWER_MAX]);

/*
 * Send a random challenge and receive its answer. Each receive waits as long as the socket's time-out says:
 * give it one, or a stranger who says nothing holds the caller. In a server of fibers say
 * server_speaks_first, or both sides wait: the fiber for the client's first byte, the client for the
 * challenge. Returns 1: the answer is right; 0: it is wrong. Errors: -EINVAL (no such kind, length out of
 * range), LY_EEOF (the peer left), those of ly_recvall, ly_sendall, ly_random and ly_challenge_digest.
 * Suspends.
 */
LY_API int ly_challenge_ask(struct ly_sock *s, const struct ly_challenge *c);

/* Receive a challenge and send its answer. The peer does not say whether it was right. Returns 0 or errors as
 * above. Suspends. */
LY_API int ly_challenge_answer(struct ly_sock *s, const struct ly_challenge *c);

/* ---- logins ---- */

/*
 * A login file has a line for each user, `name | digest`: blanks around both do not count, the digest is that
 * of MD5(name + password) in 32 hexadecimal digits, all of it UTF-8, as tutorial 004 keeps it. Lines that are
 * none of these are passed over; of several lines for a name the first counts. Whoever reads such a file
 * finds weak passwords in it within seconds: it is for the tutorials' programs.
 */
#define LY_LOGIN_FILE_MAX ((size_t)1 << 20) /* longest file, in bytes */
#define LY_LOGIN_NAME_MAX ((size_t)256)     /* longest name, in bytes */

enum ly_login {
    LY_LOGIN_UNKNOWN = 0, /* there is no such user */
    LY_LOGIN_WRONG = 1,   /* there is, and the password is another */
    LY_LOGIN_RIGHT = 2,
};

/* The digest of a user's line in a text of n bytes, as 16 bytes. Returns whether there is one. */
LY_API bool ly_login_find(const char *text, size_t n, const char *name, unsigned char digest[16]);

/* Append a user's line to b. Returns 0; -EINVAL (a name that is empty, too long, begins or ends with a blank,
 * or has a `|` or a line end in it); LY_ETOOBIG, -ENOMEM, -EOPNOTSUPP. */
LY_API int ly_login_line(struct ly_buffer *b, const char *name, const char *password);

/*
 * Look a user up in the file at path, read anew each time, off the loop.
 * Returns an enum ly_login. Errors: LY_ETOOBIG (the file is longer than LY_LOGIN_FILE_MAX), those of open(2)
 * and read(2), -ENOMEM, -EOPNOTSUPP, -ECANCELED. Suspends.
 */
LY_API int ly_login_check(const char *path, const char *name, const char *password);

#ifdef __cplusplus
}
#endif
#endif
