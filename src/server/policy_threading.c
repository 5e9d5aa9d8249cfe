/* SPDX-License-Identifier: MIT */
/*
 * A thread for each request.
 *
 * The threads are tasks of a scope without an owner that is part of the server, so that ly_handle_request may
 * return while its request goes on. Its cancellation is what ends the calls of the handlers. With
 * no_block_on_close nobody waits for the threads: they belong to one scope for the whole process, which is
 * never cancelled, and the last one frees the server.
 */
#include "base/spares.h"
#include "server/server.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define JOIN_MS 10 /* between two looks, where there is no memory to be woken by */

struct threaded {
    struct ly_request *rq; /* own, or a datagram's that was kept */
    struct ly_request own;
    struct ly__tls_sock sock; /* of a connection */
};

static struct ly__spares spares;

static struct ly_scope forsaken;
static pthread_once_t forsaken_once = PTHREAD_ONCE_INIT;

static void init_forsaken(void)
{
    ly__scope_init(&forsaken, NULL, NULL);
    forsaken.name = "threads that nobody waits for";
}

static int open_threads(struct ly_server *s)
{
    ly__scope_init(&s->threads, NULL, NULL);
    s->threads.name = "requests";
    pthread_once(&forsaken_once, init_forsaken);
    s->room_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->room_fd < 0)
        return -errno;
    /* Now, so that no request needs a descriptor for it when there are none left. */
    int r = ly__scope_cancel_fd(&s->threads);
    return r < 0 ? r : 0;
}

static void close_threads(struct ly_server *s)
{
    int fd = atomic_load(&s->threads.cancel_fd);
    if (fd >= 0)
        close(fd);
    if (s->room_fd >= 0)
        close(s->room_fd);
}

/* ---- one request ---- */

static void end(struct threaded *t)
{
    struct ly_server *s = t->rq->server;
    ly__request_close(t->rq);
    if (t->rq != &t->own)
        ly__packet_free(ly__packet_of(t->rq));
    if (!ly__spares_give(&spares, t))
        free(t);
    atomic_fetch_sub(&s->counters[0].active, 1);
    ly__slot_give(s);
    if (s->options.no_block_on_close)
        ly__server_unref(s);
}

static int run(void *arg)
{
    struct threaded *t = arg;
    char name[LY_ADDRESS_TEXT];
    struct ly_server *outer = ly__server_here;

    ly__server_here = t->rq->server;
    ly_address_format(&t->rq->peer, name, sizeof name);
    ly_set_name(name);
    ly__request_run(t->rq, &t->rq->server->counters[0]);
    end(t);
    ly__server_here = outer;
    return 0;
}

static void fail_new(struct ly_server *s, const struct ly__arrival *a)
{
    struct ly__tls_sock sock;
    struct ly_request own, *rq = ly__request_of(s, a, &own, &sock);
    ly__request_fail(rq, &s->counters[0], "thread", -ENOMEM);
    ly__request_close(rq);
    ly__slot_give(s);
}

static void begin(struct ly_server *s, const struct ly__arrival *a)
{
    struct ly__counters *c = &s->counters[0];
    struct threaded *t = ly__spares_take(&spares);
    if (!t)
        t = malloc(sizeof *t);
    if (!t) {
        fail_new(s, a);
        return;
    }
    t->rq = ly__request_of(s, a, &t->own, &t->sock);
    if (a->packet)
        ly__packet_keep(a->packet);
    atomic_fetch_add(&c->active, 1);
    bool alone = s->options.no_block_on_close;
    if (alone)
        ly__server_ref(s);
    if (!ly__request_verify(t->rq, c)) {
        end(t);
        return;
    }
    int r = ly__thread_go(alone ? &forsaken : &s->threads, run, t, NULL);
    if (r < 0) {
        ly__request_fail(t->rq, c, "thread", r);
        end(t);
    }
}

/* ---- the loop's questions ---- */

/* Said after it is written: whoever finds it unsaid finds the descriptor readable at the next wait. */
static void room(struct ly_server *s)
{
    static const uint64_t one = 1;
    while (write(s->room_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    atomic_store(&s->has_room, true);
}

static void silence(int fd)
{
    uint64_t n;
    while (fd >= 0 && read(fd, &n, sizeof n) < 0 && errno == EINTR)
        ;
}

static void collect(struct ly_server *s)
{
    if (atomic_exchange(&s->has_room, false))
        silence(s->room_fd);
}

static void cancel(struct ly_server *s)
{
    if (!s->options.no_block_on_close)
        ly_scope_cancel(&s->threads);
}

/* Wait for the threads to have left the scope, which is the last they do with the server's memory. */
static void join(struct ly_server *s)
{
    pthread_mutex_lock(&ly__threads_lock);
    while (s->threads.running > 0) {
        struct ly__waiter w;
        ly__waiter_init(&w);
        s->threads.joiner = w.task ? &w : NULL;
        pthread_mutex_unlock(&ly__threads_lock);
        if (w.task)
            ly__waiter_wait(&w, LY__UNINTERRUPTED, "the threads of a server", LY__WAIT_SHARED);
        else
            poll(NULL, 0, JOIN_MS);
        pthread_mutex_lock(&ly__threads_lock);
    }
    atomic_store(&s->threads.cancelled, false); /* for the next ly_serve_forever */
    silence(atomic_load(&s->threads.cancel_fd));
    pthread_mutex_unlock(&ly__threads_lock);
}

const struct ly__policy ly__threading_policy = {
    .name = "threading",
    .max_requests = 1000,
    .max_packets = 1000,
    .batch = 1,
    .in_fibers = true,
    .open = open_threads,
    .close = close_threads,
    .serve = ly__serve_turns,
    .begin = begin,
    .room = room,
    .collect = collect,
    .cancel = cancel,
    .join = join,
};
