/* SPDX-License-Identifier: MIT */
#include "reactor/io.h"
#include "fiber/park.h"
#include "fiber/trail.h"
#include "reactor/reactor.h"
#include <errno.h>
#include <poll.h>
#include <unistd.h>

static const char *const waits_for[] = {"input", "output"};

static void set_ready(struct ly__io *io, enum ly__dir dir, bool ready)
{
    atomic_store_explicit(&io->ready[dir], ready, memory_order_relaxed);
}

void ly__io_init(struct ly__io *io, int fd)
{
    *io = (struct ly__io){.fd = fd};
    set_ready(io, LY__IN, true);
    set_ready(io, LY__OUT, true);
}

/* ---- watches ---- */

static void fire_all(struct ly__io *io, enum ly__dir dir, int result)
{
    struct ly__watch *w = io->waits[dir];
    io->waits[dir] = NULL;
    while (w) {
        struct ly__watch *next = w->next;
        ly__loop_here->outside--;
        w->fire(w, result);
        w = next;
    }
}

void ly__io_event(struct ly__io *io, unsigned events)
{
    if (events & LY__EVENT_URGENT) {
        io->stops_short = true;
        events |= LY__EVENT_IN;
    }
    if (events & LY__EVENT_END) {
        io->stops_short = true;
        events |= LY__EVENT_IN | LY__EVENT_OUT;
    }
    if (events & LY__EVENT_IN) {
        set_ready(io, LY__IN, true);
        fire_all(io, LY__IN, 0);
    }
    if (events & LY__EVENT_OUT) {
        set_ready(io, LY__OUT, true);
        fire_all(io, LY__OUT, 0);
    }
}

LY__HOT static void forget(struct ly__io *io)
{
    struct ly__reactor *here = ly__loop_here ? ly__loop_here->driver_data : NULL;
    if (here && io->reactor == here && io->reactor_id == here->id) {
        if (here->ops->forget)
            here->ops->forget(here, io);
    } else if (io->reactor) {
        ly__reactor_forget(io);
    }
    io->reactor = NULL;
}

int ly__io_move(struct ly__io *io, struct ly__reactor *r)
{
    if (io->waits[LY__IN] || io->waits[LY__OUT])
        return -EBUSY;
    forget(io);
    io->reactor = r;
    io->reactor_id = r->id;
    return 0;
}

void ly__io_leave(struct ly__io *io)
{
    if (io->reactor && !io->waits[LY__IN] && !io->waits[LY__OUT])
        forget(io);
}

static inline int watch(struct ly__io *io, enum ly__dir dir, struct ly__watch *w)
{
    struct ly__reactor *reactor = ly__loop_here->driver_data;
    int r = ly__io_attach(io, reactor);
    if (r < 0)
        return r;
    if (!io->waits[dir]) {
        r = reactor->ops->arm(reactor, io, dir);
        if (r < 0)
            return r;
    }
    struct ly__watch **end = &io->waits[dir];
    while (*end)
        end = &(*end)->next;
    w->next = NULL;
    *end = w;
    ly__loop_here->outside++;
    return 0;
}

int ly__io_watch(struct ly__io *io, enum ly__dir dir, struct ly__watch *w)
{
    return watch(io, dir, w);
}

void ly__io_unwatch(struct ly__io *io, enum ly__dir dir, struct ly__watch *w)
{
    struct ly__watch **at = &io->waits[dir];
    while (*at && *at != w)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = w->next;
    ly__loop_here->outside--;
    struct ly__reactor *reactor = ly__loop_here->driver_data;
    if (!io->waits[dir] && reactor->ops->disarm)
        reactor->ops->disarm(reactor, io, dir);
}

/* ---- waiting in a fiber ---- */

static void wake_fiber(struct ly__watch *w, int result)
{
    struct ly__fiber *f = ly__container_of(w, struct ly__fiber, watch);
    f->fired = true;
    ly__fiber_wake(f, result);
}

static inline __attribute__((always_inline)) int wait_in_fiber(struct ly__io *io, enum ly__dir dir,
                                                               int64_t deadline)
{
    struct ly__fiber *f = ly__loop_here->running;
    f->watch.fire = wake_fiber;
    f->fired = false;
    int r = watch(io, dir, &f->watch);
    if (r < 0)
        return r;
    r = ly__fiber_park(f, deadline, waits_for[dir], LY__WAIT_IO);
    if (!f->fired)
        ly__io_unwatch(io, dir, &f->watch);
    return r;
}

/* ---- waiting in a thread ---- */

static int64_t thread_deadline(const struct ly__task *t, int64_t deadline)
{
    int64_t limit = t ? ly__task_deadline(t) : LY_NEVER;
    return deadline < limit ? deadline : limit;
}

/* A first short wait of a forked child needs no descriptor for its cancellation, as the signal that cancels
 * it ends poll(2), too. One that came between the look at the scope and poll(2) is noticed this much later.
 */
#define WITHOUT_CANCEL_MS 20

/* Returns 1 if fd is ready, 0 if that did not come soon, or an error of the scopes. */
static int wait_shortly(struct pollfd *p, const struct ly__task *t, int64_t deadline)
{
    bool can = t && t->scope && t->scope->by_signal && atomic_load(&t->scope->cancel_fd) < 0;
    if (!can || thread_deadline(t, deadline) != LY_NEVER)
        return 0;
    int r = ly__task_allowed(t);
    if (r < 0)
        return r;
    return poll(p, 1, WITHOUT_CANCEL_MS) > 0 && !(p->revents & POLLNVAL);
}

/* Have p wait for the cancellation of the scopes around t. */
static int add_cancel(struct pollfd *p, const struct ly__task *t)
{
    if (!t || !t->scope)
        return 0;
    p->fd = ly__scope_cancel_fd(t->scope);
    return p->fd < 0 ? p->fd : 0;
}

/* poll(2) one direction of fd, and the cancellation of the scopes around the calling thread. */
static int wait_in_thread(int fd, enum ly__dir dir, int64_t deadline)
{
    struct ly__task *t = ly__task_now;
    ly__release_held_back();
    struct pollfd p[2] = {{.fd = fd, .events = dir == LY__IN ? POLLIN : POLLOUT},
                          {.fd = -1, .events = POLLIN}};
    int r = wait_shortly(p, t, deadline);
    if (r != 0)
        return r < 0 ? r : 0;
    r = add_cancel(&p[1], t);
    if (r < 0)
        return r;
    for (;;) {
        r = t ? ly__task_allowed(t) : 0;
        if (r < 0)
            return r;
        int64_t limit = thread_deadline(t, deadline);
        r = poll(p, 2, ly__reactor_ms(limit));
        if (r < 0 && errno != EINTR)
            return -errno;
        if (r > 0 && p[0].revents & POLLNVAL)
            return -EBADF;
        if (r > 0 && p[0].revents)
            return 0;
        if (limit != LY_NEVER && ly_now() >= limit)
            return -ETIMEDOUT;
    }
}

LY__HOT static __attribute__((noinline)) int wait_outside(struct ly__io *io, enum ly__dir dir,
                                                          int64_t deadline)
{
    int r = wait_in_thread(io->fd, dir, deadline);
    if (r == 0)
        set_ready(io, dir, true);
    return r;
}

/* ly__io_wait, inlined where it is hot: see fiber/park.h. */
static inline __attribute__((always_inline)) int wait_here(struct ly__io *io, enum ly__dir dir,
                                                           int64_t deadline)
{
    if (io->fd < 0)
        return -EBADF;
    if (deadline == LY__NOWAIT)
        return -EAGAIN;
    return ly__loop_here ? wait_in_fiber(io, dir, deadline) : wait_outside(io, dir, deadline);
}

LY__HOT int ly__io_wait(struct ly__io *io, enum ly__dir dir, int64_t deadline)
{
    return wait_here(io, dir, deadline);
}

int ly__io_poll(struct ly__io *io, enum ly__dir dir, int64_t deadline)
{
    struct pollfd p = {.fd = io->fd, .events = dir == LY__IN ? POLLIN : POLLOUT};
    if (io->fd < 0)
        return -EBADF;
    if (poll(&p, 1, 0) > 0)
        return 0;
    return ly__io_wait(io, dir, deadline);
}

void ly__io_look_again(struct ly__io *io)
{
    struct ly__reactor *here = ly__loop_here ? ly__loop_here->driver_data : NULL;
    set_ready(io, LY__IN, true);
    set_ready(io, LY__OUT, true);
    if (!here || io->reactor != here || io->reactor_id != here->id)
        return;
    for (enum ly__dir dir = LY__IN; dir <= LY__OUT; dir++) {
        if (io->waits[dir] && here->ops->disarm)
            here->ops->disarm(here, io, dir);
        fire_all(io, dir, 0);
    }
}

/* ---- closing ---- */

LY__HOT int ly__io_release(struct ly__io *io)
{
    int fd = io->fd;
    if (fd < 0)
        return -1;
    forget(io);
    io->fd = -1;
    if (ly__loop_here) {
        fire_all(io, LY__IN, -EBADF);
        fire_all(io, LY__OUT, -EBADF);
    }
    return fd;
}

LY__HOT void ly__io_close(struct ly__io *io)
{
    int fd = ly__io_release(io);
    if (fd >= 0)
        close(fd);
}

/* ---- the calls ---- */

/*
 * What every call does around its system call: make sure it may be made, and afterwards say whether to return
 * r (true) or to try again. Written as two small functions so that the common way through, ready and
 * successful, is a few instructions.
 */
static inline __attribute__((always_inline)) int before(struct ly__io *io, enum ly__dir dir, int64_t deadline,
                                                        int (*wait)(struct ly__io *, enum ly__dir, int64_t))
{
    if (__builtin_expect(io->fd < 0, 0))
        return -EBADF;
    if (!ly__io_is_ready(io, dir) && deadline != LY__NOWAIT)
        return wait(io, dir, deadline); /* which asks the scopes, too */
    struct ly__task *t = ly__task_now;
    return t ? ly__task_allowed(t) : 0;
}

static inline __attribute__((always_inline)) bool again(struct ly__io *io, enum ly__dir dir, int64_t deadline,
                                                        ssize_t *r)
{
    if (*r >= 0) {
        ly__fiber_pay();
        return false;
    }
    if (*r == -EINTR)
        return true;
    if (*r != -EAGAIN) {
        ly__failed(*r);
        return false;
    }
    set_ready(io, dir, false);
    return deadline != LY__NOWAIT;
}

#define CALL(io, dir, deadline, call)                     \
    ssize_t r;                                            \
    do {                                                  \
        r = before((io), (dir), (deadline), ly__io_wait); \
        if (r < 0)                                        \
            return ly__failed(r);                         \
        r = (call);                                       \
        r = r < 0 ? -errno : r;                           \
    } while (again((io), (dir), (deadline), &r))

/* A stream that gave less than was asked for has nothing more now. */
static void note_short(struct ly__io *io, ssize_t got, size_t asked, int flags)
{
    if (got > 0 && (size_t)got < asked && !io->stops_short && !(flags & (MSG_PEEK | MSG_OOB)))
        set_ready(io, LY__IN, false);
}

LY__HOT static __attribute__((noinline)) ssize_t receive(struct ly__io *io, void *buf, size_t n, int flags,
                                                         int64_t deadline)
{
    ssize_t r;
    do {
        r = before(io, LY__IN, deadline, wait_here);
        if (r < 0)
            return ly__failed(r);
        r = recv(io->fd, buf, n, flags | MSG_DONTWAIT);
        r = r < 0 ? -errno : r;
    } while (again(io, LY__IN, deadline, &r));
    note_short(io, r, n, flags);
    return r;
}

LY__HOT ssize_t ly__io_recv(struct ly__io *io, void *buf, size_t n, int flags, int64_t deadline)
{
    struct ly__loop *l = ly__loop_here;
    struct ly__reactor *reactor = l ? l->driver_data : NULL;
    if (reactor && reactor->ops->recv && !ly__io_is_ready(io, LY__IN) && deadline != LY__NOWAIT &&
        io->fd >= 0)
        return reactor->ops->recv(reactor, io, buf, n, flags, deadline);
    return receive(io, buf, n, flags, deadline);
}

LY__HOT ssize_t ly__io_send(struct ly__io *io, const void *buf, size_t n, int flags, int64_t deadline)
{
    CALL(io, LY__OUT, deadline, send(io->fd, buf, n, flags | MSG_DONTWAIT | MSG_NOSIGNAL));
    return r;
}

ssize_t ly__io_recvmsg(struct ly__io *io, struct msghdr *m, int flags, int64_t deadline)
{
    CALL(io, LY__IN, deadline, recvmsg(io->fd, m, flags | MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
    return r;
}

ssize_t ly__io_sendmsg(struct ly__io *io, const struct msghdr *m, int flags, int64_t deadline)
{
    CALL(io, LY__OUT, deadline, sendmsg(io->fd, m, flags | MSG_DONTWAIT | MSG_NOSIGNAL));
    return r;
}

ssize_t ly__io_read(struct ly__io *io, void *buf, size_t n, int64_t deadline)
{
    CALL(io, LY__IN, deadline, read(io->fd, buf, n));
    return r;
}

ssize_t ly__io_write(struct ly__io *io, const void *buf, size_t n, int64_t deadline)
{
    CALL(io, LY__OUT, deadline, write(io->fd, buf, n));
    return r;
}

static ssize_t accept_one(struct ly__io *io, struct sockaddr *address, socklen_t *length, int64_t deadline)
{
    CALL(io, LY__IN, deadline, accept4(io->fd, address, length, SOCK_CLOEXEC | SOCK_NONBLOCK));
    return r;
}

int ly__io_accept(struct ly__io *io, struct sockaddr *address, socklen_t *length, int64_t deadline)
{
    return (int)accept_one(io, address, length, deadline);
}

ssize_t ly__io_call(struct ly__io *io, enum ly__dir dir, int64_t deadline, ssize_t (*call)(int, void *),
                    void *arg)
{
    ssize_t r;
    do {
        r = before(io, dir, deadline, ly__io_wait);
        if (r < 0)
            return ly__failed(r);
        r = call(io->fd, arg);
    } while (again(io, dir, deadline, &r));
    return r;
}
