/* SPDX-License-Identifier: MIT */
/* The authority of a confined worker: it asks its supervisor. See channel.h. */
#ifndef LY_DAEMON_ASKER_H
#define LY_DAEMON_ASKER_H

#include "base/list.h"
#include "daemon/channel.h"

struct ly__asker {
    struct ly__authority authority; /* what sessions are given */
    struct ly__channel channel;
    int64_t last;              /* number of the question asked last */
    struct ly__list questions; /* that wait for their answers */
    struct ly__list children;  /* commands that run for sessions of this process */
    bool asks_first;           /* each deed is asked for before it is done */
    bool lost;                 /* the supervisor has gone: nothing is answered any more */
};

/* fd: the channel's end, taken on success. All calls from then on come from tasks of one loop. Returns 0 or
 * -ENOMEM. */
int ly__asker_open(struct ly__asker *a, int fd);

/* Take a message of the supervisor's. Returns 1 if it was an answer or told of a command's end, 0 if it is
 * for the worker, or LY_EFIELD. */
int ly__asker_take(struct ly__asker *a, struct ly__message *m);

/* The supervisor has gone: whoever waits for an answer gets -EPIPE. */
void ly__asker_lose(struct ly__asker *a);

#endif
