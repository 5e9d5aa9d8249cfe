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

/* What epoll does not take is found by each look anyway: regular files, and what was closed. */
static int result(int r)
{
    return r < 0 && errno != EPERM && errno != EBADF ? -errno : 0;
}

static int put(int mirror, int op, int fd, unsigned events)
{
    struct epoll_event event = {.events = (events & LY__POLL_WANTED) | EPOLLET, .data.fd = fd};
    return epoll_ctl(mirror, op, fd, &event);
}

/* A new mirror of all there is. */
static int create(const struct ly_poller *p)
{
    int mirror = epoll_create1(EPOLL_CLOEXEC), r = 0;
    if (mirror < 0)
        return -errno;
    if (p->wake_fd >= 0)
        r = result(put(mirror, EPOLL_CTL_ADD, p->wake_fd, LY_POLL_IN));
    for (int fd = 0; fd < p->capacity && r == 0; fd++) {
        const struct ly__entry *e = ly__poller_entry(p, fd);
        if (e && !e->spent)
            r = result(put(mirror, EPOLL_CTL_ADD, fd, e->events));
    }
    if (r < 0)
        close(mirror);
    return r < 0 ? r : mirror;
}

int ly__mirror_open(struct ly_poller *p)
{
    return p->mirror = create(p);
}

/*
 * A descriptor that was closed while a duplicate lives on cannot be taken out, and would make the mirror
 * readable for ever; one may also be missing for want of memory. Put a new mirror in the place of the old
 * one, under the same number.
 */
static int renew(struct ly_poller *p)
{
    int mirror = create(p);
    if (mirror < 0)
        return mirror;
    ly__io_release(&p->io);
    int r = dup3(mirror, p->mirror, O_CLOEXEC) < 0 ? -errno : 0;
    ly__io_init(&p->io, p->mirror);
    close(mirror);
    p->stale = r < 0;
    return r;
}

void ly__mirror_set(struct ly_poller *p, int fd, const struct ly__entry *e)
{
    if (!e || e->spent) {
        p->stale |= epoll_ctl(p->mirror, EPOLL_CTL_DEL, fd, NULL) < 0 && errno == EBADF;
        return;
    }
    int r = put(p->mirror, EPOLL_CTL_MOD, fd, e->events);
    if (r < 0 && errno == ENOENT)
        r = put(p->mirror, EPOLL_CTL_ADD, fd, e->events);
    p->stale |= result(r) < 0;
}

int ly__mirror_drain(struct ly_poller *p)
{
    struct epoll_event events[BATCH];
    int r = p->stale ? renew(p) : 0;
    while (r == 0 && epoll_wait(p->mirror, events, BATCH, 0) == BATCH)
        ;
    return r;
}

void ly__mirror_again(struct ly_poller *p, const struct ly_poller_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        const struct ly__entry *e = ly__poller_entry(p, events[i].fd);
        if (e->spent || (p->shown && !(events[i].events & LY_POLL_NVAL)))
            ly__mirror_set(p, events[i].fd, e);
    }
}
