/* SPDX-License-Identifier: MIT */
/* Other settings for a server that runs. */
#ifndef LY_DAEMON_RELOAD_H
#define LY_DAEMON_RELOAD_H

#include "daemon/config.h"
#include "daemon/network.h"

struct ly__reload {
    const struct ly__config *started; /* what the server began with; borrowed */
    struct ly__config *now;           /* what was read last; NULL: still that */
    struct ly__decider *decider;      /* borrowed */
    struct ly__network *network;      /* borrowed */
    struct ly_log_options log;        /* as it is set up */
};

/*
 * Read the file of settings again. What has changed and can be changed is; what needs a restart
 * is said in the log, and so are mistakes. Returns 0; or an error, with which all stays as it was.
 * ret_changed: the keys that were changed, parted by blanks, "" if there are none.
 */
int ly__reload(struct ly__reload *r, char *ret_changed, size_t cap);
void ly__reload_done(struct ly__reload *r);

#endif
