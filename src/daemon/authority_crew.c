/* SPDX-License-Identifier: MIT */
/* The decider's books as those who look after the confined processes use them: whose session it is, whom to
 * charge for a crash, which session is to end. */
#include "daemon/authority.h"
#include <lanyard/challenge.h>
#include <lanyard/clock.h>
#include <lanyard/log.h>

#define BATCH 64        /* sessions that are looked at before the lock is let go */
#define ENDING_MS 30000 /* for a session that was told to end; a slow disk may hold it up */

uint64_t ly__decider_connect(struct ly__decider *d, const struct ly_address *peer, const void *owner,
                             const struct ly__ticket *ticket)
{
    struct ly__entry *e = ly__sessions_add(&d->sessions, peer, owner);
    if (!e)
        return 0;
    e->ticket = *ticket;
    if (ly_random(e->challenge, sizeof e->challenge) == 0)
        return e->number;
    ly__sessions_remove(&d->sessions, e);
    ly__entry_free(e);
    return 0;
}

bool ly__decider_forget(struct ly__decider *d, uint64_t number, const void *owner,
                        struct ly__ticket *ret_ticket)
{
    struct ly__entry *e = ly__sessions_find_of(&d->sessions, number, owner);
    if (!e || e->is_asking || e->state != LY__CONNECTED)
        return false;
    *ret_ticket = e->ticket;
    ly__sessions_remove(&d->sessions, e);
    ly__entry_free(e);
    return true;
}

struct ly__entry *ly__decider_session(struct ly__decider *d, uint64_t number, const void *owner)
{
    return ly__sessions_find_of(&d->sessions, number, owner);
}

/* ---- a process that has ended ---- */

struct blame {
    struct ly__decider *decider;
    const void *owner;
    bool strangers; /* only those who have not logged in */
    size_t charged;
};

static void blame_one(void *arg, struct ly__entry *e)
{
    struct blame *b = arg;
    if (e->owner != b->owner || (b->strangers && e->state == LY__LOGGED_IN))
        return;
    ly__penalties_add(b->decider->penalties, &e->peer, LY__OFFENCE_CRASH, ly_now());
    b->charged++;
}

void ly__decider_blame(struct ly__decider *d, const void *owner, uint64_t session)
{
    struct blame b = {.decider = d, .owner = owner};
    struct ly__entry *e = session ? ly__sessions_find_of(&d->sessions, session, owner) : NULL;
    if (e) {
        blame_one(&b, e);
        ly_log(LY_LOG_WARNING, "crew", "a worker crashed at the work for a session",
               LY_INT("session", (int64_t)session), LY_STR("from", e->from), LY_STR("user", e->grant.user));
        return;
    }
    b.strangers = true;
    ly__sessions_each(&d->sessions, blame_one, &b);
    b.strangers = false;
    if (b.charged == 0)
        ly__sessions_each(&d->sessions, blame_one, &b);
}

void ly__decider_blame_ended(struct ly__decider *d, uint64_t session, const struct ly_address *peer)
{
    char from[LY_ADDRESS_TEXT];
    ly_address_format(peer, from, sizeof from);
    ly__penalties_add(d->penalties, peer, LY__OFFENCE_CRASH, ly_now());
    ly_log(LY_LOG_WARNING, "crew", "a worker crashed at what was left of a session",
           LY_INT("session", (int64_t)session), LY_STR("from", from));
}

struct choice {
    const void *owner;
    int64_t now;
    struct ly__entry *entries[BATCH];
    size_t n;
};

static void choose_owned(void *arg, struct ly__entry *e)
{
    struct choice *c = arg;
    if (e->owner == c->owner && c->n < BATCH)
        c->entries[c->n++] = e;
}

/* Nobody is charged: what they lose is enough, and who did it has been blamed. */
void ly__decider_disown(struct ly__decider *d, const void *owner)
{
    struct choice c = {.owner = owner};
    do {
        c.n = 0;
        ly__sessions_each(&d->sessions, choose_owned, &c);
        for (size_t i = 0; i < c.n; i++)
            ly__decider_drop(d, c.entries[i]);
    } while (c.n > 0);
}

/* ---- sessions that are to end ---- */

static void choose_overdue(void *arg, struct ly__entry *e)
{
    struct choice *c = arg;
    if (!e->owner || e->state == LY__LOGGED_IN || e->ends_at || e->ticket.deadline > c->now || c->n == BATCH)
        return;
    e->ends_at = c->now + ENDING_MS * INT64_C(1000000);
    c->entries[c->n++] = e;
}

void ly__decider_overdue(struct ly__decider *d, int64_t now,
                         void (*cut)(void *arg, uint64_t number, const void *owner), void *arg)
{
    struct choice c = {.now = now};
    uint64_t numbers[BATCH];
    const void *owners[BATCH];
    ly__sessions_each(&d->sessions, choose_overdue, &c);
    for (size_t i = 0; i < c.n; i++) { /* the entries may go while cut waits */
        numbers[i] = c.entries[i]->number;
        owners[i] = c.entries[i]->owner;
    }
    for (size_t i = 0; i < c.n; i++)
        cut(arg, numbers[i], owners[i]);
}

static void mark_end(void *arg, struct ly__entry *e)
{
    struct choice *c = arg;
    if (e->number != c->n || !e->owner)
        return;
    c->owner = e->owner;
    if (!e->ends_at)
        e->ends_at = c->now + ENDING_MS * INT64_C(1000000);
}

const void *ly__decider_end(struct ly__decider *d, uint64_t number, int64_t now)
{
    struct choice c = {.now = now, .n = number};
    ly__sessions_each(&d->sessions, mark_end, &c);
    return c.owner;
}

static void find_disobeyed(void *arg, struct ly__entry *e)
{
    struct choice *c = arg;
    if (e->owner && e->ends_at && e->ends_at <= c->now)
        c->owner = e->owner;
}

const void *ly__decider_disobeyed(struct ly__decider *d, int64_t now)
{
    struct choice c = {.now = now};
    ly__sessions_each(&d->sessions, find_disobeyed, &c);
    return c.owner;
}
