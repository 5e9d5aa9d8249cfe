/* SPDX-License-Identifier: MIT */
/*
 * TLS 1.3 on sockets.
 *
 * A context (struct ly_tls) holds what connections have in common: certificate and key, who is trusted, the
 * keys of tickets. Given as .tls with a "tls://host:port" address to ly_listen, ly_connect or ly_server_open
 * it makes their connections TLS streams, on which the calls of socket.h, stream.h and file.h work as on any
 * other; the handler's code stays the same. The handshake takes place in the first call that receives or
 * sends, in the task that makes it, or in ly_tls_handshake; the socket's time-out and the scopes bound it.
 *
 * What differs from a plain socket:
 *
 *   the end           ly_shutdown with SHUT_WR or SHUT_RDWR sends TLS's closing message first, which suspends
 *                     while the socket is full. Receiving gives 0 after the peer's closing message alone; a
 *                     connection that ends without one was cut: LY_ECUT, unless it is a client that has not
 *                     sent a byte. ly_sock_close sends it too if it finds room at once.
 *   errors            LY_ETLS: the handshake or a record failed; ly_tls_why tells what. It stays.
 *   waiting           bytes may be decrypted already while the descriptor has none: who polls the descriptor
 *                     asks ly_tls_pending first, or receives until -EAGAIN.
 *   time-out 0        bytes that ly_send took may still wait in the socket; the next call sends them on.
 *   cannot be done    ly_sendto, ancillary data and descriptors, urgent bytes, ly_sock_dup, ly_sock_detach:
 *                     -EOPNOTSUPP.
 *
 * Only TLS 1.3 is spoken, without early data. Source: RFC 8446.
 */
#ifndef LANYARD_TLS_H
#define LANYARD_TLS_H

#include <lanyard/error.h>
#include <lanyard/socket.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ly_tls;
struct evp_pkey_st; /* OpenSSL's EVP_PKEY */

enum ly_tls_verify {
    /* the peer's certificate leads to a trusted one and, in a client, is the host's */
    LY_TLS_VERIFY_CA = 0,
    /* any certificate will do, and that its key is the peer's is all that is proved: for who compares that
     * key afterwards (ly_tls_peer_key) */
    LY_TLS_VERIFY_NONE,
};

/* What a server says of certificates of clients. */
enum ly_tls_client_certificate {
    LY_TLS_NO_CERTIFICATE = 0, /* nothing: they send none */
    LY_TLS_ASK,                /* send one if you have it */
    LY_TLS_REQUIRE,            /* without one the handshake fails */
};

struct ly_tls_options {
    bool server; /* the context accepts connections; else it makes them */
    /* the certificate, with those that lead to a trusted one behind it, and its key: the names of PEM files,
     * or PEM text. Servers need them; a client shows them when it is asked. Keys with a password are refused.
     */
    const char *certificate_file, *key_file;
    const char *certificate, *key;
    /* the key as OpenSSL has it (EVP_PKEY), in place of a file or text: borrowed during the call */
    struct evp_pkey_st *key_object;
    enum ly_tls_verify verify;
    const char *ca_file; /* LY_TLS_VERIFY_CA: PEM file of those who are trusted; NULL: the system's */
    enum ly_tls_client_certificate client_certificate; /* servers */
    /* names of protocols for ALPN, the preferred one first, ended by NULL, each of 1..255 bytes; NULL: none.
     * Of a client that names others only, the handshake fails */
    const char *const *alpn;
    bool no_tickets; /* servers: clients cannot resume sessions; clients: do not ask for it */
    /* servers: this process encrypts files even where the kernel could. Without it the kernel, where it has
     * TLS, encrypts all that is sent from the first ly_sendfile of 256 KiB on; if the client asks for new
     * keys after that, the next send gives LY_ETLS */
    bool no_kernel;
    /* where to tell what failed, as text; NULL: nowhere. why_size: its bytes; best LY_TLS_WHY */
    char *why;
    size_t why_size;
};
#define LY_TLS_WHY 200

/*
 * Make a context. Strings are read and not kept. A server's makes tickets under keys that change every few
 * hours and that forked processes share with it, so that a session goes on at whichever worker. It may be
 * used by all threads at once.
 *
 * Returns 0; -EINVAL (options that contradict each other, a server without certificate); -ENOENT, -EACCES and
 * the like (a file); LY_ETLS (not PEM, or the key is another certificate's); -ENOMEM.
 */
LY_API int ly_tls_open(struct ly_tls **ret_tls, const struct ly_tls_options *options);

/* Drop it; sockets and servers that have it go on, and the last of them frees it. NULL is accepted. */
LY_API void ly_tls_close(struct ly_tls *tls);

/*
 * Put TLS on a connection that exists.
 *
 * ret_sock   the TLS socket, with the old one's time-out
 * sock       a connected stream socket over which no file is open; taken on success only
 * name       clients: the host that is asked for, and that its certificate must be for; NULL: none
 *
 * Returns 0, -EINVAL (no stream, TLS already, a file is open over it, a name with LY_TLS_VERIFY_CA is
 * missing), -EBADF, -ENOMEM.
 */
LY_API int ly_tls_wrap(struct ly_sock **ret_sock, struct ly_sock *sock, struct ly_tls *tls, const char *name);

/* Do the handshake now. Returns 0 (also if it was done), LY_ETLS, LY_ECUT, -EINVAL (no TLS socket), or an
 * error of ly_recv or ly_send. Suspends. */
LY_API int ly_tls_handshake(struct ly_sock *sock);

/* Whether the socket's connections are TLS streams. */
LY_API bool ly_tls_is_on(const struct ly_sock *sock);

/* ---- after the handshake: each returns -ENOTCONN before it, -EINVAL for a socket without TLS ---- */

/* The peer's key: the SHA-256 of its SubjectPublicKeyInfo in DER form. -ENOENT: it has shown no certificate.
 */
LY_API int ly_tls_peer_key(const struct ly_sock *sock, uint8_t ret_sha256[32]);

/*
 * n bytes that both ends of this connection, and nobody else, can compute for a label; a context is not used.
 * For channel binding "tls-exporter" (RFC 9266) the label is "EXPORTER-Channel-Binding" and n 32.
 * Source: RFC 8446, 7.5.
 */
LY_API int ly_tls_export(struct ly_sock *sock, const char *label, void *ret_bytes, size_t n);

/* The protocol that ALPN chose, ended by a zero byte and cut to cap bytes. Returns its length; 0: none. */
LY_API ssize_t ly_tls_alpn(const struct ly_sock *sock, char *buf, size_t cap);

/* 1 if the session of an earlier connection was resumed, 0 if not. */
LY_API int ly_tls_is_resumed(const struct ly_sock *sock);

/* "TLSv1.3", and the cipher, as "TLS_AES_128_GCM_SHA256". NULL in place of errors. */
LY_API const char *ly_tls_version(const struct ly_sock *sock);
LY_API const char *ly_tls_cipher(const struct ly_sock *sock);

/* ---- sessions ---- */

#define LY_TLS_SESSION_MAX 16384

/*
 * What a client needs to resume the session by a later connection to the same server, which saves both ends
 * most of the handshake: secret bytes. The server's ticket arrives after the handshake, with the first bytes
 * received. cap: bytes of buf, best LY_TLS_SESSION_MAX.
 * Returns their number. Errors: -ENOENT (no ticket has come), LY_ETOOBIG, -ENOMEM.
 */
LY_API ssize_t ly_tls_session(const struct ly_sock *sock, void *buf, size_t cap);

/* Try to resume that session: in a client, before the handshake. If the server does not want to, there is a
 * full handshake. Returns 0, -EINVAL (no session, a server's socket), -EISCONN (too late). */
LY_API int ly_tls_set_session(struct ly_sock *sock, const void *session, size_t n);

/* ---- for loops of one's own ---- */

/* Bytes that can be received without the descriptor becoming readable, as far as they are known: not 0 if a
 * receive might give bytes at once. */
LY_API size_t ly_tls_pending(const struct ly_sock *sock);

/* What failed, in English and without a line end: "certificate verify failed: certificate has expired". cap:
 * bytes of buf, best LY_TLS_WHY; cut to fit. Returns the length; 0: nothing failed. */
LY_API size_t ly_tls_why(const struct ly_sock *sock, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
