/* SPDX-License-Identifier: MIT */
/* Sockets: life, attributes, bytes. Numbers are those of the conformance table. */
#include "everywhere.h"
#include <fcntl.h>
#include <lanyard/socket.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "net/sock.h"

/* A connected pair over loopback TCP. */
static int tcp_pair(struct ly_sock **ret_a, struct ly_sock **ret_b)
{
    struct ly_sock *l;
    struct ly_address at;
    char text[LY_ADDRESS_TEXT];
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", NULL));
    NEED_OK(ly_sock_local(l, &at));
    ly_address_format(&at, text, sizeof text);
    NEED_OK(ly_connect(ret_a, text, NULL));
    NEED_OK(ly_accept(l, ret_b, NULL));
    ly_sock_free(l);
    return 0;
}

/* Two UDP sockets on loopback; a knows b's address. */
static int udp_pair(struct ly_sock **ret_a, struct ly_sock **ret_b, struct ly_address *ret_address_b)
{
    struct ly_address any;
    NEED_OK(ly_address_parse(&any, "tcp://127.0.0.1:0"));
    NEED_OK(ly_socket(ret_a, AF_INET, SOCK_DGRAM, 0));
    NEED_OK(ly_socket(ret_b, AF_INET, SOCK_DGRAM, 0));
    NEED_OK(ly_sock_bind(*ret_b, &any));
    return ly_sock_local(*ret_b, ret_address_b);
}

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
        NEED_INT(ly_sendall(a, bytes, sizeof bytes), -EPIPE);
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

static int c95_c96_what_is_there_is_received_then_the_end(void *arg)
{
    struct ly_sock *a, *b;
    char buf[16];
    (void)arg;
    for (int tcp = 0; tcp < 2; tcp++) {
        NEED_OK(tcp ? tcp_pair(&a, &b) : ly_socketpair(&a, &b));
        NEED_OK(ly_sendall(a, "abcdef", 6));
        NEED_INT(ly_recv(b, buf, 0), 0);
        NEED_INT(ly_recv(b, buf, 4), 4);
        NEED_INT(ly_recv(b, buf, sizeof buf), 2);
        NEED_OK(ly_sendall(a, "gh", 2));
        ly_sock_close(a);
        NEED_INT(ly_recv(b, buf, sizeof buf), 2);
        NEED_INT(ly_recv(b, buf, sizeof buf), 0);
        NEED_INT(ly_recv(b, buf, sizeof buf), 0);
        ly_sock_free(a);
        ly_sock_free(b);
    }
    return 0;
}

static int c97_a_reset_is_reported_once(void *arg)
{
    struct ly_sock *a, *b;
    char c;
    (void)arg;
    NEED_OK(tcp_pair(&a, &b));
    NEED_OK(ly_sendall(b, "unread", 6));
    NEED_INT(ly_recv_flags(a, &c, 1, MSG_PEEK), 1);
    ly_sock_close(a); /* with unread data: resets */
    NEED_INT(ly_recv(b, &c, 1), -ECONNRESET);
    NEED_INT(ly_recv(b, &c, 1), 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c99_half_close_leaves_the_other_direction(void *arg)
{
    struct ly_sock *a, *b, *u;
    char buf[8];
    (void)arg;
    for (int tcp = 0; tcp < 2; tcp++) {
        NEED_OK(tcp ? tcp_pair(&a, &b) : ly_socketpair(&a, &b));
        NEED_OK(ly_shutdown(a, SHUT_WR));
        NEED_INT(ly_recv(b, buf, sizeof buf), 0);
        NEED_INT(ly_send(a, "x", 1), -EPIPE);
        NEED_OK(ly_sendall(b, "back", 4));
        NEED_INT(ly_recv(a, buf, sizeof buf), 4);
        NEED_OK(ly_shutdown(a, SHUT_RD));
        NEED_INT(ly_recv(a, buf, sizeof buf), 0);
        NEED_INT(ly_shutdown(a, 99), -EINVAL);
        ly_sock_free(a);
        ly_sock_free(b);
    }
    NEED_OK(ly_socket(&u, AF_INET, SOCK_STREAM, 0));
    NEED_INT(ly_shutdown(u, SHUT_RDWR), -ENOTCONN);
    ly_sock_free(u);
    return 0;
}

static int drain(void *arg)
{
    enum { SIZE = 1 << 16 };
    char *buf = malloc(SIZE);
    int64_t total = 0;
    ssize_t n = 0;
    while (buf && (n = ly_recv(arg, buf, SIZE)) > 0)
        total += n;
    free(buf);
    return n < 0 ? (int)n : (int)total;
}

static int c100_send_sends_all_without_a_timeout_and_a_part_with_one(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    struct ly_future *reader;
    enum { SIZE = 10000000 };
    static char data[SIZE];
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sock_set_timeout(a, 0));
    ssize_t part = ly_send(a, data, SIZE);
    NEED(part > 0 && part < SIZE);
    NEED_INT(ly_send(a, data, SIZE), -EAGAIN);
    NEED_OK(ly_sock_set_timeout(a, 5));
    NEED_INT(ly_send(a, data, SIZE), -ETIMEDOUT);
    NEED_OK(ly_sock_set_timeout(a, LY_FOREVER));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_async(scope, &reader, drain, b));
    NEED_INT(ly_send(a, data, SIZE), SIZE);
    NEED_OK(ly_sendall(a, data, 1000));
    NEED_OK(ly_shutdown(a, SHUT_WR));
    NEED_INT(ly_await(reader, NULL), part + SIZE + 1000);
    ly_scope_close(scope);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c101_c102_unconnected_sockets_refuse_to_send(void *arg)
{
    struct ly_sock *s, *a, *b;
    char c;
    (void)arg;
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM, 0));
    NEED_INT(ly_sendall(s, "", 0), -EPIPE);
    NEED_INT(ly_send(s, "x", 1), -EPIPE);
    NEED_INT(ly_recv(s, &c, 1), -ENOTCONN);
    ly_sock_free(s);
    NEED_OK(ly_socket(&s, AF_INET, SOCK_DGRAM, 0));
    NEED_INT(ly_send(s, "x", 1), -EDESTADDRREQ);
    ly_sock_free(s);
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sendall(a, "", 0));
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int send_second_half(void *arg)
{
    NEED_OK(ly_sleep(1));
    return ly_sendall(arg, "second", 6);
}

static int c105_flags_of_recv_work_as_the_kernels(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    char buf[16];
    (void)arg;
    NEED_OK(tcp_pair(&a, &b));
    NEED_INT(ly_recv_flags(b, buf, 4, MSG_DONTWAIT), -EAGAIN);
    NEED_OK(ly_sendall(a, "first", 5));
    NEED_INT(ly_recv_flags(b, buf, 16, MSG_PEEK), 5);
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_go(scope, send_second_half, a));
    NEED_INT(ly_recv_flags(b, buf, 11, MSG_WAITALL), 11);
    NEED(memcmp(buf, "firstsecond", 11) == 0);
    ly_scope_close(scope);
    NEED_OK(ly_sendall(a, "tail", 4));
    ly_sock_close(a);
    NEED_INT(ly_recv_flags(b, buf, 11, MSG_WAITALL), 4); /* the end comes first */
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c106_a_cut_datagram_is_never_longer_than_the_buffer(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_address to;
    char buf[8];
    (void)arg;
    NEED_OK(udp_pair(&a, &b, &to));
    NEED_INT(ly_sendto(a, "0123456789", 10, 0, &to), 10);
    NEED_INT(ly_sendto(a, "0123456789", 10, 0, &to), 10);
    NEED_INT(ly_recv_flags(b, buf, 4, MSG_TRUNC), 4);
    NEED_INT(ly_recvfrom(b, buf, 4, MSG_TRUNC, NULL), 4);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c108_c109_datagrams_keep_their_borders(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_address to, from;
    char buf[64];
    static char large[65508];
    (void)arg;
    NEED_OK(udp_pair(&a, &b, &to));
    for (int i = 0; i < 3; i++)
        NEED_INT(ly_sendto(a, "0123456789", 10 - (size_t)i, 0, &to), 10 - i);
    NEED_INT(ly_sendto(a, "", 0, 0, &to), 0);
    NEED_INT(ly_recv(b, buf, 4), 4); /* the rest is dropped */
    NEED_INT(ly_recv(b, buf, sizeof buf), 9);
    NEED_INT(ly_recvfrom(b, buf, sizeof buf, 0, &from), 8);
    NEED(ly_address_port(&from) > 0 && ly_address_is_local(&from));
    NEED_INT(ly_recvfrom(b, buf, sizeof buf, 0, &from), 0); /* an empty one is one */
    NEED_INT(ly_sendto(a, large, 65508, 0, &to), -EMSGSIZE);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c110_a_refusal_reaches_a_connected_datagram_socket(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_address to;
    char c;
    (void)arg;
    NEED_OK(udp_pair(&a, &b, &to));
    NEED_OK(ly_sock_connect(a, &to));
    ly_sock_free(b);
    NEED_INT(ly_send(a, "x", 1), 1);
    NEED_INT(ly_recv(a, &c, 1), -ECONNREFUSED);
    ly_sock_free(a);
    return 0;
}

static int c112_an_urgent_byte_comes_beside_the_others(void *arg)
{
    struct ly_sock *a, *b;
    char buf[8];
    (void)arg;
    NEED_OK(tcp_pair(&a, &b));
    NEED_INT(ly_recv_flags(b, buf, 1, MSG_OOB), -EINVAL);
    NEED_INT(ly_send(a, "abc", 3), 3);
    NEED_INT(ly_send_flags(a, "!", 1, MSG_OOB), 1);
    NEED_INT(ly_send(a, "def", 3), 3);
    NEED_INT(ly_recvall(b, buf, 3), 3);
    NEED_INT(ly_recv_flags(b, buf, 1, MSG_OOB), 1);
    NEED_INT(buf[0], '!');
    NEED_INT(ly_recvall(b, buf, 3), 3);
    NEED(memcmp(buf, "def", 3) == 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int bytes_behind_an_urgent_one_are_not_forgotten(void *arg)
{
    struct ly_sock *a, *b;
    char buf[64];
    size_t got = 0;
    (void)arg;
    NEED_OK(tcp_pair(&a, &b));
    NEED_OK(ly_sock_set_timeout(b, 1));
    NEED_INT(ly_recv(b, buf, sizeof buf), -ETIMEDOUT); /* the loop watches it from here on */
    NEED_OK(ly_sock_set_timeout(b, 2000));
    NEED_INT(ly_send(a, "abc", 3), 3);
    NEED_INT(ly_send_flags(a, "!", 1, MSG_OOB), 1);
    NEED_INT(ly_send(a, "def", 3), 3);
    while (got < 6) { /* the kernel stops at the mark, short of what is there */
        ssize_t r = ly_recv(b, buf + got, sizeof buf - got);
        NEED(r > 0);
        got += (size_t)r;
    }
    NEED(memcmp(buf, "abcdef", 6) == 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int send_with_descriptor(struct ly_sock *s, char *byte)
{
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {
        .head = {.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    struct iovec iov = {.iov_base = byte, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    const int fd = ly_sock_fileno(s);
    memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    return sendmsg(fd, &m, 0) < 0 ? -errno : 0;
}

static int bytes_behind_a_passed_descriptor_are_not_forgotten(void *arg)
{
    struct ly_sock *a, *b;
    char buf[64], first = 'a';
    size_t got = 0;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sock_set_timeout(b, 1));
    NEED_INT(ly_recv(b, buf, sizeof buf), -ETIMEDOUT);
    NEED_OK(ly_sock_set_timeout(b, 2000));
    NEED_OK(send_with_descriptor(a, &first));
    NEED_INT(ly_send(a, "bc", 2), 2);
    while (got < 3) { /* the kernel stops behind the descriptor, which is dropped */
        ssize_t r = ly_recv(b, buf + got, sizeof buf - got);
        NEED(r > 0);
        got += (size_t)r;
    }
    NEED(memcmp(buf, "abc", 3) == 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int recvall_and_sendallv_move_every_byte(void *arg)
{
    struct ly_sock *a, *b;
    char buf[8], sent[] = "abcdef";
    struct iovec iov[4] = {{.iov_base = sent, .iov_len = 2},
                           {.iov_base = NULL, .iov_len = 0},
                           {.iov_base = sent + 2, .iov_len = 3},
                           {.iov_base = sent + 5, .iov_len = 1}};
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sendallv(a, iov, 4, 0));
    NEED_INT(ly_sendallv(a, iov, 1025, 0), -EINVAL);
    NEED_INT(ly_recvall(b, buf, 6), 6);
    NEED(memcmp(buf, "abcdef", 6) == 0);
    NEED_OK(ly_sendall(a, "xy", 2));
    ly_sock_close(a);
    NEED_INT(ly_recvall(b, buf, 3), LY_EEOF);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int many_pieces_larger_than_the_socket_go_out_in_order(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *scope;
    struct ly_future *reader;
    enum { PIECE = 70001, COUNT = 100 };
    static char data[PIECE];
    struct iovec iov[COUNT];
    (void)arg;
    for (int i = 0; i < COUNT; i++)
        iov[i] = (struct iovec){.iov_base = data, .iov_len = PIECE};
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_async(scope, &reader, drain, b));
    NEED_OK(ly_sendallv(a, iov, COUNT, 0));
    NEED_OK(ly_shutdown(a, SHUT_WR));
    NEED_INT(ly_await(reader, NULL), PIECE * COUNT);
    ly_scope_close(scope);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

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
    NEED(sizeof(struct ly_sock) <= 96);
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
        BODY(c95_c96_what_is_there_is_received_then_the_end),
        BODY(c97_a_reset_is_reported_once),
        BODY(c99_half_close_leaves_the_other_direction),
        BODY(c100_send_sends_all_without_a_timeout_and_a_part_with_one),
        BODY(c101_c102_unconnected_sockets_refuse_to_send),
        BODY(c105_flags_of_recv_work_as_the_kernels),
        BODY(c106_a_cut_datagram_is_never_longer_than_the_buffer),
        BODY(c108_c109_datagrams_keep_their_borders),
        BODY(c110_a_refusal_reaches_a_connected_datagram_socket),
        BODY(c112_an_urgent_byte_comes_beside_the_others),
        BODY(bytes_behind_an_urgent_one_are_not_forgotten),
        BODY(bytes_behind_a_passed_descriptor_are_not_forgotten),
        BODY(recvall_and_sendallv_move_every_byte),
        BODY(many_pieces_larger_than_the_socket_go_out_in_order),
        BODY(a_socket_outlives_the_loops_it_was_used_in),
        BODY(an_idle_socket_takes_few_bytes),
    };
    return EVERYWHERE("net/sock", bodies);
}
