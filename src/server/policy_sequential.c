/* SPDX-License-Identifier: MIT */
/*
 * One request after the other, in the serving task; other connections wait in the backlog.
 *
 * The task that serves is inside a handler when it is asked to stop, so somebody else has to count the time
 * of the drain: a second task, the keeper, which cancels the scope of the handlers when the time is over.
 */
#include "fiber/loop.h"
#include "server/server.h"
#include <errno.h>
#include <fcntl.h>

/* ---- the keeper ---- */

struct keeper {
    struct ly_server *server;
    struct ly_scope *handlers;
    struct ly__io stop, cancel; /* copies: a loop's reactor may know a descriptor only once */
};

static int keep(void *arg)
{
    struct keeper *k = arg;
    int r = ly__io_poll(&k->stop, LY__IN, LY_NEVER);
    if (r == 0)
        r = ly__io_poll(&k->cancel, LY__IN, ly__drain_deadline(k->server));
    if (r == 0 || (r == -ETIMEDOUT && ly_cancelled() == 0))
        ly_scope_cancel(k->handlers);
    return 0;
}

static int copy(struct ly__io *io, int fd)
{
    ly__io_init(io, fcntl(fd, F_DUPFD_CLOEXEC, 0));
    return io->fd < 0 ? -errno : 0;
}

static int serve_beside(struct keeper *k)
{
    struct ly_scope *aside;
    int r = ly_scope_open(&aside, NULL);
    if (r < 0)
        return r;
    /* Now, so that the keeper needs no descriptor when there are none left. */
    r = ly__loop_here ? 0 : ly__scope_cancel_fd(aside);
    if (r >= 0)
        r = ly_go(aside, keep, k);
    if (r == 0)
        r = ly__serve_turns(k->server);
    ly_scope_close(aside);
    return r;
}

static int serve_with_keeper(struct ly_server *s, struct ly_scope *handlers)
{
    struct keeper k = {.server = s, .handlers = handlers};
    int r = copy(&k.stop, s->stop_fd);
    if (r < 0)
        return r;
    r = copy(&k.cancel, s->cancel_fd);
    if (r == 0)
        r = serve_beside(&k);
    ly__io_close(&k.stop);
    ly__io_close(&k.cancel);
    return r;
}

static int serve(struct ly_server *s)
{
    struct ly_scope *handlers;
    int r = ly_scope_open(&handlers, NULL);
    if (r < 0)
        return r;
    atomic_store(&s->serving, handlers);
    r = serve_with_keeper(s, handlers);
    atomic_store(&s->serving, NULL);
    ly_scope_close(handlers);
    return r;
}

const struct ly__policy ly__sequential_policy = {
    .name = "sequential",
    .max_requests = 1,
    .max_packets = 1,
    .batch = 64,
    .in_fibers = true,
    .serve = serve,
    .begin = ly__request_here,
};
