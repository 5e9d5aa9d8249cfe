/* SPDX-License-Identifier: MIT */
/*
 * A worker: one fiber that waits for the end, one that accepts, and one for each connection that has spoken.
 *
 * The acceptor takes connections in batches: until none waits, but at most BATCH before the others get a
 * turn. At the cap, or without descriptors, it waits for room: it sets wants_room, looks again, and parks;
 * whoever ends a request looks at wants_room after giving its slot back. One of the two always sees the
 * other. Requests of other workers wake it by mail.
 *
 * A datagram server has no acceptor: receiver.c.
 *
 * Where one acceptor hands out, it makes the connection's struct and posts it to the worker whose turn it is.
 * The first worker stops accepting before the others are asked to stop (policy_fibers.c), and a loop delivers
 * its last mail before it is gone, so that nothing is ever posted to a loop that has ended.
 */
#include "server/worker.h"
#include <errno.h>
#include <poll.h>

#define BATCH 64
#define SPEAK_MS 5000 /* how long a client may take to speak where a successor has taken over */

/* ---- waiting ---- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void ly__acceptor_wake(struct ly__worker *w)
{
    if (w->accepting)
        ly__fiber_wake(w->accepting, 0);
}

static void deliver_room(struct ly__mail *m)
{
    struct ly__worker *w = ly__container_of(m, struct ly__worker, room);
    ly__acceptor_wake(w);
    atomic_store(&w->room_state, LY__ROOM_UNASKED);
}

/* Move on from WANTED, if it is; to POSTED, which only the mail ends, where w is on another loop. */
static void tell_room(struct ly__worker *w)
{
    bool here = w->loop == ly__loop_here;
    int wanted = LY__ROOM_WANTED;
    if (!atomic_compare_exchange_strong(&w->room_state, &wanted, here ? LY__ROOM_UNASKED : LY__ROOM_POSTED))
        return;
    if (here)
        ly__acceptor_wake(w);
    else
        ly__loop_post(w->loop, &w->room);
}

void ly__workers_room(struct ly_server *s)
{
    atomic_fetch_add(&s->asking, 1);
    for (int i = 0; i < s->workers; i++)
        if (atomic_load(&s->worker[i].room_state) == LY__ROOM_WANTED)
            tell_room(&s->worker[i]);
    atomic_fetch_sub(&s->asking, 1);
}

int64_t ly__acceptor_deadline(const struct ly__worker *w)
{
    const struct ly_server *s = w->server;
    bool acts = w->index == 0 && s->options.hooks.service_actions;
    return acts ? ly_deadline(s->options.poll_interval_ms) : LY_NEVER;
}

static int wait_for_connection(struct ly__worker *w)
{
    w->accepting = ly__loop_here->running;
    int r = ly__io_wait(&w->listener, LY__IN, ly__acceptor_deadline(w));
    w->accepting = NULL;
    return r;
}

void ly__acceptor_act(struct ly__worker *w)
{
    struct ly_server *s = w->server;
    if (w->index == 0 && s->options.hooks.service_actions)
        s->options.hooks.service_actions(s);
}

bool ly__acceptor_has_room(struct ly__worker *w)
{
    struct ly_server *s = w->server;
    return atomic_load(&s->active) < s->max_requests && !w->acceptor.paused_until;
}

int ly__acceptor_await_room(struct ly__worker *w)
{
    struct ly_server *s = w->server;
    int64_t deadline = ly__acceptor_deadline(w), until = w->acceptor.paused_until;
    int r = 0, wanted = LY__ROOM_WANTED;

    atomic_fetch_add(&s->wants_room, 1);
    atomic_store(&w->room_state, LY__ROOM_WANTED);
    w->accepting = ly__loop_here->running;
    if (!ly__acceptor_has_room(w))
        r = ly__park(until && until < deadline ? until : deadline, "room for a connection", LY__WAIT_IO);
    w->accepting = NULL;
    atomic_fetch_sub(&s->wants_room, 1);
    atomic_compare_exchange_strong(&w->room_state, &wanted, LY__ROOM_UNASKED);
    while (atomic_load(&w->room_state) == LY__ROOM_POSTED)
        ly__fiber_yield(); /* the mail is on its way */
    if (r == 0 || (until && ly_now() >= until))
        w->acceptor.paused_until = 0;
    return r;
}

/* ---- accepting ---- */

/* The hook may suspend, and more may come meanwhile. */
static void fail_unstarted(struct ly__worker *w)
{
    while (!ly__list_empty(&w->unstarted))
        ly__connections_fail(w);
}

enum batch { EMPTY, MORE, BLOCKED };

static void take_over(struct ly__worker *w, int fd, const struct ly_address *peer)
{
    struct ly_server *s = w->server;
    struct ly__worker *to = ly__hands_out(s) ? &s->worker[w->turn++ % (unsigned)s->workers] : w;
    struct ly__connection *c = ly__connection_new(to, fd, peer);
    if (!c)
        return;
    if (to == w)
        ly__connection_begin(c);
    else
        ly__connection_hand_over(c);
}

/* Returns an enum batch, or an error of the listener. */
static int accept_batch(struct ly__worker *w)
{
    struct ly_server *s = w->server;
    struct ly_address peer;
    int fd;

    for (int i = 0; i < BATCH; i++) {
        if (!ly__acceptor_has_room(w) || !ly__slot_take(s))
            return BLOCKED;
        int r = ly__accept(s, &w->acceptor, &w->listener, &fd, &peer);
        if (r != 1) {
            ly__slot_give(s);
            return r < 0 ? r : w->acceptor.paused_until ? BLOCKED : EMPTY;
        }
        take_over(w, fd, &peer);
        if (!ly__accepts(s))
            return EMPTY;
    }
    return MORE;
}

static int accept_and_wait(struct ly__worker *w)
{
    int r = accept_batch(w);
    fail_unstarted(w); /* those the batch itself left: nobody would end the wait for them */
    if (r == EMPTY)
        r = wait_for_connection(w);
    else if (r == BLOCKED)
        r = ly__acceptor_await_room(w);
    else if (r == MORE)
        r = ly_sleep(0);
    if (r == -ETIMEDOUT && ly_cancelled() == 0)
        r = 0;
    return r;
}

static int accept_connections(void *arg)
{
    struct ly__worker *w = arg;
    struct ly_server *s = w->server;
    int r = 0;

    ly__io_init(&w->listener, ly_sock_fileno(s->listener[w->index]));
    while (r >= 0 && ly__accepts(s)) {
        r = accept_and_wait(w);
        fail_unstarted(w);
        ly__acceptor_act(w);
    }
    ly__io_release(&w->listener);
    if (r < 0 && ly_cancelled() == 0)
        ly__serving_fail(s, r, false);
    return 0;
}

/* ---- the end ---- */

/* Wait for one of the eventfds, or for what is around the serving thread: the loop is not inside its scopes.
 */
static int await_readable(const struct ly__worker *w, int fd, int64_t deadline)
{
    struct ly__io io[2], *ios[] = {&io[0], &io[1]};
    bool outer = w->outer_fd >= 0;

    ly__io_init(&io[0], fd);
    ly__io_init(&io[1], w->outer_fd);
    int r = ly__wait_any(ios, 1 + outer, w->outer_deadline < deadline ? w->outer_deadline : deadline);
    struct pollfd p = {.fd = w->outer_fd, .events = POLLIN};
    if (r == 0 && outer && poll(&p, 1, 0) > 0)
        r = -ECANCELED;
    ly__io_release(&io[0]);
    ly__io_release(&io[1]);
    return r;
}

/* Cancel the requests at the end of the drain, when asked again, or when what is around ends. */
static int limit_drain(void *arg)
{
    struct ly__worker *w = arg;
    await_readable(w, w->server->cancel_fd, ly__drain_deadline(w->server));
    ly_scope_cancel(w->requests);
    return 0;
}

/* A client that connected to this process, and not to its successor, should not see the difference. */
static void await_silent(struct ly__worker *w)
{
    int64_t deadline = earlier(ly_deadline(SPEAK_MS), ly__drain_deadline(w->server));
    int r = 0;
    w->awaits_silent = true;
    while (r == 0 && !ly__list_empty(&w->idle)) {
        w->accepting = ly__loop_here->running;
        r = ly__park(deadline, "silent clients", LY__WAIT_IO);
        w->accepting = NULL;
        fail_unstarted(w);
    }
    w->awaits_silent = false;
}

static void drain(struct ly__worker *w)
{
    struct ly_scope *aside;
    if (w->requests->running == 0 || ly_scope_open(&aside, NULL) < 0)
        return;
    if (ly_go(aside, limit_drain, w) == 0)
        ly_scope_join(w->requests);
    ly_scope_close(aside);
}

/* Wait for the end. Where another worker accepts for this one, the connections that get no fiber are failed
 * here. */
static int await_stop(struct ly__worker *w, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool alone = w->index >= w->server->listeners;
    int r;
    do {
        if (alone) {
            fail_unstarted(w);
            w->accepting = ly__loop_here->running;
        }
        r = await_readable(w, fd, LY_NEVER);
        if (alone)
            w->accepting = NULL;
    } while (r == 0 && alone && poll(&p, 1, 0) == 0);
    return r;
}

/* Receive until asked to stop. */
static int receive_until_stop(struct ly__worker *w)
{
    int r = ly__receiver_start(w);
    return r < 0 ? r : await_readable(w, w->server->stop_fd, LY_NEVER);
}

/* Accept until asked to stop. */
static int accept_until_stop(struct ly__worker *w)
{
    struct ly_server *s = w->server;
    struct ly_scope *accepting;
    int r = ly_scope_open(&accepting, &(struct ly_scope_options){.name = "acceptor"});
    if (r < 0)
        return r;
    if (w->index < s->listeners)
        r = ly_go(accepting, accept_connections, w);
    if (r == 0)
        r = await_stop(w, ly__hands_out(s) && w->index > 0 ? s->handed_out_fd : s->stop_fd);
    ly_scope_close(accepting);
    return r;
}

int ly__worker_main(void *worker)
{
    struct ly__worker *w = worker;
    struct ly_server *s = w->server;

    w->room.deliver = deliver_room;
    w->patience.fire = ly__connections_hurry;
    int r = ly__loop_promise_timer(ly__loop_here);
    if (r == 0 && (r = ly_scope_open(&w->requests, &(struct ly_scope_options){.name = "requests"})) < 0)
        ly__loop_release_timer(ly__loop_here);
    ly__worker_ready(w, r);
    if (r < 0)
        return r;
    r = s->datagrams ? receive_until_stop(w) : accept_until_stop(w);
    if (r < 0)
        ly__serving_fail(s, r, true);
    if (w->index == 0)
        ly__workers_handed_out(s);
    if (ly__has_successor(s) && r >= 0)
        await_silent(w);
    w->draining = true;
    ly__timer_clear(&w->loop->timers, &w->patience);
    ly__loop_release_timer(w->loop);
    if (s->datagrams)
        ly__receiver_stop(w);
    fail_unstarted(w);
    ly__connections_drop(w);
    drain(w);
    ly_scope_close(w->requests);
    ly__batch_done(&w->receiver.batch);
    while (atomic_load(&s->asking) > 0)
        ly__fiber_yield(); /* somebody may be posting to this loop */
    return 0;
}
