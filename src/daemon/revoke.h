/* SPDX-License-Identifier: MIT */
/* Sessions that are ended since their user or their device has lost something after they logged in. */
#ifndef LY_DAEMON_REVOKE_H
#define LY_DAEMON_REVOKE_H

#include "daemon/authority.h"

struct ly__revoker {
    struct ly__decider *decider;
    int64_t version; /* of the store, when all sessions were looked at last; 0: never */
};

/*
 * Look whether the users' file says that somebody has lost something, and call cut for each session that does
 * not stand any more. Where the file cannot be read it is tried again the next time. It may wait.
 */
void ly__revoke(struct ly__revoker *r, void (*cut)(void *arg, uint64_t session, const void *owner),
                void *arg);

#endif
