/* SPDX-License-Identifier: MIT */
/*
 * load-echo ADDRESS CONNECTIONS SIZE DEPTH WARM_MS WINDOW_MS SERVER_PID [hold]
 *
 * Closed loop: each connection sends DEPTH messages of SIZE bytes in one write, waits for all of them to come
 * back, and begins again. After WARM_MS it counts, for WINDOW_MS, whole rounds that came back, and reads the
 * processor time of SERVER_PID at both ends of the window. Prints messages, wall seconds, the server's and
 * its own processor seconds, and the time that a round took: its median and its 99th percentile in
 * microseconds, to within 3 %. With "hold" the connections then stay open until standard input ends.
 */
#include "../common/net.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, BUFFER = 1 << 18 };

enum { STEPS = 32, BUCKETS = 64 * STEPS }; /* of the times: so many for each doubling */

struct connection {
    int fd;
    uint64_t began;   /* this round, in ns */
    bool wants_room;  /* EPOLLOUT is asked for */
    uint32_t unsent;  /* bytes of this round still to send */
    uint32_t unheard; /* bytes of this round still to come back */
};

static char zeros[BUFFER], sink[BUFFER];
static uint32_t round_bytes;
static uint64_t rounds;
static uint64_t times[BUCKETS];
static int epoll_fd;

/* ---- times ---- */

static size_t bucket_of(uint64_t ns)
{
    if (ns < STEPS)
        return (size_t)ns;
    int shift = 63 - __builtin_clzll(ns) - 5;
    return (size_t)(shift + 1) * STEPS + (size_t)(ns >> shift) - STEPS;
}

static double microseconds_of(size_t bucket)
{
    if (bucket < 2 * STEPS)
        return (double)bucket / 1e3;
    size_t shift = bucket / STEPS - 1;
    return (double)((bucket % STEPS + STEPS) << shift) / 1e3;
}

/* The time that this share of the rounds stayed below. */
static double percentile(double share)
{
    uint64_t all = 0, seen = 0;
    for (size_t i = 0; i < BUCKETS; i++)
        all += times[i];
    for (size_t i = 0; i < BUCKETS; i++) {
        seen += times[i];
        if (seen > 0 && (double)seen >= share * (double)all)
            return microseconds_of(i);
    }
    return 0;
}

/* ---- rounds ---- */

static void watch(struct connection *c, int operation)
{
    struct epoll_event e = {.events = EPOLLIN | (c->wants_room ? EPOLLOUT : 0), .data.ptr = c};
    if (epoll_ctl(epoll_fd, operation, c->fd, &e))
        die("epoll_ctl");
}

static void send_more(struct connection *c)
{
    ssize_t n = send(c->fd, zeros, c->unsent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN)
        die("send");
    c->unsent -= n > 0 ? (uint32_t)n : 0;
    if ((c->unsent > 0) != c->wants_room) {
        c->wants_room = c->unsent > 0;
        watch(c, EPOLL_CTL_MOD);
    }
}

static void begin_round(struct connection *c)
{
    c->began = now_ns();
    c->unsent = c->unheard = round_bytes;
    send_more(c);
}

static void receive(struct connection *c)
{
    ssize_t n = recv(c->fd, sink, c->unheard, 0);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        die("recv");
    c->unheard -= (uint32_t)n;
    if (c->unheard)
        return;
    rounds++;
    times[bucket_of(now_ns() - c->began)]++;
    begin_round(c);
}

static void run_until(uint64_t end)
{
    struct epoll_event events[EVENTS];
    while (now_ns() < end) {
        int n = epoll_wait(epoll_fd, events, EVENTS, 100);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT && c->unsent)
                send_more(c);
            if (events[i].events & ~(uint32_t)EPOLLOUT)
                receive(c);
        }
    }
}

static void open_all(const char *address, size_t count)
{
    struct connection *all = calloc(count, sizeof *all);
    if (!all)
        die("calloc");
    for (size_t i = 0; i < count; i++) {
        all[i].fd = connect_to(address, 0);
        set_nonblocking(all[i].fd);
        watch(&all[i], EPOLL_CTL_ADD);
    }
    for (size_t i = 0; i < count; i++)
        begin_round(&all[i]);
}

int main(int argc, char **argv)
{
    errno = 0;
    if (argc != 8 && argc != 9)
        die("usage: load-echo ADDRESS CONNECTIONS SIZE DEPTH WARM_MS WINDOW_MS SERVER_PID [hold]");
    uint64_t depth = number(argv[4]), warm = number(argv[5]), window = number(argv[6]);
    pid_t server = (pid_t)number(argv[7]);
    if (number(argv[3]) * depth > BUFFER)
        die("SIZE * DEPTH is too large");
    round_bytes = (uint32_t)(number(argv[3]) * depth);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    open_all(argv[1], number(argv[2]));
    run_until(now_ns() + warm * 1000000);

    uint64_t before = rounds, cpu = process_cpu_ns(server), own = process_cpu_ns(getpid()), start = now_ns();
    memset(times, 0, sizeof times);
    run_until(start + window * 1000000);
    double seconds = (double)(now_ns() - start) / 1e9;
    printf("messages=%llu seconds=%.6f server_cpu=%.6f load_cpu=%.6f p50_us=%.1f p99_us=%.1f\n",
           (unsigned long long)((rounds - before) * depth), seconds,
           (double)(process_cpu_ns(server) - cpu) / 1e9, (double)(process_cpu_ns(getpid()) - own) / 1e9,
           percentile(0.5), percentile(0.99));
    fflush(stdout);
    while (argc == 9 && getchar() != EOF)
        ;
    return 0;
}
