/* SPDX-License-Identifier: MIT */
#include "daemon/monitor.h"
#include "daemon/kept.h"
#include "fiber/loop.h"
#include "service/exec_command.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/clock.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACES_MAX 256    /* for the questions of one worker that are being answered; beyond, it waits */
#define PLACE_BYTES 16384 /* of a question that take one place: what it fills of our memory is bounded */
#define PATIENCE_MS 3000  /* a worker that does not read for so long is ended: others wait for it */

/* One message, on its way to its answer. */
struct task {
    struct ly__monitor *monitor;
    const struct rule *rule;
    char *text; /* its own copy of the message */
    struct ly_json json;
    int64_t number;         /* of the question */
    uint64_t session;       /* 0: it is about none */
    struct ly__entry *asks; /* the session's entry, marked as being asked about; NULL: it is not */
    size_t places;          /* that it takes */
    struct ly_buffer answer;
    int fds[3]; /* that go with the answer; closed afterwards */
    size_t nfds;
};

int ly__monitor_refuse(struct ly__monitor *m, const char *who, const char *why)
{
    if (!*m->offence)
        snprintf(m->offence, sizeof m->offence, "%s: %s", who, why);
    ly_shutdown(m->channel.sock, SHUT_RDWR);
    return LY_EREFUSED;
}

int ly__monitor_send(struct ly__monitor *m, struct ly_buffer *b, const int *fds, size_t nfds)
{
    m->telling++;
    int r = ly__channel_send(&m->channel, b, fds, nfds);
    if (r == -ETIMEDOUT)
        (void)ly__monitor_refuse(m, "a message", "not read for a long time");
    m->telling--;
    return r;
}

/* ---- the messages ---- */

static int begin(struct task *t, struct ly__origin *o)
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
static int run_begin(struct task *t)
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

static int run_login(struct task *t)
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
static int give_pipes(struct task *t, struct ly__child *child)
{
    struct ly_pipe *const pipes[] = {child->out, child->err, child->in};
    int r = 0;
    for (; r == 0 && t->nfds < 3 && pipes[t->nfds]; t->nfds++) {
        t->fds[t->nfds] = fcntl(ly_pipe_fileno(pipes[t->nfds]), F_DUPFD_CLOEXEC, 3);
        r = t->fds[t->nfds] < 0 ? -errno : 0;
    }
    child->calls->let_go(child);
    return r;
}

static int start_command(struct task *t, const struct ly__command *c)
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
    r = ly_json_put_int(&t->answer, "child", command->number);
    if (r == 0)
        r = ly_json_put_int(&t->answer, "pid", pid);
    return r < 0 ? r : give_pipes(t, child);
}

static int run_start(struct task *t)
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

static int run_allow(struct task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    char what[64];
    if (ly_json_string(ly_json_get(t->json, "what"), what, sizeof what) < 0)
        return LY_EFIELD;
    return a->calls->allow(a, t->session, what);
}

static int run_note(struct task *t)
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

static int run_end(struct task *t)
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

static int run_spend(struct task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    int64_t bytes = 0;
    if (ly_json_int(ly_json_get(t->json, "bytes"), &bytes) < 0 || bytes < 0)
        return LY_EFIELD;
    int64_t ms = a->calls->spend(a, t->session, bytes);
    return (int)ms; /* an hour at most */
}

static int run_fault(struct task *t)
{
    t->monitor->faulty = t->session;
    return 0;
}

static struct ly__kept *command_of(struct task *t)
{
    int64_t number = 0;
    if (ly_json_int(ly_json_get(t->json, "child"), &number) < 0)
        return NULL;
    return ly__kept_find(t->monitor, number);
}

static int run_kill(struct task *t)
{
    struct ly__kept *c = command_of(t);
    int64_t signal = 0;
    if (!c || ly_json_int(ly_json_get(t->json, "signal"), &signal) < 0 || signal < 1 || signal > 64)
        return LY_EFIELD;
    c->child->calls->kill(c->child, (int)signal);
    return 0;
}

static int run_free(struct task *t)
{
    struct ly__kept *c = command_of(t);
    if (!c)
        return LY_EFIELD;
    ly__kept_free(c);
    return 0;
}

static int run_report(struct task *t)
{
    struct ly__monitor *m = t->monitor;
    struct ly__counters nobodys = {0};
    return ly__report_take(t->json, &m->reported, m->counters ? m->counters : &nobodys, &m->decider->sessions,
                           m);
}

/* ---- what may be said when ---- */

static const struct rule {
    const char *name;
    unsigned states; /* of the session; 0: it is about none */
    bool asks;       /* it is answered */
    int (*run)(struct task *t);
} rules[] = {
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

static const struct rule *find_rule(struct ly_json name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (ly_json_equal(name, rules[i].name))
            return &rules[i];
    }
    return NULL;
}

const char *ly__monitor_rule(size_t i, unsigned *ret_states, bool *ret_asks)
{
    if (i >= sizeof rules / sizeof *rules)
        return NULL;
    *ret_states = rules[i].states;
    *ret_asks = rules[i].asks;
    return rules[i].name;
}

/*
 * A session speaks of one thing at a time: it waits for the answer before it goes on. That is held here too,
 * since the tasks that answer wait for disks with the session's entry in hand.
 */
static int check_session(struct task *t)
{
    struct ly__monitor *m = t->monitor;
    int64_t session = 0;
    if (ly_json_int(ly_json_get(t->json, "session"), &session) < 0 || session <= 0)
        return ly__monitor_refuse(m, t->rule->name, "without a session");
    t->session = (uint64_t)session;
    struct ly__entry *e = ly__decider_session(m->decider, t->session, m);
    if (!e && (t->rule->states & LY__OVER) && ly__monitor_ended(m, t->session))
        return 0;
    if (!e)
        return ly__monitor_refuse(m, t->rule->name, "for a session that is not this worker's");
    if (!(e->state & t->rule->states))
        return ly__monitor_refuse(m, t->rule->name, "in a state that does not allow it");
    if (e->is_asking)
        return ly__monitor_refuse(m, t->rule->name, "before the answer to a question");
    t->asks = t->rule->asks ? e : NULL;
    return 0;
}

/* Whether this message may be sent now; fills the task. */
static int check(struct task *t)
{
    struct ly__monitor *m = t->monitor;
    t->rule = find_rule(ly_json_get(t->json, "do"));
    if (!t->rule)
        return ly__monitor_refuse(m, "a message", "of no kind that there is");
    if (t->rule->asks && ly_json_int(ly_json_get(t->json, "ask"), &t->number) < 0)
        return ly__monitor_refuse(m, t->rule->name, "without a number");
    return t->rule->states ? check_session(t) : 0;
}

/* ---- answering ---- */

static int answer(struct task *t)
{
    ly_buffer_init(&t->answer, LY__CHANNEL_MAX);
    int r = ly__channel_begin(&t->answer);
    int result = r == 0 ? t->rule->run(t) : r;
    if (t->asks)
        t->asks->is_asking = false; /* with the answer it may go on */
    if (r == 0)
        r = ly_json_put_int(&t->answer, "answer", t->number);
    if (r == 0)
        r = ly_json_put_int(&t->answer, "result", result);
    if (r == 0)
        r = ly__monitor_send(t->monitor, &t->answer, t->fds, t->nfds);
    for (size_t i = 0; i < t->nfds; i++) {
        if (t->fds[i] >= 0)
            close(t->fds[i]);
    }
    ly_buffer_done(&t->answer);
    return r;
}

static void leave_places(struct ly__monitor *m, size_t n)
{
    char byte;
    while (n-- > 0)
        (void)ly_chan_recv(m->places, &byte, 0);
}

static int take_places(struct ly__monitor *m, size_t n)
{
    static const char byte = 1;
    int r = 0;
    for (size_t i = 0; i < n && r == 0; i++)
        r = ly_chan_send(m->places, &byte, LY_FOREVER);
    return r; /* what was taken of them goes with the worker */
}

static int run_task(void *arg)
{
    struct task *t = arg;
    ly_set_name("a worker's question");
    int r = answer(t);
    if (r < 0)
        ly_shutdown(t->monitor->channel.sock, SHUT_RDWR); /* an answer that is missing would be waited for */
    leave_places(t->monitor, t->places);
    free(t->text);
    free(t);
    return 0;
}

/* Answer in a task of its own: it may wait for a disk. */
static int begin_task(const struct task *now)
{
    struct ly__monitor *m = now->monitor;
    size_t places = 1 + now->json.length / PLACE_BYTES;
    int r = take_places(m, places);
    if (r < 0)
        return r;
    struct task *t = malloc(sizeof *t);
    char *text = t ? malloc(now->json.length) : NULL;
    if (!text) {
        free(t);
        return -ENOMEM;
    }
    *t = *now;
    t->places = places;
    t->text = memcpy(text, now->json.text, now->json.length);
    t->json.text = text;
    if (t->asks)
        t->asks->is_asking = true;
    r = ly_go(m->scope, run_task, t);
    if (r < 0) {
        free(t->text);
        free(t);
    }
    return r;
}

static int take(struct ly__monitor *m, struct ly__message *message)
{
    struct task t = {.monitor = m, .json = message->json};
    int r = message->nfds > 0 ? ly__monitor_refuse(m, "a message", "with descriptors") : check(&t);
    if (r < 0)
        return r;
    if (t.rule->asks)
        return begin_task(&t);
    return t.rule->run(&t) < 0 ? ly__monitor_refuse(m, t.rule->name, "with fields that it does not have") : 0;
}

static int listen_to(struct ly__monitor *m)
{
    struct ly__message message;
    int r;
    while ((r = ly__channel_receive(&m->channel, &message)) > 0) {
        ly__fiber_pay(); /* one that never stops does not keep the others from their turn */
        r = take(m, &message);
        ly__message_done(&message);
        if (r < 0)
            return r;
    }
    return r == LY_EJSON ? ly__monitor_refuse(m, "a message", "that is none") : r == -ECONNRESET ? 0 : r;
}

/* Those who are telling it something fail at once now that nobody is there. */
static void wait_for_tellers(struct ly__monitor *m)
{
    struct ly_scope *shield;
    if (ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "telling a worker"}) < 0)
        return;
    while (m->telling > 0 && ly_sleep(0) == 0)
        ;
    ly_scope_close(shield);
}

int ly__monitor_run(struct ly__monitor *m)
{
    int r = ly_scope_open(&m->scope, &(struct ly_scope_options){.name = "a worker"});
    if (r < 0)
        return r;
    r = listen_to(m);
    ly_shutdown(m->channel.sock, SHUT_RDWR);
    ly_scope_close(m->scope);
    wait_for_tellers(m);
    return *m->offence ? LY_EREFUSED : r;
}

/* ---- telling the worker ---- */

static int begin_number(struct ly_buffer *b, const char *what, int64_t number)
{
    ly_buffer_init(b, LY__CHANNEL_MAX);
    int r = ly__channel_begin(b);
    return r < 0 ? r : ly_json_put_int(b, what, number);
}

static int send_number(struct ly__monitor *m, const char *what, int64_t number)
{
    struct ly_buffer b;
    int r = begin_number(&b, what, number);
    if (r == 0)
        r = ly__monitor_send(m, &b, NULL, 0);
    ly_buffer_done(&b);
    return r;
}

int ly__monitor_serve(struct ly__monitor *m, uint64_t session, int fd)
{
    struct ly_buffer b;
    const struct ly__entry *e = ly__decider_session(m->decider, session, m);
    int r = begin_number(&b, "serve", (int64_t)session);
    if (r == 0)
        r = e ? ly__hex_put(&b, "challenge", e->challenge, sizeof e->challenge) : -ENOENT;
    if (r == 0)
        r = ly__monitor_send(m, &b, &fd, 1);
    ly_buffer_done(&b);
    m->sessions += r == 0;
    return r;
}

int ly__monitor_cut(struct ly__monitor *m, uint64_t session)
{
    return send_number(m, "cut", (int64_t)session);
}

int ly__monitor_stop(struct ly__monitor *m, bool at_once)
{
    return send_number(m, "stop", at_once);
}

int ly__monitor_announce(struct ly__monitor *m, const char *next_key)
{
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = ly__channel_begin(&b);
    if (r == 0)
        r = ly_json_put_string(&b, "announce", next_key);
    if (r == 0)
        r = ly__monitor_send(m, &b, NULL, 0);
    ly_buffer_done(&b);
    return r;
}

int ly__monitor_log(struct ly__monitor *m, enum ly_log_level level)
{
    return send_number(m, "log_level", level);
}

int ly__monitor_open(struct ly__monitor *m, struct ly__decider *decider, int fd)
{
    *m = (struct ly__monitor){.decider = decider};
    ly__list_init(&m->children);
    int r = ly_chan_new(&m->places, 1, PLACES_MAX, LY_LOCAL);
    if (r < 0)
        return r;
    r = ly__channel_open(&m->channel, fd);
    if (r < 0)
        ly_chan_free(m->places);
    else
        m->channel.patience_ms = PATIENCE_MS;
    return r;
}

void ly__monitor_close(struct ly__monitor *m)
{
    ly__channel_close(&m->channel);
    ly_chan_free(m->places);
}
