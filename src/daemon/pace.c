/* SPDX-License-Identifier: MIT */
#include "daemon/pace.h"
#include <errno.h>
#include <stdlib.h>

#define MS INT64_C(1000000)
#define MOST_MS 3600000 /* nobody is in debt for longer than an hour, whatever the rate is */

struct paced {
    struct ly__list link;
    int64_t user;
    int64_t until; /* when all is paid for */
};

void ly__pace_open(struct ly__pace *p)
{
    ly__list_init(&p->users);
}

void ly__pace_close(struct ly__pace *p)
{
    ly__list_each_safe (l, &p->users)
        free(ly__container_of(l, struct paced, link));
    ly__list_init(&p->users);
}

static struct paced *find(struct ly__pace *p, int64_t user)
{
    ly__list_each (l, &p->users) {
        struct paced *u = ly__container_of(l, struct paced, link);
        if (u->user == user)
            return u;
    }
    struct paced *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->user = user;
    ly__list_append(&p->users, &u->link);
    return u;
}

int64_t ly__pace_spend(struct ly__pace *p, int64_t user, int64_t rate, int64_t bytes, int64_t now)
{
    struct paced *u = find(p, user);
    if (!u)
        return -ENOMEM;
    double cost = (double)bytes / (double)rate * 1000 * (double)MS;
    if (u->until < now)
        u->until = now;
    u->until += cost < (double)(MOST_MS * MS) ? (int64_t)cost : MOST_MS * MS;
    if (u->until > now + MOST_MS * MS)
        u->until = now + MOST_MS * MS;
    int64_t wait = u->until - now - LY__PACE_BURST_MS * MS;
    return wait > 0 ? (wait + MS - 1) / MS : 0;
}
