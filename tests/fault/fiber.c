/* SPDX-License-Identifier: MIT */
/* The runtime with each of its calls failing once: scopes, tasks, channels, mutexes, futures, the offload
 * pool, deadlines and the watchdog, on each reactor and in threads. */
#include "places.h"
#include <pthread.h>

/* ---- scopes and tasks ---- */

static int add_one(void *number)
{
    __atomic_fetch_add((int *)number, 1, __ATOMIC_RELAXED);
    return 0;
}

static int sleep_long(void *arg)
{
    (void)arg;
    return ly_sleep(LY_FOREVER) == -ECANCELED ? 0 : -EPROTO;
}

static int answer(void *arg)
{
    (void)arg;
    int r = ly_sleep(1);
    return r < 0 ? r : 42;
}

static int await_answer(struct ly_scope *s)
{
    struct ly_future *f;
    bool done = false;
    int r = ly_async(s, &f, answer, NULL);
    if (r < 0)
        return r;
    r = ly_await(f, &done);
    return !done ? r : r == 42 ? 0 : r < 0 ? r : -EPROTO;
}

/* Tasks that end, one that is awaited, one that is cancelled, and a deadline. */
static int tasks(void *arg)
{
    struct ly_scope *outer, *inner;
    int ran = 0, started = 0;
    (void)arg;
    int r = ly_scope_open(&outer, NULL);
    if (r < 0)
        return r;
    for (int i = 0; i < 3 && r == 0; i++) {
        r = ly_go(outer, add_one, &ran);
        started += r == 0;
    }
    int joined = ly_scope_join(outer);
    if (r == 0)
        r = joined;
    if (r == 0)
        r = await_answer(outer);
    if (r == 0)
        r = ly_go(outer, sleep_long, NULL);
    if (r == 0)
        r = ly_scope_open(&inner, &(struct ly_scope_options){.deadline = ly_deadline(1)});
    if (r == 0) {
        r = ly_sleep(LY_FOREVER) == -ETIMEDOUT ? 0 : -EPROTO;
        ly_scope_close(inner);
    }
    ly_scope_close(outer);
    return joined == 0 && ran != started ? -EPROTO : r;
}

static void tasks_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("tasks", tasks);
}

/* ---- channels and mutexes ---- */

struct shelf {
    struct ly_chan *items;
    struct ly_mutex *lock;
    int sum;
};

static int produce(void *arg)
{
    struct shelf *s = arg;
    int r = 0;
    for (int i = 1; i <= 4 && r == 0; i++)
        r = ly_chan_send(s->items, &i, LY_FOREVER);
    ly_chan_end(s->items);
    return r;
}

static int consume(void *arg)
{
    struct shelf *s = arg;
    int item, r;
    while ((r = ly_chan_recv(s->items, &item, LY_FOREVER)) == 0) {
        r = ly_mutex_lock(s->lock, LY_FOREVER);
        if (r < 0)
            return r;
        s->sum += item;
        ly_mutex_unlock(s->lock);
    }
    return r == LY_ECLOSED ? 0 : r;
}

static int trade_in(struct shelf *s)
{
    struct ly_scope *scope;
    struct ly_future *consumer;
    int r = ly_scope_open(&scope, NULL);
    if (r < 0)
        return r;
    r = ly_go(scope, produce, s);
    if (r == 0)
        r = ly_async(scope, &consumer, consume, s);
    if (r == 0)
        r = ly_await(consumer, NULL);
    ly_scope_close(scope);
    return r == 0 && s->sum != 10 ? -EPROTO : r;
}

static int trade_by(enum ly_sharing sharing)
{
    struct shelf s = {0};
    int r = ly_chan_new(&s.items, sizeof(int), 1, sharing);
    if (r == 0)
        r = ly_mutex_new(&s.lock, sharing);
    if (r == 0)
        r = trade_in(&s);
    ly_mutex_free(s.lock);
    ly_chan_free(s.items);
    return r;
}

static int trade(void *arg)
{
    (void)arg;
    int r = trade_by(LY_LOCAL);
    return r < 0 ? r : trade_by(LY_SHARED);
}

static void channels_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("channels", trade);
}

/* ---- the offload pool ---- */

static int offload_some(void *arg)
{
    int n = 0;
    (void)arg;
    int r = ly_offload(add_one, &n);
    if (r == 0)
        r = ly_offload(add_one, &n);
    return r == 0 && n != 2 ? -EPROTO : r;
}

static int offload_beside_others(void *arg)
{
    struct ly_scope *s;
    int ticks = 0;
    int r = ly_scope_open(&s, NULL);
    if (r < 0)
        return r;
    r = ly_go(s, add_one, &ticks);
    if (r == 0)
        r = offload_some(arg);
    ly_scope_close(s);
    return r;
}

static void the_offload_pool_survives_each_failure(void **state)
{
    (void)state;
    sweep_places("offload", offload_beside_others);
}

/* Each in a process of its own, since a pool that once has a thread asks for none. */
static int offload_first(void *arg)
{
    const struct place *p = arg;
    int status, r = -ECHILD;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        r = run_at(p, offload_some, NULL);
        _exit(r == 0 ? 0 : r == -EAGAIN ? 1 : r == -ENOMEM ? 2 : 3);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0)
        ;
    return pid < 0 ? -errno : WIFEXITED(status) && WEXITSTATUS(status) < 3 ? 0 : -EPROTO;
}

static void a_pool_that_gets_no_thread_says_so(void **state)
{
    (void)state;
    struct place epoll = places[1];
    sweep_now.scenario = "the first offload";
    signal(SIGALRM, sweep_hangs);
    for (unsigned long nth = 1; nth <= 3; nth++) {
        sweep_now.nth = nth;
        alarm(SWEEP_SECONDS);
        SWEEP_EXPECT(ly_fault_arm("pthread_create", nth, EAGAIN) == 0);
        int r = offload_first(&epoll);
        ly_fault_disarm();
        alarm(0);
        SWEEP_EXPECT(r == 0);
    }
}

/* ---- the watchdog ---- */

static int nothing(void *arg)
{
    (void)arg;
    return ly_sleep(0);
}

static int run_watched(void *arg)
{
    (void)arg;
    return ly_run(nothing, NULL, &(struct ly_run_options){.reactor = "epoll", .stall_ms = 100});
}

static void a_watched_loop_survives_each_failure(void **state)
{
    (void)state;
    sweep("watchdog", run_watched, NULL);
}

/* ---- from other threads ---- */

struct crowd {
    struct ly_chan *items;
    struct ly_scope *scope; /* to be cancelled from elsewhere */
};

static void *send_and_cancel(void *arg)
{
    struct crowd *c = arg;
    int item = 7;
    while (ly_chan_send(c->items, &item, LY_FOREVER) == -ENOMEM) /* the thread's own task */
        ;
    ly_scope_cancel(c->scope);
    return NULL;
}

static int receive_until_cancelled(void *arg)
{
    struct crowd *c = arg;
    pthread_t thread;
    int item = 0;
    int r = ly_scope_open(&c->scope, NULL);
    if (r < 0)
        return r;
    r = -pthread_create(&thread, NULL, send_and_cancel, c);
    if (r == 0) {
        do
            r = ly_chan_recv(c->items, &item, LY_FOREVER);
        while (r == -ENOMEM);
        int slept = ly_sleep(LY_FOREVER);
        pthread_join(thread, NULL);
        r = r < 0 && r != -ECANCELED ? r : slept == -ECANCELED ? 0 : -EPROTO;
    }
    ly_scope_close(c->scope);
    return r;
}

static int cross_threads(void *arg)
{
    struct crowd c = {0};
    (void)arg;
    int r = ly_chan_new(&c.items, sizeof(int), 1, LY_SHARED);
    if (r == 0)
        r = receive_until_cancelled(&c);
    ly_chan_free(c.items);
    return r;
}

static void wake_ups_across_threads_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("across threads", cross_threads);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_that_gets_no_thread_says_so), /* first: the pool is empty */
        cmocka_unit_test(tasks_survive_each_failure),
        cmocka_unit_test(channels_survive_each_failure),
        cmocka_unit_test(the_offload_pool_survives_each_failure),
        cmocka_unit_test(a_watched_loop_survives_each_failure),
        cmocka_unit_test(wake_ups_across_threads_survive_each_failure),
    };
    return cmocka_run_group_tests_name("fault/fiber", tests, NULL, sweep_summary);
}
