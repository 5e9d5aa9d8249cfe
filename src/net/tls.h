/* SPDX-License-Identifier: MIT */
/* TLS sockets, as their files share them. Reading order: tls.c, tls_ticket.c, tls_bio.c, tls_life.c,
 * tls_conn.c, tls_kernel.c, tls_peer.c, tls_proof.c. */
#ifndef LY_NET_TLS_H
#define LY_NET_TLS_H

#include "net/sock.h"
#include "net/tls_kernel.h"
#include <lanyard/tls.h>
#include <openssl/ssl.h>
#include <pthread.h>

/* ---- contexts ---- */

#define LY__TICKET_NAME 16
#define LY__TICKET_KEY 32

/* What tickets of one epoch are made with. */
struct ly__ticket_keys {
    int64_t epoch; /* which it is; below 0: none */
    unsigned char name[LY__TICKET_NAME], cipher[LY__TICKET_KEY], mac[LY__TICKET_KEY];
};

struct ly_tls {
    struct ly__tls_base base;
    SSL_CTX *ssl;
    bool verifies;       /* clients: a certificate has to be for a name */
    unsigned char *alpn; /* servers: the protocols, as they travel; NULL: none */
    unsigned alpn_length;
    const char *reading; /* while it is opened: the file that is read; NULL: none */
    /* tickets (tls_ticket.c) */
    pthread_mutex_t lock; /* guards keys */
    struct ly__ticket_keys keys[2];
    unsigned char secret[LY__TICKET_KEY]; /* that the keys of each epoch follow from */
    EVP_CIPHER *cipher;
};

/* Make ready for tickets. Returns 0 or -ENOMEM. */
int ly__tickets_init(struct ly_tls *tls);
void ly__tickets_done(struct ly_tls *tls);

/* Print what OpenSSL's code and the result of a verification say. Returns the length. */
size_t ly__tls_describe(unsigned long code, long verify_result, char *buf, size_t cap);

/* The result that the first code in OpenSSL's queue stands for, LY_ETLS as a rule; *ret_code is that code.
 * The queue is empty then. */
int ly__tls_failed(unsigned long *ret_code);

/* ---- connections ---- */

#define LY__TLS_RECORD 16384                       /* most bytes that a record carries */
#define LY__TLS_WRAPPED (LY__TLS_RECORD + 256)     /* what it may become at most */
#define LY__TLS_ROOM ((size_t)4 * LY__TLS_WRAPPED) /* of a buffer that sends many */
#define LY__TLS_FLOW (4 * LY__TLS_ROOM)            /* of one that receives, at most */

/* Encrypted bytes on their way. There is memory only while there are bytes. */
struct ly__tls_bytes {
    unsigned char *at;
    size_t start, end, size;
};

/*
 * One connection. Nothing suspends and nothing waits while `lock` is held, so that fibers of a loop never
 * meet in it; OpenSSL is called under it alone. It lives until its socket is closed and the last task has
 * left.
 */
struct ly__tls_conn {
    pthread_mutex_t lock;
    SSL *ssl;
    struct ly__tls_kernel *kernel;
    struct ly__tls_bytes in, out; /* from and to the descriptor */
    size_t room;                  /* of in, for the next receive; 0: a record's */
    unsigned users;               /* tasks inside */
    bool is_up;                   /* the handshake is over */
    bool heard;                   /* the peer has sent something */
    bool flows;                   /* the last receive filled in: there is more */
    bool keeps;                   /* OpenSSL keeps its own buffers from record to record */
    bool ended;                   /* the descriptor has no more: the peer's TCP end */
    bool got_close;               /* the peer's closing message has come */
    bool sent_close;              /* ours has gone, as far as the buffer */
    bool deaf;                    /* shut down for receiving: an end needs no closing message */
    bool closed;                  /* the socket was closed */
    int error;                    /* of the protocol, or of receiving; 0: none */
    int out_error;                /* of sending: what goes out is dropped */
    unsigned long code;           /* what OpenSSL said of it */
    /* of the handshake, for a proof of the client's key; NULL: none is kept */
    struct ly__tls_record *record;
};

/* Keep nothing more of the handshake (tls_proof.c). */
void ly__tls_record_free(struct ly__tls_conn *c);

/* Give OpenSSL the connection's buffers in place of a descriptor (tls_bio.c). Returns 0 or -ENOMEM. */
int ly__tls_bio_attach(struct ly__tls_conn *c);
void ly__tls_bytes_free(struct ly__tls_bytes *b);
/* Have room for n more bytes. Returns 0 or -ENOMEM. */
int ly__tls_bytes_reserve(struct ly__tls_bytes *b, size_t n);

/* Append what else the peer speaks, where its first bytes say so, to the n bytes in buf. Returns the length.
 */
size_t ly__tls_add_protocol(const struct ly__tls_bytes *in, char *buf, size_t n, size_t cap);

/* The socket's connection, which is made if it has none yet, locked and with the caller as one of its users;
 * NULL: *ret_error tells why. ly__tls_leave unlocks it. */
struct ly__tls_conn *ly__tls_enter(struct ly_sock *s, int *ret_error);
void ly__tls_leave(struct ly__tls_conn *c);

/* Name the host that a client's connection is for, before its first call (tls_life.c). Returns 0, -EINVAL (it
 * cannot be named so, or has no name and must), or an error of ly__tls_enter. */
int ly__tls_begin(struct ly_sock *s, const char *name);

extern const struct ly__tls_ops ly__tls_calls;

void ly__tls_context_free(struct ly_tls *tls);

#endif
