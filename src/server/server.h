/* SPDX-License-Identifier: MIT */
/*
 * What the files of the server share. Reading order: server.c (options, life), listeners.c, shutdown.c,
 * accept.c, packet.c, request.c, reply.c, outbox.c, turns.c (the serving loop of the policies without
 * fibers), then the policies.
 */
#ifndef LY_SERVER_SERVER_H
#define LY_SERVER_SERVER_H

#include "base/list.h"
#include "fiber/scope.h"
#include "fiber/task.h"
#include "net/sock.h"
#include <lanyard/server.h>
#include <pthread.h>
#include <stdatomic.h>

struct ly__worker;
struct ly__packet;

/* What was taken from a listener: a connection, or a datagram. */
struct ly__arrival {
    int fd;                 /* the connection, taken; -1: a datagram */
    struct ly_address peer; /* its other end */
    struct ly__packet
        *packet; /* the datagram; its batch's, unless it is kept (packet.c). NULL: a connection */
};

/* ---- policies ---- */

/*
 * One way to run requests. "Begin" hands over one connection or datagram; a policy either serves from one
 * task with the common loop (turns.c), which calls begin, collect, cancel and join, or brings a loop of its
 * own.
 */
struct ly__policy {
    const char *name;
    int max_requests; /* the cap unless the options say otherwise */
    int max_packets;  /* the same of a datagram server */
    int batch;        /* datagrams that may be received at once while serving */
    /* May it serve from within a fiber? */
    bool in_fibers;
    /* Set up and clear away what it keeps in the server. May be NULL. */
    int (*open)(struct ly_server *s);
    void (*close)(struct ly_server *s);
    /* Serve until asked to stop, and drain. */
    int (*serve)(struct ly_server *s);
    /* ly_handle_request. NULL: in the calling task as it is. */
    int (*handle_one)(struct ly_server *s);
    /* Take what ly_handle_request, or the common loop, took from the listener. The request has its slot
     * already. */
    void (*begin)(struct ly_server *s, const struct ly__arrival *a);
    /* A request has ended while wants_room was set. From whatever task it ran in. May be NULL. */
    void (*room)(struct ly_server *s);
    /* Look which requests have ended, without waiting. May be NULL. */
    void (*collect)(struct ly_server *s);
    /* The loop is about to wait: have room_fd tell the end of what runs, and look at what has ended already.
     * now false: false instead, where that costs more than a look in LY__LOOK_MS. May be NULL. */
    bool (*watch)(struct ly_server *s, bool now);
    /* Cancel what runs. May be NULL. */
    void (*cancel)(struct ly_server *s);
    /* Wait, whatever happens, until nothing of what was cancelled runs. May be NULL. */
    void (*join)(struct ly_server *s);
};

extern const struct ly__policy ly__fibers_policy, ly__sequential_policy, ly__forking_policy,
    ly__threading_policy;

/* The policy of this number; NULL if there is none. */
const struct ly__policy *ly__policy_of(enum ly_policy policy);

/* ---- the server ---- */

/* How far the end of serving has come. It only grows while one ly_serve_forever runs. */
enum ly__stage {
    LY__IDLE,      /* not serving */
    LY__SERVING,   /* accepting */
    LY__DRAINING,  /* asked to stop: running requests may finish */
    LY__CANCELLING /* asked again, or the drain took too long: running requests are cancelled */
};

struct ly__counters {
    atomic_ullong accepted, refused, failed, pauses;
    atomic_llong active;
};

struct ly_server {
    struct ly_server_options options; /* its strings are our own copies */
    const struct ly__policy *policy;
    atomic_int references;     /* the user's, and one of each thread that may outlive the server */
    struct ly_sock **listener; /* workers' own ones if they have such, else one */
    int listeners;
    bool datagrams;     /* each datagram is a request */
    struct ly_tls *tls; /* connections are TLS streams; a reference. NULL: they are not */
    int64_t silent_ms;  /* fibers: a connection gets its fiber after that time without a byte; LY_FOREVER: it
                         * waits for one */
    struct ly_address address; /* where the first one is bound; length 0 before */
    struct ly_address wanted;  /* where it will be bound (no_bind) */

    /* the end of serving (shutdown.c) */
    pthread_mutex_t lock;   /* guards enders */
    struct ly__list enders; /* tasks in ly_server_shutdown: struct ly__waiter.link */
    atomic_int stage;       /* enum ly__stage */
    atomic_bool has_served; /* ly_serve_forever was called once */
    atomic_int early;       /* how often it was asked to end before that */
    atomic_int asking; /* tasks and signal handlers that are just moving the stage, or waking acceptors */
    int stop_fd, cancel_fd; /* eventfds, readable from LY__DRAINING and LY__CANCELLING on */
    int reload_fd;          /* an eventfd: ly_supervise's processes are to be replaced */
    atomic_int *from_child; /* in memory shared with forked children: one asked to stop; else NULL */
    bool is_child;          /* this is the copy in a forked child */
    /* others serve these listeners when this one ends (ly_server_restart; a reload, in memory shared with the
     * supervisor): clients that have connected and not spoken yet are waited for a little */
    atomic_bool has_successor, *is_replaced; /* the second may be NULL */
    atomic_int failure;                      /* what made serving impossible */
    _Atomic(struct ly__loop *) loop;         /* that the serving task runs in; NULL: a thread */
    _Atomic(struct ly_scope *) serving;      /* around what the serving task runs; NULL: nothing */

    /* requests in flight (accept.c) */
    int max_requests;
    atomic_int active;
    atomic_int wants_room; /* somebody waits for a slot or a descriptor: policy->room tells it */
    atomic_bool has_room;  /* threading: room_fd was written to */
    int room_fd; /* threading: an eventfd, see wants_room; forking: an epoll of the children; -1: none */
    struct ly__counters *counters; /* one for each worker */
    int workers;

    /* the policies' own */
    struct ly__worker *worker;    /* fibers */
    pthread_cond_t worker_ready;  /* fibers: some worker's state has changed */
    int handed_out_fd;            /* fibers: an eventfd, readable once the one acceptor has ended; else -1 */
    struct ly_scope threads;      /* threading: a scope without an owner; its tasks may outlive the call that
                                     started them */
    struct ly__list children;     /* forking: those without a pidfd */
    struct ly__list watched;      /* forking: those with one, in room_fd */
    struct ly__list spare;        /* forking: records for further ones */
    int spares;                   /* forking: how many of these */
    const struct ly__list *begun; /* forking: the child begun since children were looked at; NULL: none */
    bool has_arrival;             /* the wait that has just ended was ended by something to take */
    struct ly_scope *request;     /* forking: in the child, what SIGTERM cancels */
};

/* ---- ending (shutdown.c) ---- */

int ly__shutdown_open(struct ly_server *s);
void ly__shutdown_close(struct ly_server *s);

/* Serving begins. Returns 0 or -EBUSY. */
int ly__serving_begin(struct ly_server *s);
/* It has ended: whoever waits for that goes on. */
void ly__serving_end(struct ly_server *s);

/* Go one stage on: SERVING to DRAINING, DRAINING to CANCELLING. Async-signal-safe. */
void ly__shutdown_ask(struct ly_server *s);
/* Serving cannot go on: keep the first such error and stop; scopes around the serving task end it with
 * cancel. */
void ly__serving_fail(struct ly_server *s, int error, bool cancel);

/* Is this the loop of one of the fiber policy's workers? (policy_fibers.c) */
bool ly__fibers_run_in(struct ly_server *s, const struct ly__loop *loop);

/* Whether to take further requests. */
static inline bool ly__accepts(const struct ly_server *s)
{
    return atomic_load_explicit(&s->stage, memory_order_acquire) == LY__SERVING &&
           !(s->from_child && atomic_load(s->from_child));
}

static inline bool ly__has_successor(const struct ly_server *s)
{
    return atomic_load(&s->has_successor) || (s->is_replaced && atomic_load(s->is_replaced));
}

/* When a drain that begins now is over. */
int64_t ly__drain_deadline(const struct ly_server *s);

/* The server whose handler or hook the calling thread is in the middle of; NULL: none. */
extern __thread struct ly_server *ly__server_here;

/* ---- accepting (accept.c) ---- */

/* What one accept loop remembers. */
struct ly__acceptor {
    int64_t paused_until; /* no descriptors or no memory: wait till then; 0: not paused */
    bool pausing;         /* since the last connection; told to the hook already */
    struct ly__counters *counters;
};

/* The time accepting pauses at least, unless a descriptor becomes free before. */
#define LY__PAUSE_MS 100

/*
 * Accept one connection: a non-blocking descriptor and its peer.
 * Returns 1; 0 (none waits, or accepting has to pause: see a->paused_until); a negative error (the listener
 * is of no use any more).
 */
int ly__accept(struct ly_server *s, struct ly__acceptor *a, struct ly__io *listener, int *ret_fd,
               struct ly_address *ret_peer);

/* What an error of taking from the listener means: 1 (try again), 0 (none is there, or accepting has to
 * pause), or the error. */
int ly__accept_failed(struct ly_server *s, struct ly__acceptor *a, int error);

/* Take a slot for a request, unless max_requests are in flight. */
bool ly__slot_take(struct ly_server *s);
void ly__slot_give(struct ly_server *s);

/* Wait until one of the descriptors is readable, deadline (absolute) passes, or a scope ends the wait; in a
 * fiber or a thread. Returns 0, -ETIMEDOUT, -ECANCELED, or -errno. Each of ios belongs to the caller. */
#define LY__WAIT_FEW 4
#define LY__WAIT_MAX 260 /* listeners of all workers, and a few more */
int ly__wait_any(struct ly__io *const *ios, int n, int64_t deadline);

/* ---- listeners (listeners.c) ---- */

int ly__listeners_open(struct ly_server *s, const struct ly_server_options *o);
void ly__listeners_close(struct ly_server *s);

/* ---- datagrams (packet.c) ---- */

/* A datagram with its request. */
struct ly__packet {
    struct ly_request rq;
    struct ly__batch *batch; /* whose slot it is in; NULL: it is the request's own */
    int place;               /* which slot */
    unsigned char bytes[];   /* max_packet_size of them */
};

/* What was received in one call. A slot whose packet was kept gets a new one before the next. */
struct ly__batch {
    struct ly_server *server;
    int size;                  /* slots */
    int count, next;           /* received, and the first of them that was not taken */
    bool drained;              /* the socket had no more than the last call gave */
    struct ly__outbox *outbox; /* where answers wait for each other; NULL: they go out at once */
    struct ly__packet **slot;
    struct mmsghdr *message; /* one for each slot, which point at it */
    struct iovec *piece;
};

/* So many at once say that the server is busy: more will have come while they are served. */
#define LY__BATCH_MANY 8

/* Slots are at most size, and fewer where packets are large. outbox: whether answers may wait for each other.
 * Returns 0 or -ENOMEM. */
int ly__batch_init(struct ly__batch *b, struct ly_server *s, int size, bool outbox);
void ly__batch_done(struct ly__batch *b);

/* Receive, without waiting, into an empty batch. Returns the datagrams; 0 (none is there: wait; or accepting
 * pauses), or an error (the socket is of no use any more). */
int ly__batch_fill(struct ly__batch *b, struct ly_sock *sock, struct ly__acceptor *a);

/* The next datagram, for use until the batch is filled again, or until it is given back. NULL: none. */
struct ly__packet *ly__batch_take(struct ly__batch *b);

static inline bool ly__batch_is_empty(const struct ly__batch *b)
{
    return b->next == b->count;
}

/* Make it the request's own, for longer use: it is freed by ly__packet_free. */
void ly__packet_keep(struct ly__packet *p);
void ly__packet_free(struct ly__packet *p);

static inline struct ly__packet *ly__packet_of(struct ly_request *rq)
{
    return ly__container_of(rq, struct ly__packet, rq);
}

/* ---- answers (reply.c, outbox.c) ---- */

/*
 * Answers to the datagrams of a batch that go out by one call. Those of the task that runs the handlers are
 * put in, and sent when the batch is done, when there are many, and before the task waits.
 */
struct ly__outbox;

struct ly__outbox *ly__outbox_new(struct ly_server *s);
/* The calling task runs the handlers of a batch received from sock from now on. */
void ly__outbox_begin(struct ly__outbox *o, struct ly_sock *sock);
/* Whether the calling task's answers may be put in now. */
bool ly__outbox_is_mine(const struct ly__outbox *o);
/* Put an answer in. false: it cannot wait, as it is too long, or another task's now. May suspend. */
bool ly__outbox_put(struct ly__outbox *o, const struct ly_address *to, const void *bytes, size_t n);
/* Send what is in it. NULL is accepted. May suspend. */
void ly__outbox_flush(struct ly__outbox *o);
/* The same if something has been in it for some milliseconds. */
void ly__outbox_hurry(struct ly__outbox *o);

/* Send what was collected, if anything was; an error is told. Returns it. */
int ly__reply_send_gathered(struct ly_request *rq, struct ly__counters *counters);
void ly__reply_drop_gathered(struct ly_request *rq);

/* ---- requests (request.c) ---- */

/* Make the socket of a connection just accepted, in the caller's memory, with the options' time-out. Where
 * the server has a context for TLS it is the field of a struct ly__tls_sock. */
void ly__connection_init(const struct ly_server *s, struct ly_sock *sock, int fd);

/* Whether verify_request lets it in; if not, it was counted and told. */
bool ly__request_verify(struct ly_request *rq, struct ly__counters *counters);

/* setup, handle, finish. Returns 0 or the first error; each was told to handle_error. */
int ly__request_run(struct ly_request *rq, struct ly__counters *counters);

/* Tell handle_error. */
void ly__request_fail(struct ly_request *rq, struct ly__counters *counters, const char *where, int error);

/* Say goodbye and close, as far as the handler has not. The socket of a datagram server stays as it is. */
void ly__request_close(struct ly_request *rq);

/* The request of what has arrived: of a connection in *own and *sock, of a datagram where it is. */
struct ly_request *ly__request_of(struct ly_server *s, const struct ly__arrival *a, struct ly_request *own,
                                  struct ly__tls_sock *sock);

/* verify_request and all that follows, in the calling task; the slot is the caller's. */
static inline void ly__request_through(struct ly_request *rq, struct ly__counters *counters)
{
    if (ly__request_verify(rq, counters))
        ly__request_run(rq, counters);
    ly__request_close(rq);
}

/* All of a request's life, in the calling task. The request has its slot, which is given back. */
void ly__request_here(struct ly_server *s, const struct ly__arrival *a);

/* ---- the loop of the policies without fibers (turns.c) ---- */

#define LY__LOOK_MS 20

/* Accept and begin requests until asked to stop; then drain, cancel, join. */
int ly__serve_turns(struct ly_server *s);

/* ly_handle_request, in the calling task. */
int ly__handle_turn(struct ly_server *s);

/* Wait for what runs: drain, then cancel; whatever happens nothing runs on return. */
void ly__drain(struct ly_server *s);

static inline void ly__count(atomic_ullong *n)
{
    atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* In a forked copy: make anew what it shares with the parent, but for the listeners. Nothing of it is served.
 * Returns 0 or an error, after which it can only be left alone. */
int ly__server_renew(struct ly_server *s);

void ly__server_ref(struct ly_server *s);
void ly__server_unref(struct ly_server *s);

#endif
