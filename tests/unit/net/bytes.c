/* SPDX-License-Identifier: MIT */
/* Sockets: bytes and datagrams. Numbers are those of the conformance table. */
#include "net/pairs.h"

#include "net/sock.h"

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

static int S77_recvall_and_sendallv_move_every_byte(void *arg)
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

int main(void)
{
    static const struct everywhere_body bodies[] = {
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
        BODY(S77_recvall_and_sendallv_move_every_byte),
        BODY(many_pieces_larger_than_the_socket_go_out_in_order),
    };
    return EVERYWHERE("net/bytes", bodies);
}
