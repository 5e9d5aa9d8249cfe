/* SPDX-License-Identifier: MIT */
/*
 * A monitor that runs in the loop of the test, with the decider's real books, users and gate behind it; the
 * test is the worker, by the other end of the channel.
 */
#ifndef TESTS_UNIT_DAEMON_SUPERVISED_H
#define TESTS_UNIT_DAEMON_SUPERVISED_H

#include "daemon/monitor.h"
#include "tasks.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/clock.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE_MS 20000
#define BINDING "\"0000000000000000000000000000000000000000000000000000000000000000\""

struct supervised {
    struct ly__decider decider;
    struct ly__monitor monitor;
    struct ly_scope *scope;
    struct ly_future *running;
    struct ly_sock *worker; /* the worker's end */
    char said[LY__CHANNEL_MAX + 1];
};

static char store_folder[64];
static struct ly__store *store;
static struct ly__failures *failures;
static struct ly__penalties *penalties;
static struct ly__admission *admission;
static char account[LY__USER_ACCOUNT]; /* the test's own */

static inline int run_monitor(void *arg)
{
    struct supervised *s = arg;
    int r = ly__monitor_run(&s->monitor);
    ly__decider_disown(&s->decider, &s->monitor);
    return r;
}

static inline int supervise(struct supervised *s)
{
    int fds[2];
    memset(&s->decider, 0, sizeof s->decider);
    s->decider.root_fd = -1;
    s->decider.root = "/";
    s->decider.home = "/";
    s->decider.store = store;
    s->decider.failures = failures;
    s->decider.penalties = penalties;
    s->decider.admission = admission;
    ly__decider_open(&s->decider);
    atomic_store(&s->decider.commands.most, 64);
    int r = ly_scope_open(&s->scope, NULL);
    if (r == 0)
        r = ly__channel_pair(fds);
    if (r == 0)
        r = ly__monitor_open(&s->monitor, &s->decider, fds[0]);
    if (r == 0)
        r = ly_sock_from_fd(&s->worker, fds[1]);
    if (r == 0)
        r = ly_sock_set_timeout(s->worker, PATIENCE_MS);
    return r < 0 ? r : ly_async(s->scope, &s->running, run_monitor, s);
}

/* The worker ends; what the monitor's run returned. */
static inline int unsupervise(struct supervised *s)
{
    ly_sock_free(s->worker);
    int r = ly_await(s->running, NULL);
    ly_scope_close(s->scope);
    ly__monitor_close(&s->monitor);
    ly__decider_close(&s->decider);
    return r;
}

/* As unsupervise, for a worker that has been ended for what it did; its end of the channel shows it. */
static inline int await_refusal(struct supervised *s)
{
    while (ly_recv(s->worker, s->said, sizeof s->said - 1) > 0)
        ;
    return unsupervise(s);
}

static inline uint64_t connect_session(struct supervised *s, unsigned state)
{
    struct ly_address peer;
    struct ly__ticket ticket = {0};
    if (ly_address_parse(&peer, "tcp://192.0.2.1:7") < 0)
        return 0;
    uint64_t number = ly__decider_connect(&s->decider, &peer, &s->monitor, &ticket);
    struct ly__entry *e = ly__decider_session(&s->decider, number, &s->monitor);
    e->state = state;
    e->ticket.deadline = ly_deadline(PATIENCE_MS);
    if (state == LY__LOGGED_IN) {
        e->grant.roles = LY__ROLES_ALL;
        snprintf(e->account, sizeof e->account, "%s", account);
    }
    s->monitor.sessions++;
    return number;
}

__attribute__((format(printf, 2, 3))) static inline int say(struct supervised *s, const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    ssize_t r = ly_send(s->worker, text, (size_t)n);
    return r < 0 ? (int)r : 0;
}

/* The supervisor's next message, in s->said. Returns its length. */
static inline ssize_t hear(struct supervised *s)
{
    ssize_t n = ly_recv(s->worker, s->said, sizeof s->said - 1);
    s->said[n > 0 ? n : 0] = 0;
    return n;
}

static inline int64_t number_in(const struct supervised *s, const char *name)
{
    struct ly_json json;
    int64_t n = INT64_MIN;
    if (ly_json_check(&json, s->said, strlen(s->said)) == 0)
        (void)ly_json_int(ly_json_get(json, name), &n);
    return n;
}

static inline int open_books(void **state)
{
    (void)state;
    const struct passwd *me = getpwuid(geteuid());
    snprintf(account, sizeof account, "%s", me ? me->pw_name : "");
    snprintf(store_folder, sizeof store_folder, "/tmp/lanyard-monitor-XXXXXX");
    if (!mkdtemp(store_folder))
        return -1;
    return ly__store_open(&store, store_folder,
                          &(struct ly__store_options){.make = true, .iterations = 4096}) ||
           ly__failures_new(&failures) || ly__penalties_new(&penalties, &(struct ly__penalty_options){0}) ||
           ly__admission_new(&admission, &(struct ly__admission_options){0});
}

static inline int close_books(void **state)
{
    (void)state;
    static const char *const names[] = {"users.db", "users.db-wal", "users.db-shm", "users.db-journal"};
    char path[128];
    ly__admission_free(admission);
    ly__penalties_free(penalties);
    ly__failures_free(failures);
    ly__store_close(store);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", store_folder, names[i]);
        unlink(path);
    }
    return rmdir(store_folder);
}

#endif
