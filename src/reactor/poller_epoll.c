/* SPDX-License-Identifier: MIT */
/*
 * The epoll poller: the kernel keeps the set, and a wait costs what is ready.
 *
 * An event carries the descriptor's number and the count of its registration, so that one of an earlier
 * registration is told from those of now: epoll goes on reporting an open file whose number we closed (and
 * perhaps used again) while a duplicate of it lives elsewhere, and no call can take that out of the set. When
 * such a ghost is seen, the set is made anew.
 */
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 256
#define WAKE UINT64_MAX

struct epoll_poller {
    struct ly_poller base;
    int fd;
    struct epoll_event events[BATCH];
};

static struct epoll_poller *of(struct ly_poller *p)
{
    return (struct epoll_poller *)(void *)p;
}

static int control(int epoll_fd, int op, int fd, const struct ly__entry *e)
{
    struct epoll_event event = {
        .events = e->events & ~(LY__POLL_ALWAYS),
        .data.u64 = (uint64_t)e->generation << 32 | (uint32_t)fd,
    };
    return epoll_ctl(epoll_fd, op, fd, &event) < 0 ? -errno : 0;
}

static int watch_wake(int epoll_fd, int wake_fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = WAKE};
    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, wake_fd, &event) < 0 ? -errno : 0;
}

static int epoll_poller_open(struct ly_poller **ret_poller, int wake_fd)
{
    struct epoll_poller *e = calloc(1, sizeof *e);
    if (!e)
        return -ENOMEM;
    e->fd = epoll_create1(EPOLL_CLOEXEC);
    int r = e->fd < 0 ? -errno : watch_wake(e->fd, wake_fd);
    if (r < 0) {
        if (e->fd >= 0)
            close(e->fd);
        free(e);
        return r;
    }
    *ret_poller = &e->base;
    return 0;
}

static void epoll_poller_close(struct ly_poller *p)
{
    close(of(p)->fd);
    of(p)->fd = -1;
}

static int epoll_poller_add(struct ly_poller *p, int fd, struct ly__entry *e)
{
    return control(of(p)->fd, EPOLL_CTL_ADD, fd, e);
}

static int epoll_poller_modify(struct ly_poller *p, int fd, struct ly__entry *e)
{
    return control(of(p)->fd, EPOLL_CTL_MOD, fd, e);
}

static int epoll_poller_remove(struct ly_poller *p, int fd, struct ly__entry *e)
{
    (void)e;
    return epoll_ctl(of(p)->fd, EPOLL_CTL_DEL, fd, NULL) < 0 ? -errno : 0;
}

/* A new set of all that is registered. */
static int create(const struct ly_poller *p)
{
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0)
        return -errno;
    int r = watch_wake(set, p->wake_fd);
    for (int fd = 0; fd < p->capacity && r == 0; fd++) {
        const struct ly__entry *e = ly__poller_entry(p, fd);
        r = e && !e->spent ? control(set, EPOLL_CTL_ADD, fd, e) : 0;
        if (r == -EBADF || r == -EPERM) /* it was closed, and its number perhaps used for something else */
            r = 0;
    }
    if (r < 0)
        close(set);
    return r < 0 ? r : set;
}

/* Put a new set, which has no ghosts, in the place of the old one, under the same number. */
static int renew(struct epoll_poller *e)
{
    struct ly_poller *p = &e->base;
    int set = create(p);
    if (set < 0)
        return set;
    bool waited_for = ly__io_release(&p->io) >= 0;
    int r = dup3(set, e->fd, O_CLOEXEC) < 0 ? -errno : 0;
    if (waited_for)
        ly__io_init(&p->io, e->fd);
    close(set);
    return r;
}

static int epoll_poller_wait(struct ly_poller *p, struct ly_poller_event *ret_events, int max,
                             int64_t deadline)
{
    struct epoll_poller *e = of(p);
    bool ghosts = false;
    int count = 0;
    int n = epoll_wait(e->fd, e->events, max < BATCH ? max : BATCH, ly__reactor_ms(deadline));
    if (n < 0)
        return -errno;
    for (int i = 0; i < n; i++) {
        const struct epoll_event *event = &e->events[i];
        if (event->data.u64 == WAKE) {
            ly__poller_woken(p);
            continue;
        }
        int fd = (int)(uint32_t)event->data.u64;
        struct ly__entry *entry = ly__poller_entry(p, fd);
        if (entry && entry->generation == event->data.u64 >> 32)
            ly__poller_report(&ret_events[count++], fd, entry, event->events);
        else
            ghosts = true;
    }
    int r = ghosts ? renew(e) : 0;
    return count == 0 && r < 0 ? r : count;
}

static int epoll_poller_pollable(struct ly_poller *p)
{
    return of(p)->fd;
}

const struct ly__poller_ops ly__poller_epoll = {
    .name = "epoll",
    .open = epoll_poller_open,
    .close = epoll_poller_close,
    .add = epoll_poller_add,
    .modify = epoll_poller_modify,
    .remove = epoll_poller_remove,
    .wait = epoll_poller_wait,
    .pollable = epoll_poller_pollable,
    .edge = true,
    .knows_by_itself = true,
};
