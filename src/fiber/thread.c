/* SPDX-License-Identifier: MIT */
/*
 * Threads as tasks. A thread of the user's becomes a task at its first call that needs one and stops being
 * one when it ends; ly_go outside a loop starts detached threads, which their scope counts.
 */
#include "base/spares.h"
#include "fiber/loop.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

static pthread_key_t own_key;
static int own_key_error; /* why there is none */
static pthread_once_t own_once = PTHREAD_ONCE_INIT;

static struct ly__spares spares; /* their locks and conditions stay as they are */

static int init_lock(struct ly__thread *t)
{
    pthread_condattr_t attributes;
    int r = pthread_mutex_init(&t->lock, NULL);
    if (r)
        return -r;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    r = pthread_cond_init(&t->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (r)
        pthread_mutex_destroy(&t->lock);
    return -r;
}

/* NULL: there is no memory. */
static struct ly__thread *new_thread(struct ly_scope *home, ly_task_fn *fn, void *arg)
{
    struct ly__thread *t = ly__spares_take(&spares);
    if (!t) {
        t = malloc(sizeof *t);
        if (!t || init_lock(t) < 0) {
            free(t);
            return NULL;
        }
    }
    ly__task_init(&t->task, home, fn, arg);
    t->woken = false;
    return t;
}

static void done(struct ly__thread *t)
{
    /* A waker may still hold the lock of a wait that was seen to be over. */
    pthread_mutex_lock(&t->lock);
    pthread_mutex_unlock(&t->lock);
    if (ly__spares_give(&spares, t))
        return;
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* ---- threads of the user's ---- */

static void forget_own(void *task)
{
    done(task);
    ly__task_now = NULL;
}

static void make_key(void)
{
    own_key_error = pthread_key_create(&own_key, forget_own);
}

static struct ly__task *adopt(void)
{
    struct ly__thread *t = new_thread(NULL, NULL, NULL);
    if (!t)
        return NULL;
    pthread_once(&own_once, make_key);
    if (own_key_error || pthread_setspecific(own_key, t) != 0) {
        done(t);
        return NULL;
    }
    ly__task_now = &t->task;
    return &t->task;
}

struct ly__task *ly__task_self(void)
{
    if (__builtin_expect(ly__task_now != NULL, 1))
        return ly__task_now;
    assert(!ly__loop_here); /* a loop's own code must not wait */
    return adopt();
}

/* ---- threads of ours ---- */

static void *thread_main(void *arg)
{
    struct ly__thread *t = arg;
    ly__task_now = &t->task;
    ly__task_run(&t->task);
    ly__task_now = NULL;
    done(t);
    return NULL;
}

static int start_detached(struct ly__thread *t)
{
    pthread_attr_t attributes;
    pthread_t thread;
    int r = pthread_attr_init(&attributes);
    if (r)
        return -r;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    r = pthread_create(&thread, &attributes, thread_main, t);
    pthread_attr_destroy(&attributes);
    return -r;
}

static void join_scope(struct ly_scope *s, struct ly__task *t)
{
    pthread_mutex_lock(&ly__threads_lock);
    ly__list_append(&s->tasks, &t->in_scope);
    s->running++;
    pthread_mutex_unlock(&ly__threads_lock);
}

int ly__thread_go(struct ly_scope *s, ly_task_fn *fn, void *arg, struct ly_future *future)
{
    struct ly__thread *t = new_thread(s, fn, arg);
    if (!t)
        return -ENOMEM;
    t->task.future = future;
    join_scope(s, &t->task);
    int r = start_detached(t);
    if (r < 0) {
        ly__scope_left(s, &t->task);
        done(t);
    }
    return r;
}

/* ---- waiting ---- */

static int wait_once(struct ly__thread *t, int64_t limit)
{
    if (limit == LY_NEVER)
        return pthread_cond_wait(&t->wake, &t->lock);
    struct timespec at = {.tv_sec = limit / 1000000000, .tv_nsec = limit % 1000000000};
    return pthread_cond_timedwait(&t->wake, &t->lock, &at);
}

int ly__thread_park(struct ly__thread *t, int64_t deadline)
{
    int r = 0;
    pthread_mutex_lock(&t->lock);
    while (!t->woken && r == 0) {
        int64_t limit = LY_NEVER;
        if (deadline != LY__UNINTERRUPTED) {
            r = ly__task_allowed(&t->task);
            limit = ly__task_deadline(&t->task);
            limit = deadline < limit ? deadline : limit;
        }
        if (r == 0)
            r = wait_once(t, limit) == ETIMEDOUT ? -ETIMEDOUT : 0;
    }
    if (t->woken)
        r = 0;
    t->woken = false;
    pthread_mutex_unlock(&t->lock);
    return r;
}

void ly__thread_wake(struct ly__thread *t)
{
    pthread_mutex_lock(&t->lock);
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
}
