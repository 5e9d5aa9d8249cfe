/* SPDX-License-Identifier: MIT */
/*
 * Loops: one per thread that runs fibers. A loop takes fibers from its queue of ready ones; when that is
 * empty it lets its driver (a reactor, one floor up) wait for the outside world.
 */
#ifndef LY_FIBER_LOOP_H
#define LY_FIBER_LOOP_H

#include "base/list.h"
#include "fiber/context.h"
#include "fiber/scope.h"
#include "fiber/stack.h"
#include "fiber/task.h"
#include "fiber/timer.h"
#include <stdatomic.h>

/* Who waits for one direction of a descriptor; see src/reactor/io.h. */
struct ly__watch {
    struct ly__watch *next;
    void (*fire)(struct ly__watch *w, int result);
};

/*
 * A fiber's struct lies at the top of its stack, in the page that is touched anyway, at a multiple of 64. All
 * that a wait and its end touch lies in the second half of the task and behind it.
 */
struct ly__fiber {
    struct ly__task task;       /* first: a fiber is a task */
    struct ly__context context; /* where it left off */
    struct ly__fiber *next;     /* in the queue of ready fibers */
    int64_t wait_deadline;      /* what its wait asked for, before the scopes' deadlines; LY__UNINTERRUPTED:
                                   neither counts */
    int wake_result;            /* what ly__park returns */
    uint8_t parked;             /* it waits; exactly one wake-up puts it into the queue */
    uint8_t wait_kind;          /* enum ly__wait_kind */
    uint8_t fired;              /* its watch has fired */
    struct ly__timer timer;     /* of its wait */
    struct ly__watch watch;     /* of its wait for a descriptor */
    void *stack;                /* lowest usable address */
};

/* What waits for the outside world on behalf of a loop. */
struct ly__driver {
    /* Wait for events until deadline (absolute; in the past: only look) and deliver them. */
    void (*turn)(void *driver, int64_t deadline);
    /* Make turn return, from any thread. */
    void (*wake)(void *driver);
};

#define LY__FIBER_BUDGET 64 /* calls in a row that succeed at once before a fiber gives way */

struct ly__loop {
    struct ly__list in_loops;              /* among all loops of the process, for reports and the debugger */
    struct ly__fiber *ready, **ready_tail; /* fibers to run, in order */
    struct ly__fiber *running;             /* NULL in the loop's own code */
    struct ly__context context;            /* the loop's own: the stack of the thread */
    size_t nready;                         /* fibers in the queue */
    size_t slice;                          /* switches left before the driver is asked again */
    unsigned budget;                       /* see LY__FIBER_BUDGET */
    struct ly__fiber *ended; /* a fiber that has just left for good; its stack is still to be put away */
    size_t fibers;           /* alive */
    size_t outside;          /* fibers and watches that something outside the loop may wake */
    struct ly__timers timers;
    size_t
        timers_promised; /* how many can be set at once: room is kept for all, so that setting never fails */
    struct ly__stack_pool stacks;
    int64_t
        idle_since; /* when the loop last ran out of ready fibers with warm stacks to spare; 0: it has not */
    struct ly_scope root;   /* home of the first fiber, around everything else */
    struct ly__list scopes; /* all open ones of this loop's tasks, root first */
    const struct ly__driver *driver;
    void *driver_data;
    void *lent; /* free receive buffers, a list through their first bytes (src/net/lent.c) */
    unsigned lent_count;
    _Atomic(struct ly__mail *) mail; /* posted by other threads, the newest first */
    atomic_uint posting;             /* threads inside ly__loop_post: the loop must not go yet */
    atomic_bool sleeping;            /* the driver waits (or is about to): mail needs a wake-up */
    atomic_ulong switches;           /* grows with every switch; read by the watchdog */
    pthread_t thread;                /* who runs it */
    int64_t stall_ms;                /* see struct ly_run_options */
    const struct ly_run_hooks *hooks;
    bool stop; /* the first fiber has ended */
};

/* All loops of the process, and the lock of the list. The debugger script walks them: loops, scopes, tasks.
 */
extern struct ly__list ly__loops;
extern pthread_mutex_t ly__loops_lock;

/* The loop that the calling thread runs; NULL on other threads. */
extern __thread struct ly__loop *ly__loop_here __attribute__((tls_model("initial-exec")));

static inline struct ly__fiber *ly__fiber_of(struct ly__task *t)
{
    return (struct ly__fiber *)(void *)t;
}

/* Prepare a loop in the caller's memory. The driver is filled in later. */
void ly__loop_init(struct ly__loop *l, const struct ly_run_options *options);
void ly__loop_done(struct ly__loop *l);

/* Run fn(arg) in the first fiber until it ends; *ret_result is what it returned. Returns 0 or -ENOMEM. */
int ly__loop_run(struct ly__loop *l, ly_task_fn *fn, void *arg, int *ret_result);

/* Have m->deliver(m) called on the loop's thread. From any thread; m stays untouched until then. */
void ly__loop_post(struct ly__loop *l, struct ly__mail *m);

/* Start a fiber. Returns 0 or -ENOMEM. */
int ly__fiber_go(struct ly__loop *l, struct ly_scope *home, ly_task_fn *fn, void *arg,
                 struct ly_future *future);

/* End a fiber's wait with this result; nothing happens if it does not wait. On the loop's thread. */
void ly__fiber_wake(struct ly__fiber *f, int result);

/* Go to the end of the queue of ready fibers. The driver is asked before the calling one goes on. */
void ly__fiber_yield(void);

/* Give way if the calling fiber has used up its budget of calls that succeeded at once. */
static inline void ly__fiber_pay(void)
{
    struct ly__loop *l = ly__loop_here;
    if (l && __builtin_expect(--l->budget == 0, 0))
        ly__fiber_yield();
}

/* Keep room for one more timer, or give it back. Returns 0 or -ENOMEM. */
int ly__loop_promise_timer(struct ly__loop *l);
void ly__loop_release_timer(struct ly__loop *l);

/* The scopes around a fiber changed: end its wait, or set its timer anew. */
void ly__fiber_interrupt(struct ly__fiber *f);

/* A report of all fibers of the loop, a line each, into buf; the loop's own thread only. */
size_t ly__loop_report(struct ly__loop *l, char *buf, size_t cap);

/* Name the fiber that runs on the stack at low, for the report of its overflow; 0 if none does.
 * Async-signal-safe. */
size_t ly__loop_describe_stack(void *low, char *buf, size_t cap);

/* Every fiber waits for another: say so, and end the waits with -EDEADLK. */
void ly__loop_break_deadlock(struct ly__loop *l);

/* ---- the watchdog (watchdog.c) ---- */
int ly__watchdog_add(struct ly__loop *l);
void ly__watchdog_remove(struct ly__loop *l);

#endif
