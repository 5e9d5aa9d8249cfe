/* SPDX-License-Identifier: MIT */
#include "daemon/asker.h"
#include <errno.h>
#include <lanyard/channel.h>
#include <lanyard/clock.h>
#include <lanyard/fiber.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_MAX 4096 /* bytes of a login's answer */

static struct ly__asker *asker_of(struct ly__authority *a)
{
    return ly__container_of(a, struct ly__asker, authority);
}

/* ---- questions and answers ---- */

struct remote;

/* In the memory of the task that asks. */
struct question {
    struct ly__list link;
    int64_t number;
    struct ly_chan *answered; /* gets a byte */
    bool is_answered;
    int result;
    struct ly__grant grant;
    char data[ANSWER_MAX]; /* of login: the answer; of start: where */
    size_t length;
    struct remote *child; /* that start has started */
};

static struct question *find(struct ly__asker *a, int64_t number)
{
    ly__list_each (l, &a->questions) {
        struct question *q = ly__container_of(l, struct question, link);
        if (q->number == number)
            return q;
    }
    return NULL;
}

static void answer(struct question *q, int result)
{
    static const char done = 1;
    q->result = result;
    q->is_answered = true;
    (void)ly_chan_send(q->answered, &done, 0);
}

static int begin_question(struct ly__asker *a, struct ly_buffer *b, const char *what, uint64_t session)
{
    int r = ly__channel_begin(b);
    if (r == 0)
        r = ly_json_put_int(b, "ask", ++a->last);
    if (r == 0)
        r = ly_json_put_string(b, "do", what);
    return r < 0 ? r : ly_json_put_int(b, "session", (int64_t)session);
}

/* Send the question in b and wait for its answer, which comes even to a task that is cancelled meanwhile:
 * what was asked is being done. */
static int ask(struct ly__asker *a, struct ly_buffer *b, struct question *q)
{
    struct ly_scope *shield;
    char byte;
    q->number = a->last;
    int r = ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "a question"});
    if (r < 0)
        return r;
    r = a->lost ? -EPIPE : ly_chan_new(&q->answered, 1, 1, LY_LOCAL);
    if (r == 0) {
        ly__list_append(&a->questions, &q->link);
        r = ly__channel_send(&a->channel, b, NULL, 0);
        if (r == 0)
            r = ly_chan_recv(q->answered, &byte, LY_FOREVER);
        ly__list_remove(&q->link);
        ly_chan_free(q->answered);
    }
    ly_scope_close(shield);
    return r < 0 ? r : q->result;
}

/* ---- telling ---- */

static int begin_telling(struct ly_buffer *b, const char *what)
{
    ly_buffer_init(b, LY__CHANNEL_MAX);
    int r = ly__channel_begin(b);
    return r < 0 ? r : ly_json_put_string(b, "do", what);
}

/* What cannot be told is lost only with the channel, and that ends the worker. */
static void tell(struct ly__asker *a, struct ly_buffer *b, int r)
{
    if (r == 0 && !a->lost)
        (void)ly__channel_send(&a->channel, b, NULL, 0);
    ly_buffer_done(b);
}

/* ---- commands that run ---- */

struct remote {
    struct ly__child child;
    struct ly__list link; /* in asker->children */
    struct ly__asker *asker;
    int64_t number;
    struct ly_chan *ended; /* gets a byte */
    bool has_ended;        /* status is valid */
    int status;
};

static struct remote *remote_of(struct ly__child *c)
{
    return ly__container_of(c, struct remote, child);
}

static void set_ended(struct remote *c, int status)
{
    static const char done = 1;
    c->status = status;
    c->has_ended = true;
    (void)ly_chan_send(c->ended, &done, 0);
}

static int wait_for_remote(struct ly__child *child, int *ret_status, int64_t timeout_ms)
{
    struct remote *c = remote_of(child);
    char byte;
    int r = c->has_ended ? 0 : ly_chan_recv(c->ended, &byte, timeout_ms);
    if (r < 0)
        return r == -EAGAIN ? -ETIMEDOUT : r;
    *ret_status = c->status;
    return 0;
}

static void kill_remote(struct ly__child *child, int signal)
{
    struct remote *c = remote_of(child);
    struct ly_buffer b;
    int r = begin_telling(&b, "kill");
    if (r == 0)
        r = ly_json_put_int(&b, "child", c->number);
    if (r == 0)
        r = ly_json_put_int(&b, "signal", signal);
    tell(c->asker, &b, r);
}

static void end_input_of_remote(struct ly__child *child)
{
    ly_pipe_close(child->in);
    child->in = NULL;
}

static void let_go_of_remote(struct ly__child *child)
{
    ly_pipe_close(child->in);
    ly_pipe_close(child->out);
    ly_pipe_close(child->err);
    child->in = child->out = child->err = NULL;
}

static void close_remote(struct remote *c)
{
    let_go_of_remote(&c->child);
    ly__list_remove(&c->link);
    if (c->ended)
        ly_chan_free(c->ended);
    free(c);
}

static void free_remote(struct ly__child *child)
{
    struct remote *c = remote_of(child);
    struct ly_buffer b;
    int r = begin_telling(&b, "free");
    if (r == 0)
        r = ly_json_put_int(&b, "child", c->number);
    tell(c->asker, &b, r);
    close_remote(c);
}

static const struct ly__child_calls remote_calls = {wait_for_remote, kill_remote, end_input_of_remote,
                                                    let_go_of_remote, free_remote};

/* Wrap the pipe of an answer. Taken in any case. */
static int wrap(struct ly_pipe **ret_pipe, int fd)
{
    int r = ly_pipe_from_fd(ret_pipe, fd);
    if (r < 0)
        close(fd);
    return r;
}

static int take_pipes(struct remote *c, struct ly__message *m)
{
    struct ly_pipe **const pipes[] = {&c->child.out, &c->child.err, &c->child.in};
    int r = m->is_short ? -EMFILE : m->nfds == 2 || m->nfds == 3 ? 0 : LY_EFIELD;
    for (size_t i = 0; i < m->nfds && r == 0; i++) {
        r = wrap(pipes[i], m->fds[i]);
        m->fds[i] = -1;
    }
    return r;
}

/* A command has been started. It is known from here on, before whoever asked for it has seen the answer: its
 * end may be the next message. */
static int make_remote(struct ly__asker *a, struct ly__message *m, int64_t number, struct remote **ret)
{
    int64_t pid = 0;
    struct remote *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM; /* the supervisor ends it with this worker */
    (void)ly_json_int(ly_json_get(m->json, "pid"), &pid);
    *c = (struct remote){.asker = a, .number = number};
    c->child = (struct ly__child){.calls = &remote_calls, .pid = (pid_t)pid};
    ly__list_append(&a->children, &c->link);
    int r = ly_chan_new(&c->ended, 1, 1, LY_LOCAL);
    if (r == 0)
        r = take_pipes(c, m);
    if (r < 0)
        free_remote(&c->child);
    *ret = r < 0 ? NULL : c;
    return r;
}

/* ---- answers ---- */

static int take_answer(struct ly__asker *a, struct ly__message *m, int64_t number)
{
    struct question *q = find(a, number);
    int64_t result = 0, child = 0;
    if (!q || q->is_answered || ly_json_int(ly_json_get(m->json, "result"), &result) < 0)
        return LY_EFIELD;
    ssize_t n = ly_json_string(ly_json_get(m->json, "data"), q->data, sizeof q->data);
    q->length = n > 0 ? (size_t)n : 0;
    if (ly_json_type(ly_json_get(m->json, "roles")) != LY_JSON_NONE && ly__grant_get(m->json, &q->grant) < 0)
        return LY_EFIELD;
    (void)ly_json_int(ly_json_get(m->json, "wait_ms"), &q->grant.wait_ms);
    int r = ly_json_int(ly_json_get(m->json, "child"), &child) == 0 ? make_remote(a, m, child, &q->child) : 0;
    answer(q, r < 0 ? r : (int)result);
    return 1;
}

/* ---- sessions ---- */

static int begin(struct ly__authority *authority, const struct ly__origin *o, uint64_t *number,
                 struct ly__grant *ret_grant)
{
    struct ly__asker *a = asker_of(authority);
    struct question q = {0};
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = begin_question(a, &b, "begin", *number);
    if (r == 0 && o->is_bound)
        r = ly__hex_put(&b, "binding", o->binding, sizeof o->binding);
    if (r == 0 && o->proof)
        r = ly__proof_put(&b, o->proof);
    if (r == 0)
        r = ask(a, &b, &q);
    ly_buffer_done(&b);
    if (r > 0)
        *ret_grant = q.grant;
    return r;
}

static int login(struct ly__authority *authority, uint64_t number, const char *mechanism, const char *data,
                 size_t n, struct ly_buffer *ret_answer, struct ly__grant *ret_grant)
{
    struct ly__asker *a = asker_of(authority);
    struct question q = {0};
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = begin_question(a, &b, "login", number);
    if (r == 0)
        r = ly_json_put_string(&b, "mechanism", mechanism);
    if (r == 0)
        r = ly_json_put_bytes(&b, "data", data, n);
    if (r == 0)
        r = ask(a, &b, &q);
    ly_buffer_done(&b);
    int e = r >= 0 ? ly_buffer_append(ret_answer, q.data, q.length) : 0;
    if (r > 0 || r == LY_EDENIED)
        *ret_grant = q.grant;
    return e < 0 ? e : r;
}

static int allow(struct ly__authority *authority, uint64_t number, const char *what)
{
    struct ly__asker *a = asker_of(authority);
    struct question q = {0};
    struct ly_buffer b;
    if (!a->asks_first)
        return 0;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = begin_question(a, &b, "allow", number);
    if (r == 0)
        r = ly_json_put_string(&b, "what", what);
    if (r == 0)
        r = ask(a, &b, &q);
    ly_buffer_done(&b);
    return r;
}

static int64_t spend(struct ly__authority *authority, uint64_t number, int64_t bytes)
{
    struct ly__asker *a = asker_of(authority);
    struct question q = {0};
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = begin_question(a, &b, "spend", number);
    if (r == 0)
        r = ly_json_put_int(&b, "bytes", bytes);
    if (r == 0)
        r = ask(a, &b, &q);
    ly_buffer_done(&b);
    return r;
}

/* ---- what is told ---- */

static void note(struct ly__authority *authority, uint64_t number, const struct ly__deed *deed)
{
    struct ly_buffer b;
    int r = begin_telling(&b, "note");
    if (r == 0)
        r = ly_json_put_int(&b, "session", (int64_t)number);
    if (r == 0)
        r = ly_json_put_string(&b, "what", deed->what);
    if (r == 0)
        r = ly_json_put_string(&b, "object", deed->object);
    if (r == 0)
        r = ly_json_put_int(&b, "result", deed->result);
    if (r == 0)
        r = ly_json_put_int(&b, "exit", deed->exit);
    if (r == 0 && deed->bytes >= 0)
        r = ly_json_put_int(&b, "bytes", deed->bytes);
    if (r == 0)
        r = ly_json_put_int(&b, "began", deed->began);
    tell(asker_of(authority), &b, r);
}

static void end(struct ly__authority *authority, uint64_t number, int result)
{
    struct ly_buffer b;
    int r = begin_telling(&b, "end");
    if (r == 0)
        r = ly_json_put_int(&b, "session", (int64_t)number);
    if (r == 0)
        r = ly_json_put_int(&b, "result", result);
    tell(asker_of(authority), &b, r);
}

/* ---- starting commands ---- */

static int put_env(struct ly_buffer *b, const char *const *env)
{
    int r = ly_json_open(b, "env", '{');
    for (; *env && r == 0; env++) {
        char name[1024];
        size_t n = strcspn(*env, "=");
        if (n >= sizeof name)
            return LY_ETOOBIG;
        memcpy(name, *env, n);
        name[n] = 0;
        r = ly_json_put_string(b, name, *env + n + 1);
    }
    return r < 0 ? r : ly_json_close(b, '}');
}

static int put_launch(struct ly_buffer *b, const struct ly__launch *l)
{
    int r = ly_json_open(b, "argv", '[');
    for (const char *const *arg = l->argv; *arg && r == 0; arg++)
        r = ly_json_put_string(b, NULL, *arg);
    if (r == 0)
        r = ly_json_close(b, ']');
    if (r == 0)
        r = put_env(b, l->env);
    if (r == 0 && l->cwd)
        r = ly_json_put_string(b, "cwd", l->cwd);
    return r < 0 ? r : ly_json_put_bool(b, "stdin", l->input);
}

static int start(struct ly__authority *authority, uint64_t number, const struct ly__launch *l,
                 struct ly__child **ret_child, char ret_where[LY__LAUNCH_WHERE])
{
    struct ly__asker *a = asker_of(authority);
    struct question q = {0};
    struct ly_buffer b;
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int r = begin_question(a, &b, "start", number);
    if (r == 0)
        r = put_launch(&b, l);
    if (r == 0)
        r = ask(a, &b, &q);
    ly_buffer_done(&b);
    if (r == 0 && !q.child)
        r = LY_EFIELD;
    if (r < 0)
        snprintf(ret_where, LY__LAUNCH_WHERE, "%.*s", (int)q.length, q.data);
    else
        *ret_child = &q.child->child;
    return r;
}

static int take_end(struct ly__asker *a, const struct ly__message *m, int64_t number)
{
    int64_t status = 0;
    if (ly_json_int(ly_json_get(m->json, "status"), &status) < 0)
        return LY_EFIELD;
    ly__list_each (l, &a->children) {
        struct remote *c = ly__container_of(l, struct remote, link);
        if (c->number == number && !c->has_ended)
            set_ended(c, (int)status);
    }
    return 1; /* nobody: it was freed while this was on its way */
}

/* ---- the channel ---- */

int ly__asker_take(struct ly__asker *a, struct ly__message *m)
{
    int64_t number = 0;
    if (ly_json_int(ly_json_get(m->json, "answer"), &number) == 0)
        return take_answer(a, m, number);
    if (ly_json_int(ly_json_get(m->json, "ended"), &number) == 0)
        return take_end(a, m, number);
    return 0;
}

void ly__asker_lose(struct ly__asker *a)
{
    a->lost = true;
    ly__list_each (l, &a->questions) {
        struct question *q = ly__container_of(l, struct question, link);
        if (!q->is_answered)
            answer(q, -EPIPE);
    }
    ly__list_each (l, &a->children) {
        struct remote *c = ly__container_of(l, struct remote, link);
        if (!c->has_ended)
            set_ended(c, SIGHUP);
    }
}

static const struct ly__authority_calls calls = {begin, login, start, allow, note, end, spend};

int ly__asker_open(struct ly__asker *a, int fd)
{
    *a = (struct ly__asker){.authority.calls = &calls};
    ly__list_init(&a->questions);
    ly__list_init(&a->children);
    return ly__channel_open(&a->channel, fd);
}
