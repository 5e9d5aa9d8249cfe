/* SPDX-License-Identifier: MIT */
/* A connection to a server, as commands use it: found by its HOST, known by its key, and logged in. */
#ifndef LY_CLI_CLIENT_H
#define LY_CLI_CLIENT_H

#include "auth/id.h"
#include "cli/host.h"
#include <argp.h>
#include <lanyard/buffer.h>
#include <lanyard/frame.h>
#include <lanyard/stream.h>

struct ly__client {
    const char *command;         /* for messages; borrowed */
    struct ly_stream *stream;    /* NULL: not connected */
    char address[LY__HOST_TEXT]; /* the server, as messages name it */
    struct ly__host host;
    uint8_t id[LY__ID]; /* is_tls: the server's identity, which TLS has proved */
    bool without_key;   /* this machine's key is not shown */
    bool unchecked;     /* whose key it is will be proved otherwise: by a pairing */
    bool settled;       /* the server knows who we are, or need not know */
    bool waited;        /* for the user, meanwhile the server may have hung up */
    bool is_new;        /* the server was not remembered before */
    int lost;           /* below 0: it is of no use any more, and why was said */
    int64_t requests;   /* of a client's own so far */
};

/*
 * Connect, and make sure that it is the server that is meant: nothing is sent before that. command: for
 * the messages on standard error that failures give. Returns 0 or the error, which was said. Suspends.
 */
int ly__client_open(struct ly__client *c, const char *command, const char *host);
void ly__client_close(struct ly__client *c);

/* The same in two steps: what can be said of host without connecting (that it is no machine on the network is
 * an error too); then ly__client_reopen. The server's key is not looked at, unless host names it. */
int ly__client_begin_pairing(struct ly__client *c, const char *command, const char *host);

/*
 * Send a request without a body: the finished head. The first one on a connection may find out that the
 * server does not know this machine's key; then the user logs in, and the request is sent again. Returns 0 or
 * an error; with c->lost it was said. Suspends, and waits for the user.
 */
int ly__client_request(struct ly__client *c, const struct ly_buffer *head);

/*
 * From now on the server may leave unread what is sent, for as long as it likes: a command reads its input
 * when it wants to. A server whose machine is gone is then missed when the system gives up, which takes a
 * quarter of an hour (tcp(7), tcp_retries2).
 */
void ly__client_be_patient(struct ly__client *c);

/* Whether an error of a request's was said when it came. */
bool ly__client_has_said(const struct ly__client *c);

/* What to try, behind an error's text, where the first answer did not come: a server that speaks TLS cannot
 * say so to who does not. Else "". */
const char *ly__client_advice(const struct ly__client *c, int error);

/* ---- what the command line says of connections: one for the whole process ---- */

struct ly__client_options {
    const char *password_file; /* NULL: the environment's, else it is asked for */
    int64_t connect_ms;
    bool accept_new; /* a machine that is not known is remembered without a question */
    bool is_batch;   /* the user is asked nothing */
};

extern struct ly__client_options ly__client_options;

/* Read them, as the list of children of a command's argp: all, or only how the machine is reached. */
extern const struct argp_child ly__client_argp[], ly__client_reach_argp[];

/* ---- for the files that make it up ---- */

/* client_tls.c: connect to c->host and check its key. Returns 0 or the error, which was said. */
int ly__client_connect_tls(struct ly__client *c, struct ly_sock **ret_sock);

/* client_tls.c: the peer's key is what we remember from now on. Returns 0 or the error, which was said. */
int ly__client_remember(struct ly__client *c);

/* client_login.c: log in by password. Returns 0 or the error, which was said. */
int ly__client_login(struct ly__client *c);

/*
 * client_login.c: the messages of one login. Returns 0 and the last answer, which shows who is logged in;
 * LY_EDENIED (the server says: wrong name or password); LY_EPEER (it has not proved that it knows the
 * password); LY_EREMOTE (another error frame: ret_frame); LY_EREFUSED, LY_EDECODE and other errors of
 * scram.h; an error of the connection. Nothing is said.
 */
int ly__client_scram(struct ly__client *c, const char *name, const char *password,
                     struct ly_frame *ret_frame);

/* A request and its answer, on a connection that is not settled. Returns 0, LY_EREMOTE, LY_EEOF (also in
 * place of other errors that a connection has when it ends), or another error. Nothing is said. */
int ly__client_ask(struct ly__client *c, struct ly_buffer *head, int r, struct ly_frame *ret_frame);

/* Begin such a request in head. Returns 0 or an error of ly_frame_begin. */
int ly__client_begin(struct ly__client *c, struct ly_buffer *head, const char *cmd);

/* Connect anew. As ly__client_open. */
int ly__client_reopen(struct ly__client *c);

/* client_tls.c: why a connection failed, in a sentence behind the server's name. buf: LY__WHY bytes. */
#define LY__WHY 400
const char *ly__client_why(int error, char *buf);

#endif
