/* SPDX-License-Identifier: MIT */
/*
 * The epoll reactor: a descriptor is registered once, for both directions, edge-triggered. Arming costs
 * nothing after that: every edge sets a latch whether somebody waits or not.
 *
 * Another thread may take a descriptor out while epoll_wait is about to return an event of it; it goes on a
 * list, by which the events are sifted before they are delivered.
 */
#include "reactor/reactor.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 512
#define GONE 32

struct epoll_reactor {
    struct ly__reactor base;
    int fd;
    struct epoll_event events[BATCH];
    pthread_mutex_t lock; /* of what follows, against threads that take a descriptor out */
    bool fetching;        /* epoll_wait runs */
    int gone_count;
    const struct ly__io *gone[GONE]; /* taken out meanwhile */
};

static struct epoll_reactor *of(struct ly__reactor *r)
{
    return (struct epoll_reactor *)(void *)r;
}

static void epoll_close(struct ly__reactor *r)
{
    ly__reactor_done(r); /* first: nobody looks for it any more */
    if (of(r)->fd >= 0)
        close(of(r)->fd);
    pthread_mutex_destroy(&of(r)->lock);
    free(r);
}

static int epoll_open(struct ly__reactor **ret_reactor)
{
    struct epoll_reactor *e = malloc(sizeof *e);
    if (!e)
        return -ENOMEM;
    e->fd = -1;
    e->gone_count = 0;
    e->fetching = false;
    pthread_mutex_init(&e->lock, NULL);
    int r = ly__reactor_init(&e->base, &ly__epoll_ops);
    if (r < 0)
        goto out;
    struct epoll_event wake = {.events = EPOLLIN};
    e->fd = epoll_create1(EPOLL_CLOEXEC);
    r = e->fd < 0 || epoll_ctl(e->fd, EPOLL_CTL_ADD, e->base.wake_fd, &wake) < 0 ? -errno : 0;
    if (r < 0)
        goto out;
    *ret_reactor = &e->base;
    e = NULL; /* handed over */
out:
    if (e)
        epoll_close(&e->base);
    return r;
}

static unsigned events_of(uint32_t events)
{
    unsigned mask = 0;
    if (events & EPOLLIN)
        mask |= LY__EVENT_IN;
    if (events & EPOLLPRI)
        mask |= LY__EVENT_URGENT;
    if (events & EPOLLOUT)
        mask |= LY__EVENT_OUT;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        mask |= LY__EVENT_END;
    return mask;
}

/* Strike out the events of descriptors that were taken out while they were fetched. With the lock. */
static void sift(struct epoll_reactor *e, int count)
{
    for (; e->gone_count > 0; e->gone_count--)
        for (int i = 0; i < count; i++)
            if (e->events[i].data.ptr == e->gone[e->gone_count - 1])
                e->events[i].events = 0;
}

static void set_fetching(struct epoll_reactor *e, bool fetching)
{
    pthread_mutex_lock(&e->lock);
    e->fetching = fetching;
    pthread_mutex_unlock(&e->lock);
}

/*
 * Ask for the memory of the events to come: the descriptor of one a few ahead, and the fiber that waits for
 * one nearer, whose pointer has arrived by then.
 */
static void prefetch(const struct epoll_event *event, int left)
{
    if (left > 6 && event[6].events && event[6].data.ptr)
        __builtin_prefetch(event[6].data.ptr);
    if (left > 3 && event[3].events && event[3].data.ptr) {
        const struct ly__io *io = event[3].data.ptr;
        const char *watch = (const char *)io->waits[LY__IN];
        if (watch) {
            __builtin_prefetch(watch);
            __builtin_prefetch(watch - 64);
        }
    }
}

static void deliver(struct epoll_reactor *e, const struct epoll_event *event)
{
    struct ly__io *io = event->data.ptr;
    if (!event->events)
        return;
    if (io)
        ly__io_event(io, events_of(event->events));
    else
        ly__reactor_drain_wake(&e->base);
}

static void epoll_turn(struct ly__reactor *r, int64_t deadline)
{
    struct epoll_reactor *e = of(r);
    set_fetching(e, true);
    int n = epoll_wait(e->fd, e->events, BATCH, ly__reactor_ms(deadline));
    pthread_mutex_lock(&e->lock);
    e->fetching = false;
    sift(e, n);
    for (int i = 0; i < n; i++) {
        prefetch(&e->events[i], n - i);
        deliver(e, &e->events[i]);
    }
    pthread_mutex_unlock(&e->lock);
}

static int epoll_arm(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir)
{
    (void)dir;
    if (io->registered)
        return 0;
    struct epoll_event event = {.events = EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                .data.ptr = io};
    if (epoll_ctl(of(r)->fd, EPOLL_CTL_ADD, io->fd, &event) < 0)
        return -errno;
    io->registered = true;
    return 0;
}

/* Always by hand: a child about to exec may hold a copy of the descriptor, and then closing ours would not
 * unregister it. */
static void epoll_forget(struct ly__reactor *r, struct ly__io *io)
{
    struct epoll_reactor *e = of(r);
    bool done = false;
    if (!io->registered)
        return;
    epoll_ctl(e->fd, EPOLL_CTL_DEL, io->fd, NULL);
    io->registered = false;
    while (!done) {
        pthread_mutex_lock(&e->lock);
        done = !e->fetching || e->gone_count < GONE;
        if (e->fetching && done)
            e->gone[e->gone_count++] = io;
        pthread_mutex_unlock(&e->lock);
        if (!done) {
            static const uint64_t one = 1;
            ssize_t woken = write(e->base.wake_fd, &one, sizeof one); /* so that the list is used up */
            (void)woken;
            sched_yield();
        }
    }
}

const struct ly__reactor_ops ly__epoll_ops = {
    .name = "epoll",
    .open = epoll_open,
    .close = epoll_close,
    .turn = epoll_turn,
    .arm = epoll_arm,
    .forget = epoll_forget,
};
