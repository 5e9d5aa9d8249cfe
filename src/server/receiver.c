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
#define TURN_NS \
    500000 /* others on the loop get a turn at least so often, and if one waits for it, each batch */

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

/* What the others lay aside while they led is sent first: its handler waits for something else. */
static void take_lead(struct ly__receiver *r, struct ly__fiber *self)
{
    if (r->leader) {
        name_left(r->leader, &r->handled->rq);
        ly__packet_keep(r->handled);
    }
    r->handled = NULL;
    r->leader = self;
    ly__outbox_flush(r->batch.outbox);
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
    w->loop->budget = LY__FIBER_BUDGET; /* as a new fiber would have it */
    ly__request_through(rq, w->counters);
    while (self->task.scope != self->task.home)
        ly_scope_close(self->task.scope); /* the handler left it open */
}

/*
 * Serve what is in the batch as long as self leads. The slot is that of one request: it passes from each to
 * the next, and goes with the one that is suspended.
 */
static void serve(struct ly__worker *w, struct ly__fiber *self)
{
    struct ly__receiver *r = &w->receiver;
    struct ly__packet *p;
    atomic_fetch_add_explicit(&w->counters->active, 1, memory_order_relaxed);
    if (r->batch.outbox)
        ly__outbox_begin(r->batch.outbox, w->server->listener[w->index]);
    while (r->leader == self && !is_over(w) && (p = ly__batch_take(&r->batch))) {
        r->handled = p;
        run(w, self, &p->rq);
        if (r->leader == self) {
            r->handled = NULL;
            ly__outbox_hurry(r->batch.outbox);
        } else {
            ly__packet_free(p);
        }
    }
    if (r->leader == self)
        ly__outbox_flush(r->batch.outbox);
    atomic_fetch_sub_explicit(&w->counters->active, 1, memory_order_relaxed);
    ly__slot_give(w->server);
}

/* Without anybody to lead on, a datagram is not served. It has its slot. */
static void fail_one(struct ly__worker *w, int error)
{
    struct ly__packet *p = ly__batch_take(&w->receiver.batch);
    ly__request_fail(&p->rq, w->counters, "fiber", error);
    ly__slot_give(w->server);
}

/* ---- leading ---- */

static int await_datagrams(struct ly__worker *w, struct ly__fiber *self)
{
    w->accepting = self;
    int r = ly__io_wait(&w->server->listener[w->index]->io, LY__IN, ly__acceptor_deadline(w));
    w->accepting = NULL;
    if (r == 0 || r == -ETIMEDOUT || r == -ECANCELED || r == -EBADF)
        return r;
    return ly_sleep(LY__PAUSE_MS); /* the reactor has no room for it now: no reason to end a server */
}

static void give_way(struct ly__worker *w)
{
    struct ly__receiver *r = &w->receiver;
    size_t own = r->standby && !r->standby->parked;
    int64_t now = ly_now();
    if (w->loop->nready <= own && now - r->turn_began < TURN_NS)
        return;
    r->turn_began = now;
    ly__fiber_yield();
}

/* With an empty batch. Returns 0 or an error. */
static int receive(struct ly__worker *w, struct ly__fiber *self)
{
    struct ly_server *s = w->server;
    int r = ly__batch_fill(&w->receiver.batch, s->listener[w->index], &w->acceptor);
    if (r >= LY__BATCH_MANY)
        ly__io_leave(&s->listener[w->index]->io); /* the answers cost less then */
    if (r > 0) {
        atomic_fetch_add_explicit(&w->counters->accepted, (unsigned)r, memory_order_relaxed);
        give_way(w);
    } else if (r == 0 && !w->acceptor.paused_until) {
        r = await_datagrams(w, self);
    }
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
        e = have_standby(w);
        if (e == 0)
            serve(w, self);
        else
            fail_one(w, e);
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
    int e = ly__batch_init(&r->batch, w->server, BATCH, true);
    return e < 0 ? e : have_standby(w);
}

void ly__receiver_stop(struct ly__worker *w)
{
    ly__acceptor_wake(w);
    if (w->receiver.standby)
        ly__fiber_wake(w->receiver.standby, 0);
}
