/* SPDX-License-Identifier: MIT */
/*
 * Scopes: a tree of bounds around tasks.
 *
 * A scope hangs below the one that was current for its opener; cancelled and deadline are pushed down the
 * tree when they change, so that a task that waits looks at its own scope only. A shield cuts the pushing. A
 * scope of a loop is touched by that loop's thread alone; a cancellation from elsewhere comes by mail. Scopes
 * of threads share one lock.
 */
#include "fiber/scope.h"
#include "fiber/future.h"
#include "fiber/loop.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

pthread_mutex_t ly__threads_lock = PTHREAD_MUTEX_INITIALIZER;

enum { MAIL_NONE, MAIL_UNDER_WAY, MAIL_DELIVERED };

static void lock(const struct ly_scope *s)
{
    if (!s->loop)
        pthread_mutex_lock(&ly__threads_lock);
}

static void unlock(const struct ly_scope *s)
{
    if (!s->loop)
        pthread_mutex_unlock(&ly__threads_lock);
}

/* ---- the tree ---- */

static bool is_cancelled(struct ly_scope *s)
{
    return atomic_load_explicit(&s->cancelled, memory_order_relaxed);
}

static int64_t deadline_of(struct ly_scope *s)
{
    return atomic_load_explicit(&s->deadline, memory_order_relaxed);
}

/* Work out the deadline of s from its own and its parent's. */
static void inherit_deadline(struct ly_scope *s)
{
    int64_t d = s->own_deadline;
    if (s->parent && !s->shield && deadline_of(s->parent) < d)
        d = deadline_of(s->parent);
    atomic_store_explicit(&s->deadline, d, memory_order_relaxed);
}

LY__HOT void ly__scope_init(struct ly_scope *s, struct ly_scope *parent, struct ly__loop *loop)
{
    *s = (struct ly_scope){.parent = parent, .loop = loop, .own_deadline = LY_NEVER, .name = ""};
    atomic_init(&s->deadline, LY_NEVER);
    atomic_init(&s->cancel_fd, -1);
    ly__list_init(&s->in_parent);
    ly__list_init(&s->in_loop);
    ly__list_init(&s->children);
    ly__list_init(&s->tasks);
    ly__list_init(&s->futures);
    if (loop)
        ly__list_append(&loop->scopes, &s->in_loop);
}

/* The tasks whose waits s may bound: those started in it, and its owner. */
static void interrupt_tasks(struct ly_scope *s)
{
    ly__list_each (t, &s->tasks)
        ly__task_interrupt(ly__container_of(t, struct ly__task, in_scope));
    if (s->owner)
        ly__task_interrupt(s->owner);
}

static void mark_cancelled(struct ly_scope *s)
{
    static const uint64_t one = 1;
    if (is_cancelled(s))
        return;
    atomic_store(&s->cancelled, true);
    int fd = atomic_load(&s->cancel_fd);
    while (fd >= 0 && write(fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    ly__list_each (c, &s->children) {
        struct ly_scope *child = ly__container_of(c, struct ly_scope, in_parent);
        if (!child->shield)
            mark_cancelled(child);
    }
    interrupt_tasks(s);
}

static void push_deadline(struct ly_scope *s)
{
    inherit_deadline(s);
    ly__list_each (c, &s->children) {
        struct ly_scope *child = ly__container_of(c, struct ly_scope, in_parent);
        if (!child->shield)
            push_deadline(child);
    }
    interrupt_tasks(s);
}

int ly__scope_cancel_fd(struct ly_scope *s)
{
    int fd = atomic_load(&s->cancel_fd);
    if (fd >= 0)
        return fd;
    pthread_mutex_lock(&ly__threads_lock);
    fd = atomic_load(&s->cancel_fd);
    if (fd < 0) {
        fd = eventfd(is_cancelled(s), EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
            fd = -errno;
        else
            atomic_store(&s->cancel_fd, fd);
    }
    pthread_mutex_unlock(&ly__threads_lock);
    return fd;
}

/* ---- opening and closing ---- */

LY__HOT void ly__scope_enter_alone(struct ly_scope *s, struct ly__task *t,
                                   const struct ly_scope_options *options)
{
    ly__scope_init(s, t->scope, t->loop);
    s->owner = t;
    s->name = options && options->name ? options->name : t->name;
    s->shield = options && options->shield;
    if (options && options->deadline)
        s->own_deadline = options->deadline;

    inherit_deadline(s);
    if (s->parent) {
        ly__list_append(&s->parent->children, &s->in_parent);
        atomic_store(&s->cancelled, !s->shield && is_cancelled(s->parent));
    }
    t->scope = s;
}

static void enter(struct ly_scope *s, struct ly__task *t, const struct ly_scope_options *options)
{
    bool locks = !t->loop;
    if (locks)
        pthread_mutex_lock(&ly__threads_lock);
    ly__scope_enter_alone(s, t, options);
    if (locks)
        pthread_mutex_unlock(&ly__threads_lock);
}

int ly_scope_open(struct ly_scope **ret_scope, const struct ly_scope_options *options)
{
    struct ly__task *t = ly__task_self();
    struct ly_scope *s = t ? malloc(sizeof *s) : NULL;
    if (!s)
        return -ENOMEM;
    enter(s, t, options);
    *ret_scope = s;
    return 0;
}

/* Wait until no task of s runs, or the wait ends early. */
static int join(struct ly_scope *s, int64_t deadline)
{
    int r = 0;
    lock(s);
    while (s->running > 0 && (r == 0 || deadline == LY__UNINTERRUPTED)) {
        struct ly__waiter w;
        ly__waiter_init(&w);
        s->joiner = &w;
        unlock(s);
        r = ly__waiter_wait(&w, deadline, "the tasks of a scope", LY__WAIT_PEER);
        lock(s);
        if (s->joiner == &w)
            s->joiner = NULL;
        else if (!atomic_load(&w.done)) { /* it was taken: the wake-up is on its way */
            unlock(s);
            r = ly__waiter_wait(&w, LY__UNINTERRUPTED, "the tasks of a scope", LY__WAIT_PEER);
            lock(s);
        }
    }
    r = s->running == 0 ? 0 : r;
    unlock(s);
    return r;
}

int ly_scope_join(struct ly_scope *s)
{
    return join(s, LY_NEVER);
}

void ly__scope_left(struct ly_scope *s, struct ly__task *t)
{
    lock(s);
    ly__list_remove(&t->in_scope);
    struct ly__waiter *w = --s->running == 0 ? s->joiner : NULL;
    if (w) {
        s->joiner = NULL;
        ly__waiter_wake(w, 0);
    }
    unlock(s);
}

/* Mail that carries a cancellation must have arrived before the scope's memory goes. */
static void await_mail(struct ly_scope *s)
{
    while (atomic_load(&s->cancel_mail) == MAIL_UNDER_WAY)
        ly__fiber_yield();
}

static void free_futures(struct ly_scope *s)
{
    ly__list_each_safe (f, &s->futures)
        ly__future_free(f);
}

void ly_scope_close(struct ly_scope *s)
{
    if (!s)
        return;
    assert(s->owner == ly__task_now && s->owner->scope == s);
    lock(s);
    bool busy = s->running > 0;
    unlock(s);
    if (busy)
        ly_scope_cancel(s);
    join(s, LY__UNINTERRUPTED);
    if (s->loop)
        await_mail(s);
    lock(s);
    s->owner->scope = s->parent;
    ly__list_remove(&s->in_parent);
    ly__list_remove(&s->in_loop);
    unlock(s);
    free_futures(s);
    if (atomic_load(&s->cancel_fd) >= 0)
        close(atomic_load(&s->cancel_fd));
    free(s);
}

/* ---- cancelling and deadlines ---- */

static void deliver_cancel(struct ly__mail *m)
{
    struct ly_scope *s = ly__container_of(m, struct ly_scope, mail);
    mark_cancelled(s);
    atomic_store(&s->cancel_mail, MAIL_DELIVERED);
}

void ly_scope_cancel(struct ly_scope *s)
{
    if (!s->loop || s->loop == ly__loop_here) {
        lock(s);
        mark_cancelled(s);
        unlock(s);
        return;
    }
    int none = MAIL_NONE;
    if (atomic_compare_exchange_strong(&s->cancel_mail, &none, MAIL_UNDER_WAY)) {
        s->mail.deliver = deliver_cancel;
        ly__loop_post(s->loop, &s->mail);
    }
}

void ly_scope_set_deadline(struct ly_scope *s, int64_t deadline)
{
    lock(s);
    s->own_deadline = deadline;
    push_deadline(s);
    unlock(s);
}

/* ---- starting tasks ---- */

static int start(struct ly_scope *s, ly_task_fn *fn, void *arg, struct ly_future *future)
{
    if (is_cancelled(s))
        return -ECANCELED;
    if (!s->loop)
        return ly__thread_go(s, fn, arg, future);
    if (s->loop != ly__loop_here)
        return -EPERM;
    return ly__fiber_go(s->loop, s, fn, arg, future);
}

int ly_go(struct ly_scope *s, ly_task_fn *fn, void *arg)
{
    return start(s, fn, arg, NULL);
}

int ly_async(struct ly_scope *s, struct ly_future **ret_future, ly_task_fn *fn, void *arg)
{
    struct ly_future *f = ly__future_new(s);
    if (!f)
        return -ENOMEM;
    int r = start(s, fn, arg, f);
    if (r < 0) {
        ly__future_drop(f);
        return r;
    }
    *ret_future = f;
    return 0;
}
