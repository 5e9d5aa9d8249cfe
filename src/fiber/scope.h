/* SPDX-License-Identifier: MIT */
#ifndef LY_FIBER_SCOPE_H
#define LY_FIBER_SCOPE_H

#include "base/list.h"
#include "fiber/task.h"

/*
 * A scope. Those of a loop are touched by its thread alone; those of threads under ly__threads_lock.
 * cancelled and deadline are also read without it.
 */
struct ly_scope {
    struct ly__list in_parent; /* among the children of parent, or of nobody */
    struct ly__list in_loop;   /* among the scopes of the loop */
    struct ly__list children;  /* scopes opened directly inside, by whichever task */
    struct ly__list tasks;     /* started in it and not ended: ly__task.in_scope */
    struct ly__list futures;   /* handles not awaited yet */
    struct ly_scope *parent;   /* the owner's current scope when it was opened; NULL: none */
    struct ly__task *owner;    /* who opened it and will close it */
    struct ly__loop *loop;     /* NULL: of threads */
    struct ly__waiter *joiner; /* the owner, while it waits for the tasks to end */
    size_t running;            /* tasks that have not ended */
    atomic_bool cancelled;     /* by itself or by what surrounds it */
    bool shield;               /* what surrounds it does not reach in */
    bool
        by_signal; /* what cancels it is a signal's handler: it ends a wait in poll(2) without a descriptor */
    _Atomic int64_t deadline; /* the earliest of its own and, without a shield, its parent's */
    int64_t own_deadline;     /* as asked for */
    atomic_int cancel_fd; /* threads: an eventfd, readable once cancelled, that waits in poll(2) include; -1:
                             not made yet */
    atomic_int cancel_mail; /* a cancellation from another thread: 0 none, 1 under way, 2 delivered */
    struct ly__mail mail;   /* carries it */
    const char *name;
};

extern pthread_mutex_t ly__threads_lock;

/* The deadline of the scopes around t; LY_NEVER without one. */
static inline int64_t ly__task_deadline(const struct ly__task *t)
{
    return t->scope ? atomic_load_explicit(&t->scope->deadline, memory_order_relaxed) : LY_NEVER;
}

/* 0, or -ECANCELED or -ETIMEDOUT if s or what surrounds it ends waits now. */
int ly__scope_stops(const struct ly_scope *s);

/* The same for the scopes around t: whether they let it wait. Inlined, as each call that may wait asks. */
static inline int ly__task_allowed(const struct ly__task *t)
{
    const struct ly_scope *s = t->scope;
    if (!s || (!atomic_load_explicit(&s->cancelled, memory_order_relaxed) &&
               atomic_load_explicit(&s->deadline, memory_order_relaxed) == LY_NEVER))
        return 0;
    return ly__scope_stops(s);
}

/* Set up an empty scope below parent (NULL: none) for loop (NULL: for threads). */
void ly__scope_init(struct ly_scope *s, struct ly_scope *parent, struct ly__loop *loop);

/* As ly_scope_open, in the memory of a task that will not leave the scope any more, and is its process's only
 * one. */
void ly__scope_enter_alone(struct ly_scope *s, struct ly__task *t, const struct ly_scope_options *options);

/* The descriptor that becomes readable when s is cancelled, made at first use; -errno without one. */
int ly__scope_cancel_fd(struct ly_scope *s);

/* A task of s has ended. */
void ly__scope_left(struct ly_scope *s, struct ly__task *t);

#endif
