/* SPDX-License-Identifier: MIT */
/* The poll reactor: an array of what is waited for now. An entry goes when its last direction has been
 * reported. */
#include "reactor/reactor.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct poll_reactor {
    struct ly__reactor base;
    struct pollfd *fds;  /* the first is wake_fd */
    struct ly__io **ios; /* beside fds */
    size_t count, capacity;
};

static struct poll_reactor *of(struct ly__reactor *r)
{
    return (struct poll_reactor *)(void *)r;
}

static int grow(struct poll_reactor *p)
{
    size_t capacity = p->capacity ? 2 * p->capacity : 64;
    struct pollfd *fds = realloc(p->fds, capacity * sizeof *fds);
    if (!fds)
        return -ENOMEM;
    p->fds = fds;
    struct ly__io **ios = realloc(p->ios, capacity * sizeof *ios);
    if (!ios)
        return -ENOMEM;
    p->ios = ios;
    p->capacity = capacity;
    return 0;
}

static void poll_close(struct ly__reactor *r)
{
    struct poll_reactor *p = of(r);
    free(p->fds);
    free(p->ios);
    ly__reactor_done(r);
    free(p);
}

static int poll_open(struct ly__reactor **ret_reactor)
{
    struct poll_reactor *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    int r = ly__reactor_init(&p->base, &ly__poll_ops);
    if (r == 0)
        r = grow(p);
    if (r < 0) {
        poll_close(&p->base);
        return r;
    }
    p->fds[0] = (struct pollfd){.fd = p->base.wake_fd, .events = POLLIN};
    p->ios[0] = NULL;
    p->count = 1;
    *ret_reactor = &p->base;
    return 0;
}

static void drop(struct poll_reactor *p, size_t i)
{
    size_t last = --p->count;
    p->ios[i]->at.slot = 0;
    if (i == last)
        return;
    p->fds[i] = p->fds[last];
    p->ios[i] = p->ios[last];
    p->ios[i]->at.slot = (int32_t)(i + 1);
}

static short bit(enum ly__dir dir)
{
    return dir == LY__IN ? POLLIN | POLLPRI | POLLRDHUP : POLLOUT;
}

static void clear(struct poll_reactor *p, size_t i, short bits)
{
    p->fds[i].events &= (short)~bits;
    if (p->fds[i].events == 0)
        drop(p, i);
}

static void deliver(struct poll_reactor *p, size_t i, short got)
{
    struct ly__io *io = p->ios[i];
    unsigned events = 0;
    if (got & (POLLIN | POLLPRI))
        events |= LY__EVENT_IN;
    if (got & POLLOUT)
        events |= LY__EVENT_OUT;
    if (got & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
        events |= LY__EVENT_END | LY__EVENT_IN | LY__EVENT_OUT;
    p->fds[i].revents = 0; /* should a later drop move it, it is not delivered again */
    short done =
        (short)((events & LY__EVENT_IN ? bit(LY__IN) : 0) | (events & LY__EVENT_OUT ? bit(LY__OUT) : 0));
    clear(p, i, done);
    ly__io_event(io, events);
}

static void poll_turn(struct ly__reactor *r, int64_t deadline)
{
    struct poll_reactor *p = of(r);
    int left = poll(p->fds, p->count, ly__reactor_ms(deadline));
    if (left <= 0)
        return;
    for (size_t i = p->count - 1; i > 0 && left > 0;
         i--) { /* from the end: dropping one moves only later ones */
        if (p->fds[i].revents) {
            left--;
            deliver(p, i, p->fds[i].revents);
        }
    }
    if (left > 0 && p->fds[0].revents)
        ly__reactor_drain_wake(r);
}

static int poll_arm(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir)
{
    struct poll_reactor *p = of(r);
    if (!io->at.slot) {
        if (p->count == p->capacity && grow(p) < 0)
            return -ENOMEM;
        p->fds[p->count] = (struct pollfd){.fd = io->fd};
        p->ios[p->count] = io;
        io->at.slot = (int32_t)++p->count;
    }
    p->fds[io->at.slot - 1].events |= bit(dir);
    return 0;
}

static void poll_disarm(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir)
{
    if (io->at.slot)
        clear(of(r), (size_t)io->at.slot - 1, bit(dir));
}

static void poll_forget(struct ly__reactor *r, struct ly__io *io)
{
    if (io->at.slot)
        drop(of(r), (size_t)io->at.slot - 1);
}

const struct ly__reactor_ops ly__poll_ops = {
    .name = "poll",
    .open = poll_open,
    .close = poll_close,
    .turn = poll_turn,
    .arm = poll_arm,
    .disarm = poll_disarm,
    .forget = poll_forget,
};
