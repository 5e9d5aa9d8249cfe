/* SPDX-License-Identifier: MIT */
/* Whether a machine is the one that is meant: what is remembered of it, or what its user says. */
#ifndef LY_CLI_TRUST_H
#define LY_CLI_TRUST_H

#include "auth/known.h"
#include <stdbool.h>

struct ly__trust {
    const char *command;   /* for messages */
    const char *directory; /* the state directory; it is there */
    bool accept_new;       /* a machine that is not remembered is remembered without a question */
    bool is_batch;         /* nobody is asked: as without a terminal */
};

/*
 * The peer's key has this identity (printed), as TLS has proved: is it to be trusted? One that the user has
 * named (peer->id) must be it, and nothing else counts. One that is remembered is the same, or has announced
 * this one, which is remembered then. An unknown one is asked about on the terminal. Waits for the disk, and
 * for the user. Returns 0; LY_EPEER (no, and that was said on standard error, with the command that accepts
 * it); an error of the file of machines, which was said too.
 */
int ly__trust(const struct ly__trust *t, const struct ly__peer *peer, const char *id);

/*
 * Ask on the terminal whether the peer, which has this identity now, is the machine that is meant. known is
 * what is remembered of it; NULL: nothing. Returns 0 (yes), or LY_EPEER, which was said: no, or there is no
 * terminal.
 */
int ly__trust_ask(const char *command, const struct ly__peer *peer, const char *id,
                  const struct ly__known_host *known);

/* Say what is wrong with the file of machines. */
void ly__trust_say(const char *command, const char *directory, int error);

#endif
