/* SPDX-License-Identifier: MIT */
/*
 * A datagram server with each of its calls failing once after it has served a first client, in every policy,
 * with fibers on every reactor. A datagram or its answer may get lost; the next one is answered, and the
 * server ends in order.
 */
#include "sweep.h"
#include <pthread.h>

#define PATIENCE_MS 20 /* for an answer that may be lost */
#define TRIES 1000     /* until one has to come */

struct setting {
    enum ly_policy policy;
    const char *reactor;
    const char *address;
};

static struct {
    const char *call;
    unsigned long nth;
    int error;
} order;

static int give_back(struct ly_request *rq)
{
    /* Some suspend: another fiber leads on. */
    int r = *(const char *)rq->packet == 's' ? ly_sleep(1) : 0;
    return r < 0 ? r : ly_reply(rq, rq->packet, rq->packet_length);
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

struct serving {
    struct ly_server *server;
    int result;
};

static void *serve(void *arg)
{
    struct serving *s = arg;
    s->result = ly_serve_forever(s->server);
    return NULL;
}

/* Two datagrams at once; whether an answer to one of them came. */
static bool ask(struct ly_sock *s)
{
    char buf[4];
    ly_send(s, "word", 4);
    ly_send(s, "slow", 4);
    ly_sock_set_timeout(s, PATIENCE_MS);
    ssize_t n = ly_recv(s, buf, sizeof buf);
    SWEEP_EXPECT(n <= 0 || (n == 4 && (memcmp(buf, "word", 4) == 0 || memcmp(buf, "slow", 4) == 0)));
    return n == 4;
}

static bool ask_until_answered(struct ly_sock *s)
{
    for (int i = 0; i < TRIES; i++)
        if (ask(s))
            return true;
    return false;
}

static struct ly_sock *join(const struct ly_server *server)
{
    struct ly_address a;
    struct ly_sock *s = NULL;
    char text[LY_ADDRESS_TEXT];
    SWEEP_EXPECT(ly_server_address(server, &a) == 0);
    ly_address_format(&a, text, sizeof text);
    struct ly_connect_options o = {.source = a.u.family == AF_UNIX ? "unix-dgram:" : NULL};
    SWEEP_EXPECT(ly_connect(&s, text, &o) == 0);
    return s;
}

static int serve_clients(const struct setting *t)
{
    struct serving s = {.result = 1};
    pthread_t thread;
    const struct ly_server_options o = {
        .address = t->address,
        .policy = t->policy,
        .reactor = t->reactor,
        .handler.handle = give_back,
        .hooks = {.handle_error = ignore_error, .accept_paused = ignore_pause},
        .poll_interval_ms = 20,
        .drain_ms = 1000};
    SWEEP_EXPECT(ly_server_open(&s.server, &o) == 0);
    struct ly_sock *client = join(s.server);
    SWEEP_EXPECT(pthread_create(&thread, NULL, serve, &s) == 0);
    SWEEP_EXPECT(ask_until_answered(client));
    ly_fault_arm(order.call, order.nth, order.error);
    for (int i = 0; i < 3; i++)
        ask(client);
    ly_fault_disarm();
    SWEEP_EXPECT(ask_until_answered(client));
    ly_server_shutdown(s.server);
    pthread_join(thread, NULL);
    ly_sock_free(client);
    ly_server_close(s.server);
    SWEEP_EXPECT(s.result == 0);
    return s.result;
}

static int serve_in_order(void *setting)
{
    ly_fault_disarm();
    order.call = sweep_now.call;
    order.nth = sweep_now.nth;
    order.error = sweep_now.error;
    if (!order.call) { /* the first run, for which nothing is ordered */
        order.call = "malloc";
        order.nth = (unsigned long)-1;
    }
    return serve_clients(setting);
}

static void sweep_policy(const char *name, enum ly_policy policy, const char *reactor)
{
    static const char *const only[] = {"malloc",    "calloc",     "recvmmsg", "sendmmsg",       "sendto",
                                       "epoll_ctl", "epoll_wait", "poll",     "pthread_create", "fork",
                                       "eventfd",   "pidfd_open", "waitid",   "recv",           NULL};
    static char unix_address[64];
    struct setting t = {.policy = policy, .reactor = reactor, .address = "udp://127.0.0.1:0"};
    snprintf(unix_address, sizeof unix_address, "unix-dgram:@lanyard-fault-datagrams-%d", (int)getpid());
    sweep_now.only = only;
    sweep_now.call = NULL;
    sweep(name, serve_in_order, &t);
    t.address = unix_address;
    sweep_now.call = NULL;
    sweep(name, serve_in_order, &t);
}

static void a_sequential_server_answers_the_next(void **state)
{
    (void)state;
    sweep_policy("sequential", LY_SEQUENTIAL, NULL);
}

static void a_threading_server_answers_the_next(void **state)
{
    (void)state;
    sweep_policy("threading", LY_THREADING, NULL);
}

static void a_forking_server_answers_the_next(void **state)
{
    (void)state;
    sweep_policy("forking", LY_FORKING, NULL);
}

static void fibers_on_epoll_answer_the_next(void **state)
{
    (void)state;
    sweep_policy("fibers, epoll", LY_FIBERS, "epoll");
}

static void fibers_on_io_uring_answer_the_next(void **state)
{
    (void)state;
    sweep_policy("fibers, io_uring", LY_FIBERS, "io_uring");
}

/* Nothing is reported: serving goes on, whatever fails. */
static int summarize(void **state)
{
    (void)state;
    printf("# %lu runs, in %lu of them a call failed\n", sweep_now.runs, sweep_now.hits);
    return sweep_now.hits > 0 ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sequential_server_answers_the_next),
        cmocka_unit_test(a_threading_server_answers_the_next),
        cmocka_unit_test(a_forking_server_answers_the_next),
        cmocka_unit_test(fibers_on_epoll_answer_the_next),
        cmocka_unit_test(fibers_on_io_uring_answer_the_next),
    };
    if (ly_fault_share() < 0)
        return 1;
    ly_log_setup(&(struct ly_log_options){.fd = STDERR_FILENO, .level = LY_LOG_ERROR});
    return cmocka_run_group_tests_name("fault/datagrams", tests, NULL, summarize);
}
