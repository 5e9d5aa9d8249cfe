/* SPDX-License-Identifier: MIT */
/*
 * Pollers against poll(2): after each step of a long random sequence (registering, modifying, unregistering,
 * sending, reading, ending, closing, reopening) a look has to report what poll(2) says of each registered
 * descriptor, no more and no less. The sequence is the same in each run; a failure prints its step.
 */
#include "../everywhere.h"
#include <lanyard/poller.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS 10
#define STEPS 3000

static const char *name_now;

struct pair {
    int a, b;        /* a is watched */
    bool registered; /* with these events */
    bool armed;      /* not a one-shot that was reported */
    unsigned events;
};

struct model {
    struct ly_poller *poller;
    struct pair pairs[PAIRS];
    uint32_t random;
    int step;
};

static unsigned roll(struct model *m, unsigned n)
{
    m->random = m->random * 1664525u + 1013904223u;
    return (m->random >> 8) % n;
}

static unsigned random_events(struct model *m)
{
    static const unsigned sets[] = {0,
                                    LY_POLL_IN,
                                    LY_POLL_OUT,
                                    LY_POLL_IN | LY_POLL_OUT,
                                    LY_POLL_IN | LY_POLL_RDHUP,
                                    LY_POLL_RDHUP | LY_POLL_OUT};
    unsigned events = sets[roll(m, name_now[0] == 's' ? 5 : 6)];
    return events | (roll(m, 4) ? 0 : LY_POLL_ONESHOT);
}

/* What the poller should say of a pair. select knows three things, of which hang-ups and errors are part. */
static unsigned truth(const struct pair *p)
{
    unsigned wanted = p->events & ~LY_POLL_ONESHOT;
    struct pollfd at = {.fd = p->a, .events = POLLIN | POLLOUT | POLLRDHUP};
    if (!p->registered || !p->armed)
        return 0;
    if (name_now[0] != 's') {
        at.events = (short)wanted;
        poll(&at, 1, 0);
        return (unsigned short)at.revents;
    }
    poll(&at, 1, 0);
    unsigned got = 0;
    if (at.revents & (POLLIN | POLLHUP | POLLERR))
        got |= LY_POLL_IN;
    if (at.revents & (POLLOUT | POLLERR))
        got |= LY_POLL_OUT;
    return got & wanted;
}

static int open_pair(struct pair *p)
{
    int end[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, end) == 0);
    *p = (struct pair){.a = end[0], .b = end[1]};
    return 0;
}

static int change_registration(struct model *m, struct pair *p)
{
    unsigned events = random_events(m);
    if (p->registered && roll(m, 3) == 0) {
        CHECK(ly_poller_unregister(m->poller, p->a) == 0);
        p->registered = false;
        return 0;
    }
    if (p->registered)
        CHECK(ly_poller_modify(m->poller, p->a, events, p) == 0);
    else
        CHECK(ly_poller_register(m->poller, p->a, events, p) == 0);
    p->registered = p->armed = true;
    p->events = events;
    return 0;
}

static int reopen(struct model *m, struct pair *p)
{
    if (p->registered)
        CHECK(ly_poller_unregister(m->poller, p->a) == 0);
    close(p->a);
    if (p->b >= 0)
        close(p->b);
    return open_pair(p);
}

static void fill(const struct pair *p)
{
    static const char block[4096];
    while (send(p->a, block, sizeof block, MSG_NOSIGNAL) > 0)
        ;
}

static void drain(int fd)
{
    char block[4096];
    while (recv(fd, block, sizeof block, 0) > 0)
        ;
}

static int act(struct model *m)
{
    struct pair *p = &m->pairs[roll(m, PAIRS)];
    switch (roll(m, 12)) {
    case 0:
        return roll(m, 4) ? 0 : reopen(m, p);
    case 1:
        if (p->b >= 0 && roll(m, 3) == 0)
            shutdown(p->b, SHUT_WR);
        return 0;
    case 2:
        if (p->b >= 0 && roll(m, 4) == 0) {
            close(p->b);
            p->b = -1;
        }
        return 0;
    case 3:
        fill(p);
        return 0;
    case 4:
        if (p->b >= 0)
            drain(p->b);
        return 0;
    case 5:
    case 6:
        drain(p->a);
        return 0;
    case 7:
    case 8:
        if (p->b >= 0)
            (void)!send(p->b, "x", 1, MSG_NOSIGNAL);
        return 0;
    default:
        return change_registration(m, p);
    }
}

/* Look with room for `max`, and compare. */
static int look(struct model *m, int max)
{
    struct ly_poller_event e[PAIRS + 1];
    unsigned told[PAIRS] = {0};
    int ready = 0;
    for (int i = 0; i < PAIRS; i++)
        ready += truth(&m->pairs[i]) != 0;
    int n = ly_poller_wait(m->poller, e, max, 0);
    CHECK(n == (ready < max ? ready : max));
    for (int i = 0; i < n; i++) {
        struct pair *p = e[i].data;
        CHECK(e[i].fd == p->a && told[p - m->pairs] == 0);
        told[p - m->pairs] = e[i].events;
        CHECK(e[i].events == truth(p));
        p->armed = !(p->events & LY_POLL_ONESHOT);
    }
    return 0;
}

static int walk(void *arg)
{
    struct model m = {.random = 91};
    int r = 0;
    (void)arg;
    CHECK(ly_poller_open(&m.poller, name_now) == 0);
    for (int i = 0; i < PAIRS && r == 0; i++)
        r = open_pair(&m.pairs[i]);
    for (m.step = 0; m.step < STEPS && r == 0; m.step++) {
        r = act(&m);
        if (r == 0 && roll(&m, 3))
            r = look(&m, roll(&m, 4) ? PAIRS + 1 : 1 + (int)roll(&m, 3));
    }
    if (r != 0)
        print_error("# with %s, in step %d\n", name_now, m.step);
    ly_poller_free(m.poller);
    for (int i = 0; i < PAIRS; i++) {
        close(m.pairs[i].a);
        if (m.pairs[i].b >= 0)
            close(m.pairs[i].b);
    }
    return r;
}

static void each_look_says_what_poll_says(void **state)
{
    static const char *const names[] = {"select", "poll", "epoll", "io_uring"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ly_poller *p;
        name_now = names[i];
        if (ly_poller_open(&p, name_now) == LY_ENOREACTOR) {
            print_message("# %s is not usable here\n", name_now);
            continue;
        }
        ly_poller_free(p);
        everywhere(walk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_look_says_what_poll_says)};
    return cmocka_run_group_tests_name("reactor/poller_random", tests, NULL, NULL);
}
