/* SPDX-License-Identifier: MIT */
#include "fiber/task.h"
#include "base/log_internal.h"
#include "fiber/future.h"
#include "fiber/loop.h"
#include "fiber/scope.h"
#include "fiber/trail.h"
#include <errno.h>
#include <string.h>

__thread struct ly__task *ly__task_now;
__thread struct ly__held_back ly__held_back;

static atomic_ulong last_id; /* the last that a thread took for itself */

/* A fresh id. A thread takes some at a time: an atomic addition at each start would be a tenth of a short
 * fiber's life. */
static uint64_t next_id(void)
{
    enum { BLOCK = 256 };
    static __thread uint64_t used, end;

    if (used == end) {
        used = atomic_fetch_add_explicit(&last_id, BLOCK, memory_order_relaxed);
        end = used + BLOCK;
    }
    return ++used;
}

/* ---- who calls ---- */

static uint64_t id_for_log(void)
{
    return ly__task_now ? ly__task_now->id : 0;
}

__attribute__((constructor)) static void tell_log(void)
{
    ly__log_task_id = id_for_log;
}

void ly__task_init(struct ly__task *t, struct ly_scope *home, ly_task_fn *fn, void *arg)
{
    ly__list_init(&t->in_scope);
    t->home = t->scope = home;
    t->loop = NULL;
    t->fn = fn;
    t->arg = arg;
    t->future = NULL;
    t->waits_for = NULL;
    t->id = next_id();
    t->name[0] = 0;
}

uint64_t ly_id(void)
{
    return id_for_log();
}

const char *ly_name(void)
{
    return ly__task_now ? ly__task_now->name : "";
}

void ly_set_name(const char *name)
{
    struct ly__task *t = ly__task_self();
    if (!t)
        return;
    size_t n = strnlen(name, LY__NAME_MAX - 1);
    memcpy(t->name, name, n);
    t->name[n] = 0;
}

/* ---- what the scopes around a task say ---- */

int ly__scope_stops(const struct ly_scope *s)
{
    if (atomic_load_explicit(&s->cancelled, memory_order_relaxed))
        return -ECANCELED;
    int64_t deadline = atomic_load_explicit(&s->deadline, memory_order_relaxed);
    return deadline != LY_NEVER && ly_now() >= deadline ? -ETIMEDOUT : 0;
}

int ly_cancelled(void)
{
    return ly__task_now ? ly__task_allowed(ly__task_now) : 0;
}

void ly__task_interrupt(struct ly__task *t)
{
    if (t->loop)
        ly__fiber_interrupt(ly__fiber_of(t));
    else
        ly__thread_wake((struct ly__thread *)(void *)t);
}

/* ---- its life ---- */

void ly__task_run(struct ly__task *t)
{
    int result = t->fn(t->arg);
    while (t->scope != t->home)
        ly_scope_close(t->scope);
    ly__future_set(t->future, result);
    ly__scope_left(t->home, t);
}

/* ---- waiting ---- */

static void deliver_wake(struct ly__mail *m)
{
    struct ly__waiter *w = ly__container_of(m, struct ly__waiter, mail);
    struct ly__task *t = w->task;
    int result = w->result;
    atomic_store_explicit(&w->done, true, memory_order_release);
    ly__fiber_wake(ly__fiber_of(t), result);
}

void ly__waiter_init(struct ly__waiter *w)
{
    ly__list_init(&w->link);
    w->task = ly__task_self();
    atomic_init(&w->done, false);
    w->result = 0;
    w->mail.deliver = deliver_wake;
}

int ly__waiter_wait(struct ly__waiter *w, int64_t deadline, const char *waits_for, enum ly__wait_kind kind)
{
    if (!w->task)
        return -ENOMEM;
    while (!atomic_load(&w->done)) {
        int r = ly__park(deadline, waits_for, kind);
        if (r < 0 && !atomic_load(&w->done) && deadline != LY__UNINTERRUPTED)
            return r;
    }
    return w->result;
}

static void wake_thread(struct ly__waiter *w)
{
    struct ly__thread *t = (struct ly__thread *)(void *)w->task;
    pthread_mutex_lock(&t->lock);
    atomic_store(&w->done, true);
    t->woken = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
}

void ly__waiter_wake(struct ly__waiter *w, int result)
{
    w->result = result;
    if (!w->task->loop)
        wake_thread(w);
    else if (w->task->loop == ly__loop_here)
        deliver_wake(&w->mail);
    else
        ly__loop_post(w->task->loop, &w->mail);
}

/* ---- sleeping ---- */

int ly_sleep(int64_t ms)
{
    struct ly__task *t = ly__task_self();
    if (!t)
        return -ENOMEM;
    int r = ms < LY_FOREVER ? -EINVAL : ly__task_allowed(t);
    if (r < 0)
        return r;
    if (ms == 0 && t->loop) {
        ly__fiber_yield();
        return ly__task_allowed(t);
    }
    int64_t until = ly_deadline(ms);
    do
        r = ly__park(until, "time to pass", LY__WAIT_IO);
    while (r == 0);
    return r == -ETIMEDOUT && ly_now() >= until ? 0 : (int)ly__failed(r);
}
