/* SPDX-License-Identifier: MIT */
/*
 * A server that serves three clients and shuts down, with each of its calls failing once, in every policy,
 * over TCP and Unix sockets, with fibers on every reactor.
 *
 * Twice: with failures from the start, where opening or serving may report an error; and with failures only
 * once the first client was served, where serving has to go on whatever fails: a client may be lost, the next
 * one is served. Forked children share the orders, so that their calls fail too.
 */
#include "server/server.h"
#include "sweep.h"
#include <pthread.h>

struct setting {
    const char *name;
    enum ly_policy policy;
    const char *reactor;
    const char *address;
    int workers;
    bool distribute;
    bool from_start; /* failures begin before the server is opened */
};

/* The order that a run is for, kept aside until it is time. */
static struct {
    const char *call;
    unsigned long nth;
    int error;
} order;

struct run {
    const struct setting *setting;
    struct ly_server *server;
    struct ly_address address;
    pthread_t thread;
    pthread_mutex_t lock;
    bool asked; /* the end is asked for: the thread leaves the server alone */
    bool ended; /* serving failed before: the thread has closed the server */
    int result; /* of ly_serve_forever */
};

static int echo(struct ly_request *rq)
{
    char buf[64];
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = ly_recv(rq->sock, buf, sizeof buf)) > 0)
        r = ly_sendall(rq->sock, buf, (size_t)n);
    return r < 0 ? r : (int)n;
}

static void ignore_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
}

static void ignore_pause(struct ly_server *s, int error)
{
    (void)s;
    (void)error;
}

/* A server that stops by itself takes its listener with it, so that no client waits in the backlog. */
static void *serve(void *arg)
{
    struct run *r = arg;
    int result = ly_serve_forever(r->server);
    pthread_mutex_lock(&r->lock);
    r->result = result;
    r->ended = !r->asked;
    bool ended = r->ended;
    pthread_mutex_unlock(&r->lock);
    if (ended)
        ly_server_close(r->server);
    return NULL;
}

static int say(struct ly_sock *s)
{
    int r = ly_sendall(s, "word", 4);
    return r < 0 ? r : ly_shutdown(s, SHUT_WR);
}

static int hear(struct ly_sock *s)
{
    char buf[4];
    int r = (int)ly_recvall(s, buf, sizeof buf);
    if (r > 0)
        r = memcmp(buf, "word", 4) == 0 ? 0 : -EPROTO;
    return r == 0 ? (int)ly_recv(s, buf, 1) : r;
}

static int visit(const struct run *run)
{
    struct ly_sock *s;
    int r = ly_socket(&s, run->address.u.family, SOCK_STREAM, 0);
    if (r < 0)
        return r;
    r = ly_sock_set_timeout(s, SWEEP_SECONDS * 1000 / 2);
    if (r == 0)
        r = ly_sock_connect(s, &run->address);
    if (r == 0)
        r = say(s);
    if (r == 0)
        r = hear(s);
    ly_shutdown(s, SHUT_RDWR); /* a child may hold a copy of the descriptor */
    ly_sock_free(s);
    SWEEP_EXPECT(r != -ETIMEDOUT || order.error == ETIMEDOUT);
    return r;
}

static int open_server(struct run *run)
{
    const struct setting *t = run->setting;
    const struct ly_server_options o = {
        .address = t->address,
        .policy = t->policy,
        .reactor = t->reactor,
        .workers = t->workers,
        .distribute = t->distribute,
        .handler.handle = echo,
        .hooks = {.handle_error = ignore_error, .accept_paused = ignore_pause},
        .poll_interval_ms = 20,
        .drain_ms = 1000,
    };
    int r = ly_server_open(&run->server, &o);
    if (r == 0)
        SWEEP_EXPECT(ly_server_address(run->server, &run->address) == 0);
    return r;
}

/* Ask for the end, unless the server has come to it by itself. */
static bool ask_for_end(struct run *run)
{
    pthread_mutex_lock(&run->lock);
    run->asked = !run->ended;
    bool asked = run->asked;
    pthread_mutex_unlock(&run->lock);
    if (asked)
        ly_server_shutdown(run->server);
    return asked;
}

/* Three clients, in the middle of which failures may begin; then one without, who has to be served. */
static void visit_all(struct run *run)
{
    if (!run->setting->from_start) {
        SWEEP_EXPECT(visit(run) == 0);
        ly_fault_arm(order.call, order.nth, order.error);
    }
    for (int i = 0; i < 3; i++) {
        int r = visit(run);
        SWEEP_EXPECT(r <= 0 && r != -EINTR);
    }
}

/* The end is part of what fails; but whether another one is served can only be seen before. */
static void check_that_it_goes_on(struct run *run)
{
    if (ly_fault_hits() == 0)
        return;
    ly_fault_disarm();
    pthread_mutex_lock(&run->lock);
    bool ended = run->ended;
    pthread_mutex_unlock(&run->lock);
    SWEEP_EXPECT(!ended || run->setting->from_start);
    int r = ended ? 0 : visit(run);
    pthread_mutex_lock(&run->lock);
    ended = run->ended;
    pthread_mutex_unlock(&run->lock);
    SWEEP_EXPECT(r == 0 || (ended && run->setting->from_start));
}

static int serve_clients(void *setting)
{
    struct run run = {.setting = setting, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (!run.setting->from_start)
        ly_fault_disarm();
    int r = open_server(&run);
    if (r < 0)
        return r;
    while (pthread_create(&run.thread, NULL, serve, &run) != 0)
        ;
    visit_all(&run);
    check_that_it_goes_on(&run);
    bool asked = ask_for_end(&run);
    pthread_join(run.thread, NULL);
    SWEEP_EXPECT(run.result <= 0 && run.result != -EINTR);
    SWEEP_EXPECT(run.result == 0 || run.setting->from_start);
    if (asked)
        ly_server_close(run.server);
    return run.result;
}

static int serve_in_order(void *setting)
{
    order.call = sweep_now.call;
    order.nth = sweep_now.nth;
    order.error = sweep_now.error;
    if (!order.call) { /* the first run, for which nothing is ordered */
        order.call = "malloc";
        order.nth = (unsigned long)-1;
    }
    return serve_clients(setting);
}

static void sweep_setting(struct setting t)
{
    char name[96];
    snprintf(name, sizeof name, "%s, %s, failures %s", t.name, t.address,
             t.from_start ? "from the start" : "later");
    sweep_now.call = NULL;
    sweep(name, serve_in_order, &t);
}

static void sweep_policy(const char *name, enum ly_policy policy, const char *reactor)
{
    static char unix_address[64];
    struct setting t = {.name = name, .policy = policy, .reactor = reactor, .workers = 1};
    snprintf(unix_address, sizeof unix_address, "unix:@lanyard-fault-serving-%d", (int)getpid());
    t.address = "tcp://127.0.0.1:0";
    sweep_setting(t);
    t.from_start = true;
    t.address = unix_address;
    sweep_setting(t);
}

static void a_sequential_server_goes_on(void **state)
{
    (void)state;
    sweep_policy("sequential", LY_SEQUENTIAL, NULL);
}

static void a_threading_server_goes_on(void **state)
{
    (void)state;
    sweep_policy("threading", LY_THREADING, NULL);
}

static void a_forking_server_goes_on(void **state)
{
    (void)state;
    sweep_policy("forking", LY_FORKING, NULL);
}

static void fibers_on_epoll_go_on(void **state)
{
    (void)state;
    sweep_policy("fibers, epoll", LY_FIBERS, "epoll");
}

static void fibers_on_poll_go_on(void **state)
{
    (void)state;
    sweep_policy("fibers, poll", LY_FIBERS, "poll");
}

static void fibers_on_select_go_on(void **state)
{
    (void)state;
    sweep_policy("fibers, select", LY_FIBERS, "select");
}

static void fibers_on_io_uring_go_on(void **state)
{
    (void)state;
    sweep_policy("fibers, io_uring", LY_FIBERS, "io_uring");
}

/* From the start only: nobody knows when the last of them has begun. */
static void several_workers_go_on(void **state)
{
    struct setting t = {.name = "two workers",
                        .policy = LY_FIBERS,
                        .address = "tcp://127.0.0.1:0",
                        .workers = 2,
                        .from_start = true};
    (void)state;
    sweep_setting(t);
    t.name = "two workers, one acceptor";
    t.distribute = true;
    sweep_setting(t);
}

/* Descriptors that have run out for good: accepting pauses, and goes on once there are some. */
static void accepting_resumes_after_descriptors_ran_out(void **state)
{
    static const enum ly_policy policies[] = {LY_FIBERS, LY_SEQUENTIAL, LY_FORKING, LY_THREADING};
    (void)state;
    sweep_now.scenario = "descriptors run out";
    for (size_t i = 0; i < 4; i++) {
        const struct setting t = {.policy = policies[i], .address = "tcp://127.0.0.1:0", .workers = 1};
        struct run run = {.setting = &t, .lock = PTHREAD_MUTEX_INITIALIZER};
        struct ly_server_stats stats = {0};
        alarm(SWEEP_SECONDS);
        SWEEP_EXPECT(open_server(&run) == 0);
        SWEEP_EXPECT(pthread_create(&run.thread, NULL, serve, &run) == 0);
        SWEEP_EXPECT(visit(&run) == 0);
        struct ly_sock *s[2] = {NULL, NULL}; /* one may be taken by a call that is under way */
        for (int k = 0; k < 2; k++)
            SWEEP_EXPECT(ly_socket(&s[k], AF_INET, SOCK_STREAM, 0) == 0);
        int64_t began = ly_now();
        ly_fault_arm_from("accept4", 1, EMFILE);
        for (int k = 0; k < 2; k++)
            SWEEP_EXPECT(ly_sock_connect(s[k], &run.address) == 0 && say(s[k]) == 0);
        while (stats.pauses == 0)
            SWEEP_EXPECT(ly_server_stats(run.server, -1, &stats) == 0);
        unsigned long tries = ly_fault_hits();
        int64_t lasted_ms = (ly_now() - began) / 1000000;
        ly_fault_disarm();
        for (int k = 0; k < 2; k++) {
            SWEEP_EXPECT(hear(s[k]) == 0);
            ly_sock_free(s[k]);
        }
        /* no spinning: at once, as each of two requests ends, and after each pause */
        SWEEP_EXPECT((int64_t)tries <= 3 + lasted_ms / LY__PAUSE_MS);
        SWEEP_EXPECT(ask_for_end(&run));
        pthread_join(run.thread, NULL);
        SWEEP_EXPECT(run.result == 0);
        ly_server_close(run.server);
        alarm(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepting_resumes_after_descriptors_ran_out),
        cmocka_unit_test(a_sequential_server_goes_on),
        cmocka_unit_test(a_threading_server_goes_on),
        cmocka_unit_test(a_forking_server_goes_on),
        cmocka_unit_test(fibers_on_epoll_go_on),
        cmocka_unit_test(fibers_on_poll_go_on),
        cmocka_unit_test(fibers_on_select_go_on),
        cmocka_unit_test(fibers_on_io_uring_go_on),
        cmocka_unit_test(several_workers_go_on),
    };
    if (ly_fault_share() < 0)
        return 1;
    ly_log_setup(&(struct ly_log_options){.fd = STDERR_FILENO, .level = LY_LOG_ERROR});
    return cmocka_run_group_tests_name("fault/serving", tests, NULL, sweep_summary);
}
