/* SPDX-License-Identifier: MIT */
/*
 * One loop with a fiber for each worker, one for each listener, one that looks for strangers who say nothing,
 * and one that takes orders from other threads.
 *
 * A worker that ends is started again, at once the first time and then ever more slowly, as long as it does
 * not live long. Those who were served by it lose their connections. If it crashed, the session that it named
 * with its last words is charged; if it named none, or was ended for what it asked, whoever had not logged in
 * yet is, since one of them has most likely done it, and all of them can come again.
 */
#include "daemon/crew.h"
#include "daemon/listen.h"
#include "daemon/monitor.h"
#include "daemon/revoke.h"
#include "daemon/worker.h"
#include "net/spawn.h"
#include "service/service_guard.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <lanyard/process.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 10000
#define SETTLED_MS 10000 /* a worker that lived so long starts anew without waiting */
#define END_MS 2000      /* for a worker whose channel is closed to end */
#define LOOK_MS 500      /* how often strangers' deadlines are looked at */
#define REVOKE_MS 200    /* how often it is asked whether somebody has lost something */
#define PAUSE_MS 50      /* until accepting is tried again */
#define TURN_MS 20       /* how often it is seen whether the last session is over */

struct ly__crew_worker {
    struct ly__crew *crew;
    struct ly__monitor monitor;
    /* these are read from other threads too */
    atomic_bool serves; /* the monitor is open and the worker has its settings */
    _Atomic pid_t pid;
    _Atomic int64_t started;
    atomic_uint starts; /* how often one was started in this place */
    struct ly__counters counters;
    int64_t backoff_ms;
    int guarded; /* its place, while it lives */
};

struct order {
    enum { STOP, STOP_AT_ONCE, CUT, LOG, ANNOUNCE } kind;
    uint64_t session;
    enum ly_log_level level;
    char next_key[LY__SETUP_NEXT];
};

/* ---- a worker's process ---- */

static int spawn(struct ly__crew_worker *w, int channel, struct ly_pipe **ret_end)
{
    static const char *const argv[] = {"/proc/self/exe", LY__WORKER_ARGUMENT, NULL};
    static const char *const env[] = {NULL};
    const struct ly_spawn_options o = {.argv = argv, .env = env, .new_group = true};
    struct ly__spawn s = {.options = &o, .std = {{LY_PIPE, channel}, {LY_NULL, -1}, {LY_INHERIT, -1}}};
    int r = ly_offload(ly__spawn, &s);
    if (r < 0)
        return r;
    w->pid = s.pid;
    w->guarded = ly__guard_add(s.pid);
    atomic_fetch_add(&w->starts, 1);
    r = ly_pipe_from_fd(ret_end, s.pidfd);
    if (r < 0) {
        ly__guard_drop(w->guarded);
        kill(s.pid, SIGKILL);
        waitpid(s.pid, NULL, 0);
        close(s.pidfd);
    }
    return r;
}

/* Wait until it has ended, which is made so after a while, and reap it. Returns its status as of waitpid(2).
 */
static int reap(struct ly__crew_worker *w, struct ly_pipe *end, bool at_once)
{
    struct ly_scope *shield;
    int status = 0;
    if (at_once)
        kill(w->pid, SIGKILL);
    if (ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "the end of a worker"}) ==
        0) {
        if (ly_pipe_wait(end, END_MS) < 0)
            kill(w->pid, SIGKILL);
        ly_scope_close(shield);
    }
    ly__guard_drop(w->guarded);
    while (waitpid(w->pid, &status, 0) < 0 && errno == EINTR)
        ;
    ly_pipe_close(end);
    return status;
}

static void tell_end(const struct ly__crew_worker *w, int r, int status)
{
    if (r == LY_EREFUSED)
        ly_log(LY_LOG_ERROR, "crew", "a worker asked for what it may not have, and was ended",
               LY_INT("pid", w->pid), LY_STR("asked", w->monitor.offence));
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        ly_log(LY_LOG_ERROR, "crew", "a worker made a system call that it may not make, and was ended",
               LY_INT("pid", w->pid));
    else if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0 || !w->crew->stopping)
        ly_log(LY_LOG_ERROR, "crew", "a worker has ended", LY_INT("pid", w->pid),
               LY_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
               LY_INT("exit", WIFEXITED(status) ? WEXITSTATUS(status) : 0),
               LY_INT("session", (int64_t)w->monitor.faulty), LY_ERR(r));
}

/* Whether it ended by what it did, rather than by somebody's will. */
static bool is_crash(int status)
{
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP};
    for (size_t i = 0; WIFSIGNALED(status) && i < sizeof signals / sizeof *signals; i++) {
        if (WTERMSIG(status) == signals[i])
            return true;
    }
    return false;
}

/* One life of a worker. */
static int live(struct ly__crew_worker *w)
{
    int fds[2];
    struct ly_pipe *end = NULL;
    int r = ly__channel_pair(fds);
    if (r < 0)
        return r;
    r = ly__monitor_open(&w->monitor, w->crew->decider, fds[0]);
    if (r < 0) {
        close(fds[0]);
        close(fds[1]);
        return r;
    }
    w->monitor.counters = &w->counters;
    r = spawn(w, fds[1], &end);
    close(fds[1]);
    enum ly_log_level level = w->crew->setup.log_level;
    if (r == 0)
        r = ly__setup_send(&w->crew->setup, &w->monitor.channel);
    w->serves = r == 0;
    if (r == 0 && level != w->crew->setup.log_level) /* meanwhile */
        r = ly__monitor_log(&w->monitor, w->crew->setup.log_level);
    if (r == 0)
        r = ly__monitor_run(&w->monitor);
    w->serves = false;
    ly_shutdown(w->monitor.channel.sock, SHUT_RDWR); /* it may be waiting for what did not come */
    int status = end ? reap(w, end, r == LY_EREFUSED) : 0;
    if (r == LY_EREFUSED || is_crash(status))
        ly__decider_blame(w->crew->decider, &w->monitor, r == LY_EREFUSED ? 0 : w->monitor.faulty);
    tell_end(w, r, status);
    ly__decider_disown(w->crew->decider, &w->monitor);
    ly__monitor_close(&w->monitor);
    return r;
}

static int keep_alive(void *arg)
{
    struct ly__crew_worker *w = arg;
    int r = 0;
    ly_set_name("worker");
    while (!w->crew->stopping && r != -ECANCELED) {
        w->started = ly_now();
        r = live(w);
        if (ly_now() - w->started > SETTLED_MS * INT64_C(1000000))
            w->backoff_ms = 0;
        if (!w->crew->stopping && ly_sleep(w->backoff_ms) < 0)
            break;
        w->backoff_ms = w->backoff_ms == 0 ? BACKOFF_MS : 2 * w->backoff_ms;
        if (w->backoff_ms > BACKOFF_MAX_MS)
            w->backoff_ms = BACKOFF_MAX_MS;
    }
    return 0;
}

/* ---- connections ---- */

/* One that somebody waits for is the last to be chosen: it may not be reading at all. */
static bool is_less_busy(const struct ly__monitor *a, const struct ly__monitor *b)
{
    bool a_waits = a->telling > 0, b_waits = b->telling > 0;
    return a_waits != b_waits ? b_waits : a->sessions < b->sessions;
}

static struct ly__crew_worker *least_busy(struct ly__crew *c)
{
    struct ly__crew_worker *best = NULL;
    for (int i = 0; i < c->nworkers; i++) {
        struct ly__crew_worker *w = &c->workers[i];
        if (w->serves && (!best || is_less_busy(&w->monitor, &best->monitor)))
            best = w;
    }
    return best;
}

/* Wait until a worker is there. */
static int find_worker(struct ly__crew *c, struct ly__crew_worker **ret)
{
    for (int r; !(*ret = least_busy(c));) {
        r = c->stopping ? -ECANCELED : ly_sleep(TURN_MS);
        if (r < 0)
            return r;
    }
    return 0;
}

static int hand_to(struct ly__crew *c, struct ly__crew_worker *w, struct ly_sock *sock,
                   const struct ly_address *peer, struct ly__ticket *ticket)
{
    uint64_t session = ly__decider_connect(c->decider, peer, &w->monitor, ticket);
    if (session == 0)
        return -ENOMEM;
    int r = ly__monitor_serve(&w->monitor, session, ly_sock_fileno(sock));
    if (r == 0) {
        ticket->held = false; /* it is the session's now */
        return 0;
    }
    if (ly__decider_forget(c->decider, session, &w->monitor, ticket))
        return r;
    ticket->held = false;
    return -ECANCELED;
}

/* To the least busy worker; where that has just ended, to another. */
static int hand_over(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                     struct ly__ticket *ticket)
{
    struct ly__crew_worker *w;
    int r;
    do {
        r = find_worker(c, &w);
        if (r == 0)
            r = hand_to(c, w, sock, peer, ticket);
        if (r == -EPIPE || r == -ECONNRESET) {
            w->serves = false;
            ly_shutdown(w->monitor.channel.sock, SHUT_RDWR); /* it has gone, or will go now */
        }
    } while (r == -EPIPE || r == -ECONNRESET);
    return r;
}

/* The same, also when accepting has been cancelled meanwhile: who was accepted is not turned away. */
static int hand_over_whole(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                           struct ly__ticket *ticket)
{
    struct ly_scope *shield;
    int r = ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "handing over"});
    if (r < 0)
        return r;
    r = hand_over(c, sock, peer, ticket);
    ly_scope_close(shield);
    return r;
}

enum alert { ENDING = 0, PENALISED = 49, CROWDED = 80 }; /* close_notify, access_denied, internal_error */

/*
 * Tell why nothing is taken, as far as TLS has words for it: an alert in place of the handshake (RFC 8446,
 * 6). It costs one call that never waits, and nothing of the peer's is read; it may get lost when the peer's
 * first bytes come too late to be taken.
 */
static void turn_away(struct ly_sock *sock, enum alert why)
{
    const uint8_t record[] = {21, 3, 3, 0, 2, why == ENDING ? 1 : 2, (uint8_t)why};
    (void)send(ly_sock_fileno(sock), record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static int take_connection(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                           bool is_lent)
{
    struct ly__ticket ticket = {0};
    if (c->stopping && !is_lent) {
        turn_away(sock, ENDING);
        return 0;
    }
    enum ly__verdict v = ly__admission_enter(c->admission, peer, ly_now(), &ticket);
    if (v != LY__ADMITTED) { /* counted; a line for each would be a gift to whoever floods us */
        turn_away(sock, v == LY__REFUSED_PENALTY ? PENALISED : CROWDED);
        return 0;
    }
    ly_sock_set_int(sock, IPPROTO_TCP, TCP_NODELAY, 1); /* answers are written whole */
    int r = hand_over_whole(c, sock, peer, &ticket);
    if (r < 0)
        ly__admission_leave(c->admission, &ticket);
    return r;
}

struct acceptor {
    struct ly__crew *crew;
    struct ly_sock *listener;
    bool is_lent; /* the service manager's: nobody is turned away from it for the server's end */
};

static int accept_connections(void *arg)
{
    const struct acceptor *a = arg;
    int r = 0;
    ly_set_name("accept");
    while (r != -ECANCELED) {
        struct ly_sock *sock;
        struct ly_address peer;
        r = ly_accept(a->listener, &sock, &peer);
        if (r == 0) {
            ly__source_unmap(&peer);
            (void)take_connection(a->crew, sock, &peer, a->is_lent);
            ly_sock_free(sock);
        } else if (r != -ECANCELED && r != -ECONNABORTED) {
            ly_log(LY_LOG_WARNING, "crew", "accepting paused", LY_ERR(r));
            r = ly_sleep(PAUSE_MS);
        }
    }
    return 0;
}

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

/* Wait for the last session's end, for a second order, or until the time for it is over. */
static void drain(struct ly__crew *c)
{
    struct order o;
    int64_t until = ly_deadline(LY__DRAIN_MS);
    while (count_sessions(c) > 0 && ly_now() < until) {
        int r = ly_chan_recv(c->orders, &o, TURN_MS);
        if (r == 0 && o.kind == STOP_AT_ONCE)
            break;
        if (r == -ECANCELED)
            break;
    }
    if (count_sessions(c) > 0) {
        tell_all(c, true);
        ly_sleep(TURN_MS);
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
static int start_accepting(struct ly__crew *c, struct ly_scope *scope, struct acceptor *acceptors,
                           bool inherited)
{
    int r = 0;
    for (size_t i = 0; i < c->nlisteners && r == 0; i++) {
        acceptors[i] = (struct acceptor){c, c->listeners[i].sock, c->listeners[i].is_inherited};
        if (c->listeners[i].is_inherited == inherited)
            r = ly_go(scope, accept_connections, &acceptors[i]);
    }
    return r;
}

/*
 * Take connections until an order to stop comes. Whoever comes to the service manager's listeners after that
 * is the next server's, so nobody accepts there any more. Returns the result, and whether to stop at once.
 */
static int take_until_ordered(struct ly__crew *c, struct acceptor *acceptors, bool *ret_at_once)
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

static int accept_all(struct ly__crew *c, struct acceptor *acceptors)
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
    return r;
}

static int run(void *arg)
{
    struct ly__crew *c = arg;
    struct acceptor acceptors[LY__LISTEN_MAX];
    struct ly_scope *working;
    int r = ly_scope_open(&working, &(struct ly_scope_options){.name = "workers"});
    if (r < 0)
        return r;
    for (int i = 0; i < c->nworkers && r == 0; i++) {
        c->workers[i].crew = c;
        r = ly_go(working, keep_alive, &c->workers[i]);
    }
    if (r == 0)
        r = accept_all(c, acceptors);
    c->stopping = true;
    ly_scope_close(working); /* cancelled, each closes its channel, and the worker ends */
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
