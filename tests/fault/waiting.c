/* SPDX-License-Identifier: MIT */
/* Pollers, event loops and asynchronous operations, with each of their calls failing once: what cannot be
 * done is said, nothing hangs, and no descriptor stays behind. */
#include "places.h"

static const char *const names[] = {"select", "poll", "epoll", "io_uring"};
static const char *name_now;

/* ---- pollers ---- */

static int wait_for(struct ly_poller *p, void *data)
{
    struct ly_poller_event e;
    int n = ly_poller_wait(p, &e, 1, LY_FOREVER);
    return n < 0 ? n : n == 1 && e.data == data ? 0 : -EPROTO;
}

static int use_poller(struct ly_poller *p, struct ly_sock *a, struct ly_sock *b)
{
    struct ly_poller_event e;
    int end[2] = {ly_sock_fileno(a), ly_sock_fileno(b)};
    int r = ly_poller_register(p, end[0], LY_POLL_IN, &end[0]);
    if (r == 0)
        r = ly_poller_wait(p, &e, 1, 1);
    if (r == 0)
        r = ly_poller_register(p, end[1], LY_POLL_OUT | LY_POLL_ONESHOT, &end[1]);
    if (r == 0)
        r = wait_for(p, &end[1]);
    if (r == 0)
        r = ly_sendall(b, "x", 1);
    if (r == 0)
        r = wait_for(p, &end[0]);
    if (r == 0)
        r = ly_poller_modify(p, end[0], LY_POLL_OUT, &end[1]);
    if (r == 0)
        r = wait_for(p, &end[1]);
    if (r == 0)
        r = ly_poller_unregister(p, end[0]);
    if (r == 0 && (r = ly_poller_wake(p)) == 0)
        r = ly_poller_wait(p, &e, 1, LY_FOREVER);
    if (r == 0 && (r = ly_poller_fileno(p)) >= 0)
        r = 0;
    return r == 0 ? ly_poller_wait(p, &e, 1, 1) : r;
}

static int with_pair(int (*fn)(struct ly_sock *a, struct ly_sock *b))
{
    struct ly_sock *a, *b;
    int r = ly_socketpair(&a, &b);
    if (r < 0)
        return r;
    r = fn(a, b);
    ly_sock_free(a);
    ly_sock_free(b);
    return r;
}

static int open_and_use(struct ly_sock *a, struct ly_sock *b)
{
    struct ly_poller *p;
    int r = ly_poller_open(&p, name_now);
    if (r < 0)
        return r;
    r = use_poller(p, a, b);
    ly_poller_free(p);
    return r;
}

static int poll_pair(void *arg)
{
    (void)arg;
    return with_pair(open_and_use);
}

static bool is_usable(const char *name)
{
    struct ly_poller *p;
    if (ly_poller_open(&p, name) < 0)
        return false;
    ly_poller_free(p);
    return true;
}

static void sweep_each(const char *what, ly_task_fn *fn)
{
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        name_now = names[i];
        if (is_usable(name_now))
            sweep_places(what, fn);
    }
}

static void pollers_survive_each_failure(void **state)
{
    (void)state;
    sweep_each("pollers", poll_pair);
}

static int select_pair(struct ly_sock *a, struct ly_sock *b)
{
    int fds[3] = {ly_sock_fileno(a), ly_sock_fileno(a), ly_sock_fileno(b)};
    struct ly_select_list reads = {fds, 1}, writes = {fds + 1, 2};
    int r = ly_select(&reads, &writes, NULL, LY_FOREVER);
    if (r == 2)
        r = ly_select(&writes, NULL, NULL, 1);
    return r;
}

static int select_lists(void *arg)
{
    (void)arg;
    return with_pair(select_pair);
}

static void select_survives_each_failure(void **state)
{
    (void)state;
    sweep_places("select", select_lists);
}

/* ---- events ---- */

struct seen {
    int fd, count;
};

static void see(struct ly_watcher *w, unsigned what, void *arg)
{
    struct seen *s = arg;
    (void)what;
    s->count++;
    ly_watcher_free(w);
}

static void see_posted(struct ly_watcher *w, unsigned what, void *arg)
{
    see(w, what, arg);
}

static int watch_all(struct ly_events *e, struct seen *s)
{
    struct ly_watcher *w;
    int r = ly_watch_fd(NULL, e, s->fd, LY_POLL_OUT, see, s);
    if (r == 0)
        r = ly_watch_fd(NULL, e, s->fd, LY_POLL_OUT, see, s);
    if (r == 0)
        r = ly_watch_timer(NULL, e, 1, 0, see, s);
    if (r == 0)
        r = ly_watch_idle(NULL, e, see, s);
    if (r == 0)
        r = ly_watch_signal(NULL, e, SIGUSR2, see, s);
    if (r == 0)
        raise(SIGUSR2);
    if (r == 0)
        r = ly_watch_post(&w, e, see_posted, s);
    if (r == 0) {
        ly_watcher_post(w);
        r = ly_events_run(e);
    }
    return r;
}

static int events_of_pair(struct ly_sock *a, struct ly_sock *b)
{
    struct ly_events *e;
    struct seen s = {.fd = ly_sock_fileno(a)};
    (void)b;
    int r = ly_events_open(&e, name_now);
    if (r < 0)
        return r;
    r = watch_all(e, &s);
    ly_events_free(e);
    return r < 0 ? r : s.count == 6 ? 0 : -EPROTO;
}

static int events(void *arg)
{
    (void)arg;
    return with_pair(events_of_pair);
}

static void event_loops_survive_each_failure(void **state)
{
    (void)state;
    sweep_each("events", events);
}

/* ---- asynchronous operations ---- */

static int nothing(void *arg)
{
    (void)arg;
    return 0;
}

static int begin_all(struct ly_async **op, struct ly_sock *a, struct ly_sock *b, char *buf)
{
    int r = ly_async_recvall(&op[0], a, buf, 4);
    if (r == 0)
        r = ly_async_sleep(&op[1], 1);
    if (r == 0)
        r = ly_async_offload(&op[2], nothing, NULL);
    if (r == 0)
        r = ly_async_recv(&op[3], b, buf + 4, 4, 0); /* in vain */
    if (r == 0)
        r = ly_async_await_any(op, 3, LY_FOREVER);
    if (r >= 0)
        r = ly_async_sendall(&op[4], b, "data", 4);
    return r;
}

static int await_all(struct ly_async **op)
{
    int r = ly_async_await_all(op, 3, LY_FOREVER);
    for (int i = 0; i < 3 && r == 0; i++)
        if (ly_async_result(op[i]) < 0)
            r = (int)ly_async_result(op[i]);
    return r;
}

static int operate(struct ly_sock *a, struct ly_sock *b)
{
    struct ly_async *op[5] = {0};
    char buf[8];
    int r = begin_all(op, a, b, buf);
    if (r == 0)
        r = ly_async_await(op[4], LY_FOREVER);
    if (r == 0)
        r = (int)ly_async_result(op[4]);
    if (r == 0)
        r = await_all(op);
    for (int i = 0; i < 5; i++)
        ly_async_free(op[i]);
    return r;
}

static int operations(void *arg)
{
    (void)arg;
    return with_pair(operate);
}

static void asynchronous_operations_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("operations", operations);
}

/* In a child, which has no helper yet. */
static int begin_without(const char *call)
{
    struct ly_async *op;
    if (ly_fault_arm_from(call, 1, 0) < 0)
        return -EPROTO;
    int r = ly_async_sleep(&op, 1);
    unsigned long hits = ly_fault_hits();
    ly_fault_disarm();
    if (r == 0)
        ly_async_free(op);
    return r < 0 && hits > 0 ? 0 : -EPROTO;
}

static int begin_without_and_with(void)
{
    static const char *const calls[] = {"pthread_create", "eventfd", "mmap"};
    struct ly_async *op;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (begin_without(calls[i]) < 0)
            return 1 + (int)i;
    return ly_async_sleep(&op, 1) == 0 && ly_async_finish(op) == 0 ? 0 : 100;
}

static void without_a_helper_operations_are_refused_until_there_is_one(void **state)
{
    int status;
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it has no threads in the child of a process that had some */
#endif
    sweep_now.scenario = "no helper";
    pid_t child = fork();
    if (child == 0) {
        alarm(SWEEP_SECONDS);
        _exit(begin_without_and_with());
    }
    SWEEP_EXPECT(waitpid(child, &status, 0) == child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pollers_survive_each_failure),
        cmocka_unit_test(select_survives_each_failure),
        cmocka_unit_test(event_loops_survive_each_failure),
        cmocka_unit_test(asynchronous_operations_survive_each_failure),
        cmocka_unit_test(without_a_helper_operations_are_refused_until_there_is_one),
    };
    return cmocka_run_group_tests_name("fault/waiting", tests, NULL, sweep_summary);
}
