/* SPDX-License-Identifier: MIT */
/*
 * Many clients in one thread, by hand: poll_echo_server [ADDRESS [POLLER]], such as tcp://127.0.0.1:8080 and
 * select, poll, epoll or io_uring. No call waits but one; a client that does not read what it is sent is not
 * read from, and holds up nobody. Ends on ^C.
 */
#include <errno.h>
#include <lanyard/lanyard.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

struct client {
    struct ly_sock *sock;
    size_t start, end; /* of what is still to be sent back */
    char buf[4096];
};

static struct ly_poller *poller; /* NULL if it cannot be opened */
static volatile sig_atomic_t stopped;

static void stop(int signal_number)
{
    stopped = signal_number;
    ly_poller_wake(poller);
}

static void hang_up(struct client *c)
{
    ly_poller_unregister(poller, ly_sock_fileno(c->sock)); /* before it is closed */
    ly_sock_free(c->sock);
    free(c);
}

static void welcome(struct ly_sock *listener)
{
    struct client *c = calloc(1, sizeof *c);
    if (!c || ly_accept(listener, &c->sock, NULL) < 0)
        return free(c);
    ly_sock_set_timeout(c->sock, 0); /* no call on it waits: -EAGAIN instead */
    if (ly_poller_register(poller, ly_sock_fileno(c->sock), LY_POLL_IN, c) < 0)
        hang_up(c);
}

static void echo(struct client *c)
{
    ssize_t n = 0;
    if (c->start == c->end) {
        n = ly_recv(c->sock, c->buf, sizeof c->buf);
        c->start = 0;
        c->end = n > 0 ? (size_t)n : 0;
    }
    if (c->start < c->end && (n = ly_send(c->sock, c->buf + c->start, c->end - c->start)) > 0)
        c->start += (size_t)n;
    if (n == 0 || (n < 0 && n != -EAGAIN)) /* its end, or an error */
        hang_up(c);
    else
        ly_poller_modify(poller, ly_sock_fileno(c->sock), c->start < c->end ? LY_POLL_OUT : LY_POLL_IN, c);
}

int main(int argc, char **argv)
{
    struct ly_poller_event event[64];
    static struct ly_sock *listener;
    int n = ly_listen(&listener, argc > 1 ? argv[1] : "tcp://127.0.0.1:8080", NULL);
    if (n == 0 && (n = ly_poller_open(&poller, argc > 2 ? argv[2] : NULL)) == 0 &&
        (n = ly_poller_register(poller, ly_sock_fileno(listener), LY_POLL_IN, NULL)) == 0) {
        ly_sock_set_timeout(listener, 0);
        signal(SIGINT, stop);
        fputs("listening\n", stderr);
    }
    while (n >= 0 && !stopped) {
        n = ly_poller_wait(poller, event, 64, LY_FOREVER);
        for (int i = 0; i < n; i++)
            event[i].data ? echo(event[i].data) : welcome(listener);
    }
    if (n < 0)
        fprintf(stderr, "poll_echo_server: %s\n", ly_error_text(n));
    return n < 0;
}
