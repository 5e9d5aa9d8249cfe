/* SPDX-License-Identifier: MIT */
/*
 * Asynchronous operations: beginning, awaiting, ending.
 *
 * An operation is a task in a scope of its own, so that cancelling it is cancelling that scope, from whatever
 * thread. In a loop everything about it happens on the loop's thread. One of a plain thread is sent to the
 * helper by mail, and what its thread and the helper share is under the helper's lock.
 *
 * An operation is done when nothing will touch it any more, because its owner may then free it. In a loop
 * that is said by its fiber, which runs to its end before any other gets a turn. In the helper the fiber
 * sends mail to its own loop, which delivers it after the fiber has gone.
 */
#include "net/async.h"
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

struct ly__awaiter {
    struct ly__waiter waiter;
    atomic_bool taken; /* somebody has woken it, or is about to */
};

static void lock(const struct ly_async *op)
{
    if (op->helped)
        ly__helper_lock();
}

static void unlock(const struct ly_async *op)
{
    if (op->helped)
        ly__helper_unlock();
}

/* ---- running ---- */

static void say_done(struct ly_async *op)
{
    static atomic_ulong last;
    bool helped = op->helped; /* its owner may free it as soon as the lock is given back */
    ly__list_remove(&op->scope.in_loop);
    lock(op);
    op->number = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed);
    op->done = true;
    struct ly__awaiter *a = op->awaiter;
    op->awaiter = NULL;
    if (a && !atomic_exchange(&a->taken, true))
        ly__waiter_wake(&a->waiter, 0);
    if (helped)
        ly__helper_unlock();
}

static void deliver_done(struct ly__mail *m)
{
    say_done(ly__container_of(m, struct ly_async, mail));
}

static int run(void *arg)
{
    struct ly_async *op = arg;
    struct ly__task *t = ly__task_now;
    op->result = op->run(op);
    while (t->scope != t->home) /* opened in it and left open */
        ly_scope_close(t->scope);
    if (op->helped) {
        op->mail.deliver = deliver_done;
        ly__loop_post(ly__loop_here, &op->mail);
    } else {
        say_done(op);
    }
    return 0;
}

/* On the loop's thread. */
static int start(struct ly_async *op)
{
    ly__list_append(&op->scope.loop->scopes, &op->scope.in_loop);
    int r = ly__fiber_go(op->scope.loop, &op->scope, run, op, NULL);
    if (r < 0)
        ly__list_remove(&op->scope.in_loop);
    return r;
}

static void deliver_start(struct ly__mail *m)
{
    struct ly_async *op = ly__container_of(m, struct ly_async, mail);
    op->result = start(op);
    if (op->result < 0)
        say_done(op);
}

int ly__async_begin(struct ly_async **ret_op, const struct ly_async *as)
{
    struct ly__loop *loop = ly__loop_here;
    int r = ly_cancelled();
    if (r == 0 && !loop)
        r = ly__helper_loop(&loop);
    if (r < 0)
        return r;
    struct ly_async *op = malloc(sizeof *op);
    if (!op)
        return -ENOMEM;
    *op = *as;
    op->helped = !ly__loop_here;
    ly__scope_init(&op->scope, NULL, NULL);
    op->scope.loop = loop;
    op->scope.name = "operation";
    if (op->helped) {
        op->mail.deliver = deliver_start;
        ly__loop_post(loop, &op->mail);
    } else {
        r = start(op);
    }
    if (r < 0)
        free(op);
    else
        *ret_op = op;
    return r;
}

/* ---- awaiting ---- */

static int may_await(const struct ly_async *op)
{
    return op->helped || op->scope.loop == ly__loop_here ? 0 : -EPERM;
}

bool ly_async_is_done(const struct ly_async *op)
{
    lock(op);
    bool done = op->done;
    unlock(op);
    return done;
}

int64_t ly_async_result(const struct ly_async *op)
{
    return ly_async_is_done(op) ? op->result : -EINPROGRESS;
}

/* The one that was done first; -1 if none is. */
static int first_done(struct ly_async *const *ops, size_t count)
{
    int first = -1;
    for (size_t i = 0; i < count; i++)
        if (ops[i] && ly_async_is_done(ops[i]) && (first < 0 || ops[i]->number < ops[first]->number))
            first = (int)i;
    return first;
}

/* Have a woken when op is done. Returns 0, -EALREADY (it is), -EBUSY, -EPERM. */
static int attach(struct ly_async *op, struct ly__awaiter *a)
{
    int r = may_await(op);
    if (r < 0)
        return r;
    lock(op);
    if (op->done)
        r = -EALREADY;
    else if (op->awaiter && op->awaiter != a)
        r = -EBUSY;
    else
        op->awaiter = a;
    unlock(op);
    return r;
}

static void detach(struct ly_async *op, const struct ly__awaiter *a)
{
    lock(op);
    if (op->awaiter == a)
        op->awaiter = NULL;
    unlock(op);
}

/* Wait until one of them is done or the deadline passes. Returns 0, perhaps too early, or an error. */
static int wait_for_one(struct ly_async *const *ops, size_t count, int64_t deadline)
{
    struct ly__awaiter a;
    size_t attached = 0;
    int r = 0;
    ly__waiter_init(&a.waiter);
    if (!a.waiter.task)
        return -ENOMEM;
    atomic_init(&a.taken, false);
    while (attached < count && r == 0) {
        r = ops[attached] ? attach(ops[attached], &a) : 0;
        attached += r == 0;
    }
    bool wait = r == 0;
    if (wait)
        r = ly__waiter_wait(&a.waiter, deadline, "an operation", LY__WAIT_SHARED);
    while (attached > 0)
        if (ops[--attached])
            detach(ops[attached], &a);
    /* Nobody finds it from here on; who did is waited for. */
    if (atomic_load(&a.taken) && !atomic_load(&a.waiter.done))
        ly__waiter_wait(&a.waiter, LY__UNINTERRUPTED, "an operation", LY__WAIT_SHARED);
    return r == -EALREADY || atomic_load(&a.taken) ? 0 : r;
}

/* Wait until one is done. Returns its index or an error. */
static int await_any(struct ly_async *const *ops, size_t count, int64_t deadline)
{
    for (;;) {
        int first = first_done(ops, count);
        if (first >= 0)
            return first;
        if (deadline == 0)
            return -EAGAIN;
        int r = wait_for_one(ops, count, deadline);
        if (r < 0)
            return r;
    }
}

int ly_async_await_any(struct ly_async *const *ops, size_t count, int64_t timeout_ms)
{
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++)
        if (ops[i]) {
            n++;
            r = may_await(ops[i]);
        }
    if (n == 0 || count > INT32_MAX || timeout_ms < LY_FOREVER)
        return -EINVAL;
    return r < 0 ? r : await_any(ops, count, ly_deadline(timeout_ms));
}

int ly_async_await(struct ly_async *op, int64_t timeout_ms)
{
    return ly_async_await_any(&op, 1, timeout_ms);
}

int ly_async_await_all(struct ly_async *const *ops, size_t count, int64_t timeout_ms)
{
    int64_t deadline = ly_deadline(timeout_ms);
    int r = timeout_ms < LY_FOREVER ? -EINVAL : 0;
    for (size_t i = 0; i < count && r >= 0; i++)
        if (ops[i]) {
            r = may_await(ops[i]);
            if (r == 0)
                r = await_any(&ops[i], 1, deadline);
        }
    return r < 0 ? r : 0;
}

/* ---- ending ---- */

void ly_async_cancel(struct ly_async *op)
{
    ly_scope_cancel(&op->scope);
}

/* Wait for its end, whatever happens. */
static void see_it_done(struct ly_async *op)
{
    ly_async_cancel(op);
    while (await_any(&op, 1, LY__UNINTERRUPTED) < 0) /* without memory, or somebody else awaits it */
        sched_yield();
}

int64_t ly_async_finish(struct ly_async *op)
{
    if (await_any(&op, 1, LY_NEVER) < 0)
        see_it_done(op);
    int64_t result = op->result;
    while (atomic_load(&op->scope.cancel_mail) == 1) /* a cancellation from elsewhere still has its address */
        if (ly__loop_here)
            ly__fiber_yield();
        else
            sched_yield();
    free(op);
    return result;
}

void ly_async_free(struct ly_async *op)
{
    if (!op)
        return;
    if (!ly_async_is_done(op))
        see_it_done(op);
    ly_async_finish(op);
}
