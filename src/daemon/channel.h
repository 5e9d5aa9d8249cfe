/* SPDX-License-Identifier: MIT */
/*
 * What a confined worker and its supervisor tell each other: JSON objects as the datagrams of a SEQPACKET
 * socket pair, with descriptors beside them.
 *
 * The worker, which strangers may have taken over:
 *
 *   {"ask": N, "do": "begin", "session": S, "binding": HEX, "key": HEX, "proof": HEX}
 *       key and proof, of net/tls_proof.h: where the peer has shown a key
 *   {"ask": N, "do": "login", "session": S, "mechanism": M, "data": TEXT}
 *   {"ask": N, "do": "start", "session": S, "argv": [...], "env": {...}, "cwd": DIR, "stdin": BOOL}
 *   {"ask": N, "do": "allow", "session": S, "what": COMMAND}
 *   {"do": "note", "session": S, "what": COMMAND, "object": TEXT, "result": R, "exit": E, "began": NS}
 *   {"do": "end", "session": S, "result": R}
 *   {"do": "kill", "child": C, "signal": N}
 *   {"do": "free", "child": C}
 *   {"do": "report", "requests": N, "received": BYTES, "sent": BYTES,
 *    "busy": [{"session": S, "doing": TEXT}, ...]}
 *   {"do": "fault", "session": S}         the last that it says: this session's work has crashed it
 *
 * What may be said in which state of a session is a table in monitor.c; anything else ends the worker.
 *
 * The supervisor:
 *
 *   {"answer": N, "result": R, ...}       begin and login: "user", "roles", "directory"; login: "data";
 *                                         start: "child", "pid" and its pipes (output, errors, input); where
 *                                         it failed "data" is what that concerns
 *   {"setup": {...}}                      first of all; with the served directory
 *   {"serve": S, "challenge": HEX}        a new connection, and what its client is to sign
 *   {"ended": C, "status": N}             a command has; as of waitpid(2)
 *   {"cut": S}                            end this session now
 *   {"stop": BOOL}                        take nothing more; true: end what runs, too
 */
#ifndef LY_DAEMON_CHANNEL_H
#define LY_DAEMON_CHANNEL_H

#include "service/service_authority.h"
#include <lanyard/buffer.h>
#include <lanyard/channel.h>
#include <lanyard/json.h>
#include <lanyard/socket.h>

#define LY__CHANNEL_MAX (200u << 10) /* bytes of a message: the system's default for a datagram's socket */
#define LY__CHANNEL_FDS 4

struct ly__channel {
    struct ly_sock *sock;
    struct ly_mutex *sending; /* held for a message: tasks of one loop send by turns */
    char *bytes;              /* LY__CHANNEL_MAX of them: the message received last */
    int64_t patience_ms;      /* an end that does not read for so long is given up */
    int64_t taken;            /* when a message went out last */
};

/* A message received: valid until the next one. */
struct ly__message {
    struct ly_json json;
    int fds[LY__CHANNEL_FDS]; /* the receiver's, who takes them out (-1) or has them closed */
    size_t nfds;
    bool is_short; /* descriptors came with it that this process had no room for; fds has none */
};

/* Two ends. Returns 0, -ENOMEM, -EMFILE. */
int ly__channel_pair(int ret_fds[2]);

/* An end of this process; fd is taken on success. Returns 0 or -ENOMEM. */
int ly__channel_open(struct ly__channel *c, int fd);
void ly__channel_close(struct ly__channel *c);

/* Begin a message in b: an open object. Add fields, then send it. Returns 0 or -ENOMEM. */
int ly__channel_begin(struct ly_buffer *b);

/*
 * End a message and send it, with copies of the descriptors. Returns 0; LY_ETOOBIG; -EPIPE, -ECONNRESET (the
 * other end has gone); -ETIMEDOUT (it has not read for c->patience_ms). Suspends.
 */
int ly__channel_send(struct ly__channel *c, struct ly_buffer *b, const int *fds, size_t nfds);

/* Receive one. Returns 1; 0 (the other end has gone); LY_EJSON (no message as it should be); or an error.
 * Suspends. */
int ly__channel_receive(struct ly__channel *c, struct ly__message *ret_message);

/* Close those descriptors that nobody has taken. */
void ly__message_done(struct ly__message *m);

/* A grant's fields. Return 0, LY_EFIELD, or an error of writing. */
int ly__grant_put(struct ly_buffer *b, const struct ly__grant *g);
int ly__grant_get(struct ly_json object, struct ly__grant *ret);

/* Bytes as hexadecimal text; n at most LY__HEX_MAX. Return 0, LY_EFIELD (not n bytes), or an error of
 * writing. */
#define LY__HEX_MAX LY__TLS_PROOF_MAX
int ly__hex_put(struct ly_buffer *b, const char *name, const void *bytes, size_t n);
int ly__hex_get(struct ly_json value, void *ret_bytes, size_t n);

/* What a peer has proved, as the fields of a message. Return 0, LY_EFIELD, -ENOMEM, or an error of writing.
 */
int ly__proof_put(struct ly_buffer *b, const struct ly__tls_proof *p);
int ly__proof_get(struct ly_json object, struct ly__tls_proof *ret_proof);

#endif
