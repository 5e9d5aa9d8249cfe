/* SPDX-License-Identifier: MIT */
/*
 * Rows of parts F, G and H of the conformance list: socket calls, each over the places where they can be made
 * (a plain thread, a fiber on each reactor) and the transports.
 *
 *     ROW(C96_after_the_peers_end_come_the_rest_and_then_nothing, BOTH)
 *     {
 *         ...NEED(ly_recv(p->a, buf, sizeof buf) == 3);
 *         return 0;
 *     }
 *
 * The body gets a connected pair, p->a and p->b, and its listener, p->listener. A condition that does not
 * hold leaves the body by return, because cmocka's assertions jump, which a fiber's stack does not survive;
 * what is open then stays open. PLACES_MAIN prints how many rows held over how many cells.
 */
#ifndef LY_CONFORMANCE_PLACES_H
#define LY_CONFORMANCE_PLACES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <lanyard/lanyard.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEED(condition)                                                                       \
    do {                                                                                      \
        if (!(condition)) {                                                                   \
            printf("# %s:%d, in %s, %s: not so: %s\n", __FILE__, __LINE__, ly_reactor_name(), \
                   p->tcp ? "tcp" : "unix", #condition);                                      \
            return -EPROTO;                                                                   \
        }                                                                                     \
    } while (0)

struct place {
    bool tcp;
    char address[64]; /* of the listener */
    struct ly_sock *listener, *a, *b;
    int (*body)(struct place *p);
};

enum { TCP = 1, UNIX = 2, BOTH = 3 };

static struct {
    int rows, cells, left_out;
} places;

static inline int connect_pair(struct place *p)
{
    static int last;
    struct ly_address bound;
    if (p->tcp)
        snprintf(p->address, sizeof p->address, "tcp://127.0.0.1:0");
    else
        snprintf(p->address, sizeof p->address, "unix:@lanyard-places-%d-%d", (int)getpid(), ++last);
    NEED(ly_listen(&p->listener, p->address, NULL) == 0);
    NEED(ly_sock_local(p->listener, &bound) == 0);
    ly_address_format(&bound, p->address, sizeof p->address);
    NEED(ly_connect(&p->a, p->address, NULL) == 0);
    NEED(ly_accept(p->listener, &p->b, NULL) == 0);
    return 0;
}

static inline int run_body(void *arg)
{
    struct place *p = arg;
    int r = connect_pair(p);
    if (r == 0)
        r = p->body(p);
    ly_sock_free(p->a);
    ly_sock_free(p->b);
    ly_sock_free(p->listener);
    return r;
}

static inline int run_in(const char *where, struct place *p)
{
    if (strcmp(where, "thread") == 0)
        return run_body(p);
    return ly_run(run_body, p, &(struct ly_run_options){.reactor = where});
}

static inline void run_places(int which, int (*body)(struct place *p))
{
    static const char *const where[] = {"thread", "select!", "poll!", "epoll!", "io_uring!"};
    for (size_t i = 0; i < sizeof where / sizeof *where; i++)
        for (int tcp = 0; tcp < 2; tcp++) {
            struct place p = {.tcp = tcp, .body = body};
            if (!(which & (tcp ? TCP : UNIX)))
                continue;
            int r = run_in(where[i], &p);
            if (r == LY_ENOREACTOR) {
                places.left_out++;
                continue;
            }
            assert_int_equal(r, 0);
            places.cells++;
        }
    places.rows++;
}

#define ROW(name, which)                  \
    static int name##_in(struct place *); \
    static void name(void **state)        \
    {                                     \
        (void)state;                      \
        run_places(which, name##_in);     \
    }                                     \
    static int name##_in(struct place *p)

#define RUN(name) cmocka_unit_test(name)

#define PLACES_MAIN(...)                                                                                \
    int main(void)                                                                                      \
    {                                                                                                   \
        const struct CMUnitTest rows[] = {__VA_ARGS__};                                                 \
        int r = cmocka_run_group_tests(rows, NULL, NULL);                                               \
        printf("# %d rows hold over %d cells; %d cells left out (no such reactor here)\n", places.rows, \
               places.cells, places.left_out);                                                          \
        return r;                                                                                       \
    }

static inline int64_t ms_since(int64_t start)
{
    return (ly_now() - start) / 1000000;
}

/* Wait until n bytes have come, for what does not wait itself. */
static inline bool arrived(struct ly_sock *s, int n)
{
    int there = 0;
    struct pollfd p = {.fd = ly_sock_fileno(s), .events = POLLIN};
    while (there < n)
        if (poll(&p, 1, 20000) != 1 || ioctl(p.fd, FIONREAD, &there) < 0)
            return false;
    return true;
}

/* Fill what the connection can hold, so that the next send has to wait. TCP acknowledges and sends on for a
 * while without being read; what that frees is no room in a buffer that is small again. Returns the bytes. */
static inline size_t stuff(struct ly_sock *s)
{
    static const char block[65536];
    int64_t timeout = ly_sock_timeout(s);
    size_t n = 0;
    ssize_t r;
    ly_sock_set_timeout(s, 0);
    while ((r = ly_send(s, block, sizeof block)) > 0)
        n += (size_t)r;
    ly_sock_set_int(s, SOL_SOCKET, SO_SNDBUF, 1);
    ly_sock_set_timeout(s, timeout);
    return n;
}

#endif
