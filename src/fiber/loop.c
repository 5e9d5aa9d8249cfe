/* SPDX-License-Identifier: MIT */
/*
 * The scheduler.
 *
 * A fiber that parks switches straight to the next ready one; only when none is ready, or when `slice`
 * switches have gone by without asking the driver for events, does it switch to the loop's own context, which
 * runs `turns` below on the thread's stack. Each look at the driver hands out a slice as long as the queue it
 * filled (and a little more), so that a batch of a thousand events is served before the next system call,
 * while fibers that only wake each other cannot keep the outside world waiting. A fiber that gives way has
 * worked for long: the slice then ends with those who are queued before it. A fiber that ends always goes
 * through the loop's context, which puts its stack away: nobody ever frees the stack he stands on.
 *
 * Everything here belongs to one thread, except `mail` and `sleeping`. A poster pushes, then looks at
 * sleeping; the loop sets sleeping, then looks at mail: with sequentially consistent order one of the two
 * always sees the other, so no wake-up is lost, and a busy loop is never woken by a system call.
 */
#include "fiber/loop.h"
#include "fiber/park.h"
#include "fiber/stack.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define SPARE_STACKS 64      /* so many warm free ones a loop keeps however long it is idle */
#define IDLE_NS 1000000000LL /* how long nothing must happen before the others are given back */
#define SLICE_MIN 256        /* switches granted beyond those queued when the driver was asked */

struct ly__list ly__loops = {&ly__loops, &ly__loops};
pthread_mutex_t ly__loops_lock = PTHREAD_MUTEX_INITIALIZER;
__thread struct ly__loop *ly__loop_here;

/* ---- the life of a fiber ---- */

static void fiber_main(void *arg)
{
    struct ly__fiber *f = arg;
    struct ly__loop *l = f->task.loop;

    ly__context_arrived(&f->context);
    ly__task_run(&f->task);
    l->ended = f;
    ly__enter_loop(l);
    ly__context_leave(&f->context, &l->context);
}

static void put_away_ended(struct ly__loop *l)
{
    struct ly__fiber *f = l->ended;
    if (!f)
        return;
    l->ended = NULL;
    l->fibers--;
    ly__loop_release_timer(l);
    ly__context_done(&f->context);
    ly__stack_put(&l->stacks, f->stack);
}

static void time_out(struct ly__timer *t)
{
    ly__fiber_wake(ly__container_of(t, struct ly__fiber, timer), -ETIMEDOUT);
}

/*
 * Stacks lie a power of two apart, so that their tops would all fall into the same few sets of the caches;
 * each starts a little lower, by a number that looks random.
 */
static size_t colour(const void *stack)
{
    uint32_t number = (uint32_t)((uintptr_t)stack >> 14) * 2654435761u;
    return (number >> 29) * 64; /* 8 colours: more would leave less of the first page for the frames */
}

int ly__fiber_go(struct ly__loop *l, struct ly_scope *home, ly_task_fn *fn, void *arg,
                 struct ly_future *future)
{
    if (ly__loop_promise_timer(l) < 0)
        return -ENOMEM;
    void *stack = ly__stack_get(&l->stacks);
    if (!stack) {
        ly__loop_release_timer(l);
        return -ENOMEM;
    }
    char *top = (char *)stack + l->stacks.size - colour(stack);
    struct ly__fiber *f = (void *)(top - ((sizeof *f + 63) & ~(size_t)63));

    ly__task_init(&f->task, home, fn, arg);
    f->task.loop = l;
    f->task.future = future;
    f->timer = (struct ly__timer){.fire = time_out};
    f->stack = stack;
    f->parked = false;
    ly__context_make(&f->context, stack, l->stacks.size, f, fiber_main, f);
    ly__list_append(&home->tasks, &f->task.in_scope);
    home->running++;
    l->fibers++;
    ly__ready_push(l, f);
    return 0;
}

void ly__fiber_wake(struct ly__fiber *f, int result)
{
    if (!f->parked)
        return;
    f->parked = false;
    f->wake_result = result;
    ly__ready_push(f->task.loop, f);
}

void ly__fiber_yield(void)
{
    struct ly__loop *l = ly__loop_here;
    size_t others = l->nready;
    ly__ready_push(l, l->running);
    if (l->slice > others)
        l->slice = others; /* the driver is asked before this one goes on */
    ly__switch_away(l, l->running);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void ly__fiber_set_timer(struct ly__fiber *f)
{
    struct ly__loop *l = f->task.loop;
    int64_t limit = earlier(f->wait_deadline, ly__task_deadline(&f->task));
    if (limit == LY_NEVER)
        ly__timer_clear(&l->timers, &f->timer);
    else
        ly__timer_set(&l->timers, &f->timer, limit);
}

int ly__park(int64_t deadline, const char *waits_for, enum ly__wait_kind kind)
{
    struct ly__task *t = ly__task_self();
    if (!t)
        return -ENOMEM;
    if (t->loop)
        return ly__fiber_park(ly__fiber_of(t), deadline, waits_for, kind);
    ly__release_held_back();
    t->waits_for = waits_for;
    int r = ly__thread_park((struct ly__thread *)(void *)t, deadline);
    t->waits_for = NULL;
    return r;
}

void ly__fiber_interrupt(struct ly__fiber *f)
{
    if (!f->parked || f->wait_deadline == LY__UNINTERRUPTED)
        return;
    if (atomic_load_explicit(&f->task.scope->cancelled, memory_order_relaxed))
        ly__fiber_wake(f, -ECANCELED);
    else
        ly__fiber_set_timer(f);
}

/* ---- timers' room ---- */

int ly__loop_promise_timer(struct ly__loop *l)
{
    if (l->timers_promised < l->timers.capacity) {
        l->timers_promised++;
        return 0;
    }
    int r = ly__timers_reserve(&l->timers, l->timers_promised + 1);
    if (r == 0)
        l->timers_promised++;
    return r;
}

void ly__loop_release_timer(struct ly__loop *l)
{
    l->timers_promised--;
}

/* ---- mail ---- */

void ly__loop_post(struct ly__loop *l, struct ly__mail *m)
{
    /* Delivery may end the loop's last fiber, and with it the loop, before this function is through. */
    atomic_fetch_add_explicit(&l->posting, 1, memory_order_relaxed);
    struct ly__mail *head = atomic_load_explicit(&l->mail, memory_order_relaxed);
    do
        m->next = head;
    while (!atomic_compare_exchange_weak(&l->mail, &head, m));
    if (atomic_load(&l->sleeping) && atomic_exchange(&l->sleeping, false))
        l->driver->wake(l->driver_data);
    atomic_fetch_sub_explicit(&l->posting, 1, memory_order_release);
}

/* Deliver what others posted, in the order in which they did. */
static void take_mail(struct ly__loop *l)
{
    struct ly__mail *m = atomic_exchange(&l->mail, NULL), *in_order = NULL;
    while (m) {
        struct ly__mail *next = m->next;
        m->next = in_order;
        in_order = m;
        m = next;
    }
    while (in_order) {
        m = in_order;
        in_order = m->next;
        m->deliver(m);
    }
}

/* ---- the loop ---- */

static void run_ready(struct ly__loop *l)
{
    struct ly__fiber *f;
    l->idle_since = l->ready ? 0 : l->idle_since;
    while (l->slice && (f = ly__ready_pop(l))) {
        ly__enter(l, f);
        ly__context_switch(&l->context, &f->context);
        put_away_ended(l);
    }
}

/* No fiber can run, no timer is set, and nothing outside the loop could wake one. */
static bool all_wait_for_each_other(struct ly__loop *l)
{
    return !l->ready && l->outside == 0 && l->timers.count == 0 && !atomic_load(&l->mail);
}

/*
 * A loop that is about to sleep with many warm stacks to spare sleeps for a moment first, and if nothing has
 * happened by then gives their memory back. Returns the deadline for the driver.
 */
static int64_t idle_deadline(struct ly__loop *l, int64_t deadline)
{
    if (l->stacks.free - l->stacks.cold <= SPARE_STACKS || deadline == 0)
        return deadline;
    int64_t now = ly_now();
    if (l->idle_since == 0)
        l->idle_since = now;
    if (now - l->idle_since >= IDLE_NS)
        ly__stacks_trim(&l->stacks);
    else if (deadline > l->idle_since + IDLE_NS)
        return l->idle_since + IDLE_NS;
    return deadline;
}

static void ask_driver(struct ly__loop *l)
{
    int64_t deadline = l->ready ? 0 : ly__timers_next(&l->timers);
    if (!l->ready) {
        atomic_store(&l->sleeping, true);
        deadline = atomic_load(&l->mail) ? 0 : idle_deadline(l, deadline);
    }
    l->driver->turn(l->driver_data, deadline);
    atomic_store_explicit(&l->sleeping, false, memory_order_relaxed);
    ly__count_switch(l);
}

static void turns(struct ly__loop *l)
{
    while (!l->stop) {
        if (atomic_load_explicit(&l->mail, memory_order_relaxed))
            take_mail(l);
        if (all_wait_for_each_other(l))
            ly__loop_break_deadlock(l);
        ask_driver(l);
        if (l->timers.count)
            ly__timers_fire(&l->timers, ly_now());
        l->slice = l->nready + SLICE_MIN;
        run_ready(l);
    }
}

struct first {
    ly_task_fn *fn;
    void *arg;
    int result;
    struct ly__loop *loop;
};

static int run_first(void *arg)
{
    struct first *first = arg;
    first->result = first->fn(first->arg);
    first->loop->stop = true;
    return 0;
}

int ly__loop_run(struct ly__loop *l, ly_task_fn *fn, void *arg, int *ret_result)
{
    struct first first = {fn, arg, 0, l};
    struct ly__task *outer = ly__task_now;

    int r = ly__fiber_go(l, &l->root, run_first, &first, NULL);
    if (r < 0)
        return r;
    ly__loop_here = l;
    ly__task_now = NULL;
    ly__context_of_thread(&l->context);
    l->slice = SLICE_MIN;
    run_ready(l);
    turns(l);
    ly__loop_here = NULL;
    ly__task_now = outer;
    *ret_result = first.result;
    return 0;
}

void ly__loop_init(struct ly__loop *l, const struct ly_run_options *options)
{
    *l = (struct ly__loop){0};
    l->ready_tail = &l->ready;
    ly__list_init(&l->scopes);
    ly__stacks_init(&l->stacks, options ? options->stack_size : 0);
    ly__scope_init(&l->root, NULL, l);
    l->root.name = "loop";
    if (options) {
        l->stall_ms = options->stall_ms;
        l->hooks = options->hooks;
    }
    pthread_mutex_lock(&ly__loops_lock);
    ly__list_append(&ly__loops, &l->in_loops);
    pthread_mutex_unlock(&ly__loops_lock);
}

void ly__loop_done(struct ly__loop *l)
{
    while (atomic_load_explicit(&l->posting, memory_order_acquire) > 0)
        sched_yield();
    take_mail(l);
    pthread_mutex_lock(&ly__loops_lock);
    ly__list_remove(&l->in_loops);
    pthread_mutex_unlock(&ly__loops_lock);
    while (l->lent) {
        void *bytes = l->lent;
        memcpy(&l->lent, bytes, sizeof l->lent);
        free(bytes);
    }
    ly__timers_done(&l->timers);
    ly__stacks_done(&l->stacks);
}
