/* SPDX-License-Identifier: MIT */
/*
 * Asking the resolver.
 *
 * getaddrinfo(3) blocks, for half a minute where no name server answers, and cannot be cancelled. So each
 * lookup runs on a thread of its own, and all it touches is a job on the heap that both sides hold: a caller
 * whose scope ends goes away at once and leaves the job to the thread, which frees it when the resolver comes
 * back. The offload pool would not do, since it makes its caller wait for work that has begun.
 *
 * No more than LOOKUPS_MAX threads exist at a time; beyond that a lookup runs on the offload pool after all,
 * whose size bounds it.
 */
#include "fiber/task.h"
#include "net/resolve.h"
#include <errno.h>
#include <netdb.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOKUPS_MAX 32

struct job {
    struct ly__name name;
    struct addrinfo *found;    /* the answer, when result is 0 */
    int result;                /* of look_up */
    struct ly__waiter *waiter; /* the caller, while it waits and has not been woken; guarded by lock */
    atomic_int holders;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static atomic_int threads;

static void put_job(struct job *job)
{
    if (atomic_fetch_sub(&job->holders, 1) > 1)
        return;
    if (job->found)
        freeaddrinfo(job->found);
    free(job);
}

static int error_of(int code)
{
    switch (code) {
    case 0:
        return 0;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
        return LY_ENONAME;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_SYSTEM:
        return errno ? -errno : LY_ERESOLVE;
    default:
        return LY_ERESOLVE;
    }
}

static int look_up(void *arg)
{
    static const struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct job *job = arg;
    char port[8];

    snprintf(port, sizeof port, "%u", job->name.port);
    job->result = error_of(getaddrinfo(job->name.host, port, &hints, &job->found));
    return 0;
}

/* ---- on a thread of its own ---- */

static void *lookup_thread(void *arg)
{
    struct job *job = arg;
    look_up(job);
    pthread_mutex_lock(&lock);
    struct ly__waiter *waiter = job->waiter;
    job->waiter = NULL;
    pthread_mutex_unlock(&lock);
    if (waiter)
        ly__waiter_wake(waiter, 0);
    put_job(job);
    atomic_fetch_sub(&threads, 1);
    return NULL;
}

static int start_thread(struct job *job)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;

    int r = pthread_attr_init(&attributes);
    if (r)
        return -r;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    atomic_fetch_add(&job->holders, 1);
    r = pthread_create(&thread, &attributes, lookup_thread, job);
    if (r)
        atomic_fetch_sub(&job->holders, 1);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    return -r;
}

/* The caller's wait was cut short. Returns whether the thread will now leave the caller alone. */
static bool abandon(struct job *job)
{
    pthread_mutex_lock(&lock);
    bool alone = job->waiter != NULL;
    job->waiter = NULL;
    pthread_mutex_unlock(&lock);
    return alone;
}

/* Returns 0 once the job is done, -EAGAIN where no thread could be had, or why the wait ended. */
static int run_apart(struct job *job)
{
    struct ly__waiter waiter;
    if (!ly__task_self())
        return -ENOMEM;
    ly__waiter_init(&waiter);
    job->waiter = &waiter;
    if (atomic_fetch_add(&threads, 1) >= LOOKUPS_MAX || start_thread(job) < 0) {
        atomic_fetch_sub(&threads, 1);
        return -EAGAIN;
    }
    int r = ly__waiter_wait(&waiter, LY_NEVER, "the resolver", LY__WAIT_IO);
    if (atomic_load(&waiter.done))
        return 0;
    if (abandon(job))
        return r;
    return ly__waiter_wait(&waiter, LY__UNINTERRUPTED, "the resolver", LY__WAIT_IO);
}

/* ---- the answer ---- */

static bool holds(const struct ly_address *list, size_t n, const struct ly_address *a)
{
    for (size_t i = 0; i < n; i++) {
        if (ly_address_equal(&list[i], a))
            return true;
    }
    return false;
}

static int collect(const struct addrinfo *found, struct ly_address *list, size_t cap)
{
    size_t n = 0;
    for (; found && n < cap; found = found->ai_next) {
        struct ly_address a = {.length = found->ai_addrlen};
        if ((found->ai_family != AF_INET && found->ai_family != AF_INET6) || a.length > sizeof a.u)
            continue;
        memcpy(&a.u, found->ai_addr, a.length);
        if (!holds(list, n, &a))
            list[n++] = a;
    }
    return n > 0 ? (int)n : LY_ENONAME;
}

int ly__lookup(const struct ly__name *name, struct ly_address *list, size_t cap)
{
    int r = ly_cancelled();
    if (r < 0)
        return r;
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return -ENOMEM;
    job->name = *name;
    atomic_init(&job->holders, 1);
    r = run_apart(job);
    if (r == -EAGAIN)
        r = ly_offload(look_up, job);
    if (r == 0)
        r = job->result;
    if (r == 0)
        r = collect(job->found, list, cap);
    put_job(job);
    return r;
}
