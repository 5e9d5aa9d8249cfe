/* SPDX-License-Identifier: MIT */
/*
 * Strangers who have said nothing yet. A worker would have a fiber and a TLS connection for each, so they
 * stay here, a small struct and a watch each, until their first byte comes; then a worker gets them. Whoever
 * says nothing until the deadline is closed, and the source charged.
 */
#include "daemon/crew_internal.h"
#include "fiber/loop.h"
#include "net/sock.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <stdlib.h>

struct held {
    struct ly__watch watch;
    struct ly__list link; /* in the crew's held */
    struct ly__crew *crew;
    struct ly_sock *sock;
    struct ly_address peer;
    struct ly__ticket ticket;
};

static void drop(struct held *h)
{
    h->crew->nheld--;
    ly__admission_leave(h->crew->admission, &h->ticket);
    ly_sock_free(h->sock);
    free(h);
}

static int hand_over(void *arg)
{
    struct held *h = arg;
    ly_set_name("handing over");
    ly__io_leave(&h->sock->io); /* closing would not do: the worker has it open, too */
    (void)ly__crew_hand_over(h->crew, h->sock, &h->peer, &h->ticket);
    drop(h);
    return 0;
}

/* In the loop's own code, which neither waits nor closes: what gets no fiber is left to the deadline. */
static void first_byte(struct ly__watch *watch, int result)
{
    struct held *h = ly__container_of(watch, struct held, watch);
    (void)result; /* an error is for the worker's first call to find */
    if (ly__fiber_go(ly__loop_here, h->crew->accepting, hand_over, h, NULL) == 0)
        ly__list_remove(&h->link);
    else
        h->ticket.deadline = 0;
}

int ly__crew_hold(struct ly__crew *c, struct ly_sock *sock, const struct ly_address *peer,
                  struct ly__ticket *ticket)
{
    struct held *h = calloc(1, sizeof *h);
    if (!h)
        return -ENOMEM;
    *h = (struct held){.watch.fire = first_byte, .crew = c, .sock = sock, .peer = *peer, .ticket = *ticket};
    int r = ly__io_watch(&sock->io, LY__IN, &h->watch);
    if (r < 0) {
        free(h);
        return r;
    }
    ticket->held = false; /* it moved */
    ly__list_append(&c->held, &h->link);
    c->nheld++;
    return 0;
}

/* Nobody waits for it any more. */
static void end(struct held *h)
{
    ly__io_unwatch(&h->sock->io, LY__IN, &h->watch);
    ly__list_remove(&h->link);
    drop(h);
}

void ly__crew_end_silent(struct ly__crew *c, int64_t now)
{
    ly__list_each_safe (l, &c->held) {
        struct held *h = ly__container_of(l, struct held, link);
        if (h->ticket.deadline > now)
            continue;
        if (c->decider->penalties)
            ly__penalties_add(c->decider->penalties, &h->peer, LY__OFFENCE_SILENT, now);
        end(h);
    }
}

void ly__crew_end_held(struct ly__crew *c)
{
    ly__list_each_safe (l, &c->held)
        end(ly__container_of(l, struct held, link));
}
