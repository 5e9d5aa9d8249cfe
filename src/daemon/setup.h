/* SPDX-License-Identifier: MIT */
/* What a worker is told before all else, while it has all its rights. */
#ifndef LY_DAEMON_SETUP_H
#define LY_DAEMON_SETUP_H

#include "daemon/channel.h"
#include <lanyard/log.h>

#define LY__SETUP_PEM 4096  /* bytes of a key or a certificate with its zero byte */
#define LY__SETUP_NEXT 1024 /* bytes of an announcement with its zero byte */

struct ly__setup {
    char key[LY__SETUP_PEM], certificate[LY__SETUP_PEM];
    char next_key[LY__SETUP_NEXT]; /* what announces the next key, a JSON object; "": there is none */
    uid_t uid;                     /* what it is to run as */
    gid_t gid;
    enum ly_log_level log_level;
    bool asks_first; /* each deed is asked for before it is done */
    int root_fd;     /* the served directory; -1: none. Sent: borrowed; received: the receiver's */
};

/* Return 0, LY_EFIELD (it is none), -EPIPE (nobody is there), or an error of the channel. */
int ly__setup_send(const struct ly__setup *s, struct ly__channel *c);
int ly__setup_receive(struct ly__setup *ret_setup, struct ly__channel *c);

/* Forget the secrets. */
void ly__setup_wipe(struct ly__setup *s);

#endif
