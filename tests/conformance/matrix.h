/* SPDX-License-Identifier: MIT */
/*
 * Rows of the conformance list, each over the cells of a matrix.
 *
 *     ROW(C10_handle_request_serves_exactly_one, ALL)
 *     {
 *         struct ly_server *s = open_server(c, &(struct ly_server_options){.handler = {.handle = echo}});
 *         ...
 *     }
 *
 * The body runs once for each cell, c: a policy, with fibers also a reactor, and a transport. A reactor that
 * this kernel does not have is left out and said. A program's group ends with MATRIX_MAIN, which prints how
 * many rows held over how many cells.
 */
#ifndef LY_CONFORMANCE_MATRIX_H
#define LY_CONFORMANCE_MATRIX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/server.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/lanyard.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct cell {
    enum ly_policy policy;
    const char *reactor;   /* fibers: its name; else "thread" */
    const char *transport; /* "tcp", "unix", "seqpacket"; "udp", "dgram" */
};

/* Which cells a row runs over. */
enum {
    SEQUENTIAL = 1 << LY_SEQUENTIAL,
    FORKING = 1 << LY_FORKING,
    THREADING = 1 << LY_THREADING,
    FIBERS = 1 << LY_FIBERS,
    ALL = SEQUENTIAL | FORKING | THREADING | FIBERS,
    CONCURRENT = FORKING | THREADING | FIBERS,
    ONE_PROCESS = SEQUENTIAL | THREADING | FIBERS,
    TCP_ONLY = 1 << 8,
    UNIX_ONLY = 1 << 9,  /* Unix stream sockets */
    DATAGRAMS = 1 << 10, /* the datagram transports instead of those with connections */
    UDP_ONLY = 1 << 11,
    DGRAM_ONLY = 1 << 12, /* Unix datagram sockets */
};

/* What handlers tell the test, in memory that forked children share. */
struct notes {
    atomic_int length;
    char letters[64]; /* in the order in which they were noted */
    atomic_int count[8];
    int64_t number[8];
};
static struct notes *notes;

static inline void note(char letter)
{
    int i = atomic_fetch_add(&notes->length, 1);
    if (i < (int)sizeof notes->letters - 1)
        notes->letters[i] = letter;
}

static inline int counted(int i)
{
    return atomic_load(&notes->count[i]);
}

static inline void count(int i)
{
    atomic_fetch_add(&notes->count[i], 1);
}

/* ---- rows and cells ---- */

#define TRANSPORTS(policy, reactor)                                                      \
    {policy, reactor, "tcp"}, {policy, reactor, "unix"}, {policy, reactor, "seqpacket"}, \
        {policy, reactor, "udp"},                                                        \
    {                                                                                    \
        policy, reactor, "dgram"                                                         \
    }

static const struct cell matrix_cells[] = {
    TRANSPORTS(LY_SEQUENTIAL, "thread"), TRANSPORTS(LY_FORKING, "thread"), TRANSPORTS(LY_THREADING, "thread"),
    TRANSPORTS(LY_FIBERS, "select!"),    TRANSPORTS(LY_FIBERS, "poll!"),   TRANSPORTS(LY_FIBERS, "epoll!"),
    TRANSPORTS(LY_FIBERS, "io_uring!"),
};

static struct {
    const struct cell *now; /* where a row is; it stays there when the row fails */
    int rows, cells, left_out;
} matrix;

static const char *const policy_names[] = {"fibers", "sequential", "forking", "threading"};

static inline int matrix_nothing(void *arg)
{
    (void)arg;
    return 0;
}

static inline bool has_reactor(const struct cell *c)
{
    return c->policy != LY_FIBERS ||
           ly_run(matrix_nothing, NULL, &(struct ly_run_options){.reactor = c->reactor}) == 0;
}

static inline bool is_in(const struct cell *c, int which)
{
    static const struct {
        const char *transport;
        int only;
        bool datagrams;
    } known[] = {{"tcp", TCP_ONLY, false},
                 {"unix", UNIX_ONLY, false},
                 {"seqpacket", 0, false},
                 {"udp", UDP_ONLY, true},
                 {"dgram", DGRAM_ONLY, true}};
    int only = which & (TCP_ONLY | UNIX_ONLY | UDP_ONLY | DGRAM_ONLY);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(known[i].transport, c->transport) == 0)
            return which & 1 << c->policy && !(which & DATAGRAMS) == !known[i].datagrams &&
                   (!only || only & known[i].only);
    return false;
}

static inline void run_row(int which, void (*body)(const struct cell *c))
{
    for (size_t i = 0; i < sizeof matrix_cells / sizeof *matrix_cells; i++) {
        const struct cell *c = &matrix_cells[i];
        if (!is_in(c, which))
            continue;
        if (!has_reactor(c)) {
            matrix.left_out++;
            continue;
        }
        matrix.now = c;
        memset(notes, 0, sizeof *notes);
        body(c);
        matrix.cells++;
    }
    matrix.now = NULL;
    matrix.rows++;
}

#define ROW(name, which)                         \
    static void name##_in(const struct cell *c); \
    static void name(void **state)               \
    {                                            \
        (void)state;                             \
        run_row(which, name##_in);               \
    }                                            \
    static void name##_in(const struct cell *c)

static inline int matrix_where(void **state)
{
    (void)state;
    if (matrix.now)
        printf("# in the cell %s, %s, %s\n", policy_names[matrix.now->policy], matrix.now->reactor,
               matrix.now->transport);
    matrix.now = NULL;
    return 0;
}

#define RUN(name) cmocka_unit_test_teardown(name, matrix_where)

#define MATRIX_MAIN(...)                                                                                \
    int main(void)                                                                                      \
    {                                                                                                   \
        const struct CMUnitTest rows[] = {__VA_ARGS__};                                                 \
        notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);   \
        int r = cmocka_run_group_tests(rows, NULL, NULL);                                               \
        printf("# %d rows hold over %d cells; %d cells left out (no such reactor here)\n", matrix.rows, \
               matrix.cells, matrix.left_out);                                                          \
        return r;                                                                                       \
    }

/* ---- servers ---- */

/* An address of the cell's transport that nobody else uses. */
static inline const char *fresh_address(const struct cell *c)
{
    static char text[64];
    static int last;
    if (strcmp(c->transport, "tcp") == 0)
        return "tcp://127.0.0.1:0";
    if (strcmp(c->transport, "udp") == 0)
        return "udp://127.0.0.1:0";
    const char *kind = strcmp(c->transport, "unix") == 0 ? "" : c->transport;
    snprintf(text, sizeof text, "unix%s%s:@lanyard-conformance-%d-%d", *kind ? "-" : "", kind, (int)getpid(),
             ++last);
    return text;
}

/* Fill in policy, reactor and address for the cell. */
static inline struct ly_server_options for_cell(const struct cell *c, struct ly_server_options o)
{
    o.policy = c->policy;
    o.reactor = c->policy == LY_FIBERS ? c->reactor : NULL;
    if (!o.address && !o.listener)
        o.address = fresh_address(c);
    return o;
}

static inline struct ly_server *open_server(const struct cell *c, struct ly_server_options o)
{
    struct ly_server *s = NULL;
    struct ly_server_options filled = for_cell(c, o);
    assert_int_equal(ly_server_open(&s, &filled), 0);
    return s;
}

/* A server with a thread in ly_serve_forever. */
struct served {
    struct ly_server *server;
    pthread_t thread;
    int result;
};

static inline void *serve_in_thread(void *arg)
{
    struct served *s = arg;
    s->result = ly_serve_forever(s->server);
    return NULL;
}

static inline void serve(struct served *s, struct ly_server *server)
{
    s->server = server;
    s->result = 1;
    assert_int_equal(pthread_create(&s->thread, NULL, serve_in_thread, s), 0);
}

static inline int ended(struct served *s)
{
    pthread_join(s->thread, NULL);
    return s->result;
}

/* Ask it to stop, wait, close. */
static inline void end_server(struct served *s)
{
    ly_server_shutdown(s->server);
    assert_int_equal(ended(s), 0);
    ly_server_close(s->server);
}

/* ---- clients ---- */

/* Connect to the server; the peer's answers are waited for at most 20 s, so that a failure ends. */
static inline struct ly_sock *dial(const struct ly_server *server)
{
    struct ly_address a;
    struct ly_sock *s = NULL;
    assert_int_equal(ly_server_address(server, &a), 0);
    assert_int_equal(ly_socket(&s, a.u.family, a.type, 0), 0);
    assert_int_equal(ly_sock_connect(s, &a), 0);
    assert_int_equal(ly_sock_set_timeout(s, 20000), 0);
    return s;
}

/*
 * A forked child has the locks of malloc, of OpenSSL and of a sanitizer as they were at the fork, and what
 * another thread held then is held for ever. A client that allocates, or uses TLS, does so once its child
 * runs: the handler's setup is arrive, and the client dials by dial_and_arrive.
 */
#define ARRIVALS 7 /* where they are counted */

static inline int arrive(struct ly_request *rq)
{
    (void)rq;
    count(ARRIVALS);
    return 0;
}

static inline struct ly_sock *dial_and_arrive(const struct ly_server *server)
{
    int before = counted(ARRIVALS);
    struct ly_sock *s = dial(server);
    while (matrix.now->policy == LY_FORKING && counted(ARRIVALS) == before)
        sched_yield();
    return s;
}

static inline void say(struct ly_sock *s, const char *text)
{
    assert_int_equal(ly_sendall(s, text, strlen(text)), 0);
}

static inline void expect(struct ly_sock *s, const char *text)
{
    char buf[256] = {0};
    assert_int_equal(ly_recvall(s, buf, strlen(text)), (int)strlen(text));
    assert_string_equal(buf, text);
}

static inline void expect_end(struct ly_sock *s)
{
    char byte;
    assert_int_equal(ly_recv(s, &byte, 1), 0);
}

/* End the conversation and free the socket. By shutdown, because forked children of this process may hold
 * copies of the descriptor. */
static inline void hang_up(struct ly_sock *s)
{
    ly_shutdown(s, SHUT_RDWR);
    ly_sock_free(s);
}

/* Connect, send, expect the answer and the end. */
static inline void exchange(const struct ly_server *server, const char *text, const char *answer)
{
    struct ly_sock *s = dial(server);
    say(s, text);
    assert_int_equal(ly_shutdown(s, SHUT_WR), 0);
    expect(s, answer);
    expect_end(s);
    ly_sock_free(s);
}

/* A handler: give back what comes until the peer ends. */
static inline int echo(struct ly_request *rq)
{
    char buf[512];
    ssize_t n;
    while ((n = ly_recv(rq->sock, buf, sizeof buf)) > 0) {
        int r = ly_sendall(rq->sock, buf, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)n;
}

/* Wait for something that no descriptor tells. */
#define AWAIT(condition) \
    do                   \
        sched_yield();   \
    while (!(condition))

static inline struct ly_server_stats stats_of(const struct ly_server *s)
{
    struct ly_server_stats stats;
    assert_int_equal(ly_server_stats(s, -1, &stats), 0);
    return stats;
}

/* How many descriptors this process has open. */
static inline int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 4096; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static inline int64_t ms_since(int64_t start)
{
    return (ly_now() - start) / 1000000;
}

#endif
