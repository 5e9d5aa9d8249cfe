/* SPDX-License-Identifier: MIT */
/*
 * Processes behind one listener, and listeners that go from one program to the next. This program is also its
 * own successor: with the argument "successor" it serves what it was given until SIGTERM.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/server.h"
#include <errno.h>
#include <lanyard/lanyard.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Shared with the processes. */
static struct {
    atomic_int started[4], ended[4], crashed, reloads, refuse_reload;
    atomic_int runs; /* of run_or_fail and never_end */
} * shared;

#define AWAIT(condition) \
    do                   \
        sched_yield();   \
    while (!(condition))

/* Says the number of its process; 'c' crashes it, 's' shuts its server down, 'w' waits for ever. */
static int tell(struct ly_request *rq)
{
    char byte, text[32];
    ssize_t n = ly_recv(rq->sock, &byte, 1);
    if (n <= 0)
        return (int)n;
    if (byte == 'c')
        raise(SIGKILL);
    if (byte == 's')
        ly_server_shutdown(rq->server);
    int length = snprintf(text, sizeof text, "%d", (int)getpid());
    int r = ly_sendall(rq->sock, text, (size_t)length);
    return r == 0 && byte == 'w' ? ly_sleep(60000) : r;
}

static void ignore_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
}

static struct ly_server *open_server(enum ly_policy policy, const char *address)
{
    struct ly_server *s = NULL;
    struct ly_server_options o = {
        .address = address, .policy = policy, .handler.handle = tell, .hooks.handle_error = ignore_error};
    assert_int_equal(ly_server_open(&s, &o), 0);
    return s;
}

/* One exchange; the number that was answered, or an error: nobody answered. */
static int ask(const struct ly_address *a, char byte, struct ly_sock **ret_open)
{
    struct ly_sock *s;
    char text[32] = "";
    int r = ly_socket(&s, a->u.family, SOCK_STREAM, 0);
    if (r < 0)
        return r;
    ly_sock_set_timeout(s, 20000);
    r = ly_sock_connect(s, a);
    if (r == 0)
        r = ly_sendall(s, &byte, 1);
    ssize_t n = r < 0 ? r : ly_recv(s, text, sizeof text - 1);
    if (ret_open)
        *ret_open = s;
    else
        ly_sock_free(s);
    return n > 0 ? (int)strtol(text, NULL, 10) : n == 0 ? LY_EEOF : (int)n;
}

/* ---- the supervisor, in a process of its own: it may be forked from, having one thread ---- */

#ifdef __SANITIZE_THREAD__
/* The supervisor forks beside the test's thread, and its processes start threads of their own. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "die_after_fork=0";
}
#endif

struct supervised {
    struct ly_server *server;
    struct ly_address address;
    pid_t pid; /* of the supervisor */
};

/* Requests to it: signals of which none gets lost behind another. */
#define STOP SIGRTMIN
#define RELOAD (SIGRTMIN + 1)

static struct ly_server *supervised;

static void request(int number)
{
    if (number == STOP)
        ly_server_request_shutdown(supervised);
    else
        ly_server_request_reload(supervised);
}

/* The status of the supervisor's process: 0 if all was as it should be. */
static int supervise(struct ly_server *server, const struct ly_supervise_options *o)
{
    supervised = server;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(STOP, request);
    signal(RELOAD, request);
    int r = ly_supervise(server, o);
    ly_server_close(server);
    bool none_is_left = waitpid(-1, NULL, WNOHANG) == -1;
    return r < 0 ? 2 : !none_is_left ? 3 : 0;
}

static void note_start(struct ly_server *server, int index, pid_t pid, void *arg)
{
    (void)server;
    (void)pid;
    (void)arg;
    atomic_fetch_add(&shared->started[index], 1);
}

static void note_end(struct ly_server *server, int index, pid_t pid, int status, void *arg)
{
    (void)server;
    (void)pid;
    (void)arg;
    atomic_fetch_add(&shared->ended[index], 1);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        atomic_fetch_add(&shared->crashed, 1);
}

static int note_reload(struct ly_server *server, void *arg)
{
    (void)server;
    (void)arg;
    atomic_fetch_add(&shared->reloads, 1);
    return atomic_load(&shared->refuse_reload) ? -EINVAL : 0;
}

static void begin(struct supervised *v, struct ly_server *server, struct ly_supervise_options o)
{
    memset(shared, 0, sizeof *shared);
    o.started = note_start;
    o.ended = note_end;
    o.reload = note_reload;
    *v = (struct supervised){.server = server};
    assert_int_equal(ly_server_address(server, &v->address), 0);
    fflush(NULL);
    v->pid = fork();
    if (v->pid == 0)
        exit(supervise(server, &o));
    assert_true(v->pid > 0);
}

static void join(struct supervised *v)
{
    int status = -1;
    assert_int_equal(waitpid(v->pid, &status, 0), v->pid);
    assert_int_equal(status, 0);
    ly_server_close(v->server);
}

static void end(struct supervised *v)
{
    kill(v->pid, STOP);
    join(v);
}

static int sum(const atomic_int *n)
{
    int total = 0;
    for (int i = 0; i < 4; i++)
        total += atomic_load(&n[i]);
    return total;
}

static const enum ly_policy policies[] = {LY_SEQUENTIAL, LY_FORKING, LY_THREADING, LY_FIBERS};

static void processes_serve_one_listener_in_every_policy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++) {
        struct supervised v;
        begin(&v, open_server(policies[i], "tcp://127.0.0.1:0"),
              (struct ly_supervise_options){.processes = 3});
        for (int n = 0; n < 20 || sum(shared->started) < 3; n++) {
            int pid = ask(&v.address, 'x', NULL);
            assert_true(pid > 0 && pid != getpid());
        }
        assert_int_equal(sum(shared->started), 3);
        end(&v);
        assert_int_equal(sum(shared->ended), 3);
        assert_int_equal(atomic_load(&shared->crashed), 0);
    }
}

static void a_crashed_process_is_started_again(void **state)
{
    struct supervised v;
    (void)state;
    begin(&v, open_server(LY_FIBERS, "tcp://127.0.0.1:0"),
          (struct ly_supervise_options){.processes = 1, .backoff_ms = 1});
    for (int i = 1; i <= 3; i++) {
        int before = ask(&v.address, 'x', NULL);
        assert_true(before > 0);
        assert_true(ask(&v.address, 'c', NULL) < 0);
        int after = ask(&v.address, 'x', NULL); /* waits in the listener meanwhile */
        assert_true(after > 0 && after != before);
        assert_int_equal(atomic_load(&shared->crashed), i);
    }
    end(&v);
    assert_int_equal(sum(shared->started), 4);
}

static int run_or_fail(struct ly_server *server, int index, void *arg)
{
    const int *fails = arg;
    (void)index;
    if (atomic_fetch_add(&shared->runs, 1) < *fails)
        return -EIO;
    return ly_serve_forever(server);
}

static void crashes_in_a_row_are_backed_off_from(void **state)
{
    struct supervised v;
    (void)state;
    int64_t start = ly_now();
    struct ly_server *s = open_server(LY_FIBERS, "tcp://127.0.0.1:0");
    int fails = 4;
    begin(&v, s,
          (struct ly_supervise_options){.processes = 1, .backoff_ms = 5, .run = run_or_fail, .arg = &fails});
    assert_true(ask(&v.address, 'x', NULL) > 0);
    assert_true(atomic_load(&shared->crashed) >= 3);
    assert_true(ly_now() - start >= (5 + 10 + 20) * INT64_C(1000000));
    end(&v);
}

static void a_process_that_shut_itself_down_is_replaced(void **state)
{
    struct supervised v;
    (void)state;
    begin(&v, open_server(LY_FIBERS, "tcp://127.0.0.1:0"), (struct ly_supervise_options){.processes = 1});
    int first = ask(&v.address, 's', NULL);
    assert_true(first > 0);
    int second = ask(&v.address, 'x', NULL);
    assert_true(second > 0 && second != first);
    end(&v);
    assert_int_equal(atomic_load(&shared->crashed), 0);
}

static void a_reload_replaces_each_process_and_lets_requests_finish(void **state)
{
    struct supervised v;
    struct ly_sock *running;
    (void)state;
    struct ly_server *s = NULL;
    struct ly_server_options o = {.address = "tcp://127.0.0.1:0",
                                  .handler.handle = tell,
                                  .hooks.handle_error = ignore_error,
                                  .drain_ms = 50};
    assert_int_equal(ly_server_open(&s, &o), 0);
    begin(&v, s, (struct ly_supervise_options){.processes = 2, .kill_ms = 60000});
    int first = ask(&v.address, 'w', &running);
    assert_true(first > 0);
    kill(v.pid, RELOAD);
    AWAIT(sum(shared->started) == 4 && sum(shared->ended) == 2);
    for (int i = 0; i < 10; i++) {
        int pid = ask(&v.address, 'x', NULL);
        assert_true(pid > 0 && pid != first);
    }
    assert_int_equal(atomic_load(&shared->crashed), 0);

    atomic_store(&shared->refuse_reload, 1);
    kill(v.pid, RELOAD);
    AWAIT(atomic_load(&shared->reloads) == 2);
    assert_true(ask(&v.address, 'x', NULL) > 0);
    assert_int_equal(sum(shared->started), 4);
    ly_sock_free(running);
    end(&v);
}

static void a_second_request_cancels_and_a_stubborn_process_is_killed(void **state)
{
    struct supervised v;
    struct ly_sock *running;
    (void)state;
    begin(&v, open_server(LY_THREADING, "tcp://127.0.0.1:0"), (struct ly_supervise_options){.processes = 1});
    assert_true(ask(&v.address, 'w', &running) > 0);
    kill(v.pid, STOP);
    kill(v.pid, STOP);
    join(&v);
    ly_sock_free(running);
    assert_int_equal(sum(shared->ended), 1);
}

static int never_end(struct ly_server *server, int index, void *arg)
{
    (void)server;
    (void)index;
    (void)arg;
    atomic_fetch_add(&shared->runs, 1);
    while (shared)
        poll(NULL, 0, -1);
    return 0;
}

static void a_process_that_does_not_end_is_killed(void **state)
{
    struct supervised v;
    (void)state;
    struct ly_server *s = NULL;
    struct ly_server_options o = {
        .address = "tcp://127.0.0.1:0", .handler.handle = tell, .drain_ms = LY_POLL};
    assert_int_equal(ly_server_open(&s, &o), 0);
    begin(&v, s, (struct ly_supervise_options){.processes = 1, .run = never_end, .kill_ms = 20});
    AWAIT(atomic_load(&shared->runs) == 1);
    end(&v);
    assert_int_equal(atomic_load(&shared->crashed), 1);
}

static void signals_stop_and_reload(void **state)
{
    struct supervised v;
    (void)state;
    begin(&v, open_server(LY_FIBERS, "tcp://127.0.0.1:0"),
          (struct ly_supervise_options){.processes = 1, .signals = true});
    assert_true(ask(&v.address, 'x', NULL) > 0);
    kill(v.pid, SIGHUP);
    AWAIT(sum(shared->started) == 2);
    kill(v.pid, SIGTERM);
    join(&v);
    assert_int_equal(atomic_load(&shared->reloads), 1);
}

static int in_fiber(void *server)
{
    return ly_supervise(server, NULL);
}

static void bad_options_and_fibers_are_refused(void **state)
{
    (void)state;
    struct ly_server *s = open_server(LY_FIBERS, "tcp://127.0.0.1:0");
    struct ly_supervise_options bad[] = {
        {.processes = -1}, {.processes = 257}, {.backoff_ms = -1}, {.kill_ms = -1}, {.settled_ms = -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ly_supervise(s, &bad[i]), -EINVAL);
    assert_int_equal(ly_run(in_fiber, s, NULL), -EPERM);
    ly_server_request_shutdown(s); /* before it began: it ends at once */
    assert_int_equal(ly_supervise(s, NULL), 0);
    ly_server_close(s);
}

static int tell_sender(struct ly_request *rq)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%d", (int)getpid());
    return ly_reply(rq, text, (size_t)n);
}

static void datagrams_are_shared_by_processes(void **state)
{
    struct supervised v;
    struct ly_server *s = NULL;
    struct ly_sock *c;
    char text[LY_ADDRESS_TEXT], answer[32] = "";
    (void)state;
    struct ly_server_options o = {.address = "udp://127.0.0.1:0", .handler.handle = tell_sender};
    assert_int_equal(ly_server_open(&s, &o), 0);
    begin(&v, s, (struct ly_supervise_options){.processes = 2, .kill_ms = 60000});
    ly_address_format(&v.address, text, sizeof text);
    assert_int_equal(ly_connect(&c, text, NULL), 0);
    ly_sock_set_timeout(c, 20000);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ly_send(c, "x", 1), 1);
        assert_true(ly_recv(c, answer, sizeof answer - 1) > 0);
        assert_int_not_equal(strtol(answer, NULL, 10), getpid());
    }
    ly_sock_free(c);
    end(&v);
}

/* ---- handing over ---- */

struct load {
    struct ly_address address;
    atomic_int asked, failed, by_others;
    atomic_bool stop;
};

static void *keep_asking(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(&l->stop)) {
        int pid = ask(&l->address, 'x', NULL);
        atomic_fetch_add(&l->asked, 1);
        if (pid < 0)
            atomic_fetch_add(&l->failed, 1);
        else if (pid != getpid())
            atomic_fetch_add(&l->by_others, 1);
    }
    return NULL;
}

static void *serve_in_thread(void *server)
{
    return ly_serve_forever(server) == 0 ? NULL : server;
}

static char self[] = "/proc/self/exe", role[] = "successor";
static char *const successor[] = {self, role, NULL};

static void restart_under_load(enum ly_policy policy, int workers)
{
    struct load load = {0};
    pthread_t serving, clients[4];
    pid_t pid = 0;
    int status;
    struct ly_server *s = NULL;
    struct ly_server_options o = {.address = "tcp://127.0.0.1:0",
                                  .policy = policy,
                                  .workers = workers,
                                  .handler.handle = tell,
                                  .hooks.handle_error = ignore_error};
    assert_int_equal(ly_server_open(&s, &o), 0);
    assert_int_equal(ly_server_address(s, &load.address), 0);
    assert_int_equal(pthread_create(&serving, NULL, serve_in_thread, s), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&clients[i], NULL, keep_asking, &load), 0);
    AWAIT(atomic_load(&load.asked) > 50);
    assert_int_equal(ly_server_restart(s, successor, 20000, &pid), 0);
    AWAIT(atomic_load(&load.by_others) > 0);
    ly_server_shutdown(s);
    pthread_join(serving, NULL);
    ly_server_close(s);
    int asked = atomic_load(&load.asked);
    AWAIT(atomic_load(&load.asked) > asked + 50);
    atomic_store(&load.stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(clients[i], NULL);
    kill(pid, SIGTERM);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(atomic_load(&load.failed), 0);
}

static void a_restart_under_load_refuses_no_connection(void **state)
{
    (void)state;
    restart_under_load(LY_FIBERS, 1);
    restart_under_load(LY_FIBERS, 3);
    restart_under_load(LY_THREADING, 0);
}

static void a_successor_that_cannot_be_started_is_reported(void **state)
{
    static char nowhere[] = "/nowhere/at/all", nothing[] = "/bin/true";
    char *const missing[] = {nowhere, NULL}, *const other[] = {nothing, NULL};
    pid_t pid = 0;
    (void)state;
    struct ly_server *s = open_server(LY_FIBERS, "tcp://127.0.0.1:0");
    assert_int_equal(ly_server_restart(s, missing, 0, &pid), -ENOENT);
    assert_int_equal(ly_server_restart(s, other, 0, &pid), -ECHILD);
    assert_int_equal(ly_server_restart(s, other, -1, &pid), -EINVAL);
    assert_int_equal(pid, 0);
    ly_server_close(s);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void without_listeners_handed_over_there_are_none(void **state)
{
    struct ly_server *s = NULL;
    struct ly_sock *sock = NULL;
    struct ly_server_options o = {.address = "systemd:", .handler.handle = tell};
    (void)state;
    assert_int_equal(ly_listeners_inherited(), 0);
    assert_int_equal(ly_listener_inherit(&sock, NULL), -ENOENT);
    assert_int_equal(ly_server_open(&s, &o), -ENOENT);
}

/* ---- the successor ---- */

static struct ly_server *serving;

static void stop(int number)
{
    (void)number;
    ly_server_request_shutdown(serving);
}

static int succeed(void)
{
    int given = ly_listeners_inherited();
    struct ly_server_options o = {.address = "systemd:lanyard",
                                  .policy = LY_FIBERS,
                                  .handler.handle = tell,
                                  .hooks.handle_error = ignore_error};
    if (given < 1 || getenv("LISTEN_FDS") || ly_server_open(&serving, &o) < 0)
        return 2;
    if (ly_listeners_inherited() != 0)
        return 3;
    signal(SIGTERM, stop);
    int r = ly_serve_forever(serving);
    ly_server_close(serving);
    return r < 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_listeners_handed_over_there_are_none),
        cmocka_unit_test(processes_serve_one_listener_in_every_policy),
        cmocka_unit_test(a_crashed_process_is_started_again),
        cmocka_unit_test(crashes_in_a_row_are_backed_off_from),
        cmocka_unit_test(a_process_that_shut_itself_down_is_replaced),
        cmocka_unit_test(a_reload_replaces_each_process_and_lets_requests_finish),
        cmocka_unit_test(a_second_request_cancels_and_a_stubborn_process_is_killed),
        cmocka_unit_test(a_process_that_does_not_end_is_killed),
        cmocka_unit_test(signals_stop_and_reload),
        cmocka_unit_test(bad_options_and_fibers_are_refused),
        cmocka_unit_test(datagrams_are_shared_by_processes),
        cmocka_unit_test(a_restart_under_load_refuses_no_connection),
        cmocka_unit_test(a_successor_that_cannot_be_started_is_reported),
    };
    if (argc > 1 && strcmp(argv[1], "successor") == 0)
        return succeed();
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
