/* SPDX-License-Identifier: MIT */
/*
 * Connections of the fiber policy.
 *
 * Where the client speaks first, accepting makes only the small struct and a watch for the first byte; the
 * fiber starts when that fires. A hundred thousand silent clients cost their structs, no stacks. From then
 * on the request lives on the fiber's stack, and nothing here runs until the handler is done.
 *
 * Where the handler would lose patience with a client that says nothing, its fiber starts without a byte, a
 * little after accept: its own receive then ends in time. Connections are on the list in the order in which
 * they came, so one timer, for the first, does for all.
 */
#include "server/worker.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- making and ending ---- */

static void keep_peer(struct ly__connection *c, const struct ly_address *peer)
{
    if (peer->length > sizeof c->peer)
        return;
    c->peer_length = (uint8_t)peer->length;
    memcpy(c->peer, &peer->u, peer->length);
}

static void recall_peer(const struct ly__connection *c, struct ly_address *ret_peer)
{
    ret_peer->length = c->peer_length;
    ret_peer->type = c->sock.type;
    memcpy(&ret_peer->u, c->peer, c->peer_length);
    if (c->peer_length == 0 && ly_sock_peer(&c->sock, ret_peer) < 0)
        ret_peer->length = 0;
}

/* With TLS its socket is the last field of a struct ly__tls_sock, whose others lie before it. */
static struct ly__connection *new_connection(const struct ly_server *s)
{
    size_t before = s->tls ? offsetof(struct ly__tls_sock, sock) : 0;
    char *memory = calloc(1, before + sizeof(struct ly__connection));
    return memory ? (struct ly__connection *)(void *)(memory + before) : NULL;
}

static void free_connection(struct ly__connection *c)
{
    uintptr_t before = c->sock.is_tls ? offsetof(struct ly__tls_sock, sock) : 0;
    free((void *)((uintptr_t)c - before));
}

static void end(struct ly__connection *c, struct ly_request *rq)
{
    struct ly__worker *w = c->worker;
    ly__request_close(rq);
    free_connection(c);
    atomic_fetch_sub_explicit(&w->counters->active, 1, memory_order_relaxed);
    ly__slot_give(w->server);
}

/* There is no memory for the connection: tell, and close it. */
static void fail_new(struct ly__worker *w, int fd, const struct ly_address *peer)
{
    struct ly__tls_sock sock;
    struct ly_request rq = {.server = w->server, .sock = &sock.sock, .peer = *peer};
    ly__connection_init(w->server, &sock.sock, fd);
    ly__request_fail(&rq, w->counters, "fiber", -ENOMEM);
    ly__request_close(&rq);
    ly__slot_give(w->server);
}

static bool is_let_in(struct ly__connection *c, const struct ly_address *peer)
{
    struct ly_request rq = {.server = c->worker->server, .sock = &c->sock, .peer = *peer};
    if (ly__request_verify(&rq, c->worker->counters))
        return true;
    end(c, &rq);
    return false;
}

struct ly__connection *ly__connection_new(struct ly__worker *w, int fd, const struct ly_address *peer)
{
    struct ly__connection *c = new_connection(w->server);
    if (!c) {
        fail_new(w, fd, peer);
        return NULL;
    }
    c->worker = w;
    ly__list_init(&c->link);
    ly__connection_init(w->server, &c->sock, fd);
    keep_peer(c, peer);
    ly__count(&w->counters->accepted);
    atomic_fetch_add_explicit(&w->counters->active, 1, memory_order_relaxed);
    if (!w->server->options.hooks.verify_request || is_let_in(c, peer))
        return c;
    return NULL;
}

/* ---- its fiber ---- */

/* Reports of stalls and overflows, and log lines, name the fiber by its peer. Not inlined: the text would lie
 * in the frame that stays. */
static __attribute__((noinline)) void name_fiber(const struct ly_request *rq)
{
    char text[64]; /* a name keeps less than that */
    ly_address_format(&rq->peer, text, sizeof text);
    ly_set_name(text);
}

static int run(void *arg)
{
    struct ly__connection *c = arg;
    struct ly_request rq;

    rq.server = c->worker->server;
    rq.sock = &c->sock;
    rq.state = NULL;
    rq.packet = NULL;
    rq.packet_length = 0;
    rq.cut = false;
    rq.gathered = NULL;
    recall_peer(c, &rq.peer);
    name_fiber(&rq);
    ly__request_run(&rq, c->worker->counters);
    end(c, &rq);
    return 0;
}

static int start(struct ly__connection *c)
{
    struct ly__worker *w = c->worker;
    if (w->draining)
        return -ECANCELED;
    return ly__fiber_go(w->loop, w->requests, run, c, NULL);
}

/* ---- the first byte ---- */

/* A connection that gets no fiber is left to the acceptor, which may suspend and close. */
static void leave(struct ly__connection *c)
{
    ly__list_append(&c->worker->unstarted, &c->link);
    ly__acceptor_wake(c->worker);
}

static void start_or_leave(struct ly__connection *c)
{
    struct ly__worker *w = c->worker;
    ly__list_remove(&c->link);
    if (start(c) < 0)
        leave(c);
    else if (w->awaits_silent && ly__list_empty(&w->idle))
        ly__acceptor_wake(w);
}

static void first_byte(struct ly__watch *watch, int result)
{
    (void)result; /* an error is for the handler's first receive to find */
    start_or_leave(ly__container_of(watch, struct ly__connection, by.watch));
}

static void await_first(struct ly__worker *w)
{
    int64_t ms = w->server->silent_ms;
    if (ms == LY_FOREVER || ly__list_empty(&w->idle))
        return;
    struct ly__connection *c = ly__container_of(ly__list_first(&w->idle), struct ly__connection, link);
    ly__timer_set(&w->loop->timers, &w->patience, c->came + ms * 1000000);
}

void ly__connections_hurry(struct ly__timer *patience)
{
    struct ly__worker *w = ly__container_of(patience, struct ly__worker, patience);
    int64_t too_long = ly_now() - w->server->silent_ms * 1000000;
    ly__list_each_safe (l, &w->idle) {
        struct ly__connection *c = ly__container_of(l, struct ly__connection, link);
        if (c->came > too_long)
            break;
        ly__io_unwatch(&c->sock.io, LY__IN, &c->by.watch);
        start_or_leave(c);
    }
    await_first(w);
}

void ly__connection_begin(struct ly__connection *c)
{
    struct ly__worker *w = c->worker;
    ly__list_append(&w->idle, &c->link);
    if (w->server->options.server_speaks_first) {
        start_or_leave(c);
        return;
    }
    c->by.watch = (struct ly__watch){.fire = first_byte};
    if (ly__io_watch(&c->sock.io, LY__IN, &c->by.watch) < 0) {
        ly__list_remove(&c->link);
        leave(c);
        return;
    }
    if (w->server->silent_ms == LY_FOREVER)
        return;
    c->came = ly_now();
    if (!w->patience.place)
        await_first(w);
}

/* ---- handing over ---- */

static void arrive(struct ly__mail *m)
{
    struct ly__connection *c = ly__container_of(m, struct ly__connection, by.mail);
    struct ly_request rq = {.server = c->worker->server, .sock = &c->sock};
    if (c->worker->draining)
        end(c, &rq);
    else
        ly__connection_begin(c);
}

void ly__connection_hand_over(struct ly__connection *c)
{
    c->by.mail.deliver = arrive;
    ly__loop_post(c->worker->loop, &c->by.mail);
}

/* ---- those without a fiber ---- */

void ly__connections_fail(struct ly__worker *w)
{
    ly__list_each_safe (l, &w->unstarted) {
        struct ly__connection *c = ly__container_of(l, struct ly__connection, link);
        struct ly_request rq = {.server = w->server, .sock = &c->sock};
        recall_peer(c, &rq.peer);
        ly__list_remove(l);
        ly__request_fail(&rq, w->counters, "fiber", -ENOMEM);
        end(c, &rq);
    }
}

void ly__connections_drop(struct ly__worker *w)
{
    ly__list_each_safe (l, &w->idle) {
        struct ly__connection *c = ly__container_of(l, struct ly__connection, link);
        struct ly_request rq = {.server = w->server, .sock = &c->sock};
        ly__list_remove(l);
        ly__io_unwatch(&c->sock.io, LY__IN, &c->by.watch);
        end(c, &rq);
    }
}
