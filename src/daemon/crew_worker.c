/* SPDX-License-Identifier: MIT */
/*
 * A worker that ends is started again, at once the first time and then ever more slowly, as long as it does
 * not live long. Those who were served by it lose their connections. If it crashed, the session that it named
 * with its last words is charged, also one that had just ended; if it named none, or was ended for what it
 * asked, whoever had not logged in yet is, since one of them has most likely done it, and all of them can
 * come again.
 */
#include "daemon/crew_internal.h"
#include "daemon/relay.h"
#include "daemon/worker.h"
#include "net/spawn.h"
#include "service/service_guard.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <lanyard/process.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MS 100
#define BACKOFF_MAX_MS 10000
#define SETTLED_MS 10000 /* a worker that lived so long starts anew without waiting */
#define END_MS 2000      /* for a worker whose channel is closed to end */

static int spawn(struct ly__crew_worker *w, int channel, int log, struct ly_pipe **ret_end)
{
    static const char *const argv[] = {"/proc/self/exe", LY__WORKER_ARGUMENT, NULL};
    static const char *const env[] = {NULL};
    const struct ly_spawn_options o = {.argv = argv, .env = env, .new_group = true};
    struct ly__spawn s = {.options = &o, .std = {{LY_PIPE, channel}, {LY_NULL, -1}, {LY_PIPE, log}}};
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

/* Both the signal's number and its name; an error of its channel only where there was one. */
static void tell_signal(const struct ly__crew_worker *w, int r, int signal)
{
    char name[32];
    const char *short_name = sigabbrev_np(signal);
    snprintf(name, sizeof name, "%s%s", short_name ? "SIG" : "", short_name ? short_name : "");
    ly_log(LY_LOG_ERROR, "crew", "a worker has ended", LY_INT("pid", w->pid), LY_INT("signal", signal),
           LY_STR("signal_name", name), LY_INT("session", (int64_t)w->monitor.faulty),
           r < 0 ? LY_ERR(r) : LY_END);
}

static void tell_end(const struct ly__crew_worker *w, int r, int status)
{
    if (r == LY_EREFUSED)
        ly_log(LY_LOG_ERROR, "crew", "a worker asked for what it may not have, and was ended",
               LY_INT("pid", w->pid), LY_STR("asked", w->monitor.offence));
    else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
        ly_log(LY_LOG_ERROR, "crew", "a worker made a system call that it may not make, and was ended",
               LY_INT("pid", w->pid));
    else if (WIFSIGNALED(status))
        tell_signal(w, r, WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0 || !w->crew->stopping)
        ly_log(LY_LOG_ERROR, "crew", "a worker has ended", LY_INT("pid", w->pid),
               LY_INT("exit", WEXITSTATUS(status)), LY_INT("session", (int64_t)w->monitor.faulty),
               r < 0 ? LY_ERR(r) : LY_END);
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

/* Charge who made it crash, or ask for what it may not have. */
static void blame(const struct ly__crew_worker *w, bool has_crashed)
{
    uint64_t session = has_crashed ? w->monitor.faulty : 0;
    const struct ly__ended *ended = ly__monitor_ended(&w->monitor, session);
    if (ended)
        ly__decider_blame_ended(w->crew->decider, session, &ended->peer);
    else
        ly__decider_blame(w->crew->decider, &w->monitor, session);
}

/* Start one whose log is relayed until it has ended. */
static int start(struct ly__crew_worker *w, int channel, struct ly_pipe **ret_end)
{
    int log;
    struct ly__relay *relay;
    int r = ly__relay_open(&relay, &log);
    if (r < 0)
        return r;
    r = spawn(w, channel, log, ret_end);
    close(log);
    if (r < 0) {
        ly__relay_free(relay);
        return r;
    }
    ly__relay_name(relay, w->pid);
    r = ly_go(w->crew->relays, ly__relay_run, relay);
    if (r < 0) {
        ly_log(LY_LOG_WARNING, "crew", "the log of a worker is lost", LY_INT("worker", w->pid), LY_ERR(r));
        ly__relay_free(relay);
    }
    return 0;
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
    r = start(w, fds[1], &end);
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
        blame(w, r != LY_EREFUSED);
    tell_end(w, r, status);
    ly__decider_disown(w->crew->decider, &w->monitor);
    ly__monitor_close(&w->monitor);
    return r;
}

int ly__crew_keep_alive(void *arg)
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
