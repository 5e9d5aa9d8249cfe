/* SPDX-License-Identifier: MIT */
/*
 * A fiber for each request, on a loop for each worker.
 *
 * The first worker is the calling task: a thread, which then runs a loop, or a fiber, whose loop is used. The
 * others are threads. Each worker has a listener of its own (SO_REUSEPORT), among which the kernel spreads
 * the connections, or the first one's acceptor, which begins when all workers are ready, hands them out in
 * turn.
 */
#include "server/worker.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int open_workers(struct ly_server *s)
{
    s->worker = calloc((size_t)s->workers, sizeof *s->worker);
    if (!s->worker)
        return -ENOMEM;
    s->handed_out_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return s->handed_out_fd < 0 ? -errno : 0;
}

static void close_workers(struct ly_server *s)
{
    free(s->worker);
    if (s->handed_out_fd >= 0)
        close(s->handed_out_fd);
}

bool ly__fibers_run_in(struct ly_server *s, const struct ly__loop *loop)
{
    bool found = false;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; s->worker && i < s->workers; i++)
        found = found || s->worker[i].loop == loop;
    pthread_mutex_unlock(&s->lock);
    return found;
}

void ly__workers_handed_out(struct ly_server *s)
{
    static const uint64_t one = 1;
    while (write(s->handed_out_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void init_worker(struct ly_server *s, int i)
{
    struct ly__worker *w = &s->worker[i];
    *w = (struct ly__worker){
        .server = s, .counters = &s->counters[i], .index = i, .outer_fd = -1, .outer_deadline = LY_NEVER};
    w->acceptor.counters = w->counters;
    ly__list_init(&w->idle);
    ly__list_init(&w->unstarted);
}

/* ---- the other workers' threads ---- */

static struct ly_run_options run_options(const struct ly_server *s)
{
    return (struct ly_run_options){
        .reactor = s->options.reactor, .stack_size = s->options.stack_size, .stall_ms = s->options.stall_ms};
}

void ly__worker_ready(struct ly__worker *w, int error)
{
    struct ly_server *s = w->server;
    pthread_mutex_lock(&s->lock);
    w->state = error < 0 ? error : 1;
    if (error >= 0)
        w->loop = ly__loop_here;
    pthread_cond_broadcast(&s->worker_ready);
    pthread_mutex_unlock(&s->lock);
}

static void *worker_thread(void *arg)
{
    struct ly__worker *w = arg;
    struct ly_run_options options = run_options(w->server);
    int r = ly_run(ly__worker_main, w, &options);
    if (r < 0)
        ly__worker_ready(w, r); /* it may not have come that far */
    return NULL;
}

/* Signals are for the threads of the user's. */
static int start_thread(struct ly__worker *w)
{
    sigset_t all, mask;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    int r = pthread_create(&w->thread, NULL, worker_thread, w);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    w->has_thread = r == 0;
    return -r;
}

/* Start all workers but the first, and wait until each is ready. */
static int start_others(void *arg)
{
    struct ly_server *s = arg;
    int r = 0;
    for (int i = 1; i < s->workers && r == 0; i++) {
        struct ly__worker *w = &s->worker[i];
        r = start_thread(w);
        pthread_mutex_lock(&s->lock);
        while (r == 0 && w->state == 0)
            pthread_cond_wait(&s->worker_ready, &s->lock);
        r = r < 0 ? r : w->state < 0 ? w->state : 0;
        pthread_mutex_unlock(&s->lock);
    }
    return r;
}

static int join_others(void *arg)
{
    struct ly_server *s = arg;
    for (int i = 1; i < s->workers; i++) {
        if (s->worker[i].has_thread)
            pthread_join(s->worker[i].thread, NULL);
        s->worker[i].has_thread = false;
    }
    return 0;
}

/* Off the loop if there is one, so that its other fibers go on; even when everything is cancelled. */
static int without_loop(ly_task_fn *fn, struct ly_server *s)
{
    struct ly_scope *shield;
    if (s->workers == 1)
        return 0;
    if (ly_scope_open(&shield, &(struct ly_scope_options){.shield = true}) < 0)
        return fn(s);
    int r = ly_offload(fn, s);
    if (r == -EAGAIN)
        r = fn(s); /* no thread for it: then the loop has to wait */
    ly_scope_close(shield);
    return r;
}

/* ---- serving ---- */

static int run_first(struct ly_server *s)
{
    struct ly_run_options options = run_options(s);
    struct ly__worker *w = &s->worker[0];
    struct ly__task *t = ly__task_now;
    if (ly__loop_here)
        return ly__worker_main(w);
    if (t && t->scope) {
        w->outer_deadline = ly__task_deadline(t);
        w->outer_fd = ly__scope_cancel_fd(t->scope);
        if (w->outer_fd < 0)
            return w->outer_fd;
    }
    return ly_run(ly__worker_main, w, &options);
}

static void silence(int fd)
{
    uint64_t n;
    while (read(fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
}

static int serve(struct ly_server *s)
{
    silence(s->handed_out_fd);
    for (int i = 0; i < s->workers; i++)
        init_worker(s, i);
    int r = without_loop(start_others, s);
    if (r >= 0)
        r = run_first(s);
    if (r < 0)
        ly__serving_fail(s, r, true);
    ly__workers_handed_out(s);
    without_loop(join_others, s);
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->workers; i++)
        s->worker[i].loop = NULL;
    pthread_mutex_unlock(&s->lock);
    return atomic_load(&s->failure);
}

/* ---- ly_handle_request: in the calling fiber, or the first one of a loop for it alone ---- */

static int handle(void *server)
{
    return ly__handle_turn(server);
}

static int handle_one(struct ly_server *s)
{
    struct ly_run_options options = run_options(s);
    return ly__loop_here ? ly__handle_turn(s) : ly_run(handle, s, &options);
}

const struct ly__policy ly__fibers_policy = {
    .name = "fibers",
    .max_requests = 1000000,
    .max_packets = 10000,
    .in_fibers = true,
    .open = open_workers,
    .close = close_workers,
    .serve = serve,
    .handle_one = handle_one,
    .begin = ly__request_here,
    .room = ly__workers_room,
};
