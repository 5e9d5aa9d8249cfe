/* SPDX-License-Identifier: MIT */
/*
 * The authority that decides itself: it knows the sessions, starts the commands, and keeps the trail.
 * Sessions of this process ask it directly; those of confined processes through their channel, in the same
 * words.
 */
#ifndef LY_DAEMON_AUTHORITY_H
#define LY_DAEMON_AUTHORITY_H

#include "base/list.h"
#include "service/service_authority.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define LY__DECIDER_LISTS 256

struct ly__decider {
    struct ly__authority authority; /* what sessions are given */
    int root_fd;                    /* the served directory; -1: none */
    const char *home;               /* where commands start without a root; borrowed */
    uint64_t files_limit;           /* a command's soft limit of open descriptors; 0: this process's own */
    unsigned commands_max;          /* most commands at once */
    atomic_uint commands;           /* how many run */
    pthread_mutex_t lock;           /* guards the rest */
    struct ly__list sessions[LY__DECIDER_LISTS]; /* of authority.c's struct session, by number */
    uint64_t last;                               /* the number given last */
};

void ly__decider_open(struct ly__decider *d);
void ly__decider_close(struct ly__decider *d);

#endif
