/* SPDX-License-Identifier: MIT */
/* Futures: where a task leaves its result for the one that awaits it. */
#include "fiber/future.h"
#include "fiber/scope.h"
#include <stdlib.h>

struct ly_future {
    struct ly__list link;      /* among the scope's futures */
    struct ly_scope *scope;    /* whose lock guards the rest */
    struct ly__waiter *waiter; /* the task in ly_await; NULL: none */
    int result;
    bool done; /* the task has ended */
};

static void lock(const struct ly_future *f)
{
    if (!f->scope->loop)
        pthread_mutex_lock(&ly__threads_lock);
}

static void unlock(const struct ly_future *f)
{
    if (!f->scope->loop)
        pthread_mutex_unlock(&ly__threads_lock);
}

struct ly_future *ly__future_new(struct ly_scope *s)
{
    struct ly_future *f = malloc(sizeof *f);
    if (!f)
        return NULL;
    *f = (struct ly_future){.scope = s};
    lock(f);
    ly__list_append(&s->futures, &f->link);
    unlock(f);
    return f;
}

void ly__future_free(struct ly__list *link)
{
    free(ly__container_of(link, struct ly_future, link));
}

void ly__future_drop(struct ly_future *f)
{
    lock(f);
    ly__list_remove(&f->link);
    unlock(f);
    free(f);
}

void ly__future_set(struct ly_future *f, int result)
{
    if (!f)
        return;
    lock(f);
    f->result = result;
    f->done = true;
    struct ly__waiter *w = f->waiter;
    f->waiter = NULL;
    if (w)
        ly__waiter_wake(w, 0);
    unlock(f);
}

int ly_await(struct ly_future *f, bool *ret_done)
{
    int r = 0;
    lock(f);
    if (!f->done) {
        struct ly__waiter w;
        ly__waiter_init(&w);
        f->waiter = &w;
        unlock(f);
        r = ly__waiter_wait(&w, LY_NEVER, "a task's result", LY__WAIT_PEER);
        lock(f);
        if (f->waiter == &w)
            f->waiter = NULL;
        else if (!atomic_load(&w.done)) { /* the wake-up is on its way */
            unlock(f);
            ly__waiter_wait(&w, LY__UNINTERRUPTED, "a task's result", LY__WAIT_PEER);
            lock(f);
        }
    }
    bool done = f->done;
    if (done)
        r = f->result;
    unlock(f);
    if (ret_done)
        *ret_done = done;
    if (done)
        ly__future_drop(f);
    return r;
}
