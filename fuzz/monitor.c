/* SPDX-License-Identifier: MIT */
/*
 * What a worker says to its supervisor, a message a line. Sessions 1, 2 and 3 are its own, one in each state;
 * 4 is another's and is there afterwards, whatever is said.
 */
#include "daemon/monitor.h"
#include <lanyard/fiber.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    const uint8_t *data;
    size_t size;
    struct ly__decider decider;
    struct ly__monitor monitor;
    struct ly_sock *worker;
};

static void add_session(struct input *in, const void *owner, enum ly__session_state state)
{
    struct ly_address peer;
    if (ly_address_parse(&peer, "tcp://192.0.2.1:7") < 0)
        abort();
    uint64_t number = ly__decider_connect(&in->decider, &peer, owner, &(struct ly__ticket){0});
    struct ly__entry *e = ly__decider_session(&in->decider, number, owner);
    if (!e)
        abort();
    e->state = state;
    e->has_failed = true; /* logins end before there would have to be users */
    e->grant.roles = ~0u;
}

static int talk(void *arg)
{
    struct input *in = arg;
    const uint8_t *at = in->data, *end = at + in->size;
    char answer[512];
    while (at < end) {
        const uint8_t *line = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((line ? line : end) - at);
        if (n > 0 && ly_send(in->worker, at, n) < 0)
            break;
        at += n + 1;
    }
    ly_shutdown(in->worker, SHUT_WR);
    while (ly_recv(in->worker, answer, sizeof answer) > 0)
        ;
    return 0;
}

static int run(void *arg)
{
    struct input *in = arg;
    struct ly_scope *scope;
    int fds[2];
    if (ly__channel_pair(fds) < 0 || ly__monitor_open(&in->monitor, &in->decider, fds[0]) < 0 ||
        ly_sock_from_fd(&in->worker, fds[1]) < 0 || ly_scope_open(&scope, NULL) < 0)
        abort();
    add_session(in, &in->monitor, LY__CONNECTED);
    add_session(in, &in->monitor, LY__STRANGER);
    add_session(in, &in->monitor, LY__LOGGED_IN);
    add_session(in, in, LY__LOGGED_IN);
    if (ly_go(scope, talk, in) < 0)
        abort();
    int r = ly__monitor_run(&in->monitor);
    if ((r == LY_EREFUSED) != (*in->monitor.offence != 0))
        abort();
    ly_scope_join(scope);
    ly_scope_close(scope);
    ly__decider_disown(&in->decider, &in->monitor);
    ly__monitor_close(&in->monitor);
    ly_sock_free(in->worker);
    if (in->decider.sessions.count != 1 || in->decider.commands.running != 0)
        abort();
    ly__decider_disown(&in->decider, in);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct input in;
    in = (struct input){.data = data, .size = size};
    in.decider.root_fd = -1;
    in.decider.root = in.decider.home = "/";
    ly__decider_open(&in.decider); /* no command has a place */
    if (ly_run(run, &in, &(struct ly_run_options){.reactor = "epoll"}) < 0)
        abort();
    ly__decider_close(&in.decider);
    return 0;
}
