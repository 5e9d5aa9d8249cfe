/* SPDX-License-Identifier: MIT */
/* peer-echo-libevent ADDRESS: bufferevents; the input's memory moves to the output without a copy. */
#include "../common/net.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>

enum { READ_AT_ONCE = 65536 };

static void have_input(struct bufferevent *b, void *unused)
{
    (void)unused;
    evbuffer_add_buffer(bufferevent_get_output(b), bufferevent_get_input(b));
}

static void have_event(struct bufferevent *b, short what, void *unused)
{
    (void)unused;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        bufferevent_free(b);
}

static void have_connection(evutil_socket_t listener, short what, void *base)
{
    (void)what;
    int fd;
    while ((fd = accept_from(listener, SOCK_NONBLOCK)) >= 0) {
        struct bufferevent *b = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
        if (!b)
            die("bufferevent_socket_new");
        bufferevent_set_max_single_read(b, READ_AT_ONCE);
        bufferevent_set_max_single_write(b, READ_AT_ONCE);
        bufferevent_setcb(b, have_input, NULL, have_event, NULL);
        bufferevent_enable(b, EV_READ | EV_WRITE);
    }
}

int main(int argc, char **argv)
{
    int fd = listen_on(argc > 1 ? argv[1] : "tcp://127.0.0.1:0");
    set_nonblocking(fd);
    signal(SIGPIPE, SIG_IGN);
    struct event_config *config = event_config_new();
    event_config_set_flag(config, EVENT_BASE_FLAG_EPOLL_USE_CHANGELIST | EVENT_BASE_FLAG_NOLOCK);
    struct event_base *base = event_base_new_with_config(config);
    struct event *listener = event_new(base, fd, EV_READ | EV_PERSIST, have_connection, base);
    errno = 0;
    if (!listener || event_add(listener, NULL))
        die("event_add");
    return event_base_dispatch(base);
}
