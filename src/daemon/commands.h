/* SPDX-License-Identifier: MIT */
/*
 * The places for commands: how many may run at once, and how many of one user. Somebody from the network
 * takes at most half of them, so that one user's commands never keep the others' from starting. Sessions of
 * this machine have no user here and no such share. All threads may use it.
 */
#ifndef LY_DAEMON_COMMANDS_H
#define LY_DAEMON_COMMANDS_H

#include "base/list.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#define LY__COMMANDS_LISTS 64

struct ly__commands {
    atomic_uint most; /* at once; may change at any time, those that run go on */
    atomic_uint running;
    pthread_mutex_t lock;                      /* guards the lists, and changes of running */
    struct ly__list lists[LY__COMMANDS_LISTS]; /* the users who run some, by their number */
};

/* The places of one user; as long as one is taken. */
struct ly__commands_user;

/* None may run until most is set. */
void ly__commands_open(struct ly__commands *c);
void ly__commands_close(struct ly__commands *c);

/* Take a place at once for a command of a user of the store, 0: of this machine. *ret_user is for
 * ly__commands_leave. Returns 0; -EAGAIN: all are taken, or the user's share is; -ENOMEM. */
int ly__commands_enter(struct ly__commands *c, int64_t user_id, struct ly__commands_user **ret_user);

/* The end of one command of a struct ly__commands_user. */
void ly__commands_leave(void *user);

#endif
