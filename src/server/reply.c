/* SPDX-License-Identifier: MIT */
/*
 * Answers.
 *
 * That to a datagram goes out by the server's socket, which is not connected. Of Unix sockets that has a
 * catch: the queue of the receiver may be full (ten datagrams are enough), sendmsg(2) then says EAGAIN, and
 * yet the socket counts as writable, because poll(2) looks at the queue of a peer only where the socket is
 * connected to it. There is no event to wait for, so the call is made again and again, with growing pauses.
 *
 * A system call for each answer costs a UDP server a tenth of its time. So short answers given by the task
 * that runs the handlers of a batch are copied into an outbox and go out by one sendmmsg(2): when the batch
 * is done, when the outbox is full, when one of them has been there for some milliseconds, and before that
 * task waits, as whoever waits for an answer should not wait for the handler's own doings. In a fiber that is
 * the business of whoever leads on (receiver.c), in a thread of ly__held_back. What fails then is told to
 * handle_error, for ly_reply has returned; sending to an Internet address hardly ever does. Answers to Unix
 * sockets, which can be refused and have to be insisted on, go out at once.
 */
#include "fiber/task.h"
#include "fiber/trail.h"
#include "net/address.h"
#include "server/server.h"
#include <errno.h>
#include <lanyard/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAUSE_MAX_MS 16
#define OUTBOX_ANSWERS 64
#define OUTBOX_BYTES 1024 /* of one answer; longer ones go out at once */
#define OUTBOX_NS 2000000 /* how long an answer may lie there before the next one is put in */

static int64_t reply_deadline(const struct ly_request *rq)
{
    int64_t ms = rq->server->options.request_timeout_ms;
    return ms > 0 ? ly_deadline(ms) : LY_NEVER;
}

struct answer {
    const void *bytes;
    size_t length;
    const struct ly_address *to;
};

static ssize_t send_answer(int fd, void *arg)
{
    const struct answer *a = arg;
    ssize_t r = sendto(fd, a->bytes, a->length, MSG_DONTWAIT | MSG_NOSIGNAL, &a->to->u.any, a->to->length);
    return r < 0 ? -errno : r;
}

/* To a Unix socket whose queue is full. */
static ssize_t insist(struct ly_sock *sock, struct answer *a, int64_t deadline)
{
    ssize_t r = -EAGAIN;
    for (int64_t ms = 1; r == -EAGAIN; ms = ms < PAUSE_MAX_MS ? 2 * ms : ms) {
        if (ly_now() >= deadline)
            return -ETIMEDOUT;
        int w = ly_sleep(ms);
        r = w < 0 ? w : ly__io_call(&sock->io, LY__OUT, LY__NOWAIT, send_answer, a);
    }
    return r;
}

static int answer_packet(struct ly_request *rq, const void *bytes, size_t n)
{
    struct answer a = {.bytes = bytes, .length = n, .to = &rq->peer};
    struct ly_sock *sock = rq->sock;
    if (rq->peer.length == 0)
        return (int)ly__failed(-EDESTADDRREQ);
    ssize_t r = ly__io_call(&sock->io, LY__OUT, LY__NOWAIT, send_answer, &a);
    if (r == -EAGAIN && sock->family == AF_UNIX)
        r = insist(sock, &a, reply_deadline(rq));
    else if (r == -EAGAIN)
        r = ly__io_call(&sock->io, LY__OUT, reply_deadline(rq), send_answer, &a);
    return r < 0 ? (int)r : 0;
}

/* ---- the outbox ---- */

struct ly__outbox {
    struct ly_server *server;
    struct ly_sock *sock;
    const struct ly__task *task; /* whose answers are put in */
    int count;
    bool flushing;
    int64_t since; /* when the first was put in */
    struct mmsghdr message[OUTBOX_ANSWERS];
    struct iovec piece[OUTBOX_ANSWERS];
    struct sockaddr_in6 to[OUTBOX_ANSWERS]; /* large enough for Internet addresses */
    unsigned char bytes[OUTBOX_ANSWERS][OUTBOX_BYTES];
};

struct ly__outbox *ly__outbox_new(struct ly_server *s)
{
    struct ly__outbox *o = malloc(sizeof *o);
    if (!o)
        return NULL;
    memset(o, 0, offsetof(struct ly__outbox, bytes));
    o->server = s;
    for (int i = 0; i < OUTBOX_ANSWERS; i++) {
        o->piece[i].iov_base = o->bytes[i];
        o->message[i].msg_hdr =
            (struct msghdr){.msg_name = &o->to[i], .msg_iov = &o->piece[i], .msg_iovlen = 1};
    }
    return o;
}

void ly__outbox_begin(struct ly__outbox *o, struct ly_sock *sock)
{
    o->task = ly__task_now;
    o->sock = sock;
}

/* A clock that is read in a few nanoseconds and moves every few milliseconds. */
static int64_t coarse_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

struct sending {
    struct mmsghdr *message;
    unsigned n;
};

static ssize_t send_messages(int fd, void *arg)
{
    const struct sending *s = arg;
    int n = sendmmsg(fd, s->message, s->n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return n < 0 ? -errno : n;
}

/* An answer could not be sent, long after its request has ended. */
static void fail_answer(struct ly__outbox *o, const struct msghdr *m, int error)
{
    struct ly_request rq = {.server = o->server, .sock = o->sock};
    memcpy(&rq.peer.u, m->msg_name, m->msg_namelen);
    ly__address_set_length(&rq.peer, m->msg_namelen, SOCK_DGRAM);
    ly__request_fail(&rq, &o->server->counters[0], "reply", error);
}

void ly__outbox_flush(struct ly__outbox *o)
{
    if (!o || o->flushing)
        return;
    o->flushing = true;
    int64_t ms = o->server->options.request_timeout_ms;
    int64_t deadline = ms > 0 && o->count > 0 ? ly_deadline(ms) : LY_NEVER;
    for (int sent = 0; sent < o->count;) {
        struct sending s = {&o->message[sent], (unsigned)(o->count - sent)};
        ssize_t r = ly__io_call(&o->sock->io, LY__OUT, deadline, send_messages, &s);
        if (r < 0)
            fail_answer(o, &s.message->msg_hdr, (int)r);
        sent += r > 0 ? (int)r : 1;
    }
    o->count = 0;
    o->flushing = false;
}

void ly__outbox_hurry(struct ly__outbox *o)
{
    if (o && o->count > 0 && coarse_now() - o->since > OUTBOX_NS)
        ly__outbox_flush(o);
}

static inline void put_in(struct ly__outbox *o, const struct ly_address *to, const void *bytes, size_t n)
{
    if (o->count == OUTBOX_ANSWERS)
        ly__outbox_flush(o);
    if (o->count == 0)
        o->since = coarse_now();
    int i = o->count++;
    memcpy(&o->to[i], &to->u, sizeof o->to[0]); /* a size that the compiler knows: no call */
    o->message[i].msg_hdr.msg_namelen = to->length;
    if (n > 0)
        memcpy(o->bytes[i], bytes, n);
    o->piece[i].iov_len = n;
}

/* The outbox for this request's answers, if they may wait. */
static struct ly__outbox *outbox_of(struct ly_request *rq)
{
    const struct ly__batch *b = ly__packet_of(rq)->batch;
    struct ly__outbox *o = b ? b->outbox : NULL;
    return o && o->task == ly__task_now && !o->flushing ? o : NULL;
}

int ly_reply(struct ly_request *rq, const void *bytes, size_t n)
{
    if (!rq->packet)
        return ly_sendall(rq->sock, bytes, n);
    struct ly__outbox *o = outbox_of(rq);
    if (o && n <= OUTBOX_BYTES && rq->peer.length <= sizeof o->to[0]) {
        put_in(o, &rq->peer, bytes, n);
        return 0;
    }
    ly__outbox_flush(o); /* in the order in which they were given */
    return answer_packet(rq, bytes, n);
}

/* ---- in one piece ---- */

int ly_reply_add(struct ly_request *rq, const void *bytes, size_t n)
{
    if (!rq->gathered) {
        rq->gathered = malloc(sizeof *rq->gathered);
        if (!rq->gathered)
            return -ENOMEM;
        ly_buffer_init(rq->gathered, LY_PACKET_MAX);
    }
    int r = n > 0 ? ly_buffer_append(rq->gathered, bytes, n) : 0;
    return r == LY_ETOOBIG ? -EMSGSIZE : r;
}

int ly__reply_send_gathered(struct ly_request *rq, struct ly__counters *counters)
{
    int r = ly_reply(rq, ly_buffer_bytes(rq->gathered), rq->gathered->length);
    if (r < 0)
        ly__request_fail(rq, counters, "reply", r);
    return r;
}

void ly__reply_drop_gathered(struct ly_request *rq)
{
    ly_buffer_done(rq->gathered);
    free(rq->gathered);
    rq->gathered = NULL;
}
