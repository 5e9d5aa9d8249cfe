/* SPDX-License-Identifier: MIT */
/*
 * Tasks: what the library knows of a fiber or a thread that calls it, and how one waits.
 *
 * A task waits by ly__park and is woken by somebody who holds a struct ly__waiter of it. Fibers and threads
 * differ only below this header: whoever waits or wakes need not know which of the two it has before it.
 */
#ifndef LY_FIBER_TASK_H
#define LY_FIBER_TASK_H

#include "base/hot.h"
#include "base/list.h"
#include "fiber/timer.h"
#include <lanyard/fiber.h>
#include <pthread.h>
#include <stdatomic.h>

struct ly__loop;
struct ly_future;

#define LY__NAME_MAX 72 /* so long that what follows the name in struct ly__task begins a cache line */

/*
 * The fields that every wait touches come last: in a fiber they share one cache line with those of its own
 * that do.
 */
struct ly__task {
    struct ly__list in_scope; /* among the tasks of home; self-linked for a thread's own task */
    struct ly_scope *home;    /* the scope it was started in; NULL: a thread of the user's */
    ly_task_fn *fn;           /* what it runs */
    void *arg;
    struct ly_future *future; /* who wants the result; NULL: nobody */
    uint64_t id;              /* unique in the process */
    char name[LY__NAME_MAX];  /* "" without one */
    const char *waits_for;    /* shown in reports: what a parked task waits for; NULL while it runs */
    struct ly_scope *scope;   /* the innermost scope it is in now; NULL: none */
    struct ly__loop *loop;    /* the loop of a fiber; NULL: the task is a thread */
};

/* The calling task; NULL on a thread the library has not met, and in a loop's own code. */
extern __thread struct ly__task *ly__task_now __attribute__((tls_model("initial-exec")));

/* The calling task; a thread that is not known yet becomes one. NULL without memory. */
struct ly__task *ly__task_self(void);

/* Set up the fields; the name is taken over from nobody. */
void ly__task_init(struct ly__task *t, struct ly_scope *home, ly_task_fn *fn, void *arg);

/* Run t's function, close the scopes it left open, hand its result to its future and leave its home scope. */
void ly__task_run(struct ly__task *t);

/* The scope t is in was cancelled, or its deadline moved: end or re-time its wait if it has one. */
void ly__task_interrupt(struct ly__task *t);

/* ---- waiting ---- */

enum ly__wait_kind {
    LY__WAIT_IO,    /* the outside world ends it */
    LY__WAIT_PEER,  /* only another task of the same loop can end it */
    LY__WAIT_SHARED /* a task of another loop or thread may end it */
};

#define LY__UNINTERRUPTED INT64_MIN /* as a deadline: neither scopes nor time end the wait */

/*
 * Suspend the calling task until it is woken, deadline (absolute) passes, or its scopes end the wait.
 * Returns the waker's result, -ETIMEDOUT or -ECANCELED. May return 0 without cause in a thread: check and
 * park again.
 */
int ly__park(int64_t deadline, const char *waits_for, enum ly__wait_kind kind);

struct ly__mail {
    struct ly__mail *next;
    void (*deliver)(struct ly__mail *m); /* runs on the loop's thread, in no fiber */
};

/*
 * What the calling thread holds back, for the sake of doing it together with more, is done before it waits:
 * fn(arg) is called whenever it is about to. NULL: nothing. Of a thread that runs no loop.
 */
struct ly__held_back {
    void (*fn)(void *arg);
    void *arg;
};
extern __thread struct ly__held_back ly__held_back;

static inline void ly__release_held_back(void)
{
    if (ly__held_back.fn)
        ly__held_back.fn(ly__held_back.arg);
}

/* One wait of one task, woken at most once. It lives in the waiter's frame. */
struct ly__waiter {
    struct ly__list link;  /* for the list of whoever will wake it */
    struct ly__task *task; /* who waits */
    atomic_bool done;      /* woken: the waiter may go */
    int result;            /* what the waker says */
    struct ly__mail mail;  /* carries the wake-up to another loop */
};

/* Begin a wait of the calling task. */
void ly__waiter_init(struct ly__waiter *w);

/*
 * Wait until somebody calls ly__waiter_wake. Returns its result. Where the wait ends early, -ETIMEDOUT,
 * -ECANCELED or -EDEADLK and w->done is false: the caller takes w out of whatever list a waker would find it
 * in, and if a waker has taken it already calls this again with LY__UNINTERRUPTED.
 */
int ly__waiter_wait(struct ly__waiter *w, int64_t deadline, const char *waits_for, enum ly__wait_kind kind);

/* End the wait, from any thread. Once, after taking w out of its list; w may be gone on return. */
void ly__waiter_wake(struct ly__waiter *w, int result);

/* ---- threads as tasks (thread.c) ---- */

struct ly__thread {
    struct ly__task task;
    pthread_mutex_t lock; /* guards woken */
    pthread_cond_t wake;  /* waits on CLOCK_MONOTONIC */
    bool woken;
};

int ly__thread_park(struct ly__thread *t, int64_t deadline);
void ly__thread_wake(struct ly__thread *t);
/* Start t->fn in a thread of its own. Returns 0, -ENOMEM or -EAGAIN. */
int ly__thread_go(struct ly_scope *s, ly_task_fn *fn, void *arg, struct ly_future *future);

#endif
