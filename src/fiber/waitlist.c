/* SPDX-License-Identifier: MIT */
#include "fiber/waitlist.h"
#include "fiber/loop.h"
#include <errno.h>

int ly__guard_init(struct ly__guard *g, enum ly_sharing sharing)
{
    g->loop = sharing == LY_SHARED ? NULL : ly__loop_here;
    return g->loop ? 0 : -pthread_mutex_init(&g->lock, NULL);
}

void ly__guard_done(struct ly__guard *g)
{
    if (!g->loop)
        pthread_mutex_destroy(&g->lock);
}

int ly__guard_enter(struct ly__guard *g)
{
    if (g->loop)
        return g->loop == ly__loop_here ? 0 : -EPERM;
    return -pthread_mutex_lock(&g->lock);
}

void ly__guard_leave(struct ly__guard *g)
{
    if (!g->loop)
        pthread_mutex_unlock(&g->lock);
}

int ly__guard_wait(struct ly__guard *g, struct ly__list *list, struct ly__waiter *w, int64_t timeout_ms,
                   const char *waits_for)
{
    enum ly__wait_kind kind = g->loop ? LY__WAIT_PEER : LY__WAIT_SHARED;

    ly__waiter_init(w);
    ly__list_append(list, &w->link);
    ly__guard_leave(g);
    int r = ly__waiter_wait(w, ly_deadline(timeout_ms), waits_for, kind);
    if (r >= 0 || atomic_load(&w->done))
        return r;

    ly__guard_enter(g);
    bool still_there = !ly__list_empty(&w->link);
    ly__list_remove(&w->link);
    ly__guard_leave(g);
    return still_there ? r : ly__waiter_wait(w, LY__UNINTERRUPTED, waits_for, kind);
}

struct ly__waiter *ly__waiter_take(struct ly__list *list)
{
    struct ly__list *first = ly__list_first(list);
    if (!first)
        return NULL;
    ly__list_remove(first);
    return ly__container_of(first, struct ly__waiter, link);
}
