/* SPDX-License-Identifier: MIT */
/*
 * Rows of part L of the conformance list, and of the system's list on multiplexing: each over the pollers and
 * the places where one can wait (a plain thread, a fiber on each reactor).
 *
 *     ROW(C144_..., EPOLL | URING)
 *     {
 *         NEED(ly_poller_register(c->poller, c->a, LY_POLL_IN | LY_POLL_EDGE, NULL) == 0);
 *         ...
 *         return 0;
 *     }
 *
 * The body gets an open poller and a connected pair of non-blocking TCP sockets, c->a and c->b, which it may
 * close (and then sets to -1). A condition that does not hold leaves the body by return, because cmocka's
 * assertions jump, which a fiber's stack does not survive.
 */
#ifndef LY_CONFORMANCE_POLLERS_H
#define LY_CONFORMANCE_POLLERS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <lanyard/lanyard.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEED(condition)                                                                               \
    do {                                                                                              \
        if (!(condition)) {                                                                           \
            printf("# %s:%d, %s in %s: not so: %s\n", __FILE__, __LINE__, c->name, ly_reactor_name(), \
                   #condition);                                                                       \
            return -EPROTO;                                                                           \
        }                                                                                             \
    } while (0)

struct cell {
    const char *name; /* of the poller */
    struct ly_poller *poller;
    int a, b;
    struct ly_poller_event event[16]; /* room for what is waited for */
    int (*body)(struct cell *c);
};

enum { SELECT = 1, POLL = 2, EPOLL = 4, URING = 8, ALL = 15 };

static struct {
    int rows, cells, left_out;
} pollers;

static inline int tcp_pair(int fd[2])
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fd[1] = -1;
    if (bind(listener, (struct sockaddr *)&a, sizeof a) == 0 && listen(listener, 1) == 0 &&
        getsockname(listener, (struct sockaddr *)&a, &length) == 0 &&
        connect(fd[0], (struct sockaddr *)&a, sizeof a) == 0)
        fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    close(listener);
    return fd[1] < 0 ? -errno : fcntl(fd[0], F_SETFL, O_RDWR | O_NONBLOCK);
}

static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static inline int run_body(void *arg)
{
    struct cell *c = arg;
    int fd[2];
    NEED(tcp_pair(fd) == 0);
    c->a = fd[0];
    c->b = fd[1];
    int r = ly_poller_open(&c->poller, c->name);
    if (r == 0)
        r = c->body(c);
    ly_poller_free(c->poller);
    close_fd(&c->a);
    close_fd(&c->b);
    return r;
}

static inline void run_cells(int which, int (*body)(struct cell *c))
{
    static const char *const names[] = {"select", "poll", "epoll", "io_uring"};
    static const char *const where[] = {"thread", "select!", "poll!", "epoll!", "io_uring!"};
    for (int i = 0; i < 20; i++) {
        struct cell c = {.name = names[i / 5], .body = body, .a = -1, .b = -1};
        const char *place = where[i % 5];
        if (!(which & 1 << i / 5))
            continue;
        int r = i % 5 == 0 ? run_body(&c) : ly_run(run_body, &c, &(struct ly_run_options){.reactor = place});
        if (r == LY_ENOREACTOR && (place[0] == 'i' || c.name[0] == 'i')) {
            pollers.left_out++;
            continue;
        }
        assert_int_equal(r, 0);
        pollers.cells++;
    }
    pollers.rows++;
}

#define ROW(name, which)                 \
    static int name##_in(struct cell *); \
    static void name(void **state)       \
    {                                    \
        (void)state;                     \
        run_cells(which, name##_in);     \
    }                                    \
    static int name##_in(struct cell *c)

#define RUN(name) cmocka_unit_test(name)

#define POLLERS_MAIN(...)                                                                                \
    int main(void)                                                                                       \
    {                                                                                                    \
        const struct CMUnitTest rows[] = {__VA_ARGS__};                                                  \
        int r = cmocka_run_group_tests(rows, NULL, NULL);                                                \
        printf("# %d rows hold over %d cells; %d cells left out (no such reactor here)\n", pollers.rows, \
               pollers.cells, pollers.left_out);                                                         \
        return r;                                                                                        \
    }

/* What one wait of at most 20 s gives for a single registered descriptor: its events; 0 for none. */
static inline unsigned events_within(struct cell *c, int64_t timeout_ms)
{
    int n = ly_poller_wait(c->poller, c->event, 16, timeout_ms);
    return n == 1 ? c->event[0].events : 0;
}

#define SOON ((int64_t)20000) /* so that a failure ends */
#define NOW ((int64_t)0)

static inline bool tells_hangups(const char *name) /* all but select */
{
    return name[0] != 's';
}

static inline int64_t ms_since(int64_t start)
{
    return (ly_now() - start) / 1000000;
}

#endif
