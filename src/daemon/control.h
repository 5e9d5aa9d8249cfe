/* SPDX-License-Identifier: MIT */
/* Who looks after the server asks here: its status, its sessions, its metrics. From the Unix sockets'
 * threads. */
#ifndef LY_DAEMON_CONTROL_H
#define LY_DAEMON_CONTROL_H

#include "daemon/network.h"
#include "service/service.h"

struct ly__controller {
    struct ly__control control;  /* what sessions are given */
    struct ly__decider *decider; /* borrowed, as all of these */
    struct ly__service *service; /* of the addresses on this machine */
    struct ly__network *network;
    int64_t began; /* of ly_now() */
    const char *addresses[2 * LY__LISTEN_MAX];
    size_t naddresses;
};

/* Before the first session. */
void ly__controller_open(struct ly__controller *c, struct ly__decider *d, struct ly__service *s,
                         struct ly__network *n);

/* ---- what status and metrics are made from ---- */

#define LY__FACTS_USERS 256

struct ly__facts {
    size_t local, strangers, logged_in; /* sessions: of this machine; of the network's */
    struct {
        char name[LY__GRANT_USER];
        size_t sessions;
    } users[LY__FACTS_USERS];
    size_t nusers; /* the rest of them is not listed */
    struct ly__admission_counts gate;
    struct ly__penalty_counts penalties;
    struct ly__audit_counts audit;
};

/* Returns NULL without memory; else free it. */
struct ly__facts *ly__facts_new(struct ly__controller *c);

/* control_text.c: as JSON, as Prometheus reads it. Return 0 or an error of the buffer's. */
int ly__status_put(struct ly__controller *c, struct ly_buffer *json);
int ly__metrics_put(struct ly__controller *c, struct ly_buffer *text);

/* How many sessions a worker has. */
size_t ly__sessions_of(struct ly__controller *c, const void *owner);

#endif
