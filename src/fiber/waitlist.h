/* SPDX-License-Identifier: MIT */
/* What channels and mutexes share: who may use them, their lock, and a wait that is ended by another task. */
#ifndef LY_FIBER_WAITLIST_H
#define LY_FIBER_WAITLIST_H

#include "fiber/task.h"
#include <lanyard/channel.h>

struct ly__guard {
    struct ly__loop *loop; /* the one loop whose fibers use it; NULL: shared, by whatever task */
    pthread_mutex_t lock;  /* shared ones only */
};

/* Returns 0 or -ENOMEM. One made outside a loop is shared. */
int ly__guard_init(struct ly__guard *g, enum ly_sharing sharing);
void ly__guard_done(struct ly__guard *g);

/* Enter and leave. Entering returns 0 or -EPERM (a loop's own, used from elsewhere). */
int ly__guard_enter(struct ly__guard *g);
void ly__guard_leave(struct ly__guard *g);

/*
 * Inside g: put w on the list, leave g, and wait up to timeout_ms. Whoever ends the wait takes w off the list
 * inside g, then calls ly__waiter_wake. Returns its result, or -ETIMEDOUT, -ECANCELED, -EDEADLK, w being off
 * the list. g is left in every case.
 */
int ly__guard_wait(struct ly__guard *g, struct ly__list *list, struct ly__waiter *w, int64_t timeout_ms,
                   const char *waits_for);

/* The first waiter on the list, taken off it; NULL if there is none. Inside the guard. */
struct ly__waiter *ly__waiter_take(struct ly__list *list);

#endif
