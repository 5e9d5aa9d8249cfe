/* SPDX-License-Identifier: MIT */
/*
 * The offload pool: threads for work that blocks or takes long, so that no loop is held up by it.
 *
 * One pool a process. A thread is started when work waits and none is idle, up to POOL_MAX; one that has had
 * nothing to do for IDLE_S seconds ends. All signals are blocked in them. After fork the child has none of
 * the threads: it begins anew.
 */
#include "fiber/loop.h"
#include <errno.h>
#include <signal.h>
#include <time.h>

#define POOL_MAX 32
#define IDLE_S 10

struct job {
    struct ly__waiter waiter; /* first: its link is the queue's */
    ly_task_fn *fn;
    void *arg;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct ly__list queue; /* struct job */
    unsigned threads, idle;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .queue = {&pool.queue, &pool.queue}};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_pool(void)
{
    pthread_condattr_t attributes;
    pthread_mutex_init(&pool.lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pool.work, &attributes);
    pthread_condattr_destroy(&attributes);
    ly__list_init(&pool.queue);
    pool.threads = pool.idle = 0;
}

static void init_once(void)
{
    init_pool();
    pthread_atfork(NULL, NULL, init_pool);
}

/* Wait for work, with the lock held. NULL: there was none for a long time. */
static struct job *next_job(void)
{
    struct ly__list *first;
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_S;
    while (!(first = ly__list_first(&pool.queue))) {
        pool.idle++;
        int r = pthread_cond_timedwait(&pool.work, &pool.lock, &until);
        pool.idle--;
        if (r == ETIMEDOUT && ly__list_empty(&pool.queue))
            return NULL;
    }
    ly__list_remove(first);
    return (struct job *)(void *)ly__container_of(first, struct ly__waiter, link);
}

static void *pool_thread(void *unused)
{
    struct job *job;
    (void)unused;
    pthread_mutex_lock(&pool.lock);
    while ((job = next_job())) {
        pthread_mutex_unlock(&pool.lock);
        ly__waiter_wake(&job->waiter, job->fn(job->arg));
        pthread_mutex_lock(&pool.lock);
    }
    pool.threads--;
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

/* Start one more thread, with the lock held. Returns 0 or -errno. */
static int grow(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;

    sigfillset(&all);
    int r = pthread_attr_init(&attributes);
    if (r)
        return -r;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, &attributes, pool_thread, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    pool.threads += r == 0;
    return -r;
}

/* Queue a job. Returns 0, or -EAGAIN where no thread will ever take it. */
static int submit(struct job *job)
{
    int r = 0;
    pthread_mutex_lock(&pool.lock);
    ly__list_append(&pool.queue, &job->waiter.link);
    if (pool.idle > 0)
        pthread_cond_signal(&pool.work);
    else if (pool.threads < POOL_MAX && grow() < 0 && pool.threads == 0)
        r = -EAGAIN;
    if (r < 0)
        ly__list_remove(&job->waiter.link);
    pthread_mutex_unlock(&pool.lock);
    return r;
}

/* Take a job back that no thread has begun. */
static bool withdraw(struct job *job)
{
    pthread_mutex_lock(&pool.lock);
    bool waiting = !ly__list_empty(&job->waiter.link);
    ly__list_remove(&job->waiter.link);
    pthread_mutex_unlock(&pool.lock);
    return waiting;
}

int ly_offload(ly_task_fn *fn, void *arg)
{
    struct job job = {.fn = fn, .arg = arg};
    if (!ly__loop_here)
        return fn(arg);
    int r = ly_cancelled();
    if (r < 0)
        return r;
    pthread_once(&once, init_once);
    ly__waiter_init(&job.waiter);
    r = submit(&job);
    if (r < 0)
        return r;
    r = ly__waiter_wait(&job.waiter, LY_NEVER, "the offload pool", LY__WAIT_IO);
    if (atomic_load(&job.waiter.done))
        return r;
    if (withdraw(&job))
        return r;
    return ly__waiter_wait(&job.waiter, LY__UNINTERRUPTED, "the offload pool", LY__WAIT_IO);
}
