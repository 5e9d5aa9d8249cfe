/* SPDX-License-Identifier: MIT */
/*
 * The mirror: poll and select have no descriptor that stands for all that they watch, so an epoll one is kept
 * beside them once a fiber waits or somebody asks for it.
 *
 * It is edge-triggered, and emptied before each look, so that it is readable only after something new has
 * happened: it may know of conditions that the mechanism does not report (a hang-up, to select), and these
 * must not wake its waiter for ever. Whoever waits by ly_poller_fileno expects it to stay readable while
 * something is left; for him what was reported is put in again. Regular files are not in it: epoll takes
 * none, and a look always finds them.
 */
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BATCH 64

static void put(struct ly_poller *p, int op, int fd, unsigned events)
{
    struct epoll_event event = {.events = (events & LY__POLL_WANTED) | EPOLLET, .data.fd = fd};
    epoll_ctl(p->mirror, op, fd, &event);
}

/*
 * A descriptor that was closed while a duplicate lives on cannot be taken out: it would make the mirror
 * readable for ever. Put another one in its place, under the same number.
 */
static void renew(struct ly_poller *p)
{
    int fd = epoll_create1(EPOLL_CLOEXEC);
    p->stale = false;
    if (fd < 0)
        return; /* it wakes its waiters too often from now on, no more */
    ly__io_release(&p->io);
    if (dup3(fd, p->mirror, O_CLOEXEC) >= 0 && p->wake_fd >= 0)
        put(p, EPOLL_CTL_ADD, p->wake_fd, LY_POLL_IN);
    close(fd);
    ly__io_init(&p->io, p->mirror);
    for (int i = 0; i < p->capacity; i++)
        if (p->entries[i].generation)
            ly__mirror_set(p, i, &p->entries[i]);
}

int ly__mirror_open(struct ly_poller *p)
{
    p->mirror = epoll_create1(EPOLL_CLOEXEC);
    if (p->mirror < 0)
        return -errno;
    if (p->wake_fd >= 0)
        put(p, EPOLL_CTL_ADD, p->wake_fd, LY_POLL_IN);
    for (int fd = 0; fd < p->capacity; fd++)
        if (p->entries[fd].generation)
            ly__mirror_set(p, fd, &p->entries[fd]);
    return p->mirror;
}

void ly__mirror_set(struct ly_poller *p, int fd, const struct ly__entry *e)
{
    struct epoll_event event = {.data.fd = fd};
    if (!e || e->spent) {
        if (epoll_ctl(p->mirror, EPOLL_CTL_DEL, fd, NULL) < 0 && errno == EBADF)
            p->stale = true;
        return;
    }
    event.events = (e->events & LY__POLL_WANTED) | EPOLLET;
    if (epoll_ctl(p->mirror, EPOLL_CTL_MOD, fd, &event) < 0 && errno == ENOENT)
        epoll_ctl(p->mirror, EPOLL_CTL_ADD, fd, &event);
}

void ly__mirror_drain(struct ly_poller *p)
{
    struct epoll_event events[BATCH];
    if (p->stale)
        renew(p);
    while (epoll_wait(p->mirror, events, BATCH, 0) == BATCH)
        ;
}

void ly__mirror_again(struct ly_poller *p, const struct ly_poller_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        const struct ly__entry *e = ly__poller_entry(p, events[i].fd);
        if (e->spent || (p->shown && !(events[i].events & LY_POLL_NVAL)))
            ly__mirror_set(p, events[i].fd, e);
    }
}
