/* SPDX-License-Identifier: MIT */
/* Taking a worker's messages, if they may be said now, and answering them; and telling it something. */
#include "daemon/monitor_internal.h"
#include "fiber/loop.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLACES_MAX 256    /* for the questions of one worker that are being answered; beyond, it waits */
#define PLACE_BYTES 16384 /* of a question that take one place: what it fills of our memory is bounded */
#define PATIENCE_MS 3000  /* a worker that does not read for so long is ended: others wait for it */

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

/* ---- whether it may be said now ---- */

/*
 * A session speaks of one thing at a time: it waits for the answer before it goes on. That is held here too,
 * since the tasks that answer wait for disks with the session's entry in hand.
 */
static int check_session(struct ly__monitor_task *t)
{
    struct ly__monitor *m = t->monitor;
    int64_t session = 0;
    if (ly_json_int(ly_json_get(t->json, "session"), &session) < 0 || session <= 0)
        return ly__monitor_refuse(m, t->kind->name, "without a session");
    t->session = (uint64_t)session;
    struct ly__entry *e = ly__decider_session(m->decider, t->session, m);
    if (!e && (t->kind->states & LY__OVER) && ly__monitor_ended(m, t->session))
        return 0;
    if (!e)
        return ly__monitor_refuse(m, t->kind->name, "for a session that is not this worker's");
    if (!(e->state & t->kind->states))
        return ly__monitor_refuse(m, t->kind->name, "in a state that does not allow it");
    if (e->is_asking)
        return ly__monitor_refuse(m, t->kind->name, "before the answer to a question");
    t->asks = t->kind->asks ? e : NULL;
    return 0;
}

/* Whether this message may be sent now; fills the task. */
static int check(struct ly__monitor_task *t)
{
    struct ly__monitor *m = t->monitor;
    t->kind = ly__monitor_find(ly_json_get(t->json, "do"));
    if (!t->kind)
        return ly__monitor_refuse(m, "a message", "of no kind that there is");
    if (t->kind->asks && ly_json_int(ly_json_get(t->json, "ask"), &t->number) < 0)
        return ly__monitor_refuse(m, t->kind->name, "without a number");
    return t->kind->states ? check_session(t) : 0;
}

/* ---- answering ---- */

static int answer(struct ly__monitor_task *t)
{
    ly_buffer_init(&t->answer, LY__CHANNEL_MAX);
    int r = ly__channel_begin(&t->answer);
    int result = r == 0 ? t->kind->run(t) : r;
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
    struct ly__monitor_task *t = arg;
    ly_set_name("a worker's question");
    int r = answer(t);
    if (r < 0)
        ly_shutdown(t->monitor->channel.sock, SHUT_RDWR); /* an answer that is missing would be waited for */
    leave_places(t->monitor, t->places);
    free(t->text);
    free(t);
    return 0;
}

/* A login that fails is answered late on purpose. The others do not wait for that: of logins there are as
 * many as the gate lets strangers in. */
static size_t count_places(const struct ly__monitor_task *t)
{
    size_t n = t->json.length / PLACE_BYTES;
    return t->kind->states == LY__STRANGER ? n : n + 1;
}

/* Answer in a task of its own: it may wait for a disk. */
static int begin_task(const struct ly__monitor_task *now)
{
    struct ly__monitor *m = now->monitor;
    size_t places = count_places(now);
    int r = take_places(m, places);
    if (r < 0)
        return r;
    struct ly__monitor_task *t = malloc(sizeof *t);
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
    struct ly__monitor_task t = {.monitor = m, .json = message->json};
    bool has_descriptors = message->nfds > 0 || message->is_short;
    int r = has_descriptors ? ly__monitor_refuse(m, "a message", "with descriptors") : check(&t);
    if (r < 0)
        return r;
    if (t.kind->asks)
        return begin_task(&t);
    return t.kind->run(&t) < 0 ? ly__monitor_refuse(m, t.kind->name, "with fields that it does not have") : 0;
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
