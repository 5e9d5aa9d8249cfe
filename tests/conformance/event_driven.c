/* SPDX-License-Identifier: MIT */
/* S89 to S91: input and output by events, asynchronously, and work beside the loop. */
#include "pollers.h"
#include <lanyard/async.h>
#include <lanyard/event.h>
#include <pthread.h>

/* ---- S89: read, write, timer and close events over each poller ---- */

struct talk {
    int fd;
    char text[64];
    size_t length;
    int writes, ticks, ends;
};

static void on_readable(struct ly_watcher *w, unsigned what, void *arg)
{
    struct talk *t = arg;
    (void)what;
    ssize_t n = recv(t->fd, t->text + t->length, sizeof t->text - t->length, 0);
    t->length += n > 0 ? (size_t)n : 0;
    if (n == 0)
        ly_watcher_free(w);
}

static void on_writable(struct ly_watcher *w, unsigned what, void *arg)
{
    struct talk *t = arg;
    (void)what;
    if (send(t->fd, "q", 1, 0) == 1 && ++t->writes == 3)
        ly_watcher_free(w);
}

static void on_tick(struct ly_watcher *w, unsigned what, void *arg)
{
    struct talk *t = arg;
    (void)what;
    if (++t->ticks == 3) {
        shutdown(t->fd, SHUT_WR);
        ly_watcher_free(w);
    }
}

static void on_close(struct ly_watcher *w, unsigned what, void *arg)
{
    struct talk *t = arg;
    (void)w;
    t->ends += (what & LY_POLL_RDHUP) != 0;
}

ROW(S89_read_write_timer_and_close_events_call_back, ALL)
{
    struct ly_events *events;
    struct talk a = {.fd = c->a}, b = {.fd = c->b};
    NEED(ly_events_open(&events, c->name) == 0 && strcmp(ly_events_poller(events), c->name) == 0);
    NEED(ly_watch_fd(NULL, events, c->a, LY_POLL_IN, on_readable, &a) == 0);
    NEED(ly_watch_fd(NULL, events, c->b, LY_POLL_IN, on_readable, &b) == 0);
    NEED(ly_watch_fd(NULL, events, c->b, LY_POLL_OUT, on_writable, &b) == 0);
    NEED(ly_watch_timer(NULL, events, 3, 2, on_tick, &a) == 0);
    NEED(ly_watch_timer(NULL, events, 2, 3, on_tick, &b) == 0);
    int r = ly_watch_close(NULL, events, c->a, on_close, &a);
    NEED(r == (c->name[0] == 's' ? -EOPNOTSUPP : 0));
    NEED(ly_events_run(events) == 0); /* until both have seen the other's end */
    NEED(a.length == 3 && memcmp(a.text, "qqq", 3) == 0 && b.length == 0);
    NEED(b.writes == 3 && a.ticks == 3 && b.ticks == 3);
    NEED(a.ends == (r == 0));
    ly_events_free(events);
    return 0;
}

/* ---- S90: begun and completed, with the results of the blocking calls; the poller does not matter ---- */

ROW(S90_an_operation_has_the_result_of_the_blocking_call, EPOLL)
{
    struct ly_sock *a, *b;
    struct ly_async *op[3];
    char one[8], two[8];
    NEED(ly_sock_from_fd(&a, c->a) == 0 && ly_sock_from_fd(&b, c->b) == 0);
    c->a = c->b = -1;
    for (int i = 0; i < 3; i++) {
        NEED(ly_async_recv(&op[0], a, one, 3, 0) == 0); /* by completion on io_uring's reactor */
        NEED(ly_async_sendall(&op[1], b, "abcdef", 6) == 0);
        NEED(ly_async_finish(op[1]) == ly_sendall(b, "", 0));
        NEED(ly_async_finish(op[0]) == ly_recv(a, two, 3));
        NEED(memcmp(one, "abc", 3) == 0 && memcmp(two, "def", 3) == 0);
    }
    NEED(ly_async_recv(&op[0], a, one, 8, MSG_DONTWAIT) == 0);
    NEED(ly_async_finish(op[0]) == ly_recv_flags(a, two, 8, MSG_DONTWAIT));
    NEED(ly_sock_set_timeout(a, 2) == 0);
    NEED(ly_async_recv(&op[0], a, one, 8, 0) == 0);
    NEED(ly_async_finish(op[0]) == ly_recv(a, two, 8));
    NEED(ly_sock_set_timeout(a, LY_FOREVER) == 0 && ly_shutdown(b, SHUT_WR) == 0);
    NEED(ly_async_recvall(&op[0], a, one, 8) == 0);
    NEED(ly_async_finish(op[0]) == ly_recvall(a, two, 8));
    NEED(ly_async_recv(&op[0], a, one, 8, 0) == 0);
    NEED(ly_async_finish(op[0]) == ly_recv(a, two, 8));
    ly_sock_close(b);
    NEED(ly_async_send(&op[0], b, "x", 1, 0) == 0);
    NEED(ly_async_finish(op[0]) == ly_send(b, "x", 1));
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

/* What would take turns when it blocks goes on side by side. */
ROW(S90_many_are_under_way_and_end_in_any_order, EPOLL)
{
    struct ly_async *op[20];
    int64_t start = ly_now();
    for (int i = 0; i < 20; i++)
        NEED(ly_async_sleep(&op[i], i % 2 ? 1000000 : 30) == 0);
    for (int i = 0; i < 10; i++) {
        int done = ly_async_await_any(op, 20, SOON);
        NEED(done >= 0 && done % 2 == 0 && ly_async_finish(op[done]) == 0);
        op[done] = NULL;
    }
    NEED(ms_since(start) >= 30);
    for (int i = 1; i < 20; i += 2) {
        ly_async_cancel(op[i]);
        NEED(ly_async_finish(op[i]) == -ECANCELED);
    }
    return 0;
}

/* ---- S91 ---- */

/* Work that takes as long as it takes: until the loop beside it has gone on for a while. */
static int compute(void *arg)
{
    struct talk *t = arg;
    while (__atomic_load_n(&t->ticks, __ATOMIC_RELAXED) < 3)
        sched_yield();
    return 91;
}

static void count_tick(struct ly_watcher *w, unsigned what, void *arg)
{
    struct talk *t = arg;
    (void)what;
    __atomic_add_fetch(&t->ticks, 1, __ATOMIC_RELAXED);
    if (t->writes) /* the work has ended */
        ly_watcher_free(w);
}

static void work_is_done(struct ly_watcher *w, unsigned what, void *arg)
{
    struct talk *t = arg;
    (void)what;
    t->writes = 1;
    ly_watcher_free(w);
}

static struct ly_watcher *when_done;

static void *work(void *arg)
{
    struct talk *t = arg;
    t->length = (size_t)compute(arg);
    ly_watcher_post(when_done);
    return NULL;
}

ROW(S91_a_thread_computes_while_the_events_go_on, ALL)
{
    struct ly_events *events;
    struct talk t = {.fd = -1};
    pthread_t thread;
    NEED(ly_events_open(&events, c->name) == 0);
    NEED(ly_watch_timer(NULL, events, 1, 1, count_tick, &t) == 0);
    NEED(ly_watch_post(&when_done, events, work_is_done, &t) == 0);
    NEED(pthread_create(&thread, NULL, work, &t) == 0);
    NEED(ly_events_run(events) == 0);
    pthread_join(thread, NULL);
    NEED(t.length == 91 && t.writes == 1 && t.ticks >= 3);
    ly_events_free(events);
    return 0;
}

ROW(S91_the_pool_computes_while_operations_go_on, EPOLL)
{
    struct talk t = {.fd = -1};
    struct ly_async *op[2];
    NEED(ly_async_offload(&op[0], compute, &t) == 0);
    for (int i = 0; i < 3; i++) {
        NEED(!ly_async_is_done(op[0]));
        NEED(ly_async_sleep(&op[1], 1) == 0 && ly_async_finish(op[1]) == 0);
        __atomic_add_fetch(&t.ticks, 1, __ATOMIC_RELAXED);
    }
    NEED(ly_async_finish(op[0]) == 91);
    return 0;
}

POLLERS_MAIN(RUN(S89_read_write_timer_and_close_events_call_back),
             RUN(S90_an_operation_has_the_result_of_the_blocking_call),
             RUN(S90_many_are_under_way_and_end_in_any_order),
             RUN(S91_a_thread_computes_while_the_events_go_on),
             RUN(S91_the_pool_computes_while_operations_go_on))
