/* SPDX-License-Identifier: MIT */
/*
 * Accepting.
 *
 * Errors of accept(2) are of three kinds. Those of the connection (the client has gone again, the network is
 * down: the manual page lists them) concern nobody: the next one is taken. Those of the system (no
 * descriptors, no memory) leave the connection waiting and the listener readable, so that trying again at
 * once would spin: accepting pauses for LY__PAUSE_MS, or until a request of this server has ended and given
 * its descriptor back, whichever is first. Everything else says that the listener is no listener any more.
 * The same holds for receiving datagrams; there, a refusal is that of an answer sent before.
 */
#include "fiber/loop.h"
#include "net/address.h"
#include "server/server.h"
#include <errno.h>
#include <lanyard/log.h>
#include <poll.h>
#include <sys/socket.h>

/* ---- slots ---- */

bool ly__slot_take(struct ly_server *s)
{
    int active = atomic_load(&s->active);
    do {
        if (active >= s->max_requests)
            return false;
    } while (!atomic_compare_exchange_weak(&s->active, &active, active + 1));
    return true;
}

void ly__slot_give(struct ly_server *s)
{
    atomic_fetch_sub(&s->active, 1);
    if (atomic_load(&s->wants_room) && s->policy->room)
        s->policy->room(s);
}

/* ---- errors ---- */

static bool is_of_the_connection(int error)
{
    static const int errors[] = {ECONNABORTED, EPROTO,       EPERM,     ENETDOWN,  ENOPROTOOPT,
                                 EHOSTDOWN,    ENONET,       EINTR,     ETIMEDOUT, EHOSTUNREACH,
                                 ENETUNREACH,  ECONNREFUSED, ECONNRESET};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (error == -errors[i])
            return true;
    return false;
}

static bool is_of_the_system(int error)
{
    return error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM;
}

static void pause_accepting(struct ly_server *s, struct ly__acceptor *a, int error)
{
    a->paused_until = ly_deadline(LY__PAUSE_MS);
    if (a->pausing)
        return;
    a->pausing = true;
    ly__count(&a->counters->pauses);
    if (s->options.hooks.accept_paused)
        s->options.hooks.accept_paused(s, error);
    else
        ly_log(LY_LOG_WARNING, "server", "accepting is paused", LY_ERR(error));
}

/* Without a store where there is none: of a forking server's parent, each page that it writes to is copied.
 */
static void end_pause(struct ly__acceptor *a)
{
    if (a->pausing)
        *a = (struct ly__acceptor){.counters = a->counters};
}

int ly__accept_failed(struct ly_server *s, struct ly__acceptor *a, int error)
{
    if (is_of_the_connection(error))
        return 1;
    if (is_of_the_system(error))
        pause_accepting(s, a, error);
    return error == -EAGAIN || is_of_the_system(error) ? 0 : error;
}

/* ---- one connection ---- */

int ly__accept(struct ly_server *s, struct ly__acceptor *a, struct ly__io *listener, int *ret_fd,
               struct ly_address *ret_peer)
{
    for (;;) {
        socklen_t length = sizeof ret_peer->u;
        int fd = ly__io_accept(listener, &ret_peer->u.any, &length, LY__NOWAIT);
        if (fd >= 0) {
            ly__address_set_length(ret_peer, length, s->listener[0]->type);
            end_pause(a);
            *ret_fd = fd;
            return 1;
        }
        int r = ly__accept_failed(s, a, fd);
        if (fd == -EAGAIN && s->address.u.family == AF_UNIX && ly__listener_is_shut_down(listener))
            return -EINVAL;
        if (r != 1)
            return r;
    }
}

/* ---- waiting for several descriptors ---- */

static int wait_in_thread(struct pollfd *p, int n, int64_t deadline)
{
    const struct ly__task *t = ly__task_self();
    if (!t)
        return -ENOMEM;
    p[n] = (struct pollfd){.fd = -1, .events = POLLIN};
    if (t->scope) {
        p[n].fd = ly__scope_cancel_fd(t->scope);
        if (p[n].fd < 0)
            return p[n].fd;
    }
    for (;;) {
        int r = ly__task_allowed(t);
        if (r < 0)
            return r;
        int64_t scopes = ly__task_deadline(t), limit = deadline < scopes ? deadline : scopes;
        int64_t left = limit == LY_NEVER ? -1 : (limit - ly_now() + 999999) / 1000000;
        r = poll(p, (nfds_t)n + 1, limit == LY_NEVER ? -1 : left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
        if (r < 0 && errno == ENOMEM)
            ly_sleep(LY__PAUSE_MS); /* no reason to end a server */
        else if (r < 0 && errno != EINTR)
            return -errno;
        if (r > 0 && !(r == 1 && p[n].revents))
            return 0;
        if (deadline != LY_NEVER && ly_now() >= deadline)
            return -ETIMEDOUT;
    }
}

struct watch {
    struct ly__watch watch;
    struct ly__fiber *fiber;
};

static void wake(struct ly__watch *w, int result)
{
    (void)result;
    ly__fiber_wake(ly__container_of(w, struct watch, watch)->fiber, 0);
}

static int wait_in_fiber(struct ly__io *const *ios, struct watch *watches, int n, int64_t deadline)
{
    int r = 0, set = 0;
    for (; set < n && r == 0; set++) {
        watches[set] = (struct watch){.watch.fire = wake, .fiber = ly__loop_here->running};
        r = ly__io_watch(ios[set], LY__IN, &watches[set].watch);
    }
    if (r == 0)
        r = ly__park(deadline, "a connection", LY__WAIT_IO);
    else
        set--;
    for (int i = 0; i < set; i++)
        ly__io_unwatch(ios[i], LY__IN, &watches[i].watch);
    return r;
}

/* p and watches have room for n, p for one more. */
static int wait_with(struct ly__io *const *ios, struct pollfd *p, struct watch *watches, int n,
                     int64_t deadline)
{
    for (int i = 0; i < n; i++)
        p[i] = (struct pollfd){.fd = ios[i]->fd, .events = POLLIN};
    if (!ly__loop_here)
        return wait_in_thread(p, n, deadline);
    /* An edge may have passed before anybody watched. */
    int r = ly_cancelled();
    if (r < 0)
        return r;
    if (poll(p, (nfds_t)n, 0) > 0)
        return 0;
    return wait_in_fiber(ios, watches, n, deadline);
}

/* Apart, for their frames: each page of stack that the forking policy's parent touches is copied once more
 * for each child. */
static __attribute__((noinline)) int wait_for_many(struct ly__io *const *ios, int n, int64_t deadline)
{
    struct pollfd p[LY__WAIT_MAX + 1];
    struct watch watches[LY__WAIT_MAX];
    return wait_with(ios, p, watches, n, deadline);
}

static __attribute__((noinline)) int wait_for_few(struct ly__io *const *ios, int n, int64_t deadline)
{
    struct pollfd p[LY__WAIT_FEW + 1];
    struct watch watches[LY__WAIT_FEW];
    return wait_with(ios, p, watches, n, deadline);
}

int ly__wait_any(struct ly__io *const *ios, int n, int64_t deadline)
{
    if (n > LY__WAIT_MAX)
        return -EINVAL;
    return n > LY__WAIT_FEW ? wait_for_many(ios, n, deadline) : wait_for_few(ios, n, deadline);
}
