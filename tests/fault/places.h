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

#endif
