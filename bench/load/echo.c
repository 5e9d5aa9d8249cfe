/* SPDX-License-Identifier: MIT */
/*
 * load-echo ADDRESS CONNECTIONS SIZE DEPTH WARM_MS WINDOW_MS SERVER_PID
 *
 * Closed loop: each connection sends DEPTH messages of SIZE bytes in one write, waits for all of them to come
 * back, and begins again. After WARM_MS it counts, for WINDOW_MS, whole rounds that came back, and reads the
 * processor time of SERVER_PID at both ends of the window. Prints messages, wall seconds, the server's and
 * its own processor seconds.
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

struct connection {
    int fd;
    bool wants_room;  /* EPOLLOUT is asked for */
    uint32_t unsent;  /* bytes of this round still to send */
    uint32_t unheard; /* bytes of this round still to come back */
};

static char zeros[BUFFER], sink[BUFFER];
static uint32_t round_bytes;
static uint64_t rounds;
static int epoll_fd;

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
    if (argc != 8)
        die("usage: load-echo ADDRESS CONNECTIONS SIZE DEPTH WARM_MS WINDOW_MS SERVER_PID");
    uint64_t depth = number(argv[4]), warm = number(argv[5]), window = number(argv[6]);
    pid_t server = (pid_t)number(argv[7]);
    if (number(argv[3]) * depth > BUFFER)
        die("SIZE * DEPTH is too large");
    round_bytes = (uint32_t)(number(argv[3]) * depth);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    open_all(argv[1], number(argv[2]));
    run_until(now_ns() + warm * 1000000);

    uint64_t before = rounds, cpu = process_cpu_ns(server), own = process_cpu_ns(getpid()), start = now_ns();
    run_until(start + window * 1000000);
    double seconds = (double)(now_ns() - start) / 1e9;
    printf("messages=%llu seconds=%.6f server_cpu=%.6f load_cpu=%.6f\n",
           (unsigned long long)((rounds - before) * depth), seconds,
           (double)(process_cpu_ns(server) - cpu) / 1e9, (double)(process_cpu_ns(getpid()) - own) / 1e9);
    return 0;
}
