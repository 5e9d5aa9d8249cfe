/* SPDX-License-Identifier: MIT */
/*
 * The watchdog: reports a fiber that holds its loop for too long, with its stack.
 *
 * A loop counts its switches. The watchdog's thread looks at each loop several times within its limit; where
 * the count stands still and the loop does not sleep in its driver, some fiber has been running all the
 * while. Its stack can only be read by its own thread, so that gets a signal whose handler does no more than
 * take the return addresses; they are named and reported here. The loops pay one increment a switch for all
 * this, and nobody reads a clock.
 */
#include "fiber/loop.h"
#include <errno.h>
#include <execinfo.h>
#include <lanyard/clock.h>
#include <lanyard/log.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WATCHED_MAX 256
#define FRAMES_MAX 48
#define LOOKS 4    /* within a loop's limit */
#define SAMPLE_S 2 /* for the loop to show where it is */

struct watched {
    struct ly__loop *loop;
    unsigned long switches; /* as last seen */
    int64_t since;          /* when they were first seen so */
    bool told;              /* this standstill is reported */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t thread;
    bool running;
    size_t count;
    struct watched watched[WATCHED_MAX];
} dog = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* What the signal handler leaves; one standstill is looked at at a time. */
static struct {
    sem_t done;
    int count;
    void *frames[FRAMES_MAX];
    char name[LY__NAME_MAX];
    uint64_t id;
} sample;

static int sample_signal(void)
{
    return SIGRTMAX - 2;
}

static void take_sample(int signal)
{
    int saved = errno;
    struct ly__task *t = ly__task_now;
    (void)signal;
    sample.count = backtrace(sample.frames, FRAMES_MAX);
    sample.id = t ? t->id : 0;
    memcpy(sample.name, t ? t->name : "", t ? LY__NAME_MAX : 1);
    sem_post(&sample.done);
    errno = saved;
}

static void append(char *report, size_t cap, const char *text)
{
    size_t used = strlen(report);
    snprintf(report + used, cap - used, "%s\n", text);
}

static void describe(char *report, size_t cap, int64_t held_ms)
{
    snprintf(report, cap, "fiber %llu \"%s\" has held its loop for %lld ms\n", (unsigned long long)sample.id,
             sample.name, (long long)held_ms);
    char **names = backtrace_symbols(sample.frames, sample.count);
    for (int i = 2; names && i < sample.count; i++)
        append(report, cap, names[i]);
    free(names);
}

/* So long from now, of a clock that nobody sets. */
static struct timespec after(int64_t ms)
{
    int64_t ns = ly_deadline(ms);
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void report_stall(struct ly__loop *l, int64_t held_ms)
{
    char report[8192];
    struct timespec until;

    if (pthread_kill(l->thread, sample_signal()) != 0)
        return;
    clock_gettime(CLOCK_REALTIME, &until); /* the thread sanitizer knows no semaphore with another clock */
    until.tv_sec += SAMPLE_S;
    int r;
    while ((r = sem_timedwait(&sample.done, &until)) < 0 && errno == EINTR)
        ;
    if (r < 0)
        return;
    describe(report, sizeof report, held_ms);
    if (l->hooks && l->hooks->stall)
        l->hooks->stall(report);
    else
        ly_log(LY_LOG_WARNING, "fiber", "a fiber holds its loop", LY_STR("report", report));
}

static void look(struct watched *w, int64_t now)
{
    unsigned long switches = atomic_load_explicit(&w->loop->switches, memory_order_relaxed);
    if (switches != w->switches || atomic_load(&w->loop->sleeping)) {
        w->switches = switches;
        w->since = now;
        w->told = false;
    } else if (!w->told && now - w->since >= w->loop->stall_ms * 1000000) {
        w->told = true;
        report_stall(w->loop, (now - w->since) / 1000000);
    }
}

static int64_t shortest_limit(void)
{
    int64_t ms = INT64_MAX;
    for (size_t i = 0; i < dog.count; i++)
        if (dog.watched[i].loop->stall_ms < ms)
            ms = dog.watched[i].loop->stall_ms;
    return ms;
}

static void *watch(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&dog.lock);
    while (dog.count > 0) {
        struct timespec until = after(shortest_limit() / LOOKS + 1);
        pthread_cond_clockwait(&dog.changed, &dog.lock, CLOCK_MONOTONIC, &until);
        for (size_t i = 0; i < dog.count; i++)
            look(&dog.watched[i], ly_now());
    }
    dog.running = false;
    pthread_mutex_unlock(&dog.lock);
    return NULL;
}

static int start_watching(void)
{
    struct sigaction action = {.sa_handler = take_sample, .sa_flags = SA_RESTART | SA_ONSTACK};
    sigset_t all, old;
    void *frame;

    backtrace(&frame, 1); /* loads what it needs now, not in the handler */
    sem_init(&sample.done, 0, 0);
    if (sigaction(sample_signal(), &action, NULL) < 0)
        return -errno;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&dog.thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r)
        return -r;
    pthread_detach(dog.thread);
    dog.running = true;
    return 0;
}

int ly__watchdog_add(struct ly__loop *l)
{
    int r = 0;
    if (l->stall_ms <= 0)
        return 0;
    l->thread = pthread_self();
    pthread_mutex_lock(&dog.lock);
    if (dog.count == WATCHED_MAX)
        r = -EAGAIN;
    else if (!dog.running)
        r = start_watching();
    if (r == 0)
        dog.watched[dog.count++] = (struct watched){.loop = l, .since = ly_now()};
    pthread_mutex_unlock(&dog.lock);
    return r;
}

void ly__watchdog_remove(struct ly__loop *l)
{
    pthread_mutex_lock(&dog.lock);
    for (size_t i = 0; i < dog.count; i++)
        if (dog.watched[i].loop == l) {
            dog.watched[i] = dog.watched[--dog.count];
            break;
        }
    pthread_cond_signal(&dog.changed);
    pthread_mutex_unlock(&dog.lock);
}
