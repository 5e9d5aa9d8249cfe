/* SPDX-License-Identifier: MIT */
/*
 * The way from one fiber to the next, inlined where it is hot: with a thousand connections each wait and each
 * wake-up finds the caches full of somebody else's data, so what counts is how many cache lines it touches.
 * One frame between the call that waits and the switch, one line of the fiber, and the next fiber's lines
 * asked for a switch ahead.
 */
#ifndef LY_FIBER_PARK_H
#define LY_FIBER_PARK_H

#include "fiber/loop.h"

/* ---- the queue of ready fibers ---- */

static inline void ly__ready_push(struct ly__loop *l, struct ly__fiber *f)
{
    f->next = NULL;
    *l->ready_tail = f;
    l->ready_tail = &f->next;
    l->nready++;
}

static inline struct ly__fiber *ly__ready_pop(struct ly__loop *l)
{
    struct ly__fiber *f = l->ready;
    if (!f)
        return NULL;
    l->ready = f->next;
    if (!l->ready)
        l->ready_tail = &l->ready;
    l->nready--;
    return f;
}

/* ---- switching ---- */

static inline void ly__count_switch(struct ly__loop *l)
{
    unsigned long n = atomic_load_explicit(&l->switches, memory_order_relaxed);
    atomic_store_explicit(&l->switches, n + 1, memory_order_relaxed);
}

/* Ask for the lines that the fiber after f will need first: its state, and the frames it left. */
static inline void ly__prefetch_next(const struct ly__fiber *f)
{
    const struct ly__fiber *next = f->next;
    if (!next)
        return;
    const char *sp = next->context.sp;
    __builtin_prefetch(sp);
    __builtin_prefetch(sp + 64);
    __builtin_prefetch(sp + 128);
    __builtin_prefetch(sp + 192);
    if (next->next)
        __builtin_prefetch(&next->next->context.sp);
}

/* Note that f runs from now on. It must have been taken off the queue: its `next` still tells who comes after
 * it. */
static inline void ly__enter(struct ly__loop *l, struct ly__fiber *f)
{
    l->running = f;
    l->budget = LY__FIBER_BUDGET;
    l->slice--;
    ly__task_now = &f->task;
    ly__count_switch(l);
    ly__prefetch_next(f);
}

static inline void ly__enter_loop(struct ly__loop *l)
{
    l->running = NULL;
    ly__task_now = NULL;
    ly__count_switch(l);
}

/* Leave the running fiber f, which is parked or queued, for whoever is next. */
static inline __attribute__((always_inline)) void ly__switch_away(struct ly__loop *l, struct ly__fiber *f)
{
    struct ly__fiber *next = l->slice ? ly__ready_pop(l) : NULL;
    if (next == f) {
        ly__enter(l, f);
        return;
    }
    if (next)
        ly__enter(l, next);
    else
        ly__enter_loop(l);
    ly__context_switch(&f->context, next ? &next->context : &l->context);
}

/* Set the timer of a fiber's wait by what it asked for and what its scopes say now. */
void ly__fiber_set_timer(struct ly__fiber *f);

/* ly__park for a fiber. */
static inline __attribute__((always_inline)) int
ly__fiber_park(struct ly__fiber *f, int64_t deadline, const char *waits_for, enum ly__wait_kind kind)
{
    struct ly__loop *l = f->task.loop;

    f->wait_deadline = deadline;
    if (deadline != LY__UNINTERRUPTED) {
        int r = ly__task_allowed(&f->task);
        if (r < 0)
            return r;
        if (deadline != LY_NEVER || ly__task_deadline(&f->task) != LY_NEVER)
            ly__fiber_set_timer(f);
    }
    f->task.waits_for = waits_for;
    f->wait_kind = (uint8_t)kind;
    l->outside += kind != LY__WAIT_PEER;
    f->parked = true;
    ly__switch_away(l, f);
    l->outside -= kind != LY__WAIT_PEER;
    f->task.waits_for = NULL;
    if (f->timer.place)
        ly__timer_clear(&l->timers, &f->timer);
    return f->wake_result;
}

#endif
