/* SPDX-License-Identifier: MIT */
/*
 * Answers to datagrams that leave together.
 *
 * A system call for each answer costs a UDP server a tenth of its time. So short answers given by the task
 * that runs the handlers of a batch are copied into an outbox and go out by one sendmmsg(2): when the batch
 * is done, when the outbox is full, when one of them has been there for some milliseconds, and before that
 * task waits, as whoever waits for an answer should not wait for the handler's own doings. In a fiber that is
 * the business of whoever leads on (receiver.c), in a thread of ly__held_back. What fails then is told to
 * handle_error, for ly_reply has returned; sending to an Internet address hardly ever does. Answers to Unix
 * sockets, which can be refused and have to be insisted on, go out at once.
 *
 * Most of what is left is the way of each datagram through the kernel: its route, its filters, the queue of
 * the interface. Answers of one length in a row to one peer take it together: they lie behind each other in
 * the outbox and are given as one message with UDP_SEGMENT, which the kernel cuts at the end of that way. The
 * peer gets the datagrams that it would have got. A kernel older than that would send one long datagram, so
 * it is asked first; and where an interface cannot do it, or a path is too narrow, the call fails as a whole:
 * those answers are then sent one by one, and joining is given up for a while.
 */
#include "fiber/task.h"
#include "net/address.h"
#include "server/server.h"
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ANSWERS 64
#define ANSWER_BYTES 1024  /* of one; longer ones go out at once */
#define ANSWER_NS 2000000  /* how long one may lie there before the next is put in */
#define JOINED_BYTES 60000 /* of those that are joined: a datagram's greatest length, rounded down */
#define APART 1000         /* batches without joining after it has failed */

/* The control message that says where to cut. */
union cut {
    struct cmsghdr head;
    unsigned char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

struct ly__outbox {
    struct ly_server *server;
    struct ly_sock *sock;
    const struct ly__task *task; /* whose answers are put in */
    bool flushing;
    bool can_join; /* the socket has UDP_SEGMENT */
    int apart;     /* so many batches are not joined */
    int64_t since; /* when the first was put in */
    int answers;   /* put in, in so many messages, with so many bytes */
    int messages;
    size_t used;
    struct mmsghdr message[ANSWERS];
    struct iovec piece[ANSWERS];
    size_t length[ANSWERS]; /* of each answer of a message */
    union cut cut[ANSWERS];
    struct sockaddr_in6 to[ANSWERS]; /* large enough for Internet addresses */
    unsigned char bytes[ANSWERS * ANSWER_BYTES];
};

struct ly__outbox *ly__outbox_new(struct ly_server *s)
{
    struct ly__outbox *o = malloc(sizeof *o);
    if (!o)
        return NULL;
    memset(o, 0, offsetof(struct ly__outbox, bytes));
    o->server = s;
    for (int i = 0; i < ANSWERS; i++) {
        o->message[i].msg_hdr = (struct msghdr){
            .msg_name = &o->to[i], .msg_iov = &o->piece[i], .msg_iovlen = 1, .msg_control = &o->cut[i]};
        o->cut[i].head = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof(uint16_t)), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
    }
    return o;
}

/* One that has the option set already sends segments of its own. */
static bool has_segments(const struct ly_sock *sock)
{
    int own = 0;
    socklen_t length = sizeof own;
    return getsockopt(ly_sock_fileno(sock), SOL_UDP, UDP_SEGMENT, &own, &length) == 0 && own == 0;
}

void ly__outbox_begin(struct ly__outbox *o, struct ly_sock *sock)
{
    if (o->sock != sock)
        o->can_join = has_segments(sock);
    if (o->apart > 0)
        o->apart--;
    o->task = ly__task_now;
    o->sock = sock;
}

bool ly__outbox_is_mine(const struct ly__outbox *o)
{
    return o->task == ly__task_now && !o->flushing;
}

/* A clock that is read in a few nanoseconds and moves every few milliseconds. */
static int64_t coarse_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* ---- sending ---- */

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

/* The answers of a message that was refused, each as a message of its own. */
static void send_apart(struct ly__outbox *o, int i, int64_t deadline)
{
    struct iovec rest = o->piece[i], one = {rest.iov_base, o->length[i]};
    struct mmsghdr message = {.msg_hdr = o->message[i].msg_hdr};
    message.msg_hdr.msg_iov = &one;
    message.msg_hdr.msg_controllen = 0;
    for (; rest.iov_len > 0; rest.iov_len -= one.iov_len) {
        ssize_t r =
            ly__io_call(&o->sock->io, LY__OUT, deadline, send_messages, &(struct sending){&message, 1});
        if (r < 0)
            fail_answer(o, &message.msg_hdr, (int)r);
        one.iov_base = (unsigned char *)one.iov_base + one.iov_len;
    }
    o->apart = APART;
}

static void send_all(struct ly__outbox *o, int64_t deadline)
{
    for (int sent = 0; sent < o->messages;) {
        struct sending s = {&o->message[sent], (unsigned)(o->messages - sent)};
        ssize_t r = ly__io_call(&o->sock->io, LY__OUT, deadline, send_messages, &s);
        if (r < 0 && s.message->msg_hdr.msg_controllen > 0)
            send_apart(o, sent, deadline);
        else if (r < 0)
            fail_answer(o, &s.message->msg_hdr, (int)r);
        sent += r > 0 ? (int)r : 1;
    }
}

void ly__outbox_flush(struct ly__outbox *o)
{
    if (!o || o->flushing)
        return;
    o->flushing = true;
    int64_t ms = o->server->options.request_timeout_ms;
    send_all(o, ms > 0 && o->messages > 0 ? ly_deadline(ms) : LY_NEVER);
    o->answers = o->messages = 0;
    o->used = 0;
    o->flushing = false;
}

void ly__outbox_hurry(struct ly__outbox *o)
{
    if (o && o->answers > 0 && coarse_now() - o->since > ANSWER_NS)
        ly__outbox_flush(o);
}

/* ---- putting in ---- */

/* Whether the answer goes behind the last one, in its message. */
static inline bool join(struct ly__outbox *o, const struct ly_address *to, size_t n)
{
    int i = o->messages - 1;
    if (i < 0 || o->length[i] != n || n == 0 || o->piece[i].iov_len + n > JOINED_BYTES ||
        o->message[i].msg_hdr.msg_namelen != to->length || memcmp(&o->to[i], &to->u, sizeof o->to[0]) != 0)
        return false;
    uint16_t length = (uint16_t)n;
    memcpy(CMSG_DATA(&o->cut[i].head), &length, sizeof length);
    o->message[i].msg_hdr.msg_controllen = sizeof o->cut[i];
    o->piece[i].iov_len += n;
    return true;
}

static inline void add(struct ly__outbox *o, const struct ly_address *to, unsigned char *bytes, size_t n)
{
    int i = o->messages++;
    memcpy(&o->to[i], &to->u, sizeof o->to[0]); /* a size that the compiler knows: no call */
    o->message[i].msg_hdr.msg_namelen = to->length;
    o->message[i].msg_hdr.msg_controllen = 0;
    o->piece[i] = (struct iovec){bytes, n};
    o->length[i] = n;
}

bool ly__outbox_put(struct ly__outbox *o, const struct ly_address *to, const void *bytes, size_t n)
{
    if (n > ANSWER_BYTES || to->length > sizeof o->to[0])
        return false;
    if (o->answers == ANSWERS)
        ly__outbox_flush(o);
    if (!ly__outbox_is_mine(o)) /* somebody else leads since that was suspended, and may be waiting */
        return false;
    if (o->answers++ == 0)
        o->since = coarse_now();
    unsigned char *at = o->bytes + o->used;
    if (n > 0)
        memcpy(at, bytes, n);
    o->used += n;
    if (!o->can_join || o->apart > 0 || !join(o, to, n))
        add(o, to, at, n);
    return true;
}
