/* SPDX-License-Identifier: MIT */
/* Bodies of tests on event loops: each runs over each poller, in a thread and in a fiber on each reactor,
 * with a loop, a pair of sockets, and a log of the callbacks. */
#ifndef TESTS_UNIT_REACTOR_EVENT_BODY_H
#define TESTS_UNIT_REACTOR_EVENT_BODY_H

#include "../everywhere.h"
#include <errno.h>
#include <lanyard/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const names[] = {"select", "poll", "epoll", "io_uring"};

/* What a body works with: a loop, a pair of sockets, and a log of the callbacks, a letter each. */
static struct ly_events *loop;
static int end[2];
static char calls[256];
static size_t calls_count;

static inline void note(char letter)
{
    if (calls_count < sizeof calls - 1)
        calls[calls_count++] = letter;
}

static inline size_t counted(char letter)
{
    size_t n = 0;
    for (size_t i = 0; i < calls_count; i++)
        n += calls[i] == letter;
    return n;
}

static ly_task_fn *body_now;
static const char *name_now;

static inline int run_body(void *arg)
{
    memset(calls, 0, sizeof calls);
    calls_count = 0;
    int r = ly_events_open(&loop, name_now);
    if (r < 0)
        return r;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, end) == 0);
    r = body_now(arg);
    ly_events_free(loop);
    close(end[0]);
    close(end[1]);
    return r;
}

static inline void over_all(ly_task_fn *body)
{
    body_now = body;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct ly_poller *p;
        name_now = names[i];
        if (ly_poller_open(&p, name_now) == LY_ENOREACTOR) {
            print_message("# %s is not usable here\n", name_now);
            continue;
        }
        ly_poller_free(p);
        everywhere(run_body);
    }
}

/* ---- callbacks ---- */

static inline void note_and_stop(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    note((char)(intptr_t)arg);
    ly_watcher_stop(w);
}

static inline void note_only(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)w;
    (void)what;
    note((char)(intptr_t)arg);
}

static inline void *letter(char c)
{
    return (void *)(intptr_t)c;
}

static unsigned told;

static inline void remember(struct ly_watcher *w, unsigned what, void *arg)
{
    told = what;
    note_and_stop(w, what, arg);
}

static inline void stop_loop(struct ly_watcher *w, unsigned what, void *arg)
{
    (void)what;
    note((char)(intptr_t)arg);
    ly_watcher_stop(w);
    ly_events_stop(ly_watcher_loop(w));
}

#endif
