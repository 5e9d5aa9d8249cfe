/* SPDX-License-Identifier: MIT */
/* Asynchronous operations, in a thread and in a loop on each reactor. */
#include "../everywhere.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/async.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- results ---- */

static int send_and_receive(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_async *in, *out;
    char buf[16] = {0};
    (void)arg;
    CHECK(ly_socketpair(&a, &b) == 0);
    CHECK(ly_async_recv(&in, a, buf, sizeof buf, 0) == 0);
    CHECK(ly_async_await(in, 0) == -EAGAIN);
    CHECK(ly_async_await(in, 2) == -ETIMEDOUT);
    CHECK(!ly_async_is_done(in) && ly_async_result(in) == -EINPROGRESS);
    CHECK(ly_async_send(&out, b, "hello", 5, 0) == 0);
    CHECK(ly_async_finish(out) == 5);
    CHECK(ly_async_await(in, LY_FOREVER) == 0);
    CHECK(ly_async_is_done(in) && ly_async_result(in) == 5 && ly_async_await(in, 0) == 0);
    CHECK(ly_async_finish(in) == 5 && strcmp(buf, "hello") == 0);
    CHECK(ly_async_recvall(&in, a, buf, 6) == 0);
    CHECK(ly_async_sendall(&out, b, "foobar", 6) == 0);
    CHECK(ly_async_finish(in) == 6 && ly_async_finish(out) == 0 && strcmp(buf, "foobar") == 0);
    CHECK(ly_async_recv(&in, a, buf, sizeof buf, 0) == 0);
    ly_sock_free(b);
    CHECK(ly_async_finish(in) == 0); /* the end */
    CHECK(ly_async_send(&out, a, "x", 1, 0) == 0);
    CHECK(ly_async_finish(out) == -EPIPE);
    ly_sock_close(a);
    CHECK(ly_async_recv(&in, a, buf, 1, 0) == 0);
    CHECK(ly_async_finish(in) == -EBADF);
    ly_sock_free(a);
    return 0;
}

static void results_are_those_of_the_blocking_calls(void **state)
{
    (void)state;
    everywhere(send_and_receive);
}

static int time_outs(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_async *in;
    char byte;
    (void)arg;
    CHECK(ly_socketpair(&a, &b) == 0);
    CHECK(ly_sock_set_timeout(a, 3) == 0);
    CHECK(ly_async_recv(&in, a, &byte, 1, 0) == 0);
    CHECK(ly_async_finish(in) == -ETIMEDOUT);
    CHECK(ly_sock_set_timeout(a, 0) == 0);
    CHECK(ly_async_recv(&in, a, &byte, 1, 0) == 0);
    CHECK(ly_async_finish(in) == -EAGAIN);
    CHECK(ly_async_await_any(NULL, 0, 0) == -EINVAL);
    CHECK(ly_async_await_all(NULL, 0, 0) == 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static void a_sockets_time_out_is_the_operations(void **state)
{
    (void)state;
    everywhere(time_outs);
}

static int connect_and_accept(void *arg)
{
    struct ly_sock *listener, *client, *client2, *taken, *taken2;
    struct ly_async *op[4];
    struct ly_address at, peer, local;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    CHECK(ly_listen(&listener, "tcp://127.0.0.1:0", NULL) == 0);
    CHECK(ly_sock_local(listener, &at) == 0);
    ly_address_format(&at, text, sizeof text);
    CHECK(ly_async_accept(&op[0], listener, &taken, &peer) == 0 && taken == NULL);
    CHECK(ly_async_connect(&op[1], &client, text, NULL) == 0);
    CHECK(ly_async_await_all(op, 2, LY_FOREVER) == 0);
    CHECK(ly_async_finish(op[0]) == 0 && ly_async_finish(op[1]) == 0);
    CHECK(ly_sock_local(client, &local) == 0 && ly_address_equal(&local, &peer));
    CHECK(ly_socket(&client2, at.u.family, SOCK_STREAM, 0) == 0);
    CHECK(ly_async_sock_connect(&op[2], client2, &at) == 0);
    CHECK(ly_async_accept(&op[3], listener, &taken2, NULL) == 0);
    CHECK(ly_async_finish(op[2]) == 0 && ly_async_finish(op[3]) == 0);
    ly_sock_free(taken2);
    ly_sock_free(client2);
    ly_sock_free(listener);
    CHECK(ly_async_connect(&op[0], &client2, text, NULL) == 0);
    CHECK(ly_async_finish(op[0]) == -ECONNREFUSED && client2 == NULL);
    CHECK(ly_async_connect(&op[0], &client2, "nonsense", NULL) == 0);
    CHECK(ly_async_finish(op[0]) == LY_EADDRESS);
    ly_sock_free(client);
    ly_sock_free(taken);
    return 0;
}

static void connections_are_made_and_taken(void **state)
{
    (void)state;
    everywhere(connect_and_accept);
}

static int datagrams(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_async *in, *out;
    struct ly_address at, from;
    char buf[16];
    (void)arg;
    CHECK(ly_socket(&a, AF_INET, SOCK_DGRAM, 0) == 0 && ly_socket(&b, AF_INET, SOCK_DGRAM, 0) == 0);
    CHECK(ly_address_parse(&at, "tcp://127.0.0.1:0") == 0 && ly_sock_bind(a, &at) == 0);
    CHECK(ly_sock_local(a, &at) == 0);
    CHECK(ly_async_recvfrom(&in, a, buf, sizeof buf, 0, &from) == 0);
    CHECK(ly_async_sendto(&out, b, "dgram", 5, 0, &at) == 0);
    CHECK(ly_async_finish(out) == 5 && ly_async_finish(in) == 5 && memcmp(buf, "dgram", 5) == 0);
    CHECK(from.u.family == AF_INET);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static void datagrams_come_with_their_sender(void **state)
{
    (void)state;
    everywhere(datagrams);
}

static int files_and_pipes(void *arg)
{
    struct ly_async *in, *out;
    FILE *file = tmpfile();
    char buf[16] = {0};
    int end[2];
    (void)arg;
    CHECK(file && pipe2(end, O_CLOEXEC) == 0); /* blocking */
    CHECK(ly_async_write(&out, fileno(file), "0123456789", 10, 0) == 0 && ly_async_finish(out) == 10);
    CHECK(ly_async_read(&in, fileno(file), buf, 4, 3) == 0 && ly_async_finish(in) == 4);
    CHECK(strcmp(buf, "3456") == 0);
    CHECK(ly_async_read(&in, fileno(file), buf, 4, -1) == 0 && ly_async_finish(in) == 4);
    CHECK(ly_async_read(&in, fileno(file), buf, 4, 10) == 0 && ly_async_finish(in) == 0);
    CHECK(ly_async_read(&in, fileno(file), buf, 4, -2) == -EINVAL);
    CHECK(ly_async_read(&in, end[0], buf, sizeof buf, -1) == 0);
    CHECK(ly_async_await(in, 2) == -ETIMEDOUT);
    CHECK(ly_async_write(&out, end[1], "pipe", 4, -1) == 0 && ly_async_finish(out) == 4);
    CHECK(ly_async_finish(in) == 4 && memcmp(buf, "pipe", 4) == 0);
    CHECK(ly_async_read(&in, end[0], buf, sizeof buf, -1) == 0);
    ly_async_free(in); /* cancelled in its wait */
    CHECK(ly_async_read(&in, end[0], buf, sizeof buf, 0) == 0 && ly_async_finish(in) == -ESPIPE);
    close(end[0]);
    close(end[1]);
    CHECK(ly_async_read(&in, end[0], buf, 1, -1) == 0 && ly_async_finish(in) == -EBADF);
    fclose(file);
    return 0;
}

static void files_and_pipes_are_read_and_written(void **state)
{
    (void)state;
    everywhere(files_and_pipes);
}

static int forty_two(void *arg)
{
    *(pthread_t *)arg = pthread_self();
    return 42;
}

static int sleep_inside(void *arg)
{
    struct ly_scope *left_open;
    CHECK(ly_scope_open(&left_open, NULL) == 0);
    return ly_sleep((int64_t)(intptr_t)arg);
}

static int time_and_work(void *arg)
{
    struct ly_async *op[3];
    pthread_t where = pthread_self();
    int64_t start = ly_now();
    (void)arg;
    CHECK(ly_async_sleep(&op[0], 5) == 0);
    CHECK(ly_async_offload(&op[1], forty_two, &where) == 0);
    CHECK(ly_async_call(&op[2], sleep_inside, (void *)2) == 0);
    CHECK(ly_async_await_all(op, 3, LY_FOREVER) == 0 && ly_now() - start >= 5000000);
    CHECK(ly_async_finish(op[0]) == 0 && ly_async_finish(op[1]) == 42 && ly_async_finish(op[2]) == 0);
    CHECK(!pthread_equal(where, pthread_self()));
    return 0;
}

static void time_passes_and_work_is_done_elsewhere(void **state)
{
    (void)state;
    everywhere(time_and_work);
}

/* ---- many ---- */

#define MANY 200

static int many_at_once(void *arg)
{
    struct ly_sock *a[MANY], *b[MANY];
    struct ly_async *op[MANY];
    static _Thread_local char buf[MANY];
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        CHECK(ly_socketpair(&a[i], &b[i]) == 0);
        CHECK(ly_async_recv(&op[i], a[i], &buf[i], 1, 0) == 0);
    }
    CHECK(ly_async_await_any(op, MANY, 0) == -EAGAIN);
    CHECK(ly_async_await_any(op, MANY, 2) == -ETIMEDOUT);
    for (int k = 0; k < MANY; k++) {
        int i = k * 37 % MANY;
        char byte = (char)i;
        CHECK(ly_send(b[i], &byte, 1) == 1);
        CHECK(ly_async_await_any(op, MANY, LY_FOREVER) == i); /* no other is done */
        CHECK(ly_async_finish(op[i]) == 1 && buf[i] == byte);
        op[i] = NULL;
    }
    CHECK(ly_async_await_any(op, MANY, LY_FOREVER) == -EINVAL);
    CHECK(ly_async_await_all(op, MANY, LY_FOREVER) == 0);
    for (int i = 0; i < MANY; i++) {
        ly_sock_free(a[i]);
        ly_sock_free(b[i]);
    }
    return 0;
}

static void many_are_under_way_at_once(void **state)
{
    (void)state;
    everywhere(many_at_once);
}

/* The one at the end of the list is done long before the one at its beginning, which is begun anew each time.
 */
static int in_order(void *arg)
{
    struct ly_async *op[2];
    (void)arg;
    CHECK(ly_async_sleep(&op[0], 0) == 0 && ly_async_await(op[0], LY_FOREVER) == 0);
    CHECK(ly_async_sleep(&op[1], 0) == 0 && ly_async_await(op[1], LY_FOREVER) == 0);
    CHECK(ly_async_await_any(op, 2, 0) == 0);
    CHECK(ly_async_finish(op[0]) == 0);
    CHECK(ly_async_sleep(&op[0], 0) == 0 && ly_async_await(op[0], LY_FOREVER) == 0);
    CHECK(ly_async_await_any(op, 2, 0) == 1);
    CHECK(ly_async_finish(op[0]) == 0 && ly_async_finish(op[1]) == 0);
    return 0;
}

static void the_first_that_was_done_is_told_first(void **state)
{
    (void)state;
    everywhere(in_order);
}

/* ---- ending ---- */

static int cancel_them(void *arg)
{
    struct ly_sock *a, *b, *listener, *taken;
    struct ly_async *op[4];
    char buf[4];
    (void)arg;
    CHECK(ly_socketpair(&a, &b) == 0 && ly_listen(&listener, "unix:@lanyard-unit-async", NULL) == 0);
    for (int early = 0; early < 2; early++) {
        CHECK(ly_async_recv(&op[0], a, buf, sizeof buf, 0) == 0);
        CHECK(ly_async_accept(&op[1], listener, &taken, NULL) == 0);
        CHECK(ly_async_sleep(&op[2], 1000000) == 0);
        CHECK(ly_async_call(&op[3], sleep_inside, (void *)1000000) == 0);
        if (!early)
            CHECK(ly_async_await_any(op, 4, 2) == -ETIMEDOUT); /* they wait */
        for (int i = 0; i < 4; i++) {
            ly_async_cancel(op[i]);
            ly_async_cancel(op[i]);
        }
        CHECK(ly_async_await_all(op, 4, LY_FOREVER) == 0);
        for (int i = 0; i < 4; i++) {
            CHECK(ly_async_result(op[i]) == -ECANCELED);
            ly_async_cancel(op[i]); /* too late, and harmless */
            CHECK(ly_async_finish(op[i]) == -ECANCELED);
        }
        CHECK(taken == NULL);
    }
    CHECK(ly_async_recv(&op[0], a, buf, sizeof buf, 0) == 0);
    ly_async_free(op[0]);
    ly_async_free(NULL);
    memset(buf, 7, sizeof buf);
    CHECK(ly_send(b, "late", 4) == 4); /* nobody writes into the buffer any more */
    CHECK(ly_sleep(1) == 0);
    CHECK(buf[0] == 7 && ly_recv(a, buf, 4) == 4 && memcmp(buf, "late", 4) == 0);
    ly_sock_free(a);
    ly_sock_free(b);
    ly_sock_free(listener);
    return 0;
}

static void cancelled_operations_end_and_let_go(void **state)
{
    (void)state;
    everywhere(cancel_them);
}

static int finish_long_one(void *begun)
{
    struct ly_async *op;
    int r = ly_async_sleep(&op, 1000000);
    atomic_store((atomic_bool *)begun, true);
    CHECK(r == 0);
    CHECK(ly_async_await(op, LY_FOREVER) == -ECANCELED);
    CHECK(!ly_async_is_done(op));
    return (int)ly_async_finish(op);
}

static int in_a_scope(void *arg)
{
    struct ly_scope *scope;
    struct ly_future *f;
    struct ly_async *op;
    atomic_bool begun = false;
    (void)arg;
    CHECK(ly_scope_open(&scope, NULL) == 0);
    CHECK(ly_async(scope, &f, finish_long_one, &begun) == 0);
    while (!atomic_load(&begun))
        CHECK(ly_sleep(1) == 0);
    ly_scope_cancel(scope);
    CHECK(ly_async_sleep(&op, 1) == -ECANCELED);
    CHECK(ly_await(f, NULL) == -ECANCELED);
    ly_scope_close(scope);
    return 0;
}

static int cancel_it(void *op)
{
    ly_async_cancel(op);
    return 0;
}

/* Both see the one byte there; who finds it gone waits on, and is taken back at that moment. */
static int cancel_one_of_two(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_async *in[2], *cancel;
    char byte;
    (void)arg;
    CHECK(ly_socketpair(&a, &b) == 0);
    for (int i = 0; i < 8; i++) {
        CHECK(ly_recv_flags(a, &byte, 1, MSG_DONTWAIT) == -EAGAIN && ly_send(b, "x", 1) == 1);
        CHECK(ly_async_recv(&in[0], a, &byte, 1, 0) == 0 && ly_async_recv(&in[1], a, &byte, 1, 0) == 0);
        CHECK(ly_async_call(&cancel, cancel_it, in[1]) == 0);
        int r = ly_async_await(in[1], 10000);
        if (r < 0) /* let it end, so that this does */
            ly_send(b, "yy", 2);
        CHECK(r == 0);
        int64_t result = ly_async_finish(in[1]);
        CHECK(result == -ECANCELED || (result == 1 && ly_send(b, "x", 1) == 1));
        CHECK(ly_async_finish(in[0]) == 1 && ly_async_finish(cancel) == 0);
    }
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

/* The same of descriptors that block. */
static int cancel_one_of_two_reads(void *arg)
{
    struct ly_async *in[2];
    char bytes[2];
    int fd[2];
    (void)arg;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0 && write(fd[1], "x", 1) == 1);
    for (int i = 0; i < 2; i++)
        CHECK(ly_async_read(&in[i], fd[0], &bytes[i], 1, -1) == 0);
    int first = ly_async_await_any(in, 2, LY_FOREVER);
    CHECK(first >= 0 && ly_async_finish(in[first]) == 1);
    ly_sleep(5); /* the other one has tried */
    ly_async_cancel(in[!first]);
    int r = ly_async_await(in[!first], 10000);
    if (r < 0) /* let it end, so that this does */
        CHECK(write(fd[1], "y", 1) == 1);
    CHECK(ly_async_finish(in[!first]) == -ECANCELED && r == 0);
    close(fd[0]);
    close(fd[1]);
    return 0;
}

static void a_read_that_lost_its_bytes_to_another_is_cancelled(void **state)
{
    (void)state;
    everywhere(cancel_one_of_two_reads);
}

static void a_receive_that_lost_its_bytes_to_another_is_cancelled(void **state)
{
    (void)state;
    everywhere(cancel_one_of_two);
}

static void a_scope_ends_the_wait_and_finishing_the_operation(void **state)
{
    (void)state;
    everywhere(in_a_scope);
}

static void *cancel_from_thread(void *op)
{
    ly_async_cancel(op);
    return NULL;
}

static int cancel_from_elsewhere(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++) {
        struct ly_async *op;
        pthread_t thread;
        CHECK(ly_async_sleep(&op, 1000000) == 0);
        CHECK(pthread_create(&thread, NULL, cancel_from_thread, op) == 0);
        CHECK(ly_async_await(op, LY_FOREVER) == 0);
        pthread_join(thread, NULL);
        CHECK(ly_async_finish(op) == -ECANCELED);
    }
    return 0;
}

static void any_thread_cancels(void **state)
{
    (void)state;
    everywhere(cancel_from_elsewhere);
}

/* ---- threads ---- */

static void *use_async(void *arg)
{
    for (int i = 0; i < 20; i++)
        if (many_at_once(NULL) != 0 || in_order(NULL) != 0)
            return arg;
    return NULL;
}

static void threads_share_the_helper(void **state)
{
    pthread_t thread[4];
    void *failed;
    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, use_async, &failed), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(thread[i], &failed);
        assert_null(failed);
    }
}

static int await_foreign(void *op)
{
    CHECK(ly_async_await(op, 0) == -EPERM);
    return 0;
}

static void *run_foreign(void *op)
{
    return (void *)(intptr_t)ly_run(await_foreign, op, NULL);
}

static int in_another_loop(void *arg)
{
    struct ly_async *op;
    pthread_t thread;
    void *failed;
    (void)arg;
    CHECK(ly_async_sleep(&op, 1) == 0);
    CHECK(pthread_create(&thread, NULL, run_foreign, op) == 0);
    pthread_join(thread, &failed);
    CHECK(!failed && ly_async_finish(op) == 0);
    return 0;
}

static void a_loops_operation_is_not_awaited_elsewhere(void **state)
{
    (void)state;
    in_loops(in_another_loop);
}

static int finish_given(void *op)
{
    CHECK(ly_async_await(op, LY_FOREVER) == 0);
    return (int)ly_async_finish(op);
}

static void a_threads_operation_may_be_awaited_in_a_fiber(void **state)
{
    struct ly_async *op;
    (void)state;
    for (int i = 0; i < 20; i++) {
        assert_int_equal(ly_async_sleep(&op, i % 3), 0);
        assert_int_equal(ly_run(finish_given, op, NULL), 0);
    }
}

static void a_child_after_fork_begins_a_helper_of_its_own(void **state)
{
    struct ly_async *op;
    int status;
    (void)state;
#ifdef __SANITIZE_THREAD__
    skip(); /* it has no threads in the child of a process that had some */
#endif
    assert_int_equal(ly_async_sleep(&op, 1), 0);
    pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(time_and_work(NULL) == 0 ? 0 : 1);
    }
    assert_int_equal(ly_async_finish(op), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_those_of_the_blocking_calls),
        cmocka_unit_test(a_sockets_time_out_is_the_operations),
        cmocka_unit_test(connections_are_made_and_taken),
        cmocka_unit_test(datagrams_come_with_their_sender),
        cmocka_unit_test(files_and_pipes_are_read_and_written),
        cmocka_unit_test(time_passes_and_work_is_done_elsewhere),
        cmocka_unit_test(many_are_under_way_at_once),
        cmocka_unit_test(the_first_that_was_done_is_told_first),
        cmocka_unit_test(cancelled_operations_end_and_let_go),
        cmocka_unit_test(a_receive_that_lost_its_bytes_to_another_is_cancelled),
        cmocka_unit_test(a_read_that_lost_its_bytes_to_another_is_cancelled),
        cmocka_unit_test(a_scope_ends_the_wait_and_finishing_the_operation),
        cmocka_unit_test(any_thread_cancels),
        cmocka_unit_test(threads_share_the_helper),
        cmocka_unit_test(a_loops_operation_is_not_awaited_elsewhere),
        cmocka_unit_test(a_threads_operation_may_be_awaited_in_a_fiber),
        cmocka_unit_test(a_child_after_fork_begins_a_helper_of_its_own),
    };
    return cmocka_run_group_tests_name("net/async", tests, NULL, NULL);
}
