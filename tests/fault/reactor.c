/* SPDX-License-Identifier: MIT */
/* The four reactors with each of their calls failing once: waiting in both directions, timing out, being
 * closed or cancelled in a wait, being woken by another thread; and doing without io_uring where it cannot be
 * set up. */
#include "places.h"
#include <sys/mman.h>

/* ---- waiting for descriptors ---- */

/* However it ends, the other side is told: nobody waits for what does not come. */
static int echo(void *arg)
{
    struct ly_sock *s = arg;
    char buf[4096];
    ssize_t n;
    int r = 0;
    while (r == 0 && (n = ly_recv(s, buf, sizeof buf)) > 0)
        r = ly_sendall(s, buf, (size_t)n);
    ly_shutdown(s, SHUT_RDWR);
    return r < 0 ? r : (int)n;
}

struct flood {
    struct ly_sock *sock;
    size_t bytes;
};

static int flood(void *arg)
{
    static const char bytes[16384];
    struct flood *f = arg;
    int r = 0;
    for (size_t sent = 0; sent < f->bytes && r == 0; sent += sizeof bytes)
        r = ly_sendall(f->sock, bytes, sizeof bytes);
    ly_shutdown(f->sock, SHUT_WR);
    return r;
}

/* Have everybody leave a socket, as socket.h says for threads and for fibers. Shutting it down would not do
 * for select(2), which has no word for a hang-up to who waits for room. */
static void end_waits(struct ly_sock *s)
{
    if (ly_reactor_name()[0] == 't')
        ly_shutdown(s, SHUT_RDWR);
    else
        ly_sock_close(s);
}

/* More than a socket's buffers hold, sent and echoed at once: all wait for both directions. */
static int flood_and_drain(struct ly_scope *scope, struct ly_sock *a, struct ly_sock *b)
{
    static _Thread_local char buf[16384];
    struct flood f = {.sock = a, .bytes = 1 << 19};
    ssize_t n;
    size_t got = 0;
    int r = ly_go(scope, echo, b);
    if (r == 0)
        r = ly_go(scope, flood, &f);
    if (r < 0) {
        end_waits(a);
        ly_scope_join(scope);
        return r;
    }
    while (got < f.bytes && (n = ly_recv(a, buf, sizeof buf)) > 0)
        got += (size_t)n;
    r = got == f.bytes ? 0 : n < 0 ? (int)n : LY_EEOF;
    end_waits(a);
    int joined = ly_scope_join(scope);
    return r < 0 ? r : joined;
}

static int receive_byte(void *sock)
{
    char byte;
    return (int)ly_recv(sock, &byte, 1);
}

static int expect(int got, int wanted)
{
    return got == wanted ? 0 : got < 0 ? got : -EPROTO;
}

/* Waits that end without a byte: by time-out, by a cancellation, by closing. */
static int wait_in_vain(struct ly_scope *scope, struct ly_sock *a)
{
    struct ly_scope *bound = NULL;
    int r = ly_sock_set_timeout(a, 1);
    if (r == 0)
        r = expect(receive_byte(a), -ETIMEDOUT);
    if (r == 0)
        r = ly_sock_set_timeout(a, LY_FOREVER);
    if (r == 0)
        r = ly_scope_open(&bound, &(struct ly_scope_options){.deadline = ly_deadline(1)});
    if (r < 0)
        return r;
    r = expect(receive_byte(a), -ETIMEDOUT);
    ly_scope_close(bound);
    if (r == 0)
        r = ly_scope_open(&bound, NULL);
    if (r < 0)
        return r;
    r = ly_go(bound, receive_byte, a);
    if (r == 0)
        r = ly_sleep(0);
    ly_scope_close(bound); /* cancels */
    (void)scope;
    return r;
}

/* A task waits in a socket that another one closes; in a loop alone. */
static int close_under_waiter(struct ly_scope *scope, struct ly_sock *a)
{
    struct ly_future *f;
    if (ly_reactor_name()[0] == 't')
        return 0;
    int r = ly_async(scope, &f, receive_byte, a);
    if (r < 0)
        return r;
    r = ly_sleep(0);
    ly_sock_close(a);
    int got = ly_await(f, NULL);
    return r < 0 ? r : expect(got, -EBADF);
}

static int wait_and_close(struct ly_scope *scope, struct ly_sock *a, struct ly_sock *b)
{
    (void)b;
    int r = wait_in_vain(scope, a);
    return r < 0 ? r : close_under_waiter(scope, a);
}

static int floods(void *arg)
{
    (void)arg;
    return over_pair(flood_and_drain);
}

static int waits(void *arg)
{
    (void)arg;
    return over_pair(wait_and_close);
}

static void both_directions_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("both directions", floods);
}

static void waits_that_end_early_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("waits in vain", waits);
}

/* ---- many descriptors at once ---- */

#define MANY 80 /* more than poll's first array holds */

static int wait_for_all(struct ly_scope *scope, struct ly_sock **pair, int pairs)
{
    struct ly_future *f[MANY];
    int n = 0, r = 0, result = 0;
    while (n < pairs && r == 0) {
        r = ly_async(scope, &f[n], receive_byte, pair[2 * n]);
        n += r == 0;
    }
    int slept = ly_sleep(0);
    for (int i = 0; i < n; i++) {
        int sent = (int)ly_send(pair[2 * i + 1], "x", 1);
        if (sent < 0)
            ly_sock_close(pair[2 * i + 1]);
    }
    for (int i = 0; i < n; i++) {
        int got = ly_await(f[i], NULL);
        if (got < 0)
            result = got;
    }
    return r < 0 ? r : slept < 0 ? slept : result;
}

static int many(void *arg)
{
    struct ly_sock *pair[2 * MANY];
    struct ly_scope *scope;
    int n = 0;
    (void)arg;
    int r = ly_scope_open(&scope, NULL);
    if (r < 0)
        return r;
    while (n < MANY && r == 0) {
        r = ly_socketpair(&pair[2 * n], &pair[2 * n + 1]);
        n += r == 0;
    }
    if (r == 0)
        r = wait_for_all(scope, pair, n);
    ly_scope_close(scope);
    for (int i = 0; i < 2 * n; i++)
        ly_sock_free(pair[i]);
    return r;
}

/* In loops only, since so many threads take long to start; and the reactors' own calls only. */
static void many_descriptors_survive_each_failure(void **state)
{
    static const char *const calls[] = {
        "realloc",         "epoll_ctl", "epoll_wait", "poll", "select", "io_uring_submit_and_wait",
        "io_uring_submit", NULL};
    (void)state;
    sweep_now.only = calls;
    for (size_t i = 1; i < PLACES; i++)
        sweep_place("many descriptors", &places[i], many);
    sweep_now.only = NULL;
}

/* ---- doing without io_uring ---- */

static int log_fd;

/* How many lines of the log say that io_uring cannot be used; they are gone then. */
static int refusals(void)
{
    char text[4096];
    int n = 0;
    ssize_t length = pread(log_fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = 0;
    for (const char *at = text; (at = strstr(at, "reactor not usable here")); at++)
        n++;
    if (ftruncate(log_fd, 0) < 0 || lseek(log_fd, 0, SEEK_SET) < 0)
        return -1;
    return n;
}

static int is_epoll(void *arg)
{
    (void)arg;
    return strcmp(ly_reactor_name(), "epoll") == 0 ? 0 : -EPROTO;
}

static int run_without(const char *call, int error, const char *reactor)
{
    sweep_now.call = call;
    sweep_now.error = error;
    SWEEP_EXPECT(ly_fault_arm_from(call, 1, error) == 0);
    int r = ly_run(is_epoll, NULL, &(struct ly_run_options){.reactor = reactor});
    unsigned long hits = ly_fault_hits();
    ly_fault_disarm();
    SWEEP_EXPECT(hits > 0);
    return r;
}

static void without_io_uring_epoll_takes_its_place_and_the_log_says_why(void **state)
{
    static const int errors[] = {ENOSYS, EPERM, ENOMEM, EMFILE, EINVAL};
    (void)state;
    sweep_now.scenario = "no io_uring";
    log_fd = memfd_create("log", MFD_CLOEXEC);
    ly_log_setup(&(struct ly_log_options){.fd = log_fd, .level = LY_LOG_DEBUG});
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        int descriptors = sweep_descriptors();
        SWEEP_EXPECT(run_without("io_uring_queue_init_params", errors[i], "io_uring") == 0);
        SWEEP_EXPECT(refusals() == 1);
        SWEEP_EXPECT(run_without("io_uring_queue_init_params", errors[i], "io_uring,epoll") == 0);
        SWEEP_EXPECT(run_without("io_uring_queue_init_params", errors[i], "io_uring!") == LY_ENOREACTOR);
        SWEEP_EXPECT(refusals() == 2);
        SWEEP_EXPECT(sweep_descriptors() == descriptors);
    }
    ly_log_setup(&(struct ly_log_options){.fd = STDERR_FILENO, .level = LY_LOG_INFO});
    close(log_fd);
}

/* What only makes a ring cheaper may be missing. */
static int is_uring(void *arg)
{
    (void)arg;
    return strcmp(ly_reactor_name(), "io_uring") == 0 ? 0 : -EPROTO;
}

static void a_ring_does_without_a_registered_descriptor(void **state)
{
    (void)state;
    sweep_now.scenario = "a ring without a registered descriptor";
    if (ly_run(is_uring, NULL, &(struct ly_run_options){.reactor = "io_uring!"}) < 0) {
        skip();
        return;
    }
    SWEEP_EXPECT(ly_fault_arm_from("io_uring_register_ring_fd", 1, EINVAL) == 0);
    int r = ly_run(is_uring, NULL, &(struct ly_run_options){.reactor = "io_uring!"});
    ly_fault_disarm();
    SWEEP_EXPECT(r == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_survive_each_failure),
        cmocka_unit_test(waits_that_end_early_survive_each_failure),
        cmocka_unit_test(many_descriptors_survive_each_failure),
        cmocka_unit_test(without_io_uring_epoll_takes_its_place_and_the_log_says_why),
        cmocka_unit_test(a_ring_does_without_a_registered_descriptor),
    };
    return cmocka_run_group_tests_name("fault/reactor", tests, NULL, sweep_summary);
}
