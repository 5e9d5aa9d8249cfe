/* SPDX-License-Identifier: MIT */
/* ly_run: a loop and a reactor under it, on the calling thread. */
#include "reactor/reactor.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static void turn(void *data, int64_t deadline)
{
    struct ly__reactor *r = data;
    r->ops->turn(r, deadline);
}

static void wake(void *data)
{
    static const uint64_t one = 1;
    struct ly__reactor *r = data;
    /* EAGAIN: it is awake already. No other failure would be final, and a lost wake-up would be. */
    for (int tries = 0; tries < 3 && write(r->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN; tries++)
        ;
}

static const struct ly__driver driver = {.turn = turn, .wake = wake};

static int run(struct ly__loop *l, ly_task_fn *fn, void *arg, const char *reactor_names)
{
    struct ly__reactor *reactor;
    int result = 0;
    int r = ly__reactor_open(&reactor, reactor_names);
    if (r < 0) {
        ly__loop_done(l);
        return r;
    }
    l->driver = &driver;
    l->driver_data = reactor;
    r = ly__overflow_watch(ly__loop_describe_stack);
    if (r < 0)
        goto out;
    r = ly__watchdog_add(l);
    if (r < 0)
        goto unwatch;
    r = ly__loop_run(l, fn, arg, &result);
    ly__watchdog_remove(l);
unwatch:
    ly__overflow_unwatch();
out:
    ly__loop_done(l);
    ly__reactor_retire(reactor);
    reactor->ops->close(reactor);
    return r < 0 ? r : result;
}

int ly_run(ly_task_fn *fn, void *arg, const struct ly_run_options *options)
{
    const char *names = options ? options->reactor : NULL;
    if (ly__loop_here)
        return -EBUSY;
    struct ly__loop *l = malloc(sizeof *l);
    if (!l)
        return -ENOMEM;
    ly__loop_init(l, options);
    int r = run(l, fn, arg, names ? names : getenv("LY_REACTOR"));
    free(l);
    return r;
}

const char *ly_reactor_name(void)
{
    return ly__loop_here ? ((struct ly__reactor *)ly__loop_here->driver_data)->ops->name : "thread";
}
