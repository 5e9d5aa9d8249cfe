/* SPDX-License-Identifier: MIT */
/* Where a scenario runs: in threads, and in a loop on each reactor. */
#ifndef LY_FAULT_PLACES_H
#define LY_FAULT_PLACES_H

#include "sweep.h"

struct place {
    const char *name;
    const char *reactor; /* NULL: no loop, tasks are threads */
};

static const struct place places[] = {
    {"threads", NULL}, {"epoll", "epoll"}, {"poll", "poll"}, {"select", "select"}, {"io_uring", "io_uring"}};
#define PLACES (sizeof places / sizeof *places)

struct placed {
    const struct place *place;
    ly_task_fn *fn;
    void *arg;
};

static inline int run_at(const struct place *p, ly_task_fn *fn, void *arg)
{
    return p->reactor ? ly_run(fn, arg, &(struct ly_run_options){.reactor = p->reactor}) : fn(arg);
}

static inline int run_placed(void *arg)
{
    const struct placed *p = arg;
    return run_at(p->place, p->fn, p->arg);
}

static inline void sweep_place_with(const char *what, const struct place *place, ly_task_fn *fn, void *arg)
{
    struct placed p = {.place = place, .fn = fn, .arg = arg};
    char name[80];
    snprintf(name, sizeof name, "%s, %s", what, place->name);
    sweep(name, run_placed, &p);
}

static inline void sweep_place(const char *what, const struct place *place, ly_task_fn *fn)
{
    sweep_place_with(what, place, fn, NULL);
}

static inline void sweep_places(const char *what, ly_task_fn *fn)
{
    for (size_t i = 0; i < PLACES; i++)
        sweep_place(what, &places[i], fn);
}

/* With calls that move one byte each: all that the scenario does is done, in small steps. */
static inline void in_places_with_short(const char *call, ly_task_fn *fn, void *arg)
{
    for (size_t p = 0; p < PLACES; p++) {
        /* On epoll a short receive says that the socket is empty, and no edge would come for what is left. */
        if (strcmp(call, "recv") == 0 && strcmp(places[p].name, "epoll") == 0)
            continue;
        assert_int_equal(ly_fault_short(call), 0);
        int r = run_at(&places[p], fn, arg);
        ly_fault_short(NULL);
        assert_int_equal(r, 0);
    }
}

/* Have two ends of a socket pair talk in a scope of their own; talk may close either. */
static inline int over_pair(int (*talk)(struct ly_scope *scope, struct ly_sock *a, struct ly_sock *b))
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    int r = ly_socketpair(&a, &b);
    if (r < 0)
        return r;
    r = ly_scope_open(&scope, NULL);
    if (r == 0) {
        r = talk(scope, a, b);
        ly_scope_close(scope);
    }
    ly_sock_free(a);
    ly_sock_free(b);
    return r;
}

/* Bytes in which a piece that is lost or doubled is noticed. */
static inline void fill_pattern(char *buf, size_t n)
{
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)(i * 7 + i / 251);
}

#endif
