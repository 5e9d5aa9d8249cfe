/* SPDX-License-Identifier: MIT */
/* Workers of the fiber policy: a thread with a loop each. Used by policy_fibers.c, worker.c, connection.c. */
#ifndef LY_SERVER_WORKER_H
#define LY_SERVER_WORKER_H

#include "fiber/loop.h"
#include "server/server.h"

/* Of an acceptor. Whoever moves it on from WANTED wakes the acceptor. */
enum ly__room_state { LY__ROOM_UNASKED, LY__ROOM_WANTED, LY__ROOM_POSTED };

/*
 * Who receives the datagrams of a worker (receiver.c). The leader is a fiber that takes them and runs their
 * handlers itself; when it is suspended in one, the fiber that stands by leads on.
 */
struct ly__receiver {
    struct ly__batch batch;
    struct ly__fiber *leader;   /* NULL: nobody */
    struct ly__packet *handled; /* what the leader's handler has; NULL: it is outside of handlers */
    struct ly__fiber *standby;  /* NULL: none, unless it is `coming` */
    bool coming;                /* a fiber was started and has not run yet */
    int64_t turn_began;         /* when the others on the loop last had one */
};

struct ly__worker {
    struct ly_server *server;
    struct ly__counters *counters;
    struct ly__loop *loop;     /* that it runs; NULL before and after. Set under ly_server.lock */
    struct ly_scope *requests; /* the fibers of its connections */
    struct ly__list idle;      /* connections whose client has not spoken: struct ly__connection.link */
    struct ly__list unstarted; /* connections that got no fiber: to be closed and told by the acceptor */
    bool draining;             /* no connection is taken over any more */
    bool awaits_silent;        /* before that: those on idle may still speak */
    struct ly__timer patience; /* for the first one on idle, where silence has an end */
    unsigned turn;             /* of the one acceptor: who gets the next connection */
    int index;
    int state;        /* 0: not ready yet; 1: ready; below 0: why it never will be. ly_server.lock */
    pthread_t thread; /* of all but the first */
    bool has_thread;

    /* the first one: the cancellation and the deadline of the scopes around the thread that serves */
    int outer_fd; /* -1: none */
    int64_t outer_deadline;

    /* its acceptor, if it has one */
    struct ly__acceptor acceptor;
    struct ly__io listener;       /* a stream server's */
    struct ly__receiver receiver; /* a datagram server's */
    struct ly__fiber *accepting;  /* the fiber, while it waits for a connection or for room */
    atomic_int room_state;        /* enum ly__room_state */
    struct ly__mail room;         /* carries the wake-up from another loop */
};

/*
 * A connection. While its client has not spoken, this is all there is of it. Its address is kept where it is
 * small; Unix clients that have one are asked again.
 */
struct ly__connection {
    struct ly_sock sock; /* first: with TLS there is more before it (connection.c) */
    struct ly__worker *worker;
    struct ly__list link; /* in worker->idle or worker->unstarted */
    int64_t came;         /* ly_now() then; kept where silence has an end */
    union {
        struct ly__watch watch; /* idle: for the first byte */
        struct ly__mail mail;   /* handed over: on its way to the worker */
    } by;
    uint8_t peer_length; /* bytes of peer; 0: none, or too long for it */
    uint8_t peer[sizeof(struct sockaddr_in6)];
};

/* ---- connection.c ---- */

/*
 * A connection for w, from a descriptor just accepted, which is taken; its slot is. verify_request is asked.
 * NULL: refused, or no memory; all was done that had to be.
 */
struct ly__connection *ly__connection_new(struct ly__worker *w, int fd, const struct ly_address *peer);

/* Let it wait for its first byte, or start its fiber. On the worker's loop. */
void ly__connection_begin(struct ly__connection *c);

/* The same, from the loop of the one acceptor. */
void ly__connection_hand_over(struct ly__connection *c);

/* Close those that got no fiber, telling handle_error; in a fiber. */
void ly__connections_fail(struct ly__worker *w);

/* Fires for w->patience: those that have been silent for too long get their fibers. */
void ly__connections_hurry(struct ly__timer *patience);

/* Close those that have not spoken. */
void ly__connections_drop(struct ly__worker *w);

/* Wake the acceptor if it waits; there is something on `unstarted`. */
void ly__acceptor_wake(struct ly__worker *w);

/* ---- receiver.c ---- */

/* Start to receive. Returns 0 or -ENOMEM. */
int ly__receiver_start(struct ly__worker *w);
/* Take no more: what was received is finished. */
void ly__receiver_stop(struct ly__worker *w);

/* ---- worker.c ---- */

/* Until when an acceptor may wait: service_actions may be due. */
int64_t ly__acceptor_deadline(const struct ly__worker *w);
void ly__acceptor_act(struct ly__worker *w);

/* Is there a slot, and no pause? Wait until there is. Returns 0, -ETIMEDOUT (look at service_actions),
 * -ECANCELED. */
bool ly__acceptor_has_room(struct ly__worker *w);
int ly__acceptor_await_room(struct ly__worker *w);

/* The first fiber of a worker, or the fiber that serves: until asked to stop, and drained. */
int ly__worker_main(void *worker);

/* Wake the acceptors that wait for room. */
void ly__workers_room(struct ly_server *s);

/* Whether one acceptor hands out to all workers. */
static inline bool ly__hands_out(const struct ly_server *s)
{
    return s->workers > 1 && s->listeners == 1;
}

/* ---- policy_fibers.c ---- */

/* A worker is ready, or will never be (error below 0). */
void ly__worker_ready(struct ly__worker *w, int error);
/* The one acceptor that hands out has ended. */
void ly__workers_handed_out(struct ly_server *s);

#endif
