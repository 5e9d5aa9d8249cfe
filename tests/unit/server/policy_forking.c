/* SPDX-License-Identifier: MIT */
/* Of a process with one thread, which does before fork(2) what a child of any other does after it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/server.h"

struct told {
    pid_t pid;
    int listener; /* what ly_server_fileno says */
    int is_open;  /* the descriptor that the parent listens at */
    int result;   /* of a wait that is cancelled */
};

static int listener_of_parent;

static int tell_and_wait(struct ly_request *rq)
{
    struct told told = {.pid = getpid(), .listener = ly_server_fileno(rq->server)};
    char byte;
    told.is_open = fcntl(listener_of_parent, F_GETFD) >= 0;
    int r = ly_sendall(rq->sock, &told, sizeof told);
    told.result = (int)ly_recv(rq->sock, &byte, 1);
    if (r == 0 && told.result == -ECANCELED)
        send(ly_sock_fileno(rq->sock), &told, sizeof told, MSG_NOSIGNAL);
    return told.result;
}

static volatile sig_atomic_t terms;

static void count_term(int number)
{
    (void)number;
    terms++;
}

static void ignore_error(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    (void)error;
}

static int dial(const struct ly_server *s)
{
    struct ly_address a;
    assert_int_equal(ly_server_address(s, &a), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, &a.u.any, a.length), 0);
    return fd;
}

static struct told hear(int fd)
{
    struct told told;
    assert_int_equal(recv(fd, &told, sizeof told, MSG_WAITALL), sizeof told);
    return told;
}

/* One connection: its child has no listener, SIGTERM ends its wait, and the parent is as it was. */
static void serve_one(struct ly_server *s)
{
    struct sigaction now;
    int fd = dial(s), listener = ly_server_fileno(s);
    listener_of_parent = listener;
    assert_int_equal(ly_handle_request(s), 1);
    assert_int_equal(ly_server_fileno(s), listener);
    assert_int_equal(sigaction(SIGTERM, NULL, &now), 0);
    assert_ptr_equal(now.sa_handler, count_term);
    struct told told = hear(fd);
    assert_int_not_equal(told.pid, getpid());
    assert_int_equal(told.listener, -1);
    assert_false(told.is_open);
    assert_int_equal(kill(told.pid, SIGTERM), 0);
    assert_int_equal(hear(fd).result, -ECANCELED);
    close(fd);
}

static void a_child_is_on_its_own_and_the_parent_stays_as_it_was(void **state)
{
    (void)state;
    struct ly_server *s;
    struct sigaction own = {.sa_handler = count_term}, before;
    sigset_t mask;
    assert_int_equal(sigaction(SIGTERM, &own, &before), 0);
    assert_int_equal(ly_server_open(&s, &(struct ly_server_options){.address = "tcp://127.0.0.1:0",
                                                                    .handler.handle = tell_and_wait,
                                                                    .hooks.handle_error = ignore_error,
                                                                    .policy = LY_FORKING}),
                     0);
    for (int i = 0; i < 3; i++)
        serve_one(s);
    assert_int_equal(sigprocmask(SIG_BLOCK, NULL, &mask), 0);
    assert_false(sigismember(&mask, SIGTERM) || sigismember(&mask, SIGCHLD));
    assert_false(s->is_child);
    ly_server_close(s);
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(terms, 1);
    sigaction(SIGTERM, &before, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_child_is_on_its_own_and_the_parent_stays_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
