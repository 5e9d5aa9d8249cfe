/* SPDX-License-Identifier: MIT */
#include "reactor/io.h"

#include "everywhere.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct duo {
    struct ly__io a, b;
};

static int open_duo(struct duo *d)
{
    int fds[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
    ly__io_init(&d->a, fds[0]);
    ly__io_init(&d->b, fds[1]);
    return 0;
}

static void close_duo(struct duo *d)
{
    ly__io_close(&d->a);
    ly__io_close(&d->b);
}

static int echo(void *arg)
{
    struct ly__io *io = arg;
    char buf[100];
    ssize_t n;
    while ((n = ly__io_recv(io, buf, sizeof buf, 0, LY_NEVER)) > 0) {
        ssize_t sent = ly__io_send(io, buf, (size_t)n, 0, LY_NEVER);
        if (sent < 0)
            return (int)sent;
    }
    return (int)n;
}

static int echoes(void *arg)
{
    struct duo d;
    struct ly_scope *s;
    char buf[100];
    (void)arg;
    CHECK(open_duo(&d) == 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, echo, &d.b) == 0);
    for (int i = 1; i <= 100; i++) { /* 100 fills the other side's buffer exactly: its latch stays set */
        memset(buf, i, sizeof buf);
        CHECK(ly__io_send(&d.a, buf, (size_t)i, 0, LY_NEVER) == i);
        CHECK(ly__io_recv(&d.a, buf, sizeof buf, 0, LY_NEVER) == i);
        CHECK(buf[i - 1] == i);
    }
    CHECK(shutdown(d.a.fd, SHUT_WR) == 0);
    CHECK(ly__io_recv(&d.a, buf, sizeof buf, 0, ly_deadline(20)) == -ETIMEDOUT);
    CHECK(ly_scope_join(s) == 0);
    ly_scope_close(s);
    close_duo(&d);
    return 0;
}

static int times_out(void *arg)
{
    struct duo d;
    char c;
    (void)arg;
    CHECK(open_duo(&d) == 0);
    for (int i = 0; i < 3; i++) {
        int64_t begin = ly_now();
        CHECK(ly__io_recv(&d.a, &c, 1, 0, ly_deadline(10)) == -ETIMEDOUT);
        CHECK(ly_now() - begin >= 10000000);
    }
    CHECK(ly__io_recv(&d.a, &c, 1, 0, LY__NOWAIT) == -EAGAIN);
    CHECK(ly__io_send(&d.b, "x", 1, 0, LY_NEVER) == 1); /* what comes after a time-out is not lost */
    CHECK(ly__io_recv(&d.a, &c, 1, 0, LY_NEVER) == 1 && c == 'x');
    close_duo(&d);
    return 0;
}

static int recv_one(void *arg)
{
    char c;
    return (int)ly__io_recv(arg, &c, 1, 0, LY_NEVER);
}

static int cancels(void *arg)
{
    struct duo d;
    struct ly_scope *s;
    struct ly_future *f;
    char c;
    (void)arg;
    CHECK(open_duo(&d) == 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_async(s, &f, recv_one, &d.a) == 0);
    CHECK(ly_sleep(5) == 0);
    ly_scope_cancel(s);
    CHECK(ly__io_recv(&d.b, &c, 1, 0, LY_NEVER) == -ECANCELED);
    ly_scope_close(s);
    CHECK(ly__io_send(&d.b, "y", 1, 0, LY_NEVER) == 1);
    CHECK(ly__io_recv(&d.a, &c, 1, 0, LY_NEVER) == 1 && c == 'y');
    close_duo(&d);
    return 0;
}

static int closing_wakes(void *arg)
{
    struct duo d;
    struct ly_scope *s;
    struct ly_future *f;
    char c;
    (void)arg;
    CHECK(open_duo(&d) == 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_async(s, &f, recv_one, &d.a) == 0);
    CHECK(ly_sleep(0) == 0 && ly_sleep(0) == 0);
    ly__io_close(&d.a);
    CHECK(ly_await(f, NULL) == -EBADF);
    CHECK(ly__io_recv(&d.a, &c, 1, 0, LY_NEVER) == -EBADF);
    CHECK(ly__io_recv(&d.b, &c, 1, 0, LY_NEVER) ==
          0); /* the peer sees the end: the kernel holds nothing back */
    ly_scope_close(s);
    close_duo(&d);
    return 0;
}

static int fill(void *arg)
{
    struct ly__io *io = arg;
    static char block[65536];
    size_t total = 0;
    while (total < 4u << 20) {
        ssize_t n = ly__io_send(io, block, sizeof block, 0, LY_NEVER);
        if (n < 0)
            return (int)n;
        total += (size_t)n;
    }
    shutdown(io->fd, SHUT_WR);
    return 0;
}

static int back_pressure(void *arg)
{
    struct duo d;
    struct ly_scope *s;
    static char buf[50000];
    size_t total = 0;
    ssize_t n;
    (void)arg;
    CHECK(open_duo(&d) == 0);
    CHECK(ly_scope_open(&s, NULL) == 0);
    CHECK(ly_go(s, fill, &d.b) == 0);
    while ((n = ly__io_recv(&d.a, buf, sizeof buf, 0, LY_NEVER)) > 0)
        total += (size_t)n;
    CHECK(n == 0 && total >= 4u << 20);
    ly_scope_close(s);
    close_duo(&d);
    return 0;
}

static int pipes(void *arg)
{
    struct ly__io r, w;
    int fds[2];
    char c;
    (void)arg;
    CHECK(pipe2(fds, O_NONBLOCK | O_CLOEXEC) == 0);
    ly__io_init(&r, fds[0]);
    ly__io_init(&w, fds[1]);
    CHECK(ly__io_read(&r, &c, 1, ly_deadline(5)) == -ETIMEDOUT);
    CHECK(ly__io_poll(&r, LY__IN, ly_deadline(5)) == -ETIMEDOUT);
    CHECK(ly__io_write(&w, "z", 1, LY_NEVER) == 1);
    CHECK(ly__io_poll(&r, LY__IN, LY_NEVER) == 0);
    CHECK(ly__io_read(&r, &c, 1, LY_NEVER) == 1 && c == 'z');
    ly__io_close(&w);
    CHECK(ly__io_read(&r, &c, 1, LY_NEVER) == 0);
    ly__io_close(&r);
    return 0;
}

static struct duo lasting;

static int use_lasting(void *arg)
{
    char c;
    (void)arg;
    CHECK(ly__io_recv(&lasting.a, &c, 1, 0, ly_deadline(5)) == -ETIMEDOUT);
    CHECK(ly__io_send(&lasting.b, "q", 1, 0, LY_NEVER) == 1);
    CHECK(ly__io_recv(&lasting.a, &c, 1, 0, LY_NEVER) == 1 && c == 'q');
    return 0;
}

static void a_descriptor_outlives_its_loop(void **state)
{
    (void)state;
    assert_int_equal(open_duo(&lasting), 0);
    for (int i = 0; i < 3; i++) {
        in_loops(use_lasting);
        everywhere(use_lasting);
    }
    close_duo(&lasting);
}

#define TEST(name, run, body)      \
    static void name(void **state) \
    {                              \
        (void)state;               \
        run(body);                 \
    }

TEST(what_is_sent_comes_back, everywhere, echoes)
TEST(a_receive_times_out_and_loses_nothing, everywhere, times_out)
TEST(a_cancelled_receive_loses_nothing, everywhere, cancels)
TEST(closing_wakes_who_waits_and_the_peer, in_loops, closing_wakes)
TEST(a_full_socket_suspends_the_sender, everywhere, back_pressure)
TEST(pipes_are_waited_for_too, everywhere, pipes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_sent_comes_back),
        cmocka_unit_test(a_receive_times_out_and_loses_nothing),
        cmocka_unit_test(a_cancelled_receive_loses_nothing),
        cmocka_unit_test(closing_wakes_who_waits_and_the_peer),
        cmocka_unit_test(a_full_socket_suspends_the_sender),
        cmocka_unit_test(pipes_are_waited_for_too),
        cmocka_unit_test(a_descriptor_outlives_its_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
