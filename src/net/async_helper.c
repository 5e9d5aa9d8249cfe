/* SPDX-License-Identifier: MIT */
/*
 * The helper: a loop on a thread of its own in which the operations of plain threads run. One a process,
 * begun with the first operation; it lasts as long as the process and sleeps while there is nothing to do.
 * After fork the child has none and begins its own.
 */
#include "net/async.h"
#include <signal.h>

static struct {
    pthread_mutex_t lock; /* of what follows, and of all operations that run there */
    pthread_cond_t changed;
    struct ly__loop *loop; /* NULL: it does not run */
    bool starting;
    int error; /* why it ended */
} helper = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* In the child after fork. */
static void forget(void)
{
    pthread_mutex_init(&helper.lock, NULL);
    pthread_cond_init(&helper.changed, NULL);
    helper.loop = NULL;
    helper.starting = false;
}

static void before_fork(void)
{
    pthread_mutex_lock(&helper.lock);
}

static void after_fork(void)
{
    pthread_mutex_unlock(&helper.lock);
}

static void init_once(void)
{
    pthread_atfork(before_fork, after_fork, forget);
}

void ly__helper_lock(void)
{
    pthread_mutex_lock(&helper.lock);
}

void ly__helper_unlock(void)
{
    pthread_mutex_unlock(&helper.lock);
}

static void tell(struct ly__loop *loop, int error)
{
    pthread_mutex_lock(&helper.lock);
    helper.loop = loop;
    helper.error = error;
    helper.starting = false;
    pthread_cond_broadcast(&helper.changed);
    pthread_mutex_unlock(&helper.lock);
}

/* The first fiber: the loop is there for as long as it waits. */
static int stay(void *unused)
{
    (void)unused;
    ly_set_name("helper");
    tell(ly__loop_here, 0);
    for (;;)
        ly__park(LY__UNINTERRUPTED, "operations", LY__WAIT_SHARED);
    return 0;
}

static void *helper_thread(void *unused)
{
    (void)unused;
    tell(NULL, ly_run(stay, NULL, NULL)); /* it returns only when it could not begin */
    return NULL;
}

/* With the lock. */
static int start(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, old;

    int r = pthread_attr_init(&attributes);
    if (r)
        return -r;
    sigfillset(&all);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = pthread_create(&thread, &attributes, helper_thread, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    helper.starting = r == 0;
    return -r;
}

int ly__helper_loop(struct ly__loop **ret_loop)
{
    int r = 0;
    pthread_once(&once, init_once);
    pthread_mutex_lock(&helper.lock);
    if (!helper.loop && !helper.starting)
        r = start();
    while (r == 0 && helper.starting)
        pthread_cond_wait(&helper.changed, &helper.lock);
    if (r == 0 && !helper.loop)
        r = helper.error;
    *ret_loop = helper.loop;
    pthread_mutex_unlock(&helper.lock);
    return r;
}
