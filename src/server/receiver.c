/* SPDX-License-Identifier: MIT */
/*
 * Datagrams in the fiber policy.
 *
 * Each request may suspend, so each needs a stack; but nearly all of them never do, and a fiber started for
 * each would cost more than the datagram. So one fiber, the leader, receives a batch and runs the handlers
 * itself, one after the other. A second one stands by: it is put into the queue of ready fibers before a
 * handler runs. If the handler does not suspend, the leader goes on to the next datagram, and the other one
 * has cost a wake-up for each batch. If it does suspend, whatever the reason, the loop comes to the one that
 * stands by, which finds the leader inside a handler, and leads on from there: the packet that the handler
 * has becomes its own, the rest of the batch is the new leader's, and a further fiber is started to stand by.
 * Whoever comes back from its handler and leads no longer stands by, or ends if another one does already.
 *
 * So there are as many stacks as there are suspended requests, and two.
 */
#include "server/worker.h"
#include <errno.h>
#include <string.h>

#define BATCH 64

/* ---- who leads ---- */

static bool may_lead(const struct ly__receiver *r)
{
    return !r->leader || r->handled;
}

/* Nothing is received any more, and what was is done with, or cancelled. */
static bool is_over(const struct ly__worker *w)
{
    return !ly__accepts(w->server) && (ly__batch_is_empty(&w->receiver.batch) || ly_cancelled() < 0);
}

/* A suspended request is named by its peer, for reports. */
static void name_left(struct ly__fiber *f, const struct ly_request *rq)
{
    char text[LY_ADDRESS_TEXT];
    size_t n = ly_address_format(&rq->peer, text, sizeof text);
    if (n > sizeof f->task.name - 1)
        n = sizeof f->task.name - 1;
    memcpy(f->task.name, text, n);
    f->task.name[n] = 0;
}

static void take_lead(struct ly__receiver *r, struct ly__fiber *self)
{
    if (r->leader) {
        name_left(r->leader, &r->handled->rq);
        ly__packet_keep(r->handled);
    }
    r->handled = NULL;
    r->leader = self;
}

static int follow(void *arg);

/* Have somebody ready to lead on. Returns 0 or -ENOMEM. */
static int have_standby(struct ly__worker *w)
{
    struct ly__receiver *r = &w->receiver;
    if (r->standby)
        ly__fiber_wake(r->standby, 0); /* no effect if it is in the queue already */
    if (r->standby || r->coming)
        return 0;
    int e = ly__fiber_go(w->loop, w->requests, follow, w, NULL);
    r->coming = e == 0;
    return e;
}

/* ---- a request ---- */

static void run(struct ly__worker *w, struct ly__fiber *self, struct ly_request *rq)
{
    if (have_standby(w) < 0)
        ly__request_fail(rq, w->counters, "fiber", -ENOMEM);
    else if (ly__request_verify(rq, w->counters))
        ly__request_run(rq, w->counters);
    ly__request_close(rq);
    while (self->task.scope != self->task.home)
        ly_scope_close(self->task.scope); /* the handler left it open */
}

/* Serve one datagram, which has its slot. Whether self leads afterwards. */
static bool serve(struct ly__worker *w, struct ly__fiber *self, struct ly__packet *p)
{
    struct ly__receiver *r = &w->receiver;
    ly__count(&w->counters->accepted);
    atomic_fetch_add_explicit(&w->counters->active, 1, memory_order_relaxed);
    r->handled = p;
    w->loop->budget = LY__FIBER_BUDGET; /* as a new fiber would have it */
    run(w, self, &p->rq);
    bool leads = r->leader == self;
    if (leads)
        r->handled = NULL;
    else
        ly__packet_free(p);
    atomic_fetch_sub_explicit(&w->counters->active, 1, memory_order_relaxed);
    ly__slot_give(w->server);
    return leads;
}

/* ---- leading ---- */

static int await_datagrams(struct ly__worker *w, struct ly__fiber *self)
{
    w->accepting = self;
    int r = ly__io_wait(&w->server->listener[w->index]->io, LY__IN, ly__acceptor_deadline(w));
    w->accepting = NULL;
    return r;
}

/* With an empty batch. Returns 0 or an error. */
static int receive(struct ly__worker *w, struct ly__fiber *self)
{
    struct ly_server *s = w->server;
    int r = ly__batch_fill(&w->receiver.batch, s->listener[w->index], &w->acceptor);
    if (r > 0)
        ly__fiber_yield(); /* others get a turn for each batch */
    else if (r == 0 && !w->acceptor.paused_until)
        r = await_datagrams(w, self);
    ly__acceptor_act(w);
    return r > 0 ? 0 : r;
}

/* One step. Returns 0 or an error. */
static int step(struct ly__worker *w, struct ly__fiber *self)
{
    struct ly__receiver *r = &w->receiver;
    int e;
    if (!ly__acceptor_has_room(w) || !ly__slot_take(w->server)) {
        e = ly__acceptor_await_room(w);
    } else if (ly__batch_is_empty(&r->batch)) {
        ly__slot_give(w->server);
        e = receive(w, self);
    } else {
        serve(w, self, ly__batch_take(&r->batch));
        e = 0;
    }
    return e == -ETIMEDOUT && ly_cancelled() == 0 ? 0 : e;
}

static void lead(struct ly__worker *w, struct ly__fiber *self)
{
    struct ly__receiver *r = &w->receiver;
    int e = 0;
    take_lead(r, self);
    while (r->leader == self && e == 0 && !is_over(w))
        e = step(w, self);
    if (r->leader != self)
        return;
    if (e < 0 && ly_cancelled() == 0)
        ly__serving_fail(w->server, e, false);
    if (e < 0)
        r->batch.next = r->batch.count;
    r->leader = NULL;
    if (r->standby)
        ly__fiber_wake(r->standby, 0);
}

/* Wait for the leader to be suspended. Whether it was; else there is nothing more to do. */
static bool stand_by(struct ly__worker *w, struct ly__fiber *self)
{
    struct ly__receiver *r = &w->receiver;
    int e = 0;
    if (r->standby || r->coming)
        return false;
    r->standby = self;
    ly_set_name("datagrams");
    while (e == 0 && !is_over(w) && !may_lead(r))
        e = ly__park(LY_NEVER, "a datagram", LY__WAIT_PEER);
    r->standby = NULL;
    return e == 0 && !is_over(w);
}

static int follow(void *arg)
{
    struct ly__worker *w = arg;
    struct ly__receiver *r = &w->receiver;
    struct ly__fiber *self = ly__loop_here->running;
    r->coming = false;
    ly_set_name("datagrams");
    do {
        if (may_lead(r))
            lead(w, self);
    } while (stand_by(w, self));
    return 0;
}

/* ---- for worker.c ---- */

int ly__receiver_start(struct ly__worker *w)
{
    struct ly__receiver *r = &w->receiver;
    *r = (struct ly__receiver){0};
    int e = ly__batch_init(&r->batch, w->server, BATCH);
    return e < 0 ? e : have_standby(w);
}

void ly__receiver_stop(struct ly__worker *w)
{
    ly__acceptor_wake(w);
    if (w->receiver.standby)
        ly__fiber_wake(w->receiver.standby, 0);
}
