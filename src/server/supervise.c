/* SPDX-License-Identifier: MIT */
/*
 * Several processes behind one listener.
 *
 * The supervisor never accepts. It forks, waits (for the end of any process, for its own, for a reload, for
 * the next start or kill that is due), and keeps the listeners open all the while: what comes when no process
 * is there to take it stays in the backlog. A process is a copy that makes anew whatever it would share with
 * its parent (ly__server_renew) and then serves as if there were no other.
 *
 * A reload is a restart in which nothing is missing: for each place the new process is started first, then
 * the old one is asked to end, and drains while the other works. Those that are on their way out are counted
 * like the others, and the supervisor ends when none is left.
 */
#include "fiber/loop.h"
#include "server/server.h"
#include <errno.h>
#include <lanyard/log.h>
#include <lanyard/supervise.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROCESSES_MOST 256
#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 10000
#define SETTLED_MS 10000
#define KILL_MS 5000
#define LOOK_MS 20 /* how often to look at processes without a pidfd */

/* What a process reads when it pleases: shared with it. */
struct orders {
    atomic_bool is_replaced;  /* another one has taken its place */
    atomic_bool is_cancelled; /* no drain: its second signal may have come before it handled the first */
};

struct process {
    struct ly__list link; /* in supervisor.all */
    pid_t pid;
    int pidfd; /* -1: there was no descriptor left for it */
    int index;
    bool leaving; /* it was asked to end */
    struct orders *orders;
    int64_t started; /* when */
    int64_t kill_at; /* when it is killed; LY_NEVER */
};

/* One of the processes that there should be. */
struct place {
    struct process *now; /* NULL: none */
    int64_t start_at;    /* when one is started; LY_NEVER: it is there, or none is wanted */
    int64_t backoff_ms;  /* how long to wait after the next crash */
};

struct supervisor {
    struct ly_server *server;
    struct ly_supervise_options options;
    struct place *place;
    struct ly__list all;
    int count; /* in it */
    struct pollfd *polled;
    bool stopping, cancelled;
    sigset_t mask; /* of the caller */
    pid_t pid;     /* its own */
};

/* ---- signals ---- */

static _Atomic(struct ly_server *) signalled; /* whose supervisor or process handles signals */
static struct orders *own;                    /* of this process; NULL in the supervisor */

static void on_signal(int number)
{
    struct ly_server *s = atomic_load(&signalled);
    int keep = errno;
    if (s && number == SIGHUP)
        ly_server_request_reload(s);
    else if (s)
        ly_server_request_shutdown(s);
    if (s && own && atomic_load(&own->is_cancelled))
        ly_server_request_shutdown(s);
    errno = keep;
}

static const int handled[] = {SIGTERM, SIGINT, SIGHUP};
#define HANDLED (sizeof handled / sizeof *handled)

static void handle_signals(struct ly_server *s, struct sigaction *old)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    atomic_store(&signalled, s);
    for (size_t i = 0; i < HANDLED; i++)
        sigaction(handled[i], &action, &old[i]);
}

static void restore_signals(const struct sigaction *old)
{
    for (size_t i = 0; i < HANDLED; i++)
        sigaction(handled[i], &old[i], NULL);
    atomic_store(&signalled, NULL);
}

/* Of a process: its supervisor asks it to end by SIGTERM; what a terminal sends to all is the supervisor's.
 */
static void handle_own_signals(struct supervisor *v)
{
    struct sigaction end = {.sa_handler = on_signal, .sa_flags = SA_RESTART}, none = {.sa_handler = SIG_IGN};
    sigemptyset(&end.sa_mask);
    sigemptyset(&none.sa_mask);
    atomic_store(&signalled, v->server);
    sigaction(SIGTERM, &end, NULL);
    if (v->options.signals) {
        sigaction(SIGINT, &none, NULL);
        sigaction(SIGHUP, &none, NULL);
    }
    sigset_t open = v->mask;
    sigdelset(&open, SIGTERM);
    sigprocmask(SIG_SETMASK, &open, NULL);
}

/* ---- in the process ---- */

static void close_pidfds(struct supervisor *v)
{
    ly__list_each (l, &v->all) {
        struct process *p = ly__container_of(l, struct process, link);
        if (p->pidfd >= 0)
            close(p->pidfd);
    }
}

static _Noreturn void be_process(struct supervisor *v, const struct process *p)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != v->pid)
        _exit(0); /* it died before it could be noticed */
    close_pidfds(v);
    ly__server_here = NULL;
    int r = ly__server_renew(v->server);
    if (r < 0)
        _exit(1);
    own = p->orders;
    v->server->is_replaced = &own->is_replaced;
    handle_own_signals(v);
    r = v->options.run ? v->options.run(v->server, p->index, v->options.arg) : ly_serve_forever(v->server);
    if (r < 0)
        ly_log(LY_LOG_WARNING, "server", "a process cannot serve", LY_ERR(r));
    _exit(r < 0);
}

/* ---- starting ---- */

/* fork with no lock of the library held, and no signal before the process can take one. */
static pid_t fork_one(struct supervisor *v, const struct process *p)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &v->mask);
    pthread_mutex_lock(&ly__threads_lock);
    pid_t pid = fork();
    int error = errno;
    pthread_mutex_unlock(&ly__threads_lock);
    if (pid == 0)
        be_process(v, p);
    pthread_sigmask(SIG_SETMASK, &v->mask, NULL);
    return pid < 0 ? -error : pid;
}

static struct orders *share_orders(void)
{
    void *orders =
        mmap(NULL, sizeof(struct orders), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return orders == MAP_FAILED ? NULL : orders;
}

static void free_process(struct process *p)
{
    if (p->orders)
        munmap(p->orders, sizeof *p->orders);
    free(p);
}

/* One more descriptor to poll, beside the server's three. Returns 0 or -ENOMEM. */
static int make_room(struct supervisor *v)
{
    struct pollfd *more = realloc(v->polled, ((size_t)v->count + 4) * sizeof *more);
    if (!more)
        return -ENOMEM;
    v->polled = more;
    return 0;
}

static int start_process(struct supervisor *v, int index, struct process **ret)
{
    struct process *p = make_room(v) == 0 ? malloc(sizeof *p) : NULL;
    if (!p)
        return -ENOMEM;
    *p = (struct process){.index = index, .started = ly_now(), .kill_at = LY_NEVER};
    p->orders = share_orders();
    pid_t pid = p->orders ? fork_one(v, p) : -ENOMEM;
    if (pid < 0) {
        free_process(p);
        return (int)pid;
    }
    p->pid = pid;
    p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    ly__list_append(&v->all, &p->link);
    v->count++;
    *ret = p;
    return 0;
}

static void back_off(struct supervisor *v, struct place *at)
{
    at->start_at = ly_deadline(at->backoff_ms);
    at->backoff_ms *= 2;
    if (at->backoff_ms > v->options.backoff_max_ms)
        at->backoff_ms = v->options.backoff_max_ms;
}

/* Start the process of a place; later if it cannot be. Whether it runs. */
static bool fill(struct supervisor *v, int index)
{
    struct place *at = &v->place[index];
    int r = start_process(v, index, &at->now);
    if (r < 0) {
        ly_log(LY_LOG_WARNING, "server", "a process cannot be started", LY_ERR(r));
        back_off(v, at);
        return false;
    }
    at->start_at = LY_NEVER;
    if (v->options.started)
        v->options.started(v->server, index, at->now->pid, v->options.arg);
    return true;
}

static void fill_due(struct supervisor *v)
{
    for (int i = 0; i < v->options.processes && !v->stopping; i++)
        if (!v->place[i].now && ly_now() >= v->place[i].start_at)
            fill(v, i);
}

/* ---- ending ---- */

static void send_signal(const struct process *p, int number)
{
    if (p->pidfd >= 0)
        syscall(SYS_pidfd_send_signal, p->pidfd, number, NULL, 0);
    else
        kill(p->pid, number);
}

/* How long it may take, counted from now. */
static int64_t kill_time(const struct supervisor *v)
{
    int64_t drain = v->server->options.drain_ms;
    if (drain == 0 && !v->cancelled)
        return LY_NEVER;
    return ly_deadline((v->cancelled || drain == LY_POLL ? 0 : drain) + v->options.kill_ms);
}

static void dismiss(struct supervisor *v, struct process *p)
{
    p->leaving = true;
    p->kill_at = kill_time(v);
    if (v->cancelled)
        atomic_store(&p->orders->is_cancelled, true);
    send_signal(p, SIGTERM);
}

static void dismiss_all(struct supervisor *v)
{
    ly__list_each (l, &v->all) {
        struct process *p = ly__container_of(l, struct process, link);
        if (!p->leaving || v->cancelled)
            dismiss(v, p);
    }
}

static void kill_due(struct supervisor *v)
{
    ly__list_each (l, &v->all) {
        struct process *p = ly__container_of(l, struct process, link);
        if (p->kill_at == LY_NEVER || ly_now() < p->kill_at)
            continue;
        send_signal(p, SIGKILL);
        p->kill_at = LY_NEVER;
    }
}

static void tell_end(struct supervisor *v, const struct process *p, int status)
{
    bool crashed = !WIFEXITED(status) || WEXITSTATUS(status) != 0;
    if (v->options.ended)
        v->options.ended(v->server, p->index, p->pid, status, v->options.arg);
    else if (crashed)
        ly_log(LY_LOG_WARNING, "server", "a process has crashed", LY_INT("pid", p->pid),
               LY_INT("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0));
}

/* Its place is to be filled again: at once, or after a crash when it has backed off. */
static void vacate(struct supervisor *v, struct place *at, const struct process *p, int status)
{
    at->now = NULL;
    at->start_at = ly_now();
    if (at->start_at - p->started >= v->options.settled_ms * 1000000)
        at->backoff_ms = v->options.backoff_ms;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        back_off(v, at);
}

static void bury(struct supervisor *v, struct process *p, int status)
{
    struct place *at = &v->place[p->index];
    ly__list_remove(&p->link);
    v->count--;
    if (p->pidfd >= 0)
        close(p->pidfd);
    if (at->now == p)
        vacate(v, at, p, status);
    tell_end(v, p, status);
    free_process(p);
}

static void bury_ended(struct supervisor *v)
{
    ly__list_each_safe (l, &v->all) {
        struct process *p = ly__container_of(l, struct process, link);
        int status = 0;
        pid_t r = waitpid(p->pid, &status, WNOHANG);
        if (r == p->pid || (r < 0 && errno == ECHILD))
            bury(v, p, status);
    }
}

/* ---- reloading ---- */

static void reload(struct supervisor *v)
{
    uint64_t n;
    while (read(v->server->reload_fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
    if (v->options.reload && v->options.reload(v->server, v->options.arg) < 0)
        return;
    for (int i = 0; i < v->options.processes; i++) {
        struct process *old = v->place[i].now;
        v->place[i].backoff_ms = v->options.backoff_ms;
        if (!fill(v, i) || !old)
            continue;
        atomic_store(&old->orders->is_replaced, true);
        dismiss(v, old);
    }
}

/* ---- the loop ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_deadline(struct supervisor *v)
{
    int64_t deadline = LY_NEVER;
    for (int i = 0; i < v->options.processes && !v->stopping; i++)
        if (!v->place[i].now)
            deadline = earlier(deadline, v->place[i].start_at);
    ly__list_each (l, &v->all) {
        struct process *p = ly__container_of(l, struct process, link);
        deadline = earlier(deadline, p->kill_at);
        if (p->pidfd < 0)
            deadline = earlier(deadline, ly_deadline(LOOK_MS));
    }
    return deadline;
}

/* Wait for what there is to do. */
static void wait_turn(struct supervisor *v)
{
    const struct ly_server *s = v->server;
    struct pollfd *p = v->polled;
    nfds_t n = 0;
    p[n++] = (struct pollfd){.fd = v->stopping ? -1 : s->stop_fd, .events = POLLIN};
    p[n++] = (struct pollfd){.fd = v->cancelled ? -1 : s->cancel_fd, .events = POLLIN};
    p[n++] = (struct pollfd){.fd = v->stopping ? -1 : s->reload_fd, .events = POLLIN};
    ly__list_each (l, &v->all)
        p[n++] = (struct pollfd){.fd = ly__container_of(l, struct process, link)->pidfd, .events = POLLIN};
    int64_t deadline = next_deadline(v), left = (deadline - ly_now()) / 1000000 + 1;
    poll(p, n, deadline == LY_NEVER ? -1 : left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
    if (!v->stopping && p[2].revents)
        reload(v);
}

static void look_at_stage(struct supervisor *v)
{
    int stage = atomic_load(&v->server->stage);
    if (stage >= LY__DRAINING && !v->stopping) {
        v->stopping = true;
        dismiss_all(v);
    }
    if (stage >= LY__CANCELLING && !v->cancelled) {
        v->cancelled = true;
        dismiss_all(v); /* a second time: their own second request */
    }
}

static void supervise(struct supervisor *v)
{
    while (!v->stopping || v->count > 0) {
        look_at_stage(v);
        fill_due(v);
        if (v->stopping && v->count == 0)
            break;
        wait_turn(v);
        bury_ended(v);
        kill_due(v);
    }
}

/* ---- life ---- */

static int processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static void choose(int64_t *value, int64_t otherwise)
{
    if (*value == 0)
        *value = otherwise;
}

static int set_up(struct supervisor *v, struct ly_server *s, const struct ly_supervise_options *options)
{
    *v = (struct supervisor){.server = s, .pid = getpid()};
    v->options = options ? *options : (struct ly_supervise_options){0};
    struct ly_supervise_options *o = &v->options;
    if (o->processes < 0 || o->processes > PROCESSES_MOST || o->backoff_ms < 0 || o->backoff_max_ms < 0 ||
        o->settled_ms < 0 || o->kill_ms < 0)
        return -EINVAL;
    if (o->processes == 0)
        o->processes = processors() < PROCESSES_MOST ? processors() : PROCESSES_MOST;
    choose(&o->backoff_ms, BACKOFF_MS);
    choose(&o->backoff_max_ms, BACKOFF_MAX_MS);
    choose(&o->settled_ms, SETTLED_MS);
    choose(&o->kill_ms, KILL_MS);
    ly__list_init(&v->all);
    v->place = calloc((size_t)o->processes, sizeof *v->place);
    for (int i = 0; v->place && i < o->processes; i++)
        v->place[i].backoff_ms = o->backoff_ms;
    return v->place && make_room(v) == 0 ? 0 : -ENOMEM;
}

static int run(struct supervisor *v)
{
    struct ly_server *s = v->server, *outer = ly__server_here;
    struct sigaction old[HANDLED];
    int r = ly__serving_begin(s);
    if (r < 0)
        return r;
    ly__server_here = s;
    if (v->options.signals)
        handle_signals(s, old);
    supervise(v);
    if (v->options.signals)
        restore_signals(old);
    ly__server_here = outer;
    ly__serving_end(s);
    return 0;
}

int ly_supervise(struct ly_server *s, const struct ly_supervise_options *options)
{
    struct supervisor v;
    if (ly__loop_here)
        return -EPERM;
    if (s->listeners == 0)
        return -EBADF;
    int r = set_up(&v, s, options);
    if (r == 0)
        r = run(&v);
    free(v.place);
    free(v.polled);
    return r;
}
