/* SPDX-License-Identifier: MIT */
/* What all reactors share, and the choice among them. */
#include "reactor/reactor.h"
#include <errno.h>
#include <lanyard/log.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* One row a reactor; the order is that of preference where a list of names has no usable one. */
static const struct ly__reactor_ops *const reactors[] = {
    &ly__epoll_ops,
    &ly__poll_ops,
    &ly__uring_ops,
    &ly__select_ops,
};
#define COUNT (sizeof reactors / sizeof reactors[0])
#define FALLBACKS 2 /* so many of them are tried uninvited */

static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static struct ly__list live = {&live, &live};

int ly__reactor_init(struct ly__reactor *r, const struct ly__reactor_ops *ops)
{
    static uint32_t last_id;
    r->ops = ops;
    pthread_mutex_lock(&live_lock);
    r->id = ++last_id;
    ly__list_append(&live, &r->live);
    pthread_mutex_unlock(&live_lock);
    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return r->wake_fd < 0 ? -errno : 0;
}

void ly__reactor_done(struct ly__reactor *r)
{
    ly__reactor_retire(r);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
}

void ly__reactor_retire(struct ly__reactor *r)
{
    pthread_mutex_lock(&live_lock);
    ly__list_remove(&r->live);
    pthread_mutex_unlock(&live_lock);
}

static bool is_live(const struct ly__reactor *r, uint32_t id)
{
    ly__list_each (it, &live) {
        const struct ly__reactor *one = ly__container_of(it, struct ly__reactor, live);
        if (one == r && one->id == id)
            return true;
    }
    return false;
}

static void forget_by_ops(struct ly__io *io)
{
    if (io->reactor->ops->forget)
        io->reactor->ops->forget(io->reactor, io);
}

void ly__reactor_forget(struct ly__io *io)
{
    struct ly__reactor *here = ly__loop_here ? ly__loop_here->driver_data : NULL;
    if (here && here == io->reactor && here->id == io->reactor_id) {
        forget_by_ops(io);
        return;
    }
    pthread_mutex_lock(&live_lock);
    if (is_live(io->reactor, io->reactor_id)) {
        forget_by_ops(io);
    } else {
        io->registered = false;
        io->in_flight = 0;
        memset(&io->at, 0, sizeof io->at);
    }
    pthread_mutex_unlock(&live_lock);
}

void ly__reactor_drain_wake(struct ly__reactor *r)
{
    uint64_t count;
    while (read(r->wake_fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
}

int ly__reactor_ms(int64_t deadline)
{
    if (deadline == LY_NEVER)
        return -1;
    int64_t left = deadline ? deadline - ly_now() : 0;
    if (left <= 0)
        return 0;
    int64_t ms = (left + 999999) / 1000000;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

static const struct ly__reactor_ops *find(const char *name, size_t length)
{
    for (size_t i = 0; i < COUNT; i++)
        if (strlen(reactors[i]->name) == length && memcmp(reactors[i]->name, name, length) == 0)
            return reactors[i];
    return NULL;
}

static int try_open(struct ly__reactor **ret_reactor, const struct ly__reactor_ops *ops)
{
    int r = ops->open(ret_reactor);
    if (r < 0)
        ly_log(LY_LOG_DEBUG, "reactor", "reactor not usable here", LY_STR("reactor", ops->name), LY_ERR(r));
    return r;
}

int ly__reactor_open(struct ly__reactor **ret_reactor, const char *names)
{
    bool only = false;
    int r = LY_ENOREACTOR;
    while (names && *names && r != 0) {
        size_t length = strcspn(names, ",!");
        const struct ly__reactor_ops *ops = find(names, length);
        r = ops ? try_open(ret_reactor, ops) : LY_ENOREACTOR;
        only = names[length] == '!';
        names += length + (names[length] != 0);
    }
    for (size_t i = 0; i < FALLBACKS && r != 0 && !only; i++)
        r = try_open(ret_reactor, reactors[i]);
    return r == 0 ? 0 : LY_ENOREACTOR;
}
