/* SPDX-License-Identifier: MIT */
#include "daemon/monitor.h"
#include "service/exec_command.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWERS_MAX 256 /* questions of one worker that are being answered; beyond, it waits */
#define GRACE_MS 2000   /* between asking the commands of a lost worker to end and making them */

/* One message, on its way to its answer. */
struct task {
    struct ly__monitor *monitor;
    const struct rule *rule;
    char *text; /* its own copy of the message */
    struct ly_json json;
    int64_t number;   /* of the question */
    uint64_t session; /* 0: it is about none */
    struct ly_buffer answer;
    int fds[3]; /* that go with the answer; closed afterwards */
    size_t nfds;
};

/* ---- commands of this worker ---- */

struct command {
    struct ly__list link; /* in monitor->children */
    struct ly__monitor *monitor;
    int64_t number;
    struct ly__child *child;
    struct ly_chan *freed; /* gets a byte when the worker needs it no more */
    bool is_freed;
    bool has_ended;
};

static struct command *find_command(struct ly__monitor *m, int64_t number)
{
    ly__list_each (l, &m->children) {
        struct command *c = ly__container_of(l, struct command, link);
        if (c->number == number && !c->is_freed)
            return c;
    }
    return NULL;
}

static void tell_end(struct command *c, int status)
{
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = ly__channel_begin(&b);
    if (r == 0)
        r = ly_json_put_int(&b, "ended", c->number);
    if (r == 0)
        r = ly_json_put_int(&b, "status", status);
    if (r == 0)
        (void)ly__channel_send(&c->monitor->channel, &b, NULL, 0);
    ly_buffer_done(&b);
}

/* Nobody will ask for it again: its worker has gone. */
static void end_orphan(struct command *c)
{
    struct ly_scope *shield;
    int status;
    c->child->calls->kill(c->child, SIGHUP);
    if (ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "ending a command"}) < 0)
        return;
    c->child->calls->wait(c->child, &status, GRACE_MS);
    c->child->calls->kill(c->child, SIGKILL);
    ly_scope_close(shield);
}

static int attend_command(void *arg)
{
    struct command *c = arg;
    int status = 0;
    char byte;
    ly_set_name("a worker's command");
    int r = c->child->calls->wait(c->child, &status, LY_FOREVER);
    c->has_ended = r == 0;
    if (r == 0 && !c->is_freed)
        tell_end(c, status);
    if (r == 0 && !c->is_freed)
        (void)ly_chan_recv(c->freed, &byte, LY_FOREVER);
    if (!c->has_ended)
        end_orphan(c);
    ly__list_remove(&c->link);
    c->child->calls->free(c->child);
    ly_chan_free(c->freed);
    free(c);
    return 0;
}

static void free_command(struct command *c)
{
    static const char done = 1;
    c->is_freed = true;
    if (!c->has_ended)
        c->child->calls->kill(c->child, SIGKILL);
    (void)ly_chan_send(c->freed, &done, 0);
}

/* Keep a command that has been started. On failure it is ended. */
static int keep_command(struct ly__monitor *m, struct ly__child *child, struct command **ret)
{
    struct command *c = calloc(1, sizeof *c);
    int r = c ? ly_chan_new(&c->freed, 1, 1, LY_LOCAL) : -ENOMEM;
    if (r == 0) {
        c->monitor = m;
        c->child = child;
        c->number = ++m->last;
        ly__list_append(&m->children, &c->link);
        r = ly_go(m->scope, attend_command, c);
    }
    if (r < 0) {
        if (c && c->freed) {
            ly__list_remove(&c->link);
            ly_chan_free(c->freed);
        }
        free(c);
        child->calls->free(child);
        return r;
    }
    *ret = c;
    return 0;
}

/* ---- the messages ---- */

static int run_begin(struct task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    struct ly__origin o = {0};
    struct ly__grant grant;
    struct ly_json key = ly_json_get(t->json, "key");
    o.is_bound = true;
    o.has_key = ly_json_type(key) != LY_JSON_NONE;
    if (ly__hex_get(ly_json_get(t->json, "binding"), o.binding, sizeof o.binding) < 0 ||
        (o.has_key && ly__hex_get(key, o.key, sizeof o.key) < 0))
        return LY_EFIELD;
    int r = a->calls->begin(a, &o, &t->session, &grant);
    int e = r > 0 ? ly__grant_put(&t->answer, &grant) : 0;
    return e < 0 ? e : r;
}

static int run_login(struct task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    char mechanism[64], data[4096];
    struct ly__grant grant;
    struct ly_buffer message;
    ssize_t n = ly_json_string(ly_json_get(t->json, "data"), data, sizeof data);
    if (n < 0 || ly_json_string(ly_json_get(t->json, "mechanism"), mechanism, sizeof mechanism) < 0)
        return LY_EFIELD;
    ly_buffer_init(&message, sizeof data);
    int r = a->calls->login(a, t->session, mechanism, data, (size_t)n, &message, &grant);
    int e = r >= 0 ? ly_json_put_bytes(&t->answer, "data", ly_buffer_bytes(&message), message.length) : 0;
    if (e == 0 && r > 0)
        e = ly__grant_put(&t->answer, &grant);
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
    struct command *command;
    char where[LY__LAUNCH_WHERE] = "";
    int r = a->calls->start(a, t->session, &launch, &child, where);
    if (r < 0) {
        (void)ly_json_put_string(&t->answer, "data", where);
        return r;
    }
    const int64_t pid = child->pid;
    r = keep_command(t->monitor, child, &command);
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
    d.result = (int)result;
    d.exit = (int)status;
    a->calls->note(a, t->session, &d);
    return 0;
}

static int run_end(struct task *t)
{
    struct ly__authority *a = &t->monitor->decider->authority;
    int64_t result = 0;
    if (ly_json_int(ly_json_get(t->json, "result"), &result) < 0)
        return LY_EFIELD;
    a->calls->end(a, t->session, (int)result);
    t->monitor->sessions--;
    return 0;
}

static struct command *command_of(struct task *t)
{
    int64_t number = 0;
    if (ly_json_int(ly_json_get(t->json, "child"), &number) < 0)
        return NULL;
    return find_command(t->monitor, number);
}

static int run_kill(struct task *t)
{
    struct command *c = command_of(t);
    int64_t signal = 0;
    if (!c || ly_json_int(ly_json_get(t->json, "signal"), &signal) < 0 || signal < 1 || signal > 64)
        return LY_EFIELD;
    c->child->calls->kill(c->child, (int)signal);
    return 0;
}

static int run_free(struct task *t)
{
    struct command *c = command_of(t);
    if (!c)
        return LY_EFIELD;
    free_command(c);
    return 0;
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
    {"note", LY__LOGGED_IN, false, run_note},
    {"end", LY__CONNECTED | LY__STRANGER | LY__LOGGED_IN, false, run_end},
    {"kill", 0, false, run_kill},
    {"free", 0, false, run_free},
};

static const struct rule *find_rule(struct ly_json name)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (ly_json_equal(name, rules[i].name))
            return &rules[i];
    }
    return NULL;
}

static int refuse(struct ly__monitor *m, const char *rule, const char *why)
{
    snprintf(m->offence, sizeof m->offence, "%s: %s", rule, why);
    return LY_EREFUSED;
}

/* Whether this message may be sent now; fills the task. */
static int check(struct task *t)
{
    struct ly__monitor *m = t->monitor;
    int64_t session = 0;
    t->rule = find_rule(ly_json_get(t->json, "do"));
    if (!t->rule)
        return refuse(m, "a message", "of no kind that there is");
    if (t->rule->asks && ly_json_int(ly_json_get(t->json, "ask"), &t->number) < 0)
        return refuse(m, t->rule->name, "without a number");
    if (t->rule->states == 0)
        return 0;
    if (ly_json_int(ly_json_get(t->json, "session"), &session) < 0 || session <= 0)
        return refuse(m, t->rule->name, "without a session");
    t->session = (uint64_t)session;
    unsigned state = ly__decider_state(m->decider, t->session, m);
    if (state == 0)
        return refuse(m, t->rule->name, "for a session that is not this worker's");
    return state & t->rule->states ? 0 : refuse(m, t->rule->name, "in a state that does not allow it");
}

/* ---- answering ---- */

static int answer(struct task *t)
{
    ly_buffer_init(&t->answer, LY__CHANNEL_MAX);
    int r = ly__channel_begin(&t->answer);
    int result = r == 0 ? t->rule->run(t) : r;
    if (r == 0)
        r = ly_json_put_int(&t->answer, "answer", t->number);
    if (r == 0)
        r = ly_json_put_int(&t->answer, "result", result);
    if (r == 0)
        r = ly__channel_send(&t->monitor->channel, &t->answer, t->fds, t->nfds);
    for (size_t i = 0; i < t->nfds; i++) {
        if (t->fds[i] >= 0)
            close(t->fds[i]);
    }
    ly_buffer_done(&t->answer);
    return r;
}

static int run_task(void *arg)
{
    struct task *t = arg;
    char byte;
    ly_set_name("a worker's question");
    int r = answer(t);
    if (r < 0)
        ly_shutdown(t->monitor->channel.sock, SHUT_RDWR); /* an answer that is missing would be waited for */
    (void)ly_chan_recv(t->monitor->places, &byte, 0);
    free(t->text);
    free(t);
    return 0;
}

/* Answer in a task of its own: it may wait for a disk. */
static int begin_task(struct task *now, const struct ly_json *json)
{
    static const char byte = 1;
    struct ly__monitor *m = now->monitor;
    int r = ly_chan_send(m->places, &byte, LY_FOREVER);
    if (r < 0)
        return r;
    struct task *t = malloc(sizeof *t);
    char *text = t ? malloc(json->length) : NULL;
    if (!text) {
        free(t);
        return -ENOMEM;
    }
    *t = *now;
    t->text = memcpy(text, json->text, json->length);
    t->json.text = text;
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
    int r = message->nfds > 0 ? refuse(m, "a message", "with descriptors") : check(&t);
    if (r < 0)
        return r;
    if (t.rule->asks)
        return begin_task(&t, &message->json);
    return t.rule->run(&t) < 0 ? refuse(m, t.rule->name, "with fields that it does not have") : 0;
}

static int listen_to(struct ly__monitor *m)
{
    struct ly__message message;
    int r;
    while ((r = ly__channel_receive(&m->channel, &message)) > 0) {
        r = take(m, &message);
        ly__message_done(&message);
        if (r < 0)
            return r;
    }
    return r == LY_EJSON ? refuse(m, "a message", "that is none") : r == -ECONNRESET ? 0 : r;
}

int ly__monitor_run(struct ly__monitor *m)
{
    int r = ly_scope_open(&m->scope, &(struct ly_scope_options){.name = "a worker"});
    if (r < 0)
        return r;
    r = listen_to(m);
    ly_shutdown(m->channel.sock, SHUT_RDWR);
    ly_scope_close(m->scope);
    return r;
}

/* ---- telling the worker ---- */

static int send_number(struct ly__monitor *m, const char *what, int64_t number, const int *fds, size_t nfds)
{
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = ly__channel_begin(&b);
    if (r == 0)
        r = ly_json_put_int(&b, what, number);
    if (r == 0)
        r = ly__channel_send(&m->channel, &b, fds, nfds);
    ly_buffer_done(&b);
    return r;
}

int ly__monitor_serve(struct ly__monitor *m, uint64_t session, int fd)
{
    int r = send_number(m, "serve", (int64_t)session, &fd, 1);
    m->sessions += r == 0;
    return r;
}

int ly__monitor_cut(struct ly__monitor *m, uint64_t session)
{
    return send_number(m, "cut", (int64_t)session, NULL, 0);
}

int ly__monitor_stop(struct ly__monitor *m, bool at_once)
{
    return send_number(m, "stop", at_once, NULL, 0);
}

int ly__monitor_open(struct ly__monitor *m, struct ly__decider *decider, int fd)
{
    *m = (struct ly__monitor){.decider = decider};
    ly__list_init(&m->children);
    int r = ly_chan_new(&m->places, 1, ANSWERS_MAX, LY_LOCAL);
    if (r < 0)
        return r;
    r = ly__channel_open(&m->channel, fd);
    if (r < 0)
        ly_chan_free(m->places);
    return r;
}

void ly__monitor_close(struct ly__monitor *m)
{
    ly__channel_close(&m->channel);
    ly_chan_free(m->places);
}
