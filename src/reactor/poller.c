/* SPDX-License-Identifier: MIT */
/*
 * Pollers: what is common to all mechanisms.
 *
 * A plain thread waits inside the mechanism's own call. A fiber must not, and a thread in a scope must also
 * hear of its cancellation: these look without waiting, and where nothing is ready wait for one descriptor
 * that stands for all of them (epoll's own; an eventfd that the ring signals; for poll and select a mirror),
 * by the same ly__io_wait as everybody else.
 */
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/log.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

_Static_assert(LY_POLL_IN == POLLIN && LY_POLL_PRI == POLLPRI && LY_POLL_OUT == POLLOUT, "poll's values");
_Static_assert(LY_POLL_ERR == POLLERR && LY_POLL_HUP == POLLHUP && LY_POLL_NVAL == POLLNVAL, "poll's values");
_Static_assert(LY_POLL_RDHUP == POLLRDHUP && LY_POLL_RDHUP == EPOLLRDHUP, "poll's and epoll's values");
_Static_assert(LY_POLL_EDGE == EPOLLET && LY_POLL_ONESHOT == EPOLLONESHOT, "epoll's values");

/* One row a mechanism, the best first. */
static const struct ly__poller_ops *const mechanisms[] = {
    &ly__poller_epoll,
    &ly__poller_poll,
    &ly__poller_uring,
    &ly__poller_select,
};
#define COUNT (sizeof mechanisms / sizeof *mechanisms)

/* ---- opening and closing ---- */

static int open_with(struct ly_poller **ret_poller, const struct ly__poller_ops *ops, int wake_fd)
{
    struct ly_poller *p;
    int r = ops->open(&p, wake_fd);
    if (r < 0) {
        ly_log(LY_LOG_DEBUG, "poller", "poller not usable here", LY_STR("poller", ops->name), LY_ERR(r));
        return r;
    }
    p->ops = ops;
    p->wake_fd = wake_fd;
    p->mirror = -1;
    ly__io_init(&p->io, -1);
    *ret_poller = p;
    return 0;
}

int ly__poller_open_plain(struct ly_poller **ret_poller, const struct ly__poller_ops *ops)
{
    return open_with(ret_poller, ops, -1);
}

/* The next mechanism that a list names, or of all without one; NULL: no more. *at counts rows. */
static bool next_name(const char **names, size_t *at, const struct ly__poller_ops **ret_ops)
{
    *ret_ops = NULL;
    if (!*names) {
        *ret_ops = *at < COUNT ? mechanisms[(*at)++] : NULL;
        return *ret_ops;
    }
    if (!**names)
        return false;
    size_t length = strcspn(*names, ",");
    for (size_t i = 0; i < COUNT; i++)
        if (strlen(mechanisms[i]->name) == length && memcmp(mechanisms[i]->name, *names, length) == 0)
            *ret_ops = mechanisms[i];
    *names += length + ((*names)[length] == ',');
    return true;
}

/* That the process is out of something says more than that no mechanism can be used. */
static int worth_telling(int error)
{
    return error == 0 || error == -ENOMEM || error == -EMFILE || error == -ENFILE ? error : LY_ENOREACTOR;
}

int ly_poller_open(struct ly_poller **ret_poller, const char *names)
{
    const struct ly__poller_ops *ops;
    size_t at = 0;
    int r = LY_ENOREACTOR;
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake_fd < 0)
        return -errno;
    while (r < 0 && next_name(&names, &at, &ops))
        if (ops)
            r = worth_telling(open_with(ret_poller, ops, wake_fd));
        else
            r = LY_ENOREACTOR;
    if (r < 0)
        close(wake_fd);
    return r;
}

void ly_poller_close(struct ly_poller *p)
{
    if (p->closed)
        return;
    p->closed = true;
    ly__io_release(&p->io);
    p->ops->close(p);
    if (p->mirror >= 0)
        close(p->mirror);
    if (p->wake_fd >= 0)
        close(p->wake_fd);
    p->mirror = p->wake_fd = -1;
    free(p->entries);
    p->entries = NULL;
    p->capacity = p->count = 0;
}

void ly_poller_free(struct ly_poller *p)
{
    if (!p)
        return;
    ly_poller_close(p);
    free(p);
}

const char *ly_poller_name(const struct ly_poller *p)
{
    return p->ops->name;
}

/* ---- waking ---- */

int ly_poller_wake(struct ly_poller *p)
{
    static const uint64_t one = 1;
    int saved = errno; /* a signal handler's caller may be about to look at it */
    int r = p->wake_fd < 0 ? -EBADF : 0;
    /* EAGAIN: it is awake already. */
    for (int tries = 0; r == 0 && tries < 3 && write(p->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN;)
        tries++;
    errno = saved;
    return r;
}

void ly__poller_woken(struct ly_poller *p)
{
    uint64_t count;
    while (read(p->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    p->woken = true;
}

/* ---- registering ---- */

static int check(const struct ly_poller *p, int fd, unsigned events)
{
    if (p->closed || fd < 0)
        return -EBADF;
    if (events & ~(LY__POLL_WANTED | LY__POLL_ALWAYS | LY_POLL_EDGE | LY_POLL_ONESHOT))
        return -EINVAL;
    if (events & LY_POLL_EDGE && !p->ops->edge)
        return -EOPNOTSUPP;
    if (p->ops->no_rdhup && (events & (LY_POLL_RDHUP | LY_POLL_IN)) == LY_POLL_RDHUP)
        return -EOPNOTSUPP;
    /* The entries lie in an array: a number that no descriptor has must not make it long. */
    bool ask = !p->ops->knows_by_itself || fd >= p->capacity;
    return ask && fcntl(fd, F_GETFD) < 0 ? -EBADF : 0;
}

/* Make room for the entry of fd. */
static int reserve(struct ly_poller *p, int fd)
{
    int capacity = p->capacity ? p->capacity : 64;
    if (fd < p->capacity)
        return 0;
    while (capacity <= fd)
        capacity = capacity > INT32_MAX / 2 ? INT32_MAX : capacity * 2;
    struct ly__entry *entries = realloc(p->entries, (size_t)capacity * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    memset(entries + p->capacity, 0, (size_t)(capacity - p->capacity) * sizeof *entries);
    p->entries = entries;
    p->capacity = capacity;
    return 0;
}

/* Begin a registration; generation 0 ends it. What io_uring's list of descriptors to arm needs stays. */
static void fill(struct ly__entry *e, unsigned events, void *data, uint32_t generation)
{
    e->data = data;
    e->events = events;
    e->generation = generation;
    e->armed = 0;
    e->slot = 0;
    e->spent = false;
}

static uint32_t next_generation(struct ly_poller *p)
{
    return ++p->generation ? p->generation : ++p->generation;
}

int ly_poller_register(struct ly_poller *p, int fd, unsigned events, void *data)
{
    int r = check(p, fd, events);
    if (r == 0 && ly__poller_entry(p, fd) && !p->ops->knows_by_itself)
        r = -EEXIST;
    if (r == 0)
        r = reserve(p, fd);
    if (r < 0)
        return r;
    struct ly__entry *e = &p->entries[fd], before = *e;
    fill(e, events, data, next_generation(p));
    r = p->ops->add(p, fd, e);
    if (r < 0) {
        *e = before;
        return r;
    }
    p->count += before.generation == 0; /* else it had been closed, which nobody told us */
    if (p->mirror >= 0)
        ly__mirror_set(p, fd, e);
    return 0;
}

int ly_poller_modify(struct ly_poller *p, int fd, unsigned events, void *data)
{
    struct ly__entry *e = ly__poller_entry(p, fd);
    if (!e)
        return p->closed ? -EBADF : -ENOENT;
    int r = check(p, fd, events);
    if (r < 0)
        return r;
    struct ly__entry before = *e;
    e->data = data;
    e->events = events;
    e->generation = next_generation(p);
    e->spent = false;
    r = p->ops->modify(p, fd, e);
    if (r < 0) {
        *e = before;
        return r;
    }
    if (p->mirror >= 0)
        ly__mirror_set(p, fd, e);
    return 0;
}

int ly_poller_unregister(struct ly_poller *p, int fd)
{
    if (p->closed)
        return -EBADF;
    struct ly__entry *e = ly__poller_entry(p, fd);
    if (!e)
        return -ENOENT;
    int r = p->ops->remove(p, fd, e);
    fill(e, 0, NULL, 0);
    p->count--;
    if (p->mirror >= 0)
        ly__mirror_set(p, fd, NULL);
    return r;
}

/* ---- waiting ---- */

static int pollable(struct ly_poller *p)
{
    if (p->io.fd >= 0)
        return 0;
    int fd = p->ops->pollable ? p->ops->pollable(p) : ly__mirror_open(p);
    if (fd < 0)
        return fd;
    ly__io_init(&p->io, fd);
    return 0;
}

int ly_poller_fileno(struct ly_poller *p)
{
    if (p->closed)
        return -EBADF;
    int r = pollable(p);
    if (r < 0)
        return r;
    p->shown = true;
    return p->io.fd;
}

/* One look, or one wait, by the mechanism. A wait that a signal interrupts found nothing; a look has not
 * looked, and who goes on to wait for what happens after it would miss what was there. */
static int look(struct ly_poller *p, struct ly_poller_event *ret_events, int max, int64_t deadline)
{
    p->woken = false;
    int n = p->mirror >= 0 ? ly__mirror_drain(p) : 0;
    if (n < 0)
        return n;
    do
        n = p->ops->wait(p, ret_events, max, deadline);
    while (n == -EINTR && deadline == LY__NOWAIT);
    if (n > 0 && p->mirror >= 0)
        ly__mirror_again(p, ret_events, n);
    return n == -EINTR ? 0 : n;
}

static bool is_over(int64_t deadline)
{
    return deadline == LY__NOWAIT || (deadline != LY_NEVER && ly_now() >= deadline);
}

static int wait_in_call(struct ly_poller *p, struct ly_poller_event *ret_events, int max, int64_t deadline)
{
    for (;;) {
        int n = look(p, ret_events, max, deadline);
        if (n != 0 || p->woken || is_over(deadline))
            return n;
    }
}

/* Look, and wait for the descriptor that stands for all. */
static int wait_beside(struct ly_poller *p, struct ly_poller_event *ret_events, int max, int64_t deadline)
{
    int r = pollable(p);
    while (r == 0) {
        int n = look(p, ret_events, max, LY__NOWAIT);
        if (n != 0 || p->woken || is_over(deadline)) {
            ly__fiber_pay();
            return n;
        }
        r = ly__io_wait(&p->io, LY__IN, deadline);
        if (p->closed)
            return -EBADF;
        /* Whose time is over, the caller's own or its scope's? Its own is no error. */
        if (r == -ETIMEDOUT && ly_cancelled() == 0)
            r = 0;
    }
    return r;
}

int ly_poller_wait(struct ly_poller *p, struct ly_poller_event *ret_events, int max, int64_t timeout_ms)
{
    if (p->closed)
        return -EBADF;
    if (max < 1 || timeout_ms < LY_FOREVER)
        return -EINVAL;
    int r = ly_cancelled();
    if (r < 0)
        return r;
    struct ly__task *t = ly__task_now;
    int64_t deadline = ly_deadline(timeout_ms);
    if (ly__loop_here || (t && t->scope))
        return wait_beside(p, ret_events, max, deadline);
    return wait_in_call(p, ret_events, max, deadline);
}
