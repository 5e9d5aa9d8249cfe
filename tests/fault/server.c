/* SPDX-License-Identifier: MIT */
/*
 * The server with each allocation and each system call failing once, in every policy: opening, one request,
 * and serving with its end. What fails is reported or made up for; nothing stays open, nothing hangs.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <lanyard/lanyard.h>

#include "inject.h"

static const char *const names[] = {"any-alloc", "any-syscall"};
static const enum ly_policy policies[] = {LY_FIBERS, LY_SEQUENTIAL, LY_FORKING, LY_THREADING};
static char address[64];

static int open_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static int echo(struct ly_request *rq)
{
    char buf[64];
    ssize_t n;
    while ((n = ly_recv(rq->sock, buf, sizeof buf)) > 0) {
        int r = ly_sendall(rq->sock, buf, (size_t)n);
        if (r < 0)
            return r;
    }
    return (int)n;
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

/* Serving ends after some turns, whether the request was served or not. */
static int turns;

static void end_after_turns(struct ly_server *s)
{
    if (++turns >= 8)
        ly_server_request_shutdown(s);
}

static struct ly_server_options options(enum ly_policy policy)
{
    return (struct ly_server_options){
        .address = address,
        .policy = policy,
        .handler.handle = echo,
        .hooks = {.handle_error = ignore_error,
                  .accept_paused = ignore_pause,
                  .service_actions = end_after_turns},
        .handle_timeout_ms = 200,
        .poll_interval_ms = 5,
        .drain_ms = 100,
    };
}

/* ---- the paths: armed inside, disarmed on return ---- */

static int open_only(enum ly_policy policy, const char *name, unsigned long nth)
{
    struct ly_server *s = NULL;
    struct ly_server_options o = options(policy);
    ly_fault_arm(name, nth, 0);
    int r = ly_server_open(&s, &o);
    ly_fault_disarm();
    assert_true((r == 0) == (s != NULL));
    ly_server_close(s);
    return r;
}

/* A client that has said its word and its end, waiting in the backlog. */
static struct ly_sock *visitor(void)
{
    struct ly_sock *client = NULL;
    assert_int_equal(ly_connect(&client, address, NULL), 0);
    assert_int_equal(ly_sendall(client, "word", 4), 0);
    assert_int_equal(ly_shutdown(client, SHUT_WR), 0);
    return client;
}

static int with_visitor(enum ly_policy policy, const char *name, unsigned long nth,
                        int (*serve)(struct ly_server *))
{
    struct ly_server *s = NULL;
    struct ly_server_options o = options(policy);
    assert_int_equal(ly_server_open(&s, &o), 0);
    struct ly_sock *client = visitor();
    turns = 0;
    ly_fault_arm(name, nth, 0);
    int r = serve(s);
    ly_fault_disarm();
    ly_sock_free(client);
    ly_server_close(s);
    return r;
}

static int one_request(enum ly_policy policy, const char *name, unsigned long nth)
{
    return with_visitor(policy, name, nth, ly_handle_request);
}

static int serving(enum ly_policy policy, const char *name, unsigned long nth)
{
    return with_visitor(policy, name, nth, ly_serve_forever);
}

/* Where one task serves, memory is taken when the server opens and not after. */
static bool may_be_unused(const char *name, enum ly_policy policy)
{
    return strcmp(name, "any-alloc") == 0 && (policy == LY_SEQUENTIAL || policy == LY_FORKING);
}

static void fail_each(enum ly_policy policy, int (*path)(enum ly_policy, const char *, unsigned long))
{
    path(policy, "any-syscall", 1000000); /* what is made once and stays */
    int before = open_descriptors();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (unsigned long nth = 1; nth < 500; nth++) {
            int r = path(policy, names[i], nth);
            bool hit = ly_fault_hits() > 0;
            assert_true(r <= 1);
            assert_int_equal(open_descriptors(), before);
            assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
            assert_int_equal(errno, ECHILD);
            if (hit)
                continue;
            assert_true(nth > 1 || may_be_unused(names[i], policy)); /* else nothing was failed at all */
            break;
        }
}

static void in_all_policies(int (*path)(enum ly_policy, const char *, unsigned long))
{
    for (size_t i = 0; i < sizeof policies / sizeof *policies; i++)
        fail_each(policies[i], path);
}

static void a_server_that_cannot_be_opened_leaves_nothing(void **state)
{
    (void)state;
    in_all_policies(open_only);
}

static void one_request_survives_each_failure(void **state)
{
    (void)state;
    in_all_policies(one_request);
}

static void serving_ends_whatever_fails(void **state)
{
    (void)state;
    in_all_policies(serving);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_cannot_be_opened_leaves_nothing),
        cmocka_unit_test(one_request_survives_each_failure),
        cmocka_unit_test(serving_ends_whatever_fails),
    };
    snprintf(address, sizeof address, "unix:@lanyard-fault-server-%d", (int)getpid());
    ly_log_setup(&(struct ly_log_options){.fd = 2, .level = LY_LOG_ERROR});
    return cmocka_run_group_tests(tests, NULL, NULL);
}
