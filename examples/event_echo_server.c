/* SPDX-License-Identifier: MIT */
/*
 * Many clients in one thread, by callbacks: event_echo_server [ADDRESS [POLLER]]. Each client has a watcher
 * for its socket and one for our patience: who says nothing for a minute is hung up on. ^C has one too.
 */
#include <errno.h>
#include <lanyard/lanyard.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define UNUSED __attribute__((unused))
#define PATIENCE_MS 60000

struct client {
    struct ly_sock *sock;
    struct ly_watcher *ready, *patience;
    size_t start, end; /* of what is still to be sent back */
    char buf[4096];
};

static void hang_up(UNUSED struct ly_watcher *w, UNUSED unsigned what, void *arg)
{
    struct client *c = arg;
    ly_watcher_free(c->ready); /* before the socket is closed */
    ly_watcher_free(c->patience);
    ly_sock_free(c->sock);
    free(c);
}

static void echo(struct ly_watcher *w, unsigned what, void *arg)
{
    struct client *c = arg;
    ssize_t n = 0;
    if (c->start == c->end) {
        n = ly_recv(c->sock, c->buf, sizeof c->buf);
        c->start = 0;
        c->end = n > 0 ? (size_t)n : 0;
    }
    if (c->start < c->end && (n = ly_send(c->sock, c->buf + c->start, c->end - c->start)) > 0)
        c->start += (size_t)n;
    if (n == 0 || (n < 0 && n != -EAGAIN)) /* its end, or an error */
        return hang_up(w, what, c);
    ly_watcher_set_events(w, c->start < c->end ? LY_POLL_OUT : LY_POLL_IN);
    ly_watcher_set_timer(c->patience, PATIENCE_MS, 0);
}

static void welcome(struct ly_watcher *w, UNUSED unsigned what, void *listener)
{
    struct ly_events *events = ly_watcher_loop(w);
    struct client *c = calloc(1, sizeof *c);
    if (!c || ly_accept(listener, &c->sock, NULL) < 0)
        return free(c);
    ly_sock_set_timeout(c->sock, 0); /* no call on it waits: -EAGAIN instead */
    if (ly_watch_timer(&c->patience, events, PATIENCE_MS, 0, hang_up, c) < 0 ||
        ly_watch_fd(&c->ready, events, ly_sock_fileno(c->sock), LY_POLL_IN, echo, c) < 0)
        hang_up(w, what, c);
}

static void stop(struct ly_watcher *w, UNUSED unsigned what, UNUSED void *arg)
{
    ly_events_stop(ly_watcher_loop(w));
}

int main(int argc, char **argv)
{
    static struct ly_sock *listener;
    static struct ly_events *events;
    int r = ly_listen(&listener, argc > 1 ? argv[1] : "tcp://127.0.0.1:8080", NULL);
    if (r == 0 && (r = ly_events_open(&events, argc > 2 ? argv[2] : NULL)) == 0 &&
        (r = ly_watch_fd(NULL, events, ly_sock_fileno(listener), LY_POLL_IN, welcome, listener)) == 0 &&
        (r = ly_watch_signal(NULL, events, SIGINT, stop, NULL)) == 0) {
        ly_sock_set_timeout(listener, 0);
        fputs("listening\n", stderr);
        r = ly_events_run(events);
    }
    if (r < 0)
        fprintf(stderr, "event_echo_server: %s\n", ly_error_text(r));
    return r < 0;
}
