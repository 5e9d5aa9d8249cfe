/* SPDX-License-Identifier: MIT */
/*
 * Revocation.
 *
 * `lanyard user` and `lanyard devices` write the users' file and know of no server. The file has a number
 * that grows whenever somebody loses something (auth/store.h); it is cheap to ask for. When it has grown,
 * each session that has logged in is looked at: whether its user is of the generation that it logged in as,
 * and its device still that user's. The file is read on the offload pool, for all of them in one call.
 */
#include "daemon/revoke.h"
#include <errno.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <stdlib.h>

/* A session, and what it stands on. */
struct standing {
    uint64_t session;
    const void *owner;
    int64_t user, generation, device;
    bool holds;
};

struct look {
    struct ly__store *store;
    int64_t version;
    bool all; /* not only those that have not been looked at yet */
    struct standing *list;
    size_t room, n;
};

static void collect(void *arg, struct ly__entry *e)
{
    struct look *k = arg;
    if (e->state != LY__LOGGED_IN || !e->owner || !e->user_id || e->ends_at)
        return;
    if ((e->is_checked && !k->all) || k->n == k->room)
        return;
    k->list[k->n++] = (struct standing){e->number, e->owner, e->user_id, e->generation, e->device_id, true};
}

static int ask_version(void *arg)
{
    struct look *k = arg;
    return ly__store_version(k->store, &k->version);
}

static int ask_all(void *arg)
{
    struct look *k = arg;
    for (size_t i = 0; i < k->n; i++) {
        struct standing *s = &k->list[i];
        int r = ly__device_holds(k->store, s->user, s->generation, s->device);
        if (r < 0)
            return r;
        s->holds = r == 1;
    }
    return 0;
}

/* What was found out about one: it is ended, or noted as looked at. */
static void conclude(struct ly__decider *d, const struct standing *s,
                     void (*cut)(void *arg, uint64_t session, const void *owner), void *arg)
{
    struct ly__entry *e = ly__sessions_find(&d->sessions, s->session);
    if (!e)
        return; /* it has ended by itself */
    e->is_checked = s->holds;
    if (s->holds)
        return;
    (void)ly__decider_end(d, s->session, ly_now());
    ly_log(LY_LOG_INFO, "revoke", "a session is ended: its user or its device has lost something",
           LY_STR("user", e->grant.user), LY_STR("from", e->from), LY_INT("session", (int64_t)e->number));
    const struct ly__entry copy = *e; /* it may end while the trail is written */
    cut(arg, s->session, s->owner);
    ly__decider_tell(d, &copy, "revoke", "the user or the device has lost something", 0);
}

static int look(struct ly__decider *d, struct look *k,
                void (*cut)(void *arg, uint64_t session, const void *owner), void *arg)
{
    k->room = ly__sessions_count(&d->sessions);
    k->list = calloc(k->room + 1, sizeof *k->list);
    if (!k->list)
        return -ENOMEM;
    ly__sessions_each(&d->sessions, collect, k);
    int r = k->n > 0 ? ly_offload(ask_all, k) : 0;
    for (size_t i = 0; i < k->n && r == 0; i++)
        conclude(d, &k->list[i], cut, arg);
    free(k->list);
    return r;
}

void ly__revoke(struct ly__revoker *r, void (*cut)(void *arg, uint64_t session, const void *owner), void *arg)
{
    struct look k = {.store = r->decider->store};
    if (!k.store || ly_offload(ask_version, &k) < 0)
        return;
    k.all = k.version != r->version;
    if (look(r->decider, &k, cut, arg) == 0)
        r->version = k.version;
}
