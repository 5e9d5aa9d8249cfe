/* SPDX-License-Identifier: MIT */
/*
 * One loop with a fiber for each worker, one for each listener, one that looks for strangers who say nothing,
 * and one that takes orders from other threads.
 */
#include "daemon/crew_internal.h"
#include "daemon/listen.h"
#include "daemon/revoke.h"
#include "daemon/worker.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_MS 500   /* how often strangers' deadlines are looked at */
#define REVOKE_MS 200 /* how often it is asked whether somebody has lost something */

struct order {
    enum { STOP, STOP_AT_ONCE, CUT, LOG, ANNOUNCE } kind;
    uint64_t session;
    enum ly_log_level level;
    char next_key[LY__SETUP_NEXT];
};

/* ---- strangers who say nothing ---- */

static void cut(void *arg, uint64_t session, const void *owner)
{
    struct ly__crew *c = arg;
    for (int i = 0; i < c->nworkers; i++) {
        if (&c->workers[i].monitor == owner && c->workers[i].serves)
            (void)ly__monitor_cut(&c->workers[i].monitor, session);
    }
}

static int watch_revocations(void *arg)
{
    struct ly__crew *c = arg;
    struct ly__revoker revoker = {.decider = c->decider};
    ly_set_name("revocations");
    while (ly_sleep(REVOKE_MS) == 0)
        ly__revoke(&revoker, cut, c);
    return 0;
}

/* A worker that keeps a session which it was told to end is not ours any more. */
static void end_disobeyed(struct ly__crew *c)
{
    const void *owner = ly__decider_disobeyed(c->decider, ly_now());
    for (int i = 0; i < c->nworkers && owner; i++) {
        if (&c->workers[i].monitor == owner && c->workers[i].serves)
            (void)ly__monitor_refuse(&c->workers[i].monitor, "a session", "not ended when it was told to");
    }
}

static int watch_deadlines(void *arg)
{
    struct ly__crew *c = arg;
    ly_set_name("deadlines");
    while (ly_sleep(LOOK_MS) == 0) {
        ly__crew_end_silent(c, ly_now());
        ly__decider_overdue(c->decider, ly_now(), cut, c);
        end_disobeyed(c);
    }
    return 0;
}

/* ---- orders ---- */

static size_t count_sessions(const struct ly__crew *c)
{
    size_t n = 0;
    for (int i = 0; i < c->nworkers; i++)
        n += c->workers[i].serves ? c->workers[i].monitor.sessions : 0;
    return n;
}

static void tell_all(struct ly__crew *c, bool at_once)
{
    for (int i = 0; i < c->nworkers; i++) {
        if (c->workers[i].serves)
            (void)ly__monitor_stop(&c->workers[i].monitor, at_once);
    }
}

/* Whether there is somebody to wait for. Who has just connected is about to say something, or never will. */
static bool is_busy(const struct ly__crew *c, int64_t heard_until)
{
    return count_sessions(c) > 0 || (c->nheld > 0 && ly_now() < heard_until);
}

/* Wait for the last session's end, for a second order, or until the time for it is over. */
static void drain(struct ly__crew *c)
{
    struct order o;
    int64_t heard_until = ly_deadline(LY__WORKER_FIRST_MS);
    int64_t until = ly_deadline(LY__DRAIN_MS);
    while (is_busy(c, heard_until) && ly_now() < until) {
        int r = ly_chan_recv(c->orders, &o, LY__CREW_TURN_MS);
        if (r == 0 && o.kind == STOP_AT_ONCE)
            break;
        if (r == -ECANCELED)
            break;
    }
    if (count_sessions(c) > 0) {
        tell_all(c, true);
        ly_sleep(LY__CREW_TURN_MS);
    }
}

static void set_level(struct ly__crew *c, enum ly_log_level level)
{
    c->setup.log_level = level;
    for (int i = 0; i < c->nworkers; i++) {
        if (c->workers[i].serves)
            (void)ly__monitor_log(&c->workers[i].monitor, level);
    }
}

static void announce(struct ly__crew *c, const char *next_key)
{
    snprintf(c->setup.next_key, sizeof c->setup.next_key, "%s", next_key);
    for (int i = 0; i < c->nworkers; i++) {
        if (c->workers[i].serves)
            (void)ly__monitor_announce(&c->workers[i].monitor, next_key);
    }
}

/* Take orders until one is to stop. Returns whether at once. */
static bool obey(struct ly__crew *c)
{
    struct order o;
    while (ly_chan_recv(c->orders, &o, LY_FOREVER) == 0) {
        if (o.kind == CUT) {
            const void *owner = ly__decider_end(c->decider, o.session, ly_now());
            if (owner)
                cut(c, o.session, owner);
            continue;
        }
        if (o.kind == LOG) {
            set_level(c, o.level);
            continue;
        }
        if (o.kind == ANNOUNCE) {
            announce(c, o.next_key);
            continue;
        }
        return o.kind == STOP_AT_ONCE;
    }
    return true;
}

/* ---- the whole ---- */

/* Accept from those listeners that are the service manager's, or from our own. */
static int start_accepting(struct ly__crew *c, struct ly_scope *scope, struct ly__acceptor *acceptors,
                           bool inherited)
{
    int r = 0;
    for (size_t i = 0; i < c->nlisteners && r == 0; i++) {
        acceptors[i] = (struct ly__acceptor){c, c->listeners[i].sock, c->listeners[i].is_inherited};
        if (c->listeners[i].is_inherited == inherited)
            r = ly_go(scope, ly__crew_accept, &acceptors[i]);
    }
    return r;
}

/*
 * Take connections until an order to stop comes. Whoever comes to the service manager's listeners after that
 * is the next server's, so nobody accepts there any more. Returns the result, and whether to stop at once.
 */
static int take_until_ordered(struct ly__crew *c, struct ly__acceptor *acceptors, bool *ret_at_once)
{
    struct ly_scope *lent;
    *ret_at_once = true;
    int r = ly_scope_open(&lent, &(struct ly_scope_options){.name = "accepting for a while"});
    if (r < 0)
        return r;
    r = start_accepting(c, lent, acceptors, true);
    if (r == 0)
        *ret_at_once = obey(c);
    c->stopping = true;
    ly_scope_close(lent);
    return r;
}

static int accept_all(struct ly__crew *c, struct ly__acceptor *acceptors)
{
    bool at_once = true;
    int r = ly_scope_open(&c->accepting, &(struct ly_scope_options){.name = "accepting"});
    if (r < 0)
        return r;
    r = start_accepting(c, c->accepting, acceptors, false);
    if (r == 0)
        r = ly_go(c->accepting, watch_deadlines, c);
    if (r == 0)
        r = ly_go(c->accepting, watch_revocations, c);
    if (r == 0)
        r = take_until_ordered(c, acceptors, &at_once);
    c->stopping = true; /* who comes to our own listeners is told so */
    tell_all(c, at_once);
    if (!at_once)
        drain(c);
    ly_scope_close(c->accepting);
    ly__crew_end_held(c);
    return r;
}

/* Workers, and with them whoever comes, until the order to stop. */
static int work(struct ly__crew *c)
{
    struct ly__acceptor acceptors[LY__LISTEN_MAX];
    struct ly_scope *working;
    int r = ly_scope_open(&working, &(struct ly_scope_options){.name = "workers"});
    if (r < 0)
        return r;
    for (int i = 0; i < c->nworkers && r == 0; i++) {
        c->workers[i].crew = c;
        r = ly_go(working, ly__crew_keep_alive, &c->workers[i]);
    }
    if (r == 0)
        r = accept_all(c, acceptors);
    c->stopping = true;
    ly_scope_close(working); /* cancelled, each closes its channel, and the worker ends */
    return r;
}

static int run(void *arg)
{
    struct ly__crew *c = arg;
    int r = ly_scope_open(&c->relays, &(struct ly_scope_options){.name = "workers' logs"});
    if (r < 0)
        return r;
    r = work(c);
    ly_scope_join(c->relays); /* each ends with its worker */
    ly_scope_close(c->relays);
    return r;
}

static void *run_thread(void *arg)
{
    static const uint64_t one = 1;
    struct ly__crew *c = arg;
    c->result = ly_run(run, c, &(struct ly_run_options){.reactor = "epoll"});
    while (write(c->ended_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

int ly__crew_open(struct ly__crew *c, struct ly__decider *decider, struct ly__admission *admission,
                  int workers)
{
    *c = (struct ly__crew){.decider = decider, .admission = admission, .nworkers = workers};
    ly__list_init(&c->held);
    c->workers = calloc((size_t)workers, sizeof *c->workers);
    int r = c->workers ? ly_chan_new(&c->orders, sizeof(struct order), 64, LY_SHARED) : -ENOMEM;
    if (r < 0)
        free(c->workers);
    return r;
}

int ly__crew_listen(struct ly__crew *c, struct ly_sock *listener, bool is_inherited)
{
    if (c->nlisteners == LY__LISTEN_MAX)
        return LY_ETOOBIG;
    /* Connections have it from their listener. Without it an answer waits for the peer to say that it has
     * what was sent before, which it does 40 ms later. */
    (void)ly_sock_set_int(listener, IPPROTO_TCP, TCP_NODELAY, 1);
    c->listeners[c->nlisteners++] = (struct ly__crew_listener){listener, is_inherited};
    return 0;
}

int ly__crew_start(struct ly__crew *c, int ended_fd)
{
    c->ended_fd = ended_fd;
    c->started = pthread_create(&c->thread, NULL, run_thread, c) == 0;
    return c->started ? 0 : -EAGAIN;
}

void ly__crew_stop(struct ly__crew *c, bool at_once)
{
    const struct order o = {.kind = at_once ? STOP_AT_ONCE : STOP};
    (void)ly_chan_send(c->orders, &o, LY_FOREVER);
}

void ly__crew_cut(struct ly__crew *c, uint64_t session)
{
    const struct order o = {.kind = CUT, .session = session};
    (void)ly_chan_send(c->orders, &o, LY_FOREVER);
}

void ly__crew_announce(struct ly__crew *c, const char *next_key)
{
    struct order o = {.kind = ANNOUNCE};
    snprintf(o.next_key, sizeof o.next_key, "%s", next_key);
    (void)ly_chan_send(c->orders, &o, 0); /* as above */
}

void ly__crew_log(struct ly__crew *c, enum ly_log_level level)
{
    const struct order o = {.kind = LOG, .level = level};
    (void)ly_chan_send(c->orders, &o, 0); /* a crew that is ending takes none */
}

bool ly__crew_view(const struct ly__crew *c, int i, struct ly__crew_view *ret)
{
    if (i >= c->nworkers)
        return false;
    const struct ly__crew_worker *w = &c->workers[i];
    *ret = (struct ly__crew_view){.owner = &w->monitor,
                                  .serves = atomic_load(&w->serves),
                                  .pid = atomic_load(&w->pid),
                                  .started = atomic_load(&w->started),
                                  .starts = atomic_load(&w->starts),
                                  .counters = &w->counters};
    return true;
}

int ly__crew_close(struct ly__crew *c)
{
    if (c->started)
        pthread_join(c->thread, NULL);
    for (size_t i = 0; i < c->nlisteners; i++)
        ly_sock_free(c->listeners[i].sock);
    ly_chan_free(c->orders);
    free(c->workers);
    explicit_bzero(&c->setup, sizeof c->setup);
    return c->result;
}
