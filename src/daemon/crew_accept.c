/* SPDX-License-Identifier: MIT */
/* Connections: who is admitted, which worker gets them, and what those hear who are not. */
#include "auth/source.h"
#include "daemon/crew_internal.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <netinet/tcp.h>

#define PAUSE_MS 50 /* until accepting is tried again */

/* One that somebody waits for is the last to be chosen: it may not be reading at all. */
static bool is_less_busy(const struct ly__monitor *a, const struct ly__monitor *b)
{
    bool a_waits = a->telling > 0, b_waits = b->telling > 0;
    return a_waits != b_waits ? b_waits : a->sessions < b->sessions;
}

static struct ly__crew_worker *least_busy(struct ly__crew *c)
{
    struct ly__crew_worker *best = NULL;
    for (int i = 0; i < c->nworkers; i++) {
        struct ly__crew_worker *w = &c->workers[i];
        if (w->serves && (!best || is_less_busy(&w->monitor, &best->monitor)))
            best = w;
    }
    return best;
}

/* Wait until a worker is there. */
static int find_worker(struct ly__crew *c, struct ly__crew_worker **ret)
{
    for (int r; !(*ret = least_busy(c));) {
        r = c->stopping ? -ECANCELED : ly_sleep(LY__CREW_TURN_MS);
        if (r < 0)
            return r;
    }
    return 0;
}

static int hand_to(struct ly__crew *c, struct ly__crew_worker *w, struct ly_sock *sock,
                   const struct ly_address *peer, struct ly__ticket *ticket)
{
    uint64_t session = ly__decider_connect(c->decider, peer, &w->monitor, ticket);
    if (session == 0)
        return -ENOMEM;
    int r = ly__monitor_serve(&w->monitor, session, ly_sock_fileno(sock));
    if (r == 0) {
        ticket->held = false; /* it is the session's now */
        return 0;
    }
    if (ly__decider_forget(c->decider, session, &w->monitor, ticket))
        return r;
    ticket->held = false;
    return -ECANCELED;
}

/* To the least busy worker; where that has just ended, to another. */
static int hand_over(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                     struct ly__ticket *ticket)
{
    struct ly__crew_worker *w;
    int r;
    do {
        r = find_worker(c, &w);
        if (r == 0)
            r = hand_to(c, w, sock, peer, ticket);
        if (r == -EPIPE || r == -ECONNRESET) {
            w->serves = false;
            ly_shutdown(w->monitor.channel.sock, SHUT_RDWR); /* it has gone, or will go now */
        }
    } while (r == -EPIPE || r == -ECONNRESET);
    return r;
}

int ly__crew_hand_over(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                       struct ly__ticket *ticket)
{
    struct ly_scope *shield;
    int r = ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "handing over"});
    if (r < 0)
        return r;
    r = hand_over(c, sock, peer, ticket);
    ly_scope_close(shield);
    return r;
}

enum alert { ENDING = 0, PENALISED = 49, CROWDED = 80 }; /* close_notify, access_denied, internal_error */

/*
 * Tell why nothing is taken, as far as TLS has words for it: an alert in place of the handshake (RFC 8446,
 * 6). It costs one call that never waits, and nothing of the peer's is read; it may get lost when the peer's
 * first bytes come too late to be taken.
 */
static void turn_away(struct ly_sock *sock, enum alert why)
{
    const uint8_t record[] = {21, 3, 3, 0, 2, why == ENDING ? 1 : 2, (uint8_t)why};
    (void)send(ly_sock_fileno(sock), record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Whether the socket is taken. */
static bool take_connection(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                            bool is_lent)
{
    struct ly__ticket ticket = {0};
    if (c->stopping && !is_lent) {
        turn_away(sock, ENDING);
        return false;
    }
    enum ly__verdict v = ly__admission_enter(c->admission, peer, ly_now(), &ticket);
    if (v != LY__ADMITTED) { /* counted; a line for each would be a gift to whoever floods us */
        turn_away(sock, v == LY__REFUSED_PENALTY ? PENALISED : CROWDED);
        return false;
    }
    ly_sock_set_int(sock, IPPROTO_TCP, TCP_NODELAY, 1); /* answers are written whole */
    if (ly__crew_hold(c, sock, peer, &ticket) == 0)
        return true;
    ly__admission_leave(c->admission, &ticket);
    return false;
}

/* Nobody is taken as long as no worker can serve them: who waits in the listener's queue is the next
 * server's, if this one ends before. */
static int accept_one(const struct ly__acceptor *a, struct ly_sock **ret_sock, struct ly_address *ret_peer)
{
    struct ly__crew_worker *w;
    int r = a->crew->stopping ? 0 : find_worker(a->crew, &w);
    return r < 0 ? r : ly_accept(a->listener, ret_sock, ret_peer);
}

int ly__crew_accept(void *arg)
{
    const struct ly__acceptor *a = arg;
    int r = 0;
    ly_set_name("accept");
    while (r != -ECANCELED) {
        struct ly_sock *sock;
        struct ly_address peer;
        r = accept_one(a, &sock, &peer);
        if (r == 0) {
            ly__source_unmap(&peer);
            if (!take_connection(a->crew, sock, &peer, a->is_lent))
                ly_sock_free(sock);
        } else if (r != -ECANCELED && r != -ECONNABORTED) {
            ly_log(LY_LOG_WARNING, "crew", "accepting paused", LY_ERR(r));
            r = ly_sleep(PAUSE_MS);
        }
    }
    return 0;
}
