/* SPDX-License-Identifier: MIT */
/* What a worker may say, in which states of a session, and what the supervisor does then. */
#include "daemon/kept.h"
#include "daemon/monitor_internal.h"
#include "service/exec_command.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/clock.h>

/* ---- beginning, logging in ---- */

static int begin(struct ly__monitor_task *t, struct ly__origin *o)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    struct ly__grant grant;
    int r = a->calls->begin(a, o, &t->session, &grant);
    int e = r > 0 ? ly__grant_put(&t->answer, &grant) : 0;
    return e < 0 ? e : r;
}

static bool has_key(struct ly_json message)
{
    return ly_json_type(ly_json_get(message, "key")) != LY_JSON_NONE ||
           ly_json_type(ly_json_get(message, "proof")) != LY_JSON_NONE;
}

/* A worker has seen the proof of a key before it speaks of it: one that does not hold is a lie. */
static int run_begin(struct ly__monitor_task *t)
{
    struct ly__origin o = {.is_bound = true};
    struct ly__tls_proof proof;
    ly__tls_proof_init(&proof);
    int r = ly__hex_get(ly_json_get(t->json, "binding"), o.binding, sizeof o.binding);
    if (r == 0 && has_key(t->json)) {
        o.proof = &proof;
        r = ly__proof_get(t->json, &proof);
        r = r == LY_EFIELD ? LY_EPEER : r;
    }
    if (r == 0)
        r = begin(t, &o);
    ly__tls_proof_done(&proof);
    return r == LY_EPEER ? ly__monitor_refuse(t->monitor, "begin", "with a key without a proof that holds")
                         : r;
}

static int run_login(struct ly__monitor_task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    char mechanism[64], data[4096];
    struct ly__grant grant = {.wait_ms = 0};
    struct ly_buffer message;
    ssize_t n = ly_json_string(ly_json_get(t->json, "data"), data, sizeof data);
    if (n < 0 || ly_json_string(ly_json_get(t->json, "mechanism"), mechanism, sizeof mechanism) < 0)
        return LY_EFIELD;
    ly_buffer_init(&message, sizeof data);
    int r = a->calls->login(a, t->session, mechanism, data, (size_t)n, &message, &grant);
    int e = r >= 0 ? ly_json_put_bytes(&t->answer, "data", ly_buffer_bytes(&message), message.length) : 0;
    if (e == 0 && r > 0)
        e = ly__grant_put(&t->answer, &grant);
    if (e == 0 && r == LY_EDENIED)
        e = ly_json_put_int(&t->answer, "wait_ms", grant.wait_ms);
    ly_buffer_done(&message);
    return e < 0 ? e : r;
}

/* The pipes are the worker's: here they would keep each other open. */
static int give_pipes(struct ly__monitor_task *t, struct ly__child *child)
{
    struct ly_pipe *const pipes[] = {child->out, child->err, child->in};
    int r = 0;
    while (r == 0 && t->nfds < 3 && pipes[t->nfds]) {
        int fd = fcntl(ly_pipe_fileno(pipes[t->nfds]), F_DUPFD_CLOEXEC, 3);
        r = fd < 0 ? -errno : 0;
        if (r == 0)
            t->fds[t->nfds++] = fd;
    }
    child->calls->let_go(child);
    return r;
}

static int start_command(struct ly__monitor_task *t, const struct ly__command *c)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    const struct ly__launch launch = {.argv = c->argv, .env = c->env, .cwd = c->cwd, .input = c->input};
    struct ly__child *child;
    struct ly__kept *command;
    char where[LY__LAUNCH_WHERE] = "";
    int r = a->calls->start(a, t->session, &launch, &child, where);
    if (r < 0) {
        (void)ly_json_put_string(&t->answer, "data", where);
        return r;
    }
    const int64_t pid = child->pid;
    r = ly__keep(t->monitor, child, &command);
    if (r < 0)
        return r;
    r = give_pipes(t, child);
    if (r == 0)
        r = ly_json_put_int(&t->answer, "child", command->number);
    if (r == 0)
        r = ly_json_put_int(&t->answer, "pid", pid);
    if (r < 0) /* the worker is told of no command */
        ly__kept_free(command);
    return r;
}

static int run_start(struct ly__monitor_task *t)
{
    static const char *const no_variables[] = {NULL};
    const struct ly__service plain = {.env = no_variables};
    struct ly__command c;
    int r = ly__command_read(&c, t->json, &plain);
    if (r == 0)
        r = start_command(t, &c);
    ly__command_done(&c);
    return r;
}

static int run_allow(struct ly__monitor_task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    char what[64];
    if (ly_json_string(ly_json_get(t->json, "what"), what, sizeof what) < 0)
        return LY_EFIELD;
    return a->calls->allow(a, t->session, what);
}

static int run_note(struct ly__monitor_task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    char what[64], object[LY__DEED_OBJECT];
    int64_t result = 0, status = 0;
    struct ly__deed d = {.what = what, .object = object};
    if (ly_json_string(ly_json_get(t->json, "what"), what, sizeof what) < 0 ||
        ly_json_string(ly_json_get(t->json, "object"), object, sizeof object) < 0 ||
        ly_json_int(ly_json_get(t->json, "result"), &result) < 0 ||
        ly_json_int(ly_json_get(t->json, "exit"), &status) < 0 ||
        ly_json_int(ly_json_get(t->json, "began"), &d.began) < 0)
        return LY_EFIELD;
    struct ly_json bytes = ly_json_get(t->json, "bytes");
    d.bytes = -1;
    if (ly_json_type(bytes) != LY_JSON_NONE && (ly_json_int(bytes, &d.bytes) < 0 || d.bytes < 0))
        return LY_EFIELD;
    if (d.began < 0 || d.began > ly_now())
        d.began = ly_now(); /* it is reckoned with */
    d.result = (int)result;
    d.exit = (int)status;
    a->calls->note(a, t->session, &d);
    return 0;
}

/* What it has used is freed behind its end: a worker that crashes at that names it still. */
static void remember(struct ly__monitor *m, uint64_t session)
{
    const struct ly__entry *e = ly__decider_session(m->decider, session, m);
    m->ended[m->nended++ % LY__MONITOR_ENDED] = (struct ly__ended){session, e->peer};
}

const struct ly__ended *ly__monitor_ended(const struct ly__monitor *m, uint64_t session)
{
    for (size_t i = 0; i < LY__MONITOR_ENDED; i++) {
        if (session && m->ended[i].session == session)
            return &m->ended[i];
    }
    return NULL;
}

static int run_end(struct ly__monitor_task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    int64_t result = 0;
    if (ly_json_int(ly_json_get(t->json, "result"), &result) < 0)
        return LY_EFIELD;
    remember(t->monitor, t->session);
    a->calls->end(a, t->session, (int)result);
    t->monitor->sessions--;
    return 0;
}

static int run_spend(struct ly__monitor_task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    int64_t bytes = 0;
    if (ly_json_int(ly_json_get(t->json, "bytes"), &bytes) < 0 || bytes < 0)
        return LY_EFIELD;
    int64_t ms = a->calls->spend(a, t->session, bytes);
    return (int)ms; /* an hour at most */
}

static int run_fault(struct ly__monitor_task *t)
{
    t->monitor->faulty = t->session;
    return 0;
}

static struct ly__kept *command_of(struct ly__monitor_task *t)
{
    int64_t number = 0;
    if (ly_json_int(ly_json_get(t->json, "child"), &number) < 0)
        return NULL;
    return ly__kept_find(t->monitor, number);
}

static int run_kill(struct ly__monitor_task *t)
{
    struct ly__kept *c = command_of(t);
    int64_t signal = 0;
    if (!c || ly_json_int(ly_json_get(t->json, "signal"), &signal) < 0 || signal < 1 || signal > 64)
        return LY_EFIELD;
    c->child->calls->kill(c->child, (int)signal);
    return 0;
}

static int run_free(struct ly__monitor_task *t)
{
    struct ly__kept *c = command_of(t);
    if (!c)
        return LY_EFIELD;
    ly__kept_free(c);
    return 0;
}

static int run_report(struct ly__monitor_task *t)
{
    struct ly__monitor *m = t->monitor;
    struct ly__counters nobodys = {0};
    return ly__report_take(t->json, &m->reported, m->counters ? m->counters : &nobodys, &m->decider->sessions,
                           m);
}

/* ---- what may be said when ---- */

static const struct ly__monitor_kind kinds[] = {
    {"begin", LY__CONNECTED, true, run_begin},
    {"login", LY__STRANGER, true, run_login},
    {"start", LY__LOGGED_IN, true, run_start},
    {"allow", LY__LOGGED_IN, true, run_allow},
    {"spend", LY__LOGGED_IN, true, run_spend},
    {"note", LY__LOGGED_IN, false, run_note},
    {"end", LY__CONNECTED | LY__STRANGER | LY__LOGGED_IN, false, run_end},
    {"fault", LY__CONNECTED | LY__STRANGER | LY__LOGGED_IN | LY__OVER, false, run_fault},
    {"kill", 0, false, run_kill},
    {"free", 0, false, run_free},
    {"report", 0, false, run_report},
};

const struct ly__monitor_kind *ly__monitor_find(struct ly_json name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (ly_json_equal(name, kinds[i].name))
            return &kinds[i];
    }
    return NULL;
}

const char *ly__monitor_rule(size_t i, unsigned *ret_states, bool *ret_asks)
{
    if (i >= sizeof kinds / sizeof *kinds)
        return NULL;
    *ret_states = kinds[i].states;
    *ret_asks = kinds[i].asks;
    return kinds[i].name;
}
