/* SPDX-License-Identifier: MIT */
/*
 * Answers.
 *
 * That to a datagram goes out by the server's socket, which is not connected. Of Unix sockets that has a
 * catch: the queue of the receiver may be full (ten datagrams are enough), sendmsg(2) then says EAGAIN, and
 * yet the socket counts as writable, because poll(2) looks at the queue of a peer only where the socket is
 * connected to it. There is no event to wait for, so the call is made again and again, with growing pauses.
 *
 * Short answers to Internet addresses wait for others and go out with them (outbox.c).
 */
#include "fiber/trail.h"
#include "server/server.h"
#include <errno.h>
#include <lanyard/buffer.h>
#include <stdlib.h>

#define PAUSE_MAX_MS 16

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

/* ---- the two ways ---- */

/* The outbox for this request's answers, if they may wait. */
static struct ly__outbox *outbox_of(struct ly_request *rq)
{
    const struct ly__batch *b = ly__packet_of(rq)->batch;
    return b && b->outbox && ly__outbox_is_mine(b->outbox) ? b->outbox : NULL;
}

int ly_reply(struct ly_request *rq, const void *bytes, size_t n)
{
    if (!rq->packet)
        return ly_sendall(rq->sock, bytes, n);
    struct ly__outbox *o = outbox_of(rq);
    if (o && ly__outbox_put(o, &rq->peer, bytes, n))
        return 0;
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
