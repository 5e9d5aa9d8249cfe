/* SPDX-License-Identifier: MIT */
#include "daemon/commands.h"
#include <errno.h>
#include <stdlib.h>

struct ly__commands_user {
    struct ly__list link;
    struct ly__commands *commands;
    int64_t id;
    unsigned running;
};

void ly__commands_open(struct ly__commands *c)
{
    atomic_init(&c->most, 0);
    atomic_init(&c->running, 0);
    pthread_mutex_init(&c->lock, NULL);
    for (size_t i = 0; i < LY__COMMANDS_LISTS; i++)
        ly__list_init(&c->lists[i]);
}

void ly__commands_close(struct ly__commands *c)
{
    pthread_mutex_destroy(&c->lock);
}

/* With the lock held. NULL: there was none and no memory for one. */
static struct ly__commands_user *find(struct ly__commands *c, int64_t id)
{
    struct ly__list *list = &c->lists[(uint64_t)id % LY__COMMANDS_LISTS];
    ly__list_each (it, list) {
        struct ly__commands_user *u = ly__container_of(it, struct ly__commands_user, link);
        if (u->id == id)
            return u;
    }
    struct ly__commands_user *u = calloc(1, sizeof *u);
    if (u) {
        u->commands = c;
        u->id = id;
        ly__list_append(list, &u->link);
    }
    return u;
}

/* Half, rounded up: a server for a single command runs it for anybody. */
static unsigned share(int64_t user_id, unsigned most)
{
    return user_id == 0 ? most : most / 2 + most % 2;
}

static void drop_idle(struct ly__commands_user *u)
{
    if (u->running > 0)
        return;
    ly__list_remove(&u->link);
    free(u);
}

int ly__commands_enter(struct ly__commands *c, int64_t user_id, struct ly__commands_user **ret_user)
{
    unsigned most = atomic_load(&c->most);
    int r = -EAGAIN;
    pthread_mutex_lock(&c->lock);
    struct ly__commands_user *u = find(c, user_id);
    if (!u) {
        r = -ENOMEM;
    } else if (atomic_load(&c->running) < most && u->running < share(user_id, most)) {
        atomic_fetch_add(&c->running, 1);
        u->running++;
        *ret_user = u;
        r = 0;
    } else {
        drop_idle(u);
    }
    pthread_mutex_unlock(&c->lock);
    return r;
}

void ly__commands_leave(void *user)
{
    struct ly__commands_user *u = user;
    struct ly__commands *c = u->commands;
    pthread_mutex_lock(&c->lock);
    atomic_fetch_sub(&c->running, 1);
    u->running--;
    drop_idle(u);
    pthread_mutex_unlock(&c->lock);
}
