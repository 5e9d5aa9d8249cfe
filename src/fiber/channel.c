/* SPDX-License-Identifier: MIT */
/*
 * Channels: a ring of items with a list of tasks at either end.
 *
 * Senders wait only while the ring is full, receivers only while it is empty, so at most one of the lists has
 * members. Who finds a task waiting at the other end hands the item over directly, from frame to frame, and
 * wakes it.
 */
#include "base/list.h"
#include "fiber/waitlist.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct ly_chan {
    struct ly__guard guard;
    struct ly__list senders, receivers; /* struct end */
    size_t item_size, capacity;
    size_t head, count; /* the oldest item's place and the number of items in the ring */
    bool ended;
    char ring[];
};

/* One task at one end. */
struct end {
    struct ly__waiter waiter; /* first */
    union {
        const void *from; /* a sender's item */
        void *to;         /* where a receiver wants it */
    } item;
};

int ly_chan_new(struct ly_chan **ret_chan, size_t item_size, size_t capacity, enum ly_sharing sharing)
{
    if (item_size < 1 || item_size > 65536 || capacity > (1u << 20))
        return -EINVAL;
    struct ly_chan *c = malloc(sizeof *c + item_size * capacity);
    if (!c)
        return -ENOMEM;
    *c = (struct ly_chan){.item_size = item_size, .capacity = capacity};
    ly__list_init(&c->senders);
    ly__list_init(&c->receivers);
    int r = ly__guard_init(&c->guard, sharing);
    if (r < 0) {
        free(c);
        return r;
    }
    *ret_chan = c;
    return 0;
}

void ly_chan_free(struct ly_chan *c)
{
    if (!c)
        return;
    ly__guard_done(&c->guard);
    free(c);
}

static char *place(struct ly_chan *c, size_t i)
{
    return c->ring + (c->head + i) % c->capacity * c->item_size;
}

static struct end *take(struct ly__list *list)
{
    return (struct end *)(void *)ly__waiter_take(list);
}

/* Hand an item on at once, if that is possible. */
static int try_send(struct ly_chan *c, const void *item)
{
    if (c->ended)
        return LY_ECLOSED;
    struct end *receiver = take(&c->receivers);
    if (receiver) {
        memcpy(receiver->item.to, item, c->item_size);
        ly__waiter_wake(&receiver->waiter, 0);
        return 0;
    }
    if (c->count == c->capacity)
        return -EAGAIN;
    memcpy(place(c, c->count++), item, c->item_size);
    return 0;
}

/* Room came free in the ring: let the first waiting sender use it. */
static void refill(struct ly_chan *c)
{
    struct end *sender = take(&c->senders);
    if (!sender)
        return;
    memcpy(place(c, c->count++), sender->item.from, c->item_size);
    ly__waiter_wake(&sender->waiter, 0);
}

static int try_recv(struct ly_chan *c, void *item)
{
    if (c->count > 0) {
        memcpy(item, place(c, 0), c->item_size);
        c->head = (c->head + 1) % c->capacity;
        c->count--;
        refill(c);
        return 0;
    }
    struct end *sender = take(&c->senders);
    if (sender) {
        memcpy(item, sender->item.from, c->item_size);
        ly__waiter_wake(&sender->waiter, 0);
        return 0;
    }
    return c->ended ? LY_ECLOSED : -EAGAIN;
}

int ly_chan_send(struct ly_chan *c, const void *item, int64_t timeout_ms)
{
    int r = timeout_ms < LY_FOREVER ? -EINVAL : ly__guard_enter(&c->guard);
    if (r < 0)
        return r;
    r = try_send(c, item);
    if (r == -EAGAIN && timeout_ms != 0) {
        struct end self = {.item.from = item};
        return ly__guard_wait(&c->guard, &c->senders, &self.waiter, timeout_ms, "room in a channel");
    }
    ly__guard_leave(&c->guard);
    return r;
}

int ly_chan_recv(struct ly_chan *c, void *item, int64_t timeout_ms)
{
    int r = timeout_ms < LY_FOREVER ? -EINVAL : ly__guard_enter(&c->guard);
    if (r < 0)
        return r;
    r = try_recv(c, item);
    if (r == -EAGAIN && timeout_ms != 0) {
        struct end self = {.item.to = item};
        return ly__guard_wait(&c->guard, &c->receivers, &self.waiter, timeout_ms, "an item of a channel");
    }
    ly__guard_leave(&c->guard);
    return r;
}

void ly_chan_end(struct ly_chan *c)
{
    if (ly__guard_enter(&c->guard) < 0)
        return;
    struct end *e;
    c->ended = true;
    while ((e = take(&c->receivers)) || (e = take(&c->senders)))
        ly__waiter_wake(&e->waiter, LY_ECLOSED);
    ly__guard_leave(&c->guard);
}
