/* SPDX-License-Identifier: MIT */
/*
 * Connections that come and go at random: silent ones, ones that break off in the middle, ones that reset,
 * ones that stop reading, and ones that behave. At the end every good answer was right, nothing is open, and
 * the server serves as at the beginning.
 */
#include "matrix.h"
#include <sys/socket.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONNECTIONS 1000
#else
#define CONNECTIONS 10000
#endif
#define CLIENTS 100 /* at a time */

static struct soak {
    struct ly_address address;
    int begun, good, wrong;
    int connections;
    uint64_t random;
} soak;

/* xorshift: the same sequence in every run, so that a failure can be repeated. */
static unsigned roll(unsigned below)
{
    soak.random ^= soak.random << 13;
    soak.random ^= soak.random >> 7;
    soak.random ^= soak.random << 17;
    return (unsigned)(soak.random >> 33) % below;
}

static int converse(struct ly_sock *s)
{
    char sent[500], got[500]; /* no more than the handler takes at a time: packets are cut */
    for (unsigned rounds = 1 + roll(4); rounds > 0; rounds--) {
        size_t n = 1 + roll(sizeof sent - 1);
        memset(sent, (int)('a' + roll(26)), n);
        if (ly_sendall(s, sent, n) < 0)
            return -1;
        if (roll(8) == 0 && ly_sleep(roll(4)) < 0)
            return -1;
        if (ly_recvall(s, got, n) != (ssize_t)n || memcmp(sent, got, n) != 0)
            return -1;
    }
    char byte;
    ly_shutdown(s, SHUT_WR);
    return ly_recv(s, &byte, 1) == 0 ? 0 : -1;
}

static void misbehave(struct ly_sock *s, unsigned how)
{
    struct linger at_once = {1, 0};
    char much[4096] = {0};
    if (how > 0)
        ly_sendall(s, much, 1 + roll(sizeof much - 1)); /* and never reads the answer */
    if (how > 1)
        ly_sleep(roll(3));
    if (how > 2)
        ly_sock_set_option(s, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static int client(void *arg)
{
    (void)arg;
    while (soak.begun++ < soak.connections) {
        struct ly_sock *s;
        if (ly_socket(&s, soak.address.u.family, soak.address.type, 0) < 0)
            return -1;
        ly_sock_set_timeout(s, 20000);
        if (ly_sock_connect(s, &soak.address) < 0)
            soak.wrong++;
        else if (roll(2) == 0)
            misbehave(s, roll(4));
        else
            *(converse(s) == 0 ? &soak.good : &soak.wrong) += 1;
        ly_sock_free(s);
    }
    return 0;
}

static int all_clients(void *arg)
{
    struct ly_scope *scope;
    (void)arg;
    if (ly_scope_open(&scope, NULL) < 0)
        return -1;
    for (int i = 0; i < CLIENTS; i++)
        if (ly_go(scope, client, NULL) < 0)
            soak.wrong++;
    ly_scope_join(scope);
    ly_scope_close(scope);
    return 0;
}

/*
 * The clients are a process of their own, begun before the server: forked requests would otherwise hold
 * copies of their descriptors. It waits for a byte; its exit status is 0 if nothing was wrong.
 */
static pid_t start_clients(int go, int keep_out)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char byte;
    close(keep_out);
    if (read(go, &byte, 1) != 1 || ly_run(all_clients, NULL, NULL) != 0)
        _exit(2);
    _exit(soak.wrong > 0 || soak.good < soak.connections / 3);
}

static void let_clients_come(int go, pid_t pid)
{
    int status;
    assert_int_equal(write(go, "x", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void ignore_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
}

static void run_soak(const struct cell *c, struct ly_server_options o, int connections)
{
    struct served s;
    int go[2];
    o.handler.handle = echo;
    o.hooks.handle_error = ignore_error; /* resets are meant to happen */
    o.listen.backlog = 1024;
    o.poll_interval_ms = 20;
    int before = open_descriptors();
    struct ly_server *server = open_server(c, o);
    soak = (struct soak){.connections = connections, .random = 88172645463325252u};
    assert_int_equal(ly_server_address(server, &soak.address), 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    pid_t clients = start_clients(go[0], go[1]);
    serve(&s, server);
    exchange(server, "before", "before");
    AWAIT(stats_of(server).active == 0);
    let_clients_come(go[1], clients);
    AWAIT(stats_of(server).active == 0);
    exchange(server, "after", "after");
    assert_int_equal(stats_of(server).accepted, connections + 2);
    AWAIT(stats_of(server).active == 0);
    end_server(&s);
    close(go[0]);
    close(go[1]);
    assert_int_equal(open_descriptors(), before);
}

ROW(ten_thousand_connections_come_and_go_on_fibers, FIBERS)
{
    run_soak(c, (struct ly_server_options){.workers = 2}, CONNECTIONS / 4);
}

ROW(ten_thousand_connections_come_and_go_past_a_small_cap, FIBERS)
{
    run_soak(c, (struct ly_server_options){.workers = 2, .max_requests = 20}, CONNECTIONS / 8);
}

ROW(connections_come_and_go_in_threads_and_processes, THREADING | FORKING)
{
    run_soak(c, (struct ly_server_options){0}, CONNECTIONS / 20);
}

MATRIX_MAIN(RUN(ten_thousand_connections_come_and_go_on_fibers),
            RUN(ten_thousand_connections_come_and_go_past_a_small_cap),
            RUN(connections_come_and_go_in_threads_and_processes))
