/* SPDX-License-Identifier: MIT */
/*
 * Datagrams, received many at once.
 *
 * A batch has a packet for each slot, and recvmmsg(2) writes bytes and sender straight into them, so that a
 * datagram's request is complete when it arrives and nothing is copied. As long as requests end before the
 * next call the same packets serve again. A request that goes on for longer (in a thread, or in a fiber that
 * was suspended) keeps its packet, and the slot gets another: what memory there is for datagrams is a batch
 * and one packet for each request in flight, whatever a peer sends.
 */
#include "net/address.h"
#include "server/server.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define PACKET_SIZE 8192         /* unless the options say otherwise */
#define BATCH_BYTES (512 * 1024) /* memory of a batch: fewer slots where packets are large */
#define BATCH_LEAST 4            /* slots that it has all the same */

static size_t packet_size(const struct ly_server *s)
{
    return s->options.max_packet_size > 0 ? s->options.max_packet_size : PACKET_SIZE;
}

/* ---- packets ---- */

void ly__packet_keep(struct ly__packet *p)
{
    p->batch->slot[p->place] = NULL;
    p->batch = NULL;
}

void ly__packet_free(struct ly__packet *p)
{
    free(p);
}

/* ---- the batch ---- */

int ly__batch_init(struct ly__batch *b, struct ly_server *s, int size, bool outbox)
{
    size_t fit = BATCH_BYTES / packet_size(s);
    *b = (struct ly__batch){.server = s, .size = size};
    if ((size_t)b->size > fit && size > BATCH_LEAST)
        b->size = fit > BATCH_LEAST ? (int)fit : BATCH_LEAST;
    b->slot = calloc((size_t)b->size, sizeof(struct ly__packet *));
    b->message = calloc((size_t)b->size, sizeof *b->message);
    b->piece = calloc((size_t)b->size, sizeof *b->piece);
    if (outbox && !s->options.reply_at_once && s->address.u.family != AF_UNIX)
        b->outbox = ly__outbox_new(s); /* without memory for it, answers go out at once */
    if (b->slot && b->message && b->piece)
        return 0;
    ly__batch_done(b);
    return -ENOMEM;
}

void ly__batch_done(struct ly__batch *b)
{
    for (int i = 0; b->slot && i < b->size; i++)
        free(b->slot[i]);
    free((void *)b->slot);
    free(b->message);
    free(b->piece);
    free(b->outbox);
    *b = (struct ly__batch){0};
}

static bool fill_slot(struct ly__batch *b, int i)
{
    size_t size = packet_size(b->server);
    struct ly__packet *p = malloc(sizeof *p + size);
    if (!p)
        return false;
    p->rq = (struct ly_request){.server = b->server};
    p->batch = b;
    p->place = i;
    b->slot[i] = p;
    b->piece[i] = (struct iovec){.iov_base = p->bytes, .iov_len = size};
    b->message[i].msg_hdr =
        (struct msghdr){.msg_name = &p->rq.peer.u, .msg_iov = &b->piece[i], .msg_iovlen = 1};
    return true;
}

/* Make the slots ready to receive into. Returns how many are, from the first. */
static int prepare(struct ly__batch *b)
{
    int i = 0;
    for (; i < b->size; i++) {
        if (!b->slot[i] && !fill_slot(b, i))
            break;
        b->message[i].msg_hdr.msg_namelen = sizeof b->slot[i]->rq.peer.u;
    }
    return i;
}

struct receive {
    struct mmsghdr *message;
    unsigned n;
};

static ssize_t receive(int fd, void *arg)
{
    struct receive *r = arg;
    int n = recvmmsg(fd, r->message, r->n, MSG_DONTWAIT, NULL);
    return n < 0 ? -errno : n;
}

int ly__batch_fill(struct ly__batch *b, struct ly_sock *sock, struct ly__acceptor *a)
{
    ssize_t r;
    if (b->drained && !ly__io_is_ready(&sock->io, LY__IN)) {
        b->drained = false;
        b->count = b->next = 0;
        return 0;
    }
    int n = prepare(b);
    do {
        struct receive call = {b->message, (unsigned)n};
        r = n > 0 ? ly__io_call(&sock->io, LY__IN, LY__NOWAIT, receive, &call) : -ENOMEM;
        if (r == -EAGAIN && b->count == 0 && ly__listener_is_shut_down(&sock->io))
            return -EINVAL; /* it was waited for, and yet nothing is there */
    } while (r < 0 && (r = ly__accept_failed(b->server, a, (int)r)) == 1);
    b->next = 0;
    b->count = r > 0 ? (int)r : 0;
    if (r <= 0)
        return (int)r;
    a->paused_until = 0;
    a->pausing = false;
    b->drained = r < n && r < LY__BATCH_MANY;
    if (b->drained) /* what comes from now on sets the latch, although nobody waits for it yet */
        atomic_store_explicit(&sock->io.ready[LY__IN], false, memory_order_relaxed);
    for (int i = 0; i < r; i++)
        b->slot[i]->rq.sock = sock;
    return (int)r;
}

struct ly__packet *ly__batch_take(struct ly__batch *b)
{
    if (ly__batch_is_empty(b))
        return NULL;
    int i = b->next++;
    struct ly_request *rq = &b->slot[i]->rq;
    const struct msghdr *m = &b->message[i].msg_hdr;
    rq->state = NULL;
    rq->packet = b->slot[i]->bytes;
    rq->packet_length = b->message[i].msg_len;
    rq->cut = m->msg_flags & MSG_TRUNC;
    rq->gathered = NULL;
    ly__address_set_length(&rq->peer, m->msg_namelen, SOCK_DGRAM);
    return b->slot[i];
}
