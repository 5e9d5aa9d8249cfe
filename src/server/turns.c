/* SPDX-License-Identifier: MIT */
/*
 * The serving loop of the policies that serve from one task: sequential, forking, threading; and the single
 * turn that is ly_handle_request.
 *
 * The loop tries to accept before it waits, so that under load a connection costs one system call here. It
 * waits for three things at once: a connection (unless the cap is reached or descriptors have run out), the
 * request to stop, and the end of a running request where that matters.
 */
#include "fiber/loop.h"
#include "server/server.h"
#include <alloca.h>
#include <errno.h>
#include <stdlib.h>

#define PAGE 4096

/* The descriptors waited for, as the loop or thread that serves sees them. They live as long as the call, so
 * that no reactor remembers them when its loop is gone. */
struct gate {
    struct ly_server *server;
    struct ly__acceptor acceptor;
    /* one for each of the server's: only, beside the gate, or more in memory of their own, with the fiber
     * policy alone. NULL: those of the sockets, of which answers to datagrams go out */
    struct ly__io *listener, *only;
    struct ly__batch batch; /* of a datagram server */
    struct ly__io stop, cancel, room;
    struct ly__io **many; /* memory for what a turn waits for; NULL: it is few */
    bool stops;           /* a request to stop counts: ly_serve_forever */
};

static void free_listeners(struct gate *g)
{
    if (g->listener != g->only)
        free(g->listener);
}

static int watch_listeners(struct gate *g)
{
    struct ly_server *s = g->server;
    g->listener = s->listeners == 1 ? g->only : calloc((size_t)s->listeners, sizeof *g->listener);
    if (!g->listener)
        return -ENOMEM;
    for (int i = 0; i < s->listeners; i++)
        ly__io_init(&g->listener[i], ly_sock_fileno(s->listener[i]));
    return 0;
}

/* A thread that waits has to be known, and what cancels it needs a descriptor: now, so that no wait later
 * fails for want of memory or descriptors, which would end the server. */
static int prepare_waits(void)
{
    const struct ly__task *t = ly__task_self();
    if (!t)
        return -ENOMEM;
    int r = ly__loop_here || !t->scope ? 0 : ly__scope_cancel_fd(t->scope);
    return r < 0 ? r : 0;
}

/* batch: datagrams that may be received at once. */
static int gate_init(struct gate *g, struct ly__io *only, struct ly_server *s, int batch)
{
    *g = (struct gate){.server = s, .only = only, .acceptor.counters = &s->counters[0]};
    int r = prepare_waits();
    if (r == 0)
        r = s->datagrams ? ly__batch_init(&g->batch, s, batch, batch > 1 && !ly__loop_here)
                         : watch_listeners(g);
    if (r < 0)
        return r;
    bool few = s->listeners + 2 <= LY__WAIT_FEW;
    g->many = few ? NULL : calloc((size_t)s->listeners + 2, sizeof(struct ly__io *));
    if (!few && !g->many) {
        free_listeners(g);
        ly__batch_done(&g->batch);
        return -ENOMEM;
    }
    ly__io_init(&g->stop, s->stop_fd);
    ly__io_init(&g->cancel, s->cancel_fd);
    ly__io_init(&g->room, s->room_fd);
    return 0;
}

static void gate_done(struct gate *g)
{
    for (int i = 0; g->listener && i < g->server->listeners; i++)
        ly__io_release(&g->listener[i]);
    free_listeners(g);
    free((void *)g->many);
    ly__batch_done(&g->batch);
    ly__io_release(&g->stop);
    ly__io_release(&g->cancel);
    ly__io_release(&g->room);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Look which requests have ended, and, with the hook, what the user wants done each turn. */
static void after_turn(struct ly_server *s, bool actions)
{
    if (s->policy->collect)
        s->policy->collect(s);
    if (actions && s->options.hooks.service_actions)
        s->options.hooks.service_actions(s);
}

/* Requests that run, or were received already, are to end. */
static bool is_cancelled(struct ly_server *s)
{
    return !ly__accepts(s) && (atomic_load(&s->stage) == LY__CANCELLING || ly_cancelled() < 0);
}

/* Take one connection. Returns 1, 0 (none waits, or accepting pauses), or an error. */
static int take_connection(struct gate *g, struct ly__arrival *a)
{
    int r = 0;
    for (int i = 0; i < g->server->listeners && r == 0; i++)
        r = ly__accept(g->server, &g->acceptor, &g->listener[i], &a->fd, &a->peer);
    return r;
}

/* The same for a datagram. */
static int take_packet(struct gate *g, struct ly__arrival *a)
{
    int r = !ly__batch_is_empty(&g->batch);
    for (int i = 0; i < g->server->listeners && r == 0; i++)
        r = ly__batch_fill(&g->batch, g->server->listener[i], &g->acceptor);
    if (r <= 0)
        return r;
    a->packet = ly__batch_take(&g->batch);
    return 1;
}

static void flush(void *outbox)
{
    ly__outbox_flush(outbox);
}

/* Serve the rest of a batch in the calling task, with the slot and count of the request that begins it. */
static void serve_batch(struct gate *g, struct ly__packet *p)
{
    struct ly_server *s = g->server;
    struct ly__outbox *o = g->batch.outbox;
    if (o)
        ly__outbox_begin(o, s->listener[0]);
    ly__held_back = (struct ly__held_back){o ? flush : NULL, o};
    atomic_fetch_add(&s->counters[0].active, 1);
    do {
        ly__request_through(&p->rq, &s->counters[0]);
        ly__outbox_hurry(o);
    } while (!is_cancelled(s) && (p = ly__batch_take(&g->batch)));
    atomic_fetch_sub(&s->counters[0].active, 1);
    ly__held_back = (struct ly__held_back){NULL, NULL};
    ly__outbox_flush(o);
    ly__slot_give(s);
}

/* Take and begin one request, which has its slot. */
static int begin_one(struct gate *g)
{
    struct ly_server *s = g->server;
    struct ly__arrival a = {.fd = -1};
    int r = s->datagrams ? take_packet(g, &a) : take_connection(g, &a);
    if (r != 1) {
        ly__slot_give(s);
        return r;
    }
    int more = a.packet ? g->batch.count - g->batch.next : 0;
    atomic_fetch_add_explicit(&s->counters[0].accepted, 1 + (unsigned)more, memory_order_relaxed);
    if (g->batch.size > 1)
        serve_batch(g, a.packet);
    else
        s->policy->begin(s, &a);
    return 1;
}

/* Try to begin one, where cap and pause allow it. *ret_blocked: they do not. */
static int try_one(struct gate *g, bool *ret_blocked)
{
    struct ly_server *s = g->server;
    struct ly__acceptor *a = &g->acceptor;

    *ret_blocked = true;
    if (a->paused_until && ly_now() < a->paused_until)
        return 0;
    if (!ly__slot_take(s))
        return 0;
    int r = begin_one(g);
    *ret_blocked = r == 0 && a->paused_until && ly_now() < a->paused_until;
    return r;
}

/* Wait for one of them, or for the end of a request. */
static int wait_watching(struct gate *g, struct ly__io *const *ios, int n, bool now, int64_t deadline)
{
    struct ly_server *s = g->server;
    if (!s->policy->watch)
        return ly__wait_any(ios, n, deadline);
    if (!now && !s->policy->watch(s, false)) {
        int64_t look = ly_deadline(LY__LOOK_MS);
        int r = ly__wait_any(ios, n, earlier(deadline, look));
        s->has_arrival = r == 0;
        if (r != -ETIMEDOUT || look >= deadline || ly_cancelled() < 0)
            return r;
        now = true;
    }
    int active = atomic_load(&s->active);
    if (now && s->policy->watch(s, true) && atomic_load(&s->active) < active)
        return 0; /* one has ended that nobody is told of any more */
    return ly__wait_any(ios, n, deadline);
}

/* Wait for what could change the answer of try_one. */
static int wait_turn(struct gate *g, bool blocked, int64_t deadline)
{
    struct ly_server *s = g->server;
    struct ly__io *few[LY__WAIT_FEW], **ios = g->many ? g->many : few;
    int n = 0;

    for (int i = 0; i < s->listeners && !blocked; i++)
        ios[n++] = g->listener ? &g->listener[i] : &s->listener[i]->io;
    if (g->stops)
        ios[n++] = &g->stop;
    if (g->room.fd >= 0)
        ios[n++] = &g->room;
    if (blocked && g->acceptor.paused_until)
        deadline = earlier(deadline, g->acceptor.paused_until);
    return wait_watching(g, ios, n, blocked, deadline);
}

/* Wait while blocked; whoever ends a request meanwhile says so. */
static int wait_for_room(struct gate *g, int64_t deadline)
{
    struct ly_server *s = g->server;
    int r = 0;
    atomic_store(&s->wants_room, 1);
    bool full = atomic_load(&s->active) >= s->max_requests;
    if (full || g->acceptor.paused_until)
        r = wait_turn(g, true, deadline);
    atomic_store(&s->wants_room, 0);
    if (r == 0)
        g->acceptor.paused_until = 0; /* a descriptor has become free */
    return r;
}

/* One turn: begin a connection, or wait. Returns 1 if one was begun, 0, -ETIMEDOUT after the deadline, or an
 * error. */
static int turn(struct gate *g, int64_t deadline)
{
    bool blocked;
    int r = try_one(g, &blocked);
    if (r != 0)
        return r;
    r = blocked ? wait_for_room(g, deadline) : wait_turn(g, false, deadline);
    bool own_time = r == -ETIMEDOUT && ly_cancelled() == 0;
    return own_time && ly_now() < deadline ? 0 : r;
}

static int serve(struct gate *g)
{
    struct ly_server *s = g->server;
    bool wakes = s->options.hooks.service_actions || s->policy->collect;
    int r = 0;

    g->stops = true;
    while (r >= 0 && ly__accepts(s)) {
        r = turn(g, wakes ? ly_deadline(s->options.poll_interval_ms) : LY_NEVER);
        if (r == -ETIMEDOUT) /* our own, unless the scopes around have ended just now */
            r = ly_cancelled();
        after_turn(s, true);
    }
    return r < 0 ? r : 0;
}

/* ---- ly_handle_request ---- */

/* How long it waits: the least of the server's time-out and its listener's. */
static int64_t handle_deadline(const struct ly_server *s)
{
    int64_t ms = s->options.handle_timeout_ms;
    int64_t own = ms == 0 ? LY_NEVER : ly_deadline(ms == LY_POLL ? 0 : ms);
    return earlier(own, ly_deadline(ly_sock_timeout(s->listener[0])));
}

/* A request that reaches the cap is waited for before its caller goes on, not before the next one. */
static void wait_below_cap(struct gate *g)
{
    struct ly_server *s = g->server;
    int r = 0;
    while (r == 0 && s->policy->collect && atomic_load(&s->active) >= s->max_requests) {
        r = wait_for_room(g, ly_deadline(s->options.poll_interval_ms));
        if (r == -ETIMEDOUT && ly_cancelled() == 0)
            r = 0;
        s->policy->collect(s);
    }
}

static int handle(struct gate *g)
{
    struct ly_server *s = g->server;
    int64_t deadline = handle_deadline(s);
    int r = 0;

    while (r == 0) {
        after_turn(s, false);
        r = turn(g, deadline);
    }
    if (r == 1)
        wait_below_cap(g);
    if (r != -ETIMEDOUT || ly_cancelled() < 0)
        return r;
    if (s->options.hooks.handle_timeout)
        s->options.hooks.handle_timeout(s);
    after_turn(s, false);
    return 0;
}

int ly__handle_turn(struct ly_server *s)
{
    struct gate g;
    struct ly__io only;
    int r = gate_init(&g, &only, s, 1);
    if (r < 0)
        return r;
    r = handle(&g);
    gate_done(&g);
    return r;
}

/* ---- draining ---- */

static void drain(struct gate *g, int64_t deadline)
{
    struct ly_server *s = g->server;
    struct ly__io *ios[] = {&g->room, &g->cancel};
    int n = atomic_load(&s->stage) == LY__IDLE ? 1 : 2; /* nobody asks while it is not serving */
    int r = 0;

    atomic_store(&s->wants_room, 1);
    while (r == 0 && atomic_load(&s->active) > 0 && atomic_load(&s->stage) != LY__CANCELLING) {
        r = wait_watching(g, ios, n, true, earlier(deadline, ly_deadline(s->options.poll_interval_ms)));
        if (r == -ETIMEDOUT && ly_now() < deadline && ly_cancelled() == 0)
            r = 0;
        after_turn(s, false);
    }
    atomic_store(&s->wants_room, 0);
    if (atomic_load(&s->active) > 0 && s->policy->cancel)
        s->policy->cancel(s);
    if (s->policy->join)
        s->policy->join(s);
}

void ly__drain(struct ly_server *s)
{
    struct gate g;
    struct ly__io only;
    if (gate_init(&g, &only, s, 1) == 0) {
        drain(&g, ly__drain_deadline(s));
        gate_done(&g);
    } else if (s->policy->join) {
        s->policy->join(s);
    }
}

static __attribute__((noinline)) int serve_and_drain(struct ly_server *s, struct gate *g)
{
    struct ly__io only;
    int r = gate_init(g, &only, s, s->policy->batch);
    if (r < 0)
        return r;
    r = serve(g);
    if (r == -ECANCELED && atomic_load(&s->stage) >= LY__DRAINING)
        r = 0; /* a shutdown without a drain cancels whoever waits in a request's place: this task too */
    if (r < 0)
        ly__serving_fail(s, r, r == -ECANCELED || r == -ETIMEDOUT);
    if (!s->options.no_block_on_close)
        drain(g, ly__drain_deadline(s));
    gate_done(g);
    return atomic_load(&s->failure);
}

/*
 * What the forking policy's parent and child write to is copied, page by page. On the stack that is one page
 * for both, from here down to a handler with some room of its own, where it begins as a page does. The gate
 * lies above: it is written to in no common turn.
 */
int ly__serve_turns(struct ly_server *s)
{
    struct gate g;
    void *low = alloca(1);
    low = alloca((uintptr_t)low % PAGE + 1);
    __asm__ volatile("" : : "r"(low) : "memory");
    int r = serve_and_drain(s, &g);
    __asm__ volatile("" : "+r"(r));
    return r;
}
