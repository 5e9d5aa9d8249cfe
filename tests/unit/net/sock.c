/* SPDX-License-Identifier: MIT */
/* Sockets: life, attributes, time-outs. Numbers are those of the conformance table. */
#include "net/pairs.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>

#include "net/sock.h"

/* ---- F: the object ---- */

static int c65_c66_flags_stay_out_of_the_type(void *arg)
{
    struct ly_sock *s;
    (void)arg;
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    NEED_INT(ly_sock_type(s), SOCK_STREAM);
    NEED_INT(ly_sock_family(s), AF_INET);
    NEED_INT(ly_sock_proto(s), IPPROTO_TCP);
    NEED_INT(ly_sock_timeout(s), 0);
    NEED_INT(fcntl(ly_sock_fileno(s), F_GETFD), FD_CLOEXEC);
    ly_sock_free(s);
    NEED_OK(ly_socket(&s, AF_UNIX, SOCK_DGRAM, 0));
    NEED_INT(ly_sock_timeout(s), LY_FOREVER);
    NEED_INT(fcntl(ly_sock_fileno(s), F_GETFD), FD_CLOEXEC);
    ly_sock_free(s);
    NEED_INT(ly_socket(&s, 9999, SOCK_STREAM, 0), -EAFNOSUPPORT);
    return 0;
}

static int c67_a_closed_socket_answers_ebadf_to_everything(void *arg)
{
    struct ly_sock *s, *ret;
    struct ly_address a;
    char c = 0;
    struct iovec iov = {.iov_base = &c, .iov_len = 1};
    int value;
    (void)arg;
    NEED_OK(ly_address_parse(&a, "tcp://127.0.0.1:1"));
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM, 0));
    ly_sock_close(s);
    ly_sock_close(s);
    NEED_INT(ly_sock_fileno(s), -1);
    NEED_INT(ly_recv(s, &c, 1), -EBADF);
    NEED_INT(ly_recv(s, &c, 0), -EBADF);
    NEED_INT(ly_recv_flags(s, &c, 1, MSG_PEEK), -EBADF);
    NEED_INT(ly_recvall(s, &c, 1), -EBADF);
    NEED_INT(ly_recvfrom(s, &c, 1, 0, NULL), -EBADF);
    NEED_INT(ly_send(s, &c, 1), -EBADF);
    NEED_INT(ly_sendall(s, &c, 1), -EBADF);
    NEED_INT(ly_sendallv(s, &iov, 1, 0), -EBADF);
    NEED_INT(ly_sendto(s, &c, 1, 0, &a), -EBADF);
    NEED_INT(ly_accept(s, &ret, NULL), -EBADF);
    NEED_INT(ly_sock_connect(s, &a), -EBADF);
    NEED_INT(ly_sock_bind(s, &a), -EBADF);
    NEED_INT(ly_sock_listen(s, 1), -EBADF);
    NEED_INT(ly_shutdown(s, SHUT_RD), -EBADF);
    NEED_INT(ly_sock_set_int(s, SOL_SOCKET, SO_KEEPALIVE, 1), -EBADF);
    NEED_INT(ly_sock_get_int(s, SOL_SOCKET, SO_KEEPALIVE, &value), -EBADF);
    NEED_INT(ly_sock_local(s, &a), -EBADF);
    NEED_INT(ly_sock_peer(s, &a), -EBADF);
    NEED_INT(ly_sock_detach(s), -EBADF);
    ly_sock_free(s);
    ly_sock_free(NULL);
    return 0;
}

static int c68_detach_gives_the_descriptor_away_open(void *arg)
{
    struct ly_sock *a, *b;
    char c;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    int fd = ly_sock_detach(a);
    NEED(fd >= 0);
    NEED_INT(ly_sock_fileno(a), -1);
    ly_sock_free(a);
    NEED_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, 0); /* it waits, as the socket did */
    NEED_INT(write(fd, "x", 1), 1);
    NEED_INT(ly_recv(b, &c, 1), 1);
    close(fd);
    ly_sock_free(b);
    return 0;
}

static int c69_unbound_and_unconnected_sockets_have_no_addresses(void *arg)
{
    struct ly_sock *s;
    struct ly_address a;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM, 0));
    NEED_OK(ly_sock_local(s, &a));
    ly_address_format(&a, text, sizeof text);
    NEED(strcmp(text, "tcp://0.0.0.0:0") == 0);
    NEED_INT(ly_sock_peer(s, &a), -ENOTCONN);
    ly_sock_free(s);
    NEED_OK(ly_socket(&s, AF_UNIX, SOCK_STREAM, 0));
    NEED_OK(ly_sock_local(s, &a));
    ly_address_format(&a, text, sizeof text);
    NEED(strcmp(text, "unix:") == 0);
    ly_sock_free(s);
    return 0;
}

static int c71_c73_options_are_set_and_asked(void *arg)
{
    struct ly_sock *s;
    int value = -1;
    char wide[100];
    socklen_t length = sizeof wide;
    const struct linger linger = {.l_onoff = 1, .l_linger = 3};
    (void)arg;
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM, 0));
    NEED_OK(ly_sock_set_int(s, SOL_SOCKET, SO_RCVBUF, 8192));
    NEED_OK(ly_sock_get_int(s, SOL_SOCKET, SO_RCVBUF, &value));
    NEED_INT(value, 16384);
    NEED_OK(ly_sock_set_option(s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    NEED_OK(ly_sock_get_option(s, SOL_SOCKET, SO_LINGER, wide, &length));
    NEED_INT(length, sizeof linger);
    NEED(memcmp(wide, &linger, sizeof linger) == 0);
    length = 0;
    NEED_INT(ly_sock_get_option(s, SOL_SOCKET, SO_LINGER, wide, &length), -EINVAL);
    length = 1025;
    NEED_INT(ly_sock_get_option(s, SOL_SOCKET, SO_LINGER, wide, &length), -EINVAL);
    NEED_INT(ly_sock_set_int(s, SOL_SOCKET, 9999, 1), -ENOPROTOOPT);
    NEED_INT(ly_sock_get_int(s, SOL_SOCKET, 9999, &value), -ENOPROTOOPT);
    ly_sock_free(s);
    return 0;
}

static int c80_a_descriptor_is_asked_what_it_is(void *arg)
{
    struct ly_sock *s;
    int fd = socket(AF_INET6, SOCK_DGRAM, 0), other[2];
    (void)arg;
    NEED_OK(ly_sock_from_fd(&s, fd));
    NEED_INT(ly_sock_family(s), AF_INET6);
    NEED_INT(ly_sock_type(s), SOCK_DGRAM);
    NEED_INT(ly_sock_proto(s), IPPROTO_UDP);
    NEED_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    ly_sock_free(s);
    NEED_INT(ly_sock_from_fd(&s, fd), -EBADF);
    NEED_INT(ly_sock_from_fd(&s, -1), -EINVAL);
    NEED_OK(pipe2(other, O_CLOEXEC));
    NEED_INT(ly_sock_from_fd(&s, other[0]), -ENOTSOCK);
    close(other[0]);
    close(other[1]);
    return 0;
}

static int c83_timeouts_are_checked(void *arg)
{
    struct ly_sock *a, *b;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_INT(ly_sock_set_timeout(a, -2), -EINVAL);
    NEED_INT(ly_sock_set_timeout(a, (INT64_C(1) << 53) + 1), -EINVAL);
    NEED_OK(ly_sock_set_timeout(a, INT64_C(1) << 53));
    NEED_INT(ly_sock_timeout(a), INT64_C(1) << 53);
    NEED_OK(ly_sock_set_timeout(a, LY_FOREVER));
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

/* ---- G: waiting ---- */

static int c84_a_timeout_is_not_eagain_and_never_early(void *arg)
{
    struct ly_sock *a, *b;
    char c;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sock_set_timeout(a, 0));
    NEED_INT(ly_recv(a, &c, 1), -EAGAIN);
    NEED_OK(ly_sock_set_timeout(a, 15));
    int64_t start = ly_now();
    NEED_INT(ly_recv(a, &c, 1), -ETIMEDOUT);
    NEED(ly_now() - start >= 15 * 1000000);
    NEED_OK(ly_sendall(b, "x", 1)); /* usable afterwards */
    NEED_INT(ly_recv(a, &c, 1), 1);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int end_peer(void *arg)
{
    struct ly_sock *s = arg;
    NEED_OK(ly_sleep(1));
    return ly_shutdown(s, SHUT_RDWR);
}

static int c94_shutdown_wakes_who_waits_in_recv(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    char c;
    (void)arg;
    for (int tcp = 0; tcp < 2; tcp++) {
        NEED_OK(tcp ? tcp_pair(&a, &b) : ly_socketpair(&a, &b));
        NEED_OK(ly_scope_open(&scope, NULL));
        NEED_OK(ly_go(scope, end_peer, a));
        NEED_INT(ly_recv(a, &c, 1), 0);
        ly_scope_close(scope);
        ly_sock_free(a);
        ly_sock_free(b);
    }
    return 0;
}

static int c94_shutdown_wakes_who_waits_in_send(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    static char bytes[4 << 20];
    (void)arg;
    for (int tcp = 0; tcp < 2; tcp++) {
        NEED_OK(tcp ? tcp_pair(&a, &b) : ly_socketpair(&a, &b));
        NEED_OK(ly_scope_open(&scope, NULL));
        NEED_OK(ly_go(scope, end_peer, a));
        int r;
        do
            r = ly_sendall(a, bytes, sizeof bytes); /* the buffers may hold it once */
        while (r == 0);
        NEED_INT(r, -EPIPE);
        ly_scope_close(scope);
        ly_sock_free(a);
        ly_sock_free(b);
    }
    return 0;
}

static int close_it(void *arg)
{
    NEED_OK(ly_sleep(1));
    ly_sock_close(arg);
    return 0;
}

static int closing_wakes_a_fiber_that_waits_in_recv(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    char c;
    (void)arg;
    if (strcmp(ly_reactor_name(), "thread") == 0)
        return 0; /* C94: only shutdown reaches into another thread */
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_go(scope, close_it, a));
    NEED_INT(ly_recv(a, &c, 1), -EBADF);
    ly_scope_close(scope);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static void count_signal(int signal)
{
    (void)signal;
}

static int c89_a_signal_does_not_end_a_call(void *arg)
{
    struct ly_sock *a, *b;
    char c;
    const struct itimerval often = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000}, never = {0};
    struct sigaction act = {.sa_handler = count_signal}, old;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sock_set_timeout(a, 30));
    sigaction(SIGALRM, &act, &old);
    setitimer(ITIMER_REAL, &often, NULL);
    int64_t start = ly_now();
    ssize_t r = ly_recv(a, &c, 1);
    int64_t took = ly_now() - start;
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &old, NULL);
    NEED_INT(r, -ETIMEDOUT);
    NEED(took >= 30 * 1000000);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int drip(void *arg)
{
    struct ly_sock *s = arg;
    char buf[512];
    int r;
    do {
        r = ly_sleep(2);
        if (r == 0 && ly_recv(s, buf, sizeof buf) <= 0)
            r = -EPIPE;
    } while (r == 0);
    return 0;
}

static int c92_the_timeout_of_sendall_is_for_the_whole_call(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    enum { SIZE = 16 << 20 };
    static char data[SIZE];
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sock_set_timeout(a, 40));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_go(scope, drip, b));
    int64_t start = ly_now();
    NEED_INT(ly_sendall(a, data, SIZE), -ETIMEDOUT);
    NEED(ly_now() - start >= 40 * 1000000);
    ly_scope_close(scope);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int the_deadline_of_a_scope_ends_a_call(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    char c;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_scope_open(&scope, &(struct ly_scope_options){.deadline = ly_deadline(10)}));
    NEED_INT(ly_recv(a, &c, 1), -ETIMEDOUT);
    ly_scope_close(scope);
    NEED_OK(ly_sendall(b, "x", 1));
    NEED_INT(ly_recv(a, &c, 1), 1);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

/* ---- H: bytes ---- */

static int wait_for_nothing(void *arg)
{
    char c;
    NEED_INT(ly_recv(arg, &c, 1), -ETIMEDOUT);
    return 0;
}

static int receive_one(void *arg)
{
    char c;
    NEED_INT(ly_recv(arg, &c, 1), 1);
    return 0;
}

static int send_one(void *arg)
{
    return ly_sendall(arg, "x", 1);
}

/* Wait in it and be woken. */
static int exchange(void *arg)
{
    struct ly_sock **pair = arg;
    struct ly_scope *scope;
    struct ly_future *reader;
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_async(scope, &reader, receive_one, pair[0]));
    NEED_OK(ly_sleep(1));
    NEED_OK(send_one(pair[1]));
    NEED_OK(ly_await(reader, NULL));
    ly_scope_close(scope);
    return 0;
}

static int a_socket_outlives_the_loops_it_was_used_in(void *arg)
{
    static const char *const ways[] = {"epoll!", "epoll!", "poll!", "poll!", "select!", "epoll!"};
    struct ly_sock *pair[2];
    (void)arg;
    if (strcmp(ly_reactor_name(), "thread") != 0)
        return 0;
    NEED_OK(ly_socketpair(&pair[0], &pair[1]));
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        const struct ly_run_options o = {.reactor = ways[i]}, uring = {.reactor = "io_uring!"};
        NEED_OK(ly_sock_set_timeout(pair[0], 1));
        NEED_OK(ly_run(wait_for_nothing, pair[0], &o));
        NEED_OK(ly_sock_set_timeout(pair[0], 5000));
        NEED_OK(exchange(pair));
        NEED_OK(ly_run(exchange, pair, &o));
        int r = ly_run(exchange, pair, &uring);
        NEED(r == 0 || r == LY_ENOREACTOR);
    }
    ly_sock_free(pair[0]);
    ly_sock_free(pair[1]);
    return 0;
}

static int an_idle_socket_takes_few_bytes(void *arg)
{
    struct ly_sock *a, *b;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED(sizeof(struct ly_sock) <= 72);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(c65_c66_flags_stay_out_of_the_type),
        BODY(c67_a_closed_socket_answers_ebadf_to_everything),
        BODY(c68_detach_gives_the_descriptor_away_open),
        BODY(c69_unbound_and_unconnected_sockets_have_no_addresses),
        BODY(c71_c73_options_are_set_and_asked),
        BODY(c80_a_descriptor_is_asked_what_it_is),
        BODY(c83_timeouts_are_checked),
        BODY(c84_a_timeout_is_not_eagain_and_never_early),
        BODY(c94_shutdown_wakes_who_waits_in_recv),
        BODY(c94_shutdown_wakes_who_waits_in_send),
        BODY(closing_wakes_a_fiber_that_waits_in_recv),
        BODY(c89_a_signal_does_not_end_a_call),
        BODY(c92_the_timeout_of_sendall_is_for_the_whole_call),
        BODY(the_deadline_of_a_scope_ends_a_call),
        BODY(a_socket_outlives_the_loops_it_was_used_in),
        BODY(an_idle_socket_takes_few_bytes),
    };
    return EVERYWHERE("net/sock", bodies);
}
