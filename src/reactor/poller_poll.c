/* SPDX-License-Identifier: MIT */
/* The poll poller: an array of what is registered. A one-shot entry that is spent stays in it, turned off. */
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

struct poll_poller {
    struct ly_poller base;
    struct pollfd *fds; /* the first is wake_fd (-1 is passed over); turned off: ~fd */
    int count, capacity;
    int next; /* where to begin looking, so that nobody is passed over for ever */
};

static struct poll_poller *of(struct ly_poller *p)
{
    return (struct poll_poller *)(void *)p;
}

static int fd_at(const struct poll_poller *p, int slot)
{
    int fd = p->fds[slot].fd;
    return fd < 0 ? ~fd : fd;
}

static int grow(struct poll_poller *p)
{
    int capacity = p->capacity ? p->capacity * 2 : 64;
    struct pollfd *fds = realloc(p->fds, (size_t)capacity * sizeof *fds);
    if (!fds)
        return -ENOMEM;
    p->fds = fds;
    p->capacity = capacity;
    return 0;
}

static int poll_poller_open(struct ly_poller **ret_poller, int wake_fd)
{
    struct poll_poller *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    if (grow(p) < 0) {
        free(p);
        return -ENOMEM;
    }
    p->fds[p->count++] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
    p->next = 1;
    *ret_poller = &p->base;
    return 0;
}

static void poll_poller_close(struct ly_poller *base)
{
    free(of(base)->fds);
    of(base)->fds = NULL;
}

static void arm(struct poll_poller *p, int fd, const struct ly__entry *e)
{
    p->fds[e->slot] = (struct pollfd){.fd = fd, .events = (short)(e->events & LY__POLL_WANTED)};
}

static int poll_poller_add(struct ly_poller *base, int fd, struct ly__entry *e)
{
    struct poll_poller *p = of(base);
    if (p->count == p->capacity && grow(p) < 0)
        return -ENOMEM;
    e->slot = p->count++;
    arm(p, fd, e);
    return 0;
}

static int poll_poller_modify(struct ly_poller *base, int fd, struct ly__entry *e)
{
    arm(of(base), fd, e);
    return 0;
}

static int poll_poller_remove(struct ly_poller *base, int fd, struct ly__entry *e)
{
    struct poll_poller *p = of(base);
    int last = --p->count;
    (void)fd;
    if (e->slot != last) {
        p->fds[e->slot] = p->fds[last];
        base->entries[fd_at(p, e->slot)].slot = e->slot;
    }
    return 0;
}

static void report(struct poll_poller *p, int slot, struct ly_poller_event *ret)
{
    struct pollfd *at = &p->fds[slot];
    struct ly__entry *e = &p->base.entries[at->fd];
    ly__poller_report(ret, at->fd, e, (unsigned short)at->revents);
    if (e->spent)
        at->fd = ~at->fd;
}

static int poll_poller_wait(struct ly_poller *base, struct ly_poller_event *ret_events, int max,
                            int64_t deadline)
{
    struct poll_poller *p = of(base);
    int found = 0;
    int left = poll(p->fds, (nfds_t)p->count, ly__reactor_ms(deadline));
    if (left < 0)
        return -errno;
    if (left > 0 && p->fds[0].revents) {
        left--;
        ly__poller_woken(base);
    }
    for (int seen = 1; seen < p->count && left > 0 && found < max; seen++) {
        int slot = p->next < p->count ? p->next : 1;
        p->next = slot + 1;
        if (p->fds[slot].revents) {
            left--;
            report(p, slot, &ret_events[found++]);
        }
    }
    return found;
}

const struct ly__poller_ops ly__poller_poll = {
    .name = "poll",
    .open = poll_poller_open,
    .close = poll_poller_close,
    .add = poll_poller_add,
    .modify = poll_poller_modify,
    .remove = poll_poller_remove,
    .wait = poll_poller_wait,
};
