/* SPDX-License-Identifier: MIT */
/* Mutexes between tasks: unlocking hands the lock to the first that waits, so nobody is overtaken. */
#include "fiber/waitlist.h"
#include <errno.h>
#include <stdlib.h>

struct ly_mutex {
    struct ly__guard guard;
    struct ly__list waiters;
    struct ly__task *holder; /* NULL: free */
};

int ly_mutex_new(struct ly_mutex **ret_mutex, enum ly_sharing sharing)
{
    struct ly_mutex *m = malloc(sizeof *m);
    if (!m)
        return -ENOMEM;
    m->holder = NULL;
    ly__list_init(&m->waiters);
    int r = ly__guard_init(&m->guard, sharing);
    if (r < 0) {
        free(m);
        return r;
    }
    *ret_mutex = m;
    return 0;
}

void ly_mutex_free(struct ly_mutex *m)
{
    if (!m)
        return;
    ly__guard_done(&m->guard);
    free(m);
}

int ly_mutex_lock(struct ly_mutex *m, int64_t timeout_ms)
{
    struct ly__task *self = ly__task_self();
    struct ly__waiter w;
    if (!self)
        return -ENOMEM;
    int r = timeout_ms < LY_FOREVER ? -EINVAL : ly__guard_enter(&m->guard);
    if (r < 0)
        return r;
    if (m->holder && m->holder != self && timeout_ms != 0)
        return ly__guard_wait(&m->guard, &m->waiters, &w, timeout_ms, "a mutex");
    if (!m->holder)
        m->holder = self;
    else
        r = m->holder == self ? -EDEADLK : -EAGAIN;
    ly__guard_leave(&m->guard);
    return r;
}

int ly_mutex_unlock(struct ly_mutex *m)
{
    int r = ly__guard_enter(&m->guard);
    if (r < 0)
        return r;
    if (m->holder == ly__task_now && m->holder) {
        struct ly__waiter *next = ly__waiter_take(&m->waiters);
        m->holder = next ? next->task : NULL;
        if (next)
            ly__waiter_wake(next, 0);
    } else {
        r = -EPERM;
    }
    ly__guard_leave(&m->guard);
    return r;
}
