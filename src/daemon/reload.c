/* SPDX-License-Identifier: MIT */
/*
 * What cannot change while a server runs is compared with what it began with, so that it is said again at
 * each reload until the restart; what can is compared with what was read last.
 */
#include "daemon/reload.h"
#include <errno.h>
#include <lanyard/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void tell(void *arg, const char *where, const char *what)
{
    (void)arg;
    ly_log(LY_LOG_ERROR, "config", "a mistake in the settings", LY_STR("where", where), LY_STR("what", what));
}

static void append(char *list, size_t cap, const char *name)
{
    size_t n = strlen(list);
    snprintf(list + n, cap - n, "%s%s", n ? " " : "", name);
}

/* Those that differ: which can change into the list, the others into the log. */
static void compare(const struct ly__reload *r, const struct ly__config *next, char *list, size_t cap)
{
    *list = 0;
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        const struct ly__config_key *k = &ly__config_keys[i];
        if (k->reloads && !ly__config_same(r->now ? r->now : r->started, next, i))
            append(list, cap, k->name);
        else if (!k->reloads && !ly__config_same(r->started, next, i))
            ly_log(LY_LOG_WARNING, "config", "a setting has changed that needs a restart",
                   LY_STR("key", k->name));
    }
}

static int apply_gate(struct ly__network *n, const struct ly__serve_options *o)
{
    int e = ly__penalties_set(n->penalties,
                              &(struct ly__penalty_options){.exempt = o->exempts, .exempts = o->nexempts});
    return e < 0 ? e : ly__admission_set(n->admission, &o->gate);
}

static int apply(struct ly__reload *r, const struct ly__serve_options *o)
{
    int e = r->network->wanted ? apply_gate(r->network, o) : 0;
    if (e < 0)
        return e;
    atomic_store(&r->decider->commands.most, o->commands_max);
    r->log.level = o->log.level;
    ly_log_setup(&r->log);
    if (r->network->crew.started)
        ly__crew_log(&r->network->crew, o->log.level);
    return 0;
}

static int take(struct ly__reload *r, const struct ly__config *next)
{
    struct ly__serve_options *o = malloc(sizeof *o);
    if (!o)
        return -ENOMEM;
    ly__config_apply(next, o);
    int e = apply(r, o);
    free(o);
    return e;
}

int ly__reload(struct ly__reload *r, char *ret_changed, size_t cap)
{
    const struct ly__config_sink sink = {.tell = tell};
    struct ly__config *next = malloc(sizeof *next);
    if (!next)
        return -ENOMEM;
    int e = ly__config_load(next, r->started, &sink);
    if (e == 0) {
        compare(r, next, ret_changed, cap);
        e = *ret_changed ? take(r, next) : 0;
    }
    if (e < 0) {
        ly__config_done(next);
        free(next);
        return e;
    }
    ly__reload_done(r);
    r->now = next;
    return 0;
}

void ly__reload_done(struct ly__reload *r)
{
    if (r->now)
        ly__config_done(r->now);
    free(r->now);
    r->now = NULL;
}
