/* SPDX-License-Identifier: MIT */
#include "daemon/authority.h"
#include "auth/roles.h"
#include <errno.h>
#include <lanyard/clock.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
    struct ly__list link; /* in the decider's sessions */
    uint64_t number;
    bool logged_in; /* grant is valid */
    struct ly__grant grant;
};

static struct ly__decider *decider_of(struct ly__authority *a)
{
    return ly__container_of(a, struct ly__decider, authority);
}

static struct ly__list *list_of(struct ly__decider *d, uint64_t number)
{
    return &d->sessions[number % LY__DECIDER_LISTS];
}

/* With the lock held. */
static struct session *find(struct ly__decider *d, uint64_t number)
{
    ly__list_each (l, list_of(d, number)) {
        struct session *s = ly__container_of(l, struct session, link);
        if (s->number == number)
            return s;
    }
    return NULL;
}

/* ---- who it is ---- */

static void name_user(char name[LY__USER_NAME], uid_t uid)
{
    char memory[4096];
    struct passwd entry, *found = NULL;
    if (getpwuid_r(uid, &entry, memory, sizeof memory, &found) == 0 && found)
        snprintf(name, LY__USER_NAME, "%s", entry.pw_name);
    else
        snprintf(name, LY__USER_NAME, "uid %lu", (unsigned long)uid);
}

/*
 * Whoever reaches a listener of this kind may do everything: the mode of a Unix socket's file let them in, or
 * the operator said that all on this machine may (daemon/listen.c).
 */
static void grant_everything(struct ly__grant *g, const struct ly__origin *o)
{
    *g = (struct ly__grant){.roles = LY__ROLES_ALL};
    if (o->is_local)
        name_user(g->user, o->uid);
    else
        snprintf(g->user, sizeof g->user, "loopback");
}

static int begin(struct ly__authority *a, const struct ly__origin *o, uint64_t *number,
                 struct ly__grant *ret_grant)
{
    struct ly__decider *d = decider_of(a);
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    grant_everything(&s->grant, o);
    s->logged_in = true;
    *ret_grant = s->grant;
    pthread_mutex_lock(&d->lock);
    *number = s->number = ++d->last;
    ly__list_append(list_of(d, s->number), &s->link);
    pthread_mutex_unlock(&d->lock);
    return 1;
}

static int login(struct ly__authority *a, uint64_t number, const char *mechanism, const char *data, size_t n,
                 struct ly_buffer *ret_answer, struct ly__grant *ret_grant)
{
    (void)a, (void)number, (void)mechanism, (void)data, (void)n, (void)ret_answer, (void)ret_grant;
    return LY_EFIELD; /* everybody is in already */
}

static void end(struct ly__authority *a, uint64_t number, int result)
{
    struct ly__decider *d = decider_of(a);
    (void)result;
    pthread_mutex_lock(&d->lock);
    struct session *s = find(d, number);
    if (s)
        ly__list_remove(&s->link);
    pthread_mutex_unlock(&d->lock);
    free(s);
}

/* ---- what they do ---- */

static bool may(struct ly__decider *d, uint64_t number, unsigned role)
{
    pthread_mutex_lock(&d->lock);
    const struct session *s = find(d, number);
    bool yes = s && s->logged_in && (s->grant.roles & role);
    pthread_mutex_unlock(&d->lock);
    return yes;
}

/* Take a place among the commands at once. */
static bool take_place(struct ly__decider *d)
{
    if (atomic_fetch_add(&d->commands, 1) < d->commands_max)
        return true;
    atomic_fetch_sub(&d->commands, 1);
    return false;
}

static void leave_place(void *arg)
{
    struct ly__decider *d = arg;
    atomic_fetch_sub(&d->commands, 1);
}

static int start(struct ly__authority *a, uint64_t number, const struct ly__launch *l,
                 struct ly__child **ret_child, char ret_where[LY__LAUNCH_WHERE])
{
    struct ly__decider *d = decider_of(a);
    const char *where = "";
    if (!may(d, number, LY__EXEC))
        return LY_EROLE;
    if (!take_place(d))
        return -EAGAIN;
    int r = ly__child_start(ret_child, &where, l, d->root_fd, d->home, d->files_limit);
    if (r < 0) {
        leave_place(d);
        snprintf(ret_where, LY__LAUNCH_WHERE, "%s", where);
        return r;
    }
    (*ret_child)->freed = leave_place;
    (*ret_child)->freed_arg = d;
    return 0;
}

static int allow(struct ly__authority *a, uint64_t number, const char *what)
{
    (void)a, (void)number, (void)what;
    return 0;
}

static void note(struct ly__authority *a, uint64_t number, const struct ly__deed *deed)
{
    (void)a, (void)number, (void)deed;
}

static const struct ly__authority_calls calls = {begin, login, start, allow, note, end};

void ly__decider_open(struct ly__decider *d)
{
    d->authority.calls = &calls;
    pthread_mutex_init(&d->lock, NULL);
    for (size_t i = 0; i < LY__DECIDER_LISTS; i++)
        ly__list_init(&d->sessions[i]);
}

void ly__decider_close(struct ly__decider *d)
{
    pthread_mutex_destroy(&d->lock);
}
