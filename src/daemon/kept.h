/* SPDX-License-Identifier: MIT */
/* A command that runs for a session of a confined worker, as its monitor keeps it. */
#ifndef LY_DAEMON_KEPT_H
#define LY_DAEMON_KEPT_H

#include "daemon/monitor.h"

struct ly__kept {
    struct ly__list link; /* in monitor->children */
    struct ly__monitor *monitor;
    int64_t number;
    struct ly__child *child;
    struct ly_chan *freed; /* gets a byte when the worker needs it no more */
    bool is_freed;
    bool has_ended;
};

/* Keep a command that has been started, and tell the worker of its end. Taken; on failure it is ended.
 * Returns 0 or -ENOMEM. */
int ly__keep(struct ly__monitor *m, struct ly__child *child, struct ly__kept **ret);

/* The worker's command of a number, until it has freed it; NULL: it has none. */
struct ly__kept *ly__kept_find(struct ly__monitor *m, int64_t number);

/* The worker needs it no more: it is ended if it runs. */
void ly__kept_free(struct ly__kept *c);

#endif
