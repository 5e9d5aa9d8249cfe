/* SPDX-License-Identifier: MIT */
/*
 * limit-echo ADDRESS: the least an echo server can do on readiness: level-triggered epoll, one recv and one
 * send for each message, one buffer for all connections, no state for a connection. What does not fit into
 * the socket's send buffer is kept aside (one pointer a descriptor) and sent when there is room, so that no
 * byte is lost.
 */
#include "../common/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, BUFFER = 65536, DESCRIPTORS = 1 << 20 };

struct rest {
    size_t sent, length;
    char bytes[];
};

static char buffer[BUFFER];
static struct rest *rests[DESCRIPTORS]; /* by descriptor; untouched pages cost nothing */
static int epoll_fd;

static void watch(int fd, int operation, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, operation, fd, &e))
        die("epoll_ctl");
}

static void hang_up(int fd)
{
    free(rests[fd]);
    rests[fd] = NULL;
    close(fd);
}

static void keep_rest(int fd, const char *bytes, size_t n)
{
    struct rest *rest = malloc(sizeof *rest + n);
    if (!rest)
        die("malloc");
    rest->sent = 0;
    rest->length = n;
    memcpy(rest->bytes, bytes, n);
    rests[fd] = rest;
    watch(fd, EPOLL_CTL_MOD, EPOLLOUT);
}

static void send_rest(int fd)
{
    struct rest *rest = rests[fd];
    ssize_t n = send(fd, rest->bytes + rest->sent, rest->length - rest->sent, MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        hang_up(fd);
        return;
    }
    rest->sent += n > 0 ? (size_t)n : 0;
    if (rest->sent < rest->length)
        return;
    free(rest);
    rests[fd] = NULL;
    watch(fd, EPOLL_CTL_MOD, EPOLLIN);
}

static void echo(int fd)
{
    ssize_t n = recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN)
            hang_up(fd);
        return;
    }
    ssize_t sent = send(fd, buffer, (size_t)n, MSG_NOSIGNAL);
    if (sent == n)
        return;
    if (sent < 0 && errno != EAGAIN)
        hang_up(fd);
    else
        keep_rest(fd, buffer + (sent > 0 ? sent : 0), (size_t)(n - (sent > 0 ? sent : 0)));
}

static void take_all(int listener)
{
    int fd;
    while ((fd = accept_from(listener, SOCK_NONBLOCK)) >= 0)
        watch(fd, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv)
{
    struct epoll_event events[EVENTS];
    int listener = listen_on(argc > 1 ? argv[1] : "tcp://127.0.0.1:0");
    set_nonblocking(listener);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, EPOLL_CTL_ADD, EPOLLIN);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            if (fd == listener)
                take_all(listener);
            else if (rests[fd])
                send_rest(fd);
            else
                echo(fd);
        }
    }
}
