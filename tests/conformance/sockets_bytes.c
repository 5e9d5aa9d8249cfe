/* SPDX-License-Identifier: MIT */
/* Part H: receiving and sending. */
#include "places.h"

ROW(C95_S43_S65_recv_gives_what_is_there_and_keeps_the_rest, BOTH)
{
    char buf[8] = "";
    NEED(ly_recv(p->a, buf, 0) == 0); /* nothing is there, and nobody is asked */
    NEED(ly_sendall(p->b, "abcdef", 6) == 0);
    NEED(ly_recv(p->a, buf, 0) == 0);
    NEED(ly_recv(p->a, buf, 4) == 4 && memcmp(buf, "abcd", 4) == 0);
    NEED(ly_recv(p->a, buf, sizeof buf) == 2 && memcmp(buf, "ef", 2) == 0);
    return 0;
}

ROW(C96_S55_after_the_peers_end_come_the_rest_and_then_nothing, BOTH)
{
    char buf[8];
    NEED(ly_sendall(p->b, "rest", 4) == 0);
    ly_sock_close(p->b);
    NEED(ly_recv(p->a, buf, sizeof buf) == 4);
    for (int i = 0; i < 3; i++)
        NEED(ly_recv(p->a, buf, sizeof buf) == 0);
    return 0;
}

ROW(C97_S65_a_reset_is_told_once, BOTH)
{
    char byte;
    NEED(ly_sendall(p->a, "unread", 6) == 0 && arrived(p->b, 6));
    ly_sock_close(p->b); /* with unread data: a reset */
    NEED(ly_recv(p->a, &byte, 1) == -ECONNRESET);
    NEED(ly_recv(p->a, &byte, 1) == 0);
    return 0;
}

ROW(C98_the_first_send_after_the_peers_close_succeeds, TCP)
{
    char byte;
    struct pollfd reset = {.fd = ly_sock_fileno(p->a), .events = 0};
    ly_sock_close(p->b);
    NEED(ly_recv(p->a, &byte, 1) == 0);
    NEED(ly_send(p->a, "x", 1) == 1);
    NEED(poll(&reset, 1, 20000) == 1); /* the peer's answer to it has come */
    NEED(ly_send(p->a, "x", 1) == -EPIPE);
    NEED(ly_recv(p->a, &byte, 1) == 0);
    return 0;
}

ROW(C99_each_direction_is_shut_down_by_itself, BOTH)
{
    char byte;
    struct ly_sock *s;
    NEED(ly_shutdown(p->a, SHUT_WR) == 0);
    NEED(ly_recv(p->b, &byte, 1) == 0);
    NEED(ly_sendall(p->b, "y", 1) == 0);
    NEED(ly_recv(p->a, &byte, 1) == 1 && byte == 'y');
    NEED(ly_send(p->a, "x", 1) == -EPIPE);
    NEED(ly_shutdown(p->a, SHUT_RD) == 0);
    NEED(ly_recv(p->a, &byte, 1) == 0);
    NEED(ly_shutdown(p->a, 99) == -EINVAL);
    NEED(ly_socket(&s, p->tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0) == 0);
    NEED(ly_shutdown(s, SHUT_WR) == (p->tcp ? -ENOTCONN : 0)); /* Linux does not mind for Unix sockets */
    ly_sock_free(s);
    return 0;
}

struct reader {
    struct ly_sock *sock;
    size_t got;
};

static int read_all(void *arg)
{
    struct reader *r = arg;
    static char buf[65536];
    ssize_t n;
    while ((n = ly_recv(r->sock, buf, sizeof buf)) > 0)
        r->got += (size_t)n;
    return (int)n;
}

#define MUCH 10000000

ROW(C100_S44_S66_send_without_timeout_sends_all, BOTH)
{
    static const char much[MUCH];
    struct reader reader = {p->b, 0};
    struct ly_scope *scope;
    NEED(ly_scope_open(&scope, NULL) == 0);
    NEED(ly_go(scope, read_all, &reader) == 0);
    ssize_t sent = ly_send(p->a, much, MUCH);
    ly_shutdown(p->a, SHUT_WR);
    ly_scope_join(scope);
    ly_scope_close(scope);
    NEED(sent == MUCH && reader.got == MUCH);
    return 0;
}

ROW(C100_S44_send_with_timeout_sends_what_fits, BOTH)
{
    static const char much[MUCH];
    int64_t timeouts[] = {0, 1000};
    for (int i = 0; i < 2; i++) {
        NEED(ly_sock_set_timeout(i == 0 ? p->a : p->b, timeouts[i]) == 0);
        ssize_t n = ly_send(i == 0 ? p->a : p->b, much, MUCH);
        NEED(n > 0 && n < MUCH);
    }
    return 0;
}

ROW(C101_S45_sendall_of_nothing_succeeds_on_a_connection_only, BOTH)
{
    struct ly_sock *s;
    NEED(ly_sendall(p->a, "", 0) == 0);
    NEED(ly_socket(&s, p->tcp ? AF_INET : AF_UNIX, SOCK_STREAM, 0) == 0);
    int r = ly_sendall(s, "", 0);
    NEED(r == (p->tcp ? -EPIPE : -ENOTCONN));
    ly_sock_free(s);
    return 0;
}

ROW(C102_an_unconnected_socket_sends_and_receives_nothing, TCP)
{
    struct ly_sock *s;
    char byte = 0;
    NEED(ly_socket(&s, AF_INET, SOCK_STREAM, 0) == 0);
    NEED(ly_send(s, &byte, 1) == -EPIPE);
    NEED(ly_recv(s, &byte, 1) == -ENOTCONN);
    ly_sock_free(s);
    return 0;
}

ROW(C103_bytes_beyond_the_received_ones_stay, BOTH)
{
    char buf[8] = "1234567";
    NEED(ly_sendall(p->b, "abc", 3) == 0);
    NEED(ly_recv(p->a, buf, sizeof buf) == 3);
    NEED(memcmp(buf, "abc4567", 8) == 0);
    return 0;
}

ROW(C104_recvfrom_on_a_stream_gives_no_address, TCP)
{
    struct ly_address from = {.length = 9};
    char byte;
    NEED(ly_sendall(p->b, "x", 1) == 0);
    NEED(ly_recvfrom(p->a, &byte, 1, 0, &from) == 1);
    NEED(from.length == 0);
    return 0;
}

ROW(C105_peek_dontwait_and_waitall_do_what_they_say, BOTH)
{
    char buf[8];
    NEED(ly_recv_flags(p->a, buf, 1, MSG_DONTWAIT) == -EAGAIN);
    NEED(ly_sendall(p->b, "abcd", 4) == 0);
    NEED(ly_recv_flags(p->a, buf, 4, MSG_PEEK) == 4);
    NEED(ly_recv_flags(p->a, buf, 4, MSG_PEEK) == 4);
    NEED(ly_recv_flags(p->a, buf, 4, MSG_WAITALL) == 4 && memcmp(buf, "abcd", 4) == 0);
    NEED(ly_recv_flags(p->a, buf, 1, MSG_DONTWAIT) == -EAGAIN);
    return 0;
}

struct dripping {
    struct ly_sock *sock;
};

static int drip(void *arg)
{
    struct dripping *d = arg;
    for (int i = 0; i < 4; i++) {
        ly_sendall(d->sock, "x", 1);
        ly_sleep(1);
    }
    return 0;
}

ROW(C105_waitall_fills_the_buffer, BOTH)
{
    char buf[4] = "";
    struct dripping d = {p->b};
    struct ly_scope *scope;
    NEED(ly_scope_open(&scope, NULL) == 0);
    NEED(ly_go(scope, drip, &d) == 0);
    ssize_t n = ly_recv_flags(p->a, buf, sizeof buf, MSG_WAITALL);
    ly_scope_join(scope);
    ly_scope_close(scope);
    NEED(n == 4 && memcmp(buf, "xxxx", 4) == 0);
    return 0;
}

ROW(C106_a_truncated_datagrams_length_is_clamped, BOTH)
{
    int ends[2];
    struct ly_sock *s;
    char buf[4] = "";
    NEED(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) == 0);
    NEED(ly_sock_from_fd(&s, ends[0]) == 0);
    NEED(send(ends[1], "longer than that", 16, 0) == 16);
    NEED(ly_recv_flags(s, buf, sizeof buf, MSG_TRUNC) == 4 && memcmp(buf, "long", 4) == 0);
    ly_sock_free(s);
    close(ends[1]);
    return 0;
}

ROW(C107_pieces_are_gathered, BOTH)
{
    char one[] = "ga", two[] = "the", three[] = "red", buf[9] = "";
    struct iovec pieces[] = {{one, 2}, {two, 3}, {three, 3}};
    NEED(ly_sendallv(p->a, pieces, 3, 0) == 0);
    NEED(ly_recvall(p->b, buf, 8) == 8);
    NEED(strcmp(buf, "gathered") == 0);
    return 0;
}

ROW(C112_an_out_of_band_byte_is_taken_apart, TCP)
{
    char byte = 0;
    struct pollfd urgent = {.fd = ly_sock_fileno(p->b), .events = POLLPRI};
    NEED(ly_send_flags(p->a, "!", 1, MSG_OOB) == 1);
    NEED(poll(&urgent, 1, 20000) == 1 && urgent.revents & POLLPRI);
    NEED(ly_recv_flags(p->b, &byte, 1, MSG_OOB) == 1 && byte == '!');
    return 0;
}

PLACES_MAIN(RUN(C95_S43_S65_recv_gives_what_is_there_and_keeps_the_rest),
            RUN(C96_S55_after_the_peers_end_come_the_rest_and_then_nothing),
            RUN(C97_S65_a_reset_is_told_once), RUN(C98_the_first_send_after_the_peers_close_succeeds),
            RUN(C99_each_direction_is_shut_down_by_itself), RUN(C100_S44_S66_send_without_timeout_sends_all),
            RUN(C100_S44_send_with_timeout_sends_what_fits),
            RUN(C101_S45_sendall_of_nothing_succeeds_on_a_connection_only),
            RUN(C102_an_unconnected_socket_sends_and_receives_nothing),
            RUN(C103_bytes_beyond_the_received_ones_stay), RUN(C104_recvfrom_on_a_stream_gives_no_address),
            RUN(C105_peek_dontwait_and_waitall_do_what_they_say), RUN(C105_waitall_fills_the_buffer),
            RUN(C106_a_truncated_datagrams_length_is_clamped), RUN(C107_pieces_are_gathered),
            RUN(C112_an_out_of_band_byte_is_taken_apart))
