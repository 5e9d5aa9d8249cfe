/* SPDX-License-Identifier: MIT */
/* What the tutorials teach of TCP and UDP: handshake, states, a stream without borders, datagrams with them.
 */
#include "places.h"
#include <netinet/in.h>
#include <netinet/tcp.h>

/* Wait until the socket's state has that name: the peer's segments are on their way. */
static bool becomes(struct ly_sock *s, const char *name)
{
    struct ly_tcp_info info;
    for (int64_t until = ly_deadline(20000); ly_now() < until; ly_sleep(1)) {
        if (ly_tcp_info(s, &info) == 0 && strcmp(ly_tcp_state_name(info.state), name) == 0)
            return true;
    }
    return false;
}

ROW(S62_the_handshake_needs_no_accept, TCP)
{
    struct ly_sock *s;
    struct ly_address a;
    struct ly_tcp_info info;
    NEED(becomes(p->listener, "LISTEN"));
    NEED(ly_socket(&s, AF_INET, SOCK_STREAM, 0) == 0 && becomes(s, "CLOSED"));
    NEED(ly_address_parse(&a, p->address) == 0 && ly_sock_connect(s, &a) == 0);
    NEED(becomes(s, "ESTABLISHED"));
    NEED(ly_sendall(s, "early", 5) == 0); /* nobody has accepted it yet */
    struct pollfd waits = {.fd = ly_sock_fileno(p->listener), .events = POLLIN};
    NEED(poll(&waits, 1, 20000) == 1); /* its last step has come */
    NEED(ly_tcp_info(p->listener, &info) == 0 && info.queued == 1);
    struct ly_sock *c;
    char buf[8];
    NEED(ly_accept(p->listener, &c, NULL) == 0 && ly_recv(c, buf, sizeof buf) == 5);
    ly_sock_free(c);
    ly_sock_free(s);
    return 0;
}

ROW(S63_closing_takes_four_steps, TCP)
{
    char byte;
    NEED(ly_shutdown(p->a, SHUT_WR) == 0);
    NEED(becomes(p->a, "FIN-WAIT-2") && becomes(p->b, "CLOSE-WAIT"));
    NEED(ly_sendall(p->b, "y", 1) == 0 && ly_recv(p->a, &byte, 1) == 1); /* half open: it goes on */
    NEED(ly_shutdown(p->b, SHUT_WR) == 0);
    NEED(ly_recv(p->a, &byte, 1) == 0);
    NEED(becomes(p->b, "CLOSED"));
    return 0;
}

ROW(S64_connections_wait_while_the_server_is_busy, BOTH)
{
    struct ly_sock *s[3], *c;
    char byte;
    for (int i = 0; i < 3; i++) {
        NEED(ly_connect(&s[i], p->address, NULL) == 0);
        NEED(ly_sendall(s[i], &"012"[i], 1) == 0);
    }
    for (int i = 0; i < 3; i++) { /* in the order in which they came */
        NEED(ly_accept(p->listener, &c, NULL) == 0);
        NEED(ly_recv(c, &byte, 1) == 1 && byte == '0' + i);
        ly_sock_free(c);
        ly_sock_free(s[i]);
    }
    return 0;
}

ROW(S67_a_stream_has_no_borders, BOTH)
{
    char buf[16];
    NEED(ly_sendall(p->a, "one", 3) == 0 && ly_sendall(p->a, "two", 3) == 0);
    NEED(ly_sendall(p->a, "three", 5) == 0 && ly_shutdown(p->a, SHUT_WR) == 0);
    size_t got = 0;
    ssize_t n;
    while ((n = ly_recv(p->b, buf + got, sizeof buf - got)) > 0)
        got += (size_t)n;
    NEED(n == 0 && got == 11 && memcmp(buf, "onetwothree", 11) == 0);
    return 0;
}

ROW(S68_small_pieces_need_not_wait_for_more, TCP)
{
    int on = -1;
    NEED(ly_sock_get_int(p->a, IPPROTO_TCP, TCP_NODELAY, &on) == 0 && on == 0);
    NEED(ly_sock_set_int(p->a, IPPROTO_TCP, TCP_NODELAY, 1) == 0);
    NEED(ly_sock_get_int(p->a, IPPROTO_TCP, TCP_NODELAY, &on) == 0 && on == 1);
    return 0;
}

ROW(S69_datagrams_keep_borders_and_need_no_connection, BOTH)
{
    const char *any = p->tcp ? "udp://127.0.0.1:0" : "unix-dgram:";
    struct ly_sock *to, *from;
    struct ly_address at;
    char buf[16];
    NEED(ly_bind(&to, any, NULL) == 0 && ly_sock_local(to, &at) == 0);
    NEED(ly_socket(&from, at.u.family, SOCK_DGRAM, 0) == 0);
    NEED(ly_sendto(from, "one", 3, 0, &at) == 3 && ly_sendto(from, "three", 5, 0, &at) == 5);
    NEED(ly_recv(to, buf, sizeof buf) == 3);
    NEED(ly_recv(to, buf, sizeof buf) == 5);
    ly_sock_close(to);
    NEED(ly_sendto(from, "lost", 4, 0, &at) == (p->tcp ? 4 : -ECONNREFUSED));
    ly_sock_free(to);
    ly_sock_free(from);
    return 0;
}

#define MUCH 2000000

static int send_much(void *arg)
{
    static const char much[MUCH];
    return ly_sendall(arg, much, MUCH);
}

static int receive_much(void *arg)
{
    char *buf = malloc(MUCH);
    if (!buf)
        return -ENOMEM;
    ssize_t n = ly_recvall(arg, buf, MUCH);
    free(buf);
    return n < 0 ? (int)n : 0;
}

ROW(S70_both_sides_send_at_the_same_time, BOTH)
{
    struct ly_scope *scope;
    struct ly_future *f[4];
    NEED(ly_scope_open(&scope, NULL) == 0);
    NEED(ly_async(scope, &f[0], send_much, p->a) == 0 && ly_async(scope, &f[1], send_much, p->b) == 0);
    NEED(ly_async(scope, &f[2], receive_much, p->a) == 0 && ly_async(scope, &f[3], receive_much, p->b) == 0);
    int r = 0;
    for (int i = 0; i < 4 && r == 0; i++)
        r = ly_await(f[i], NULL);
    ly_scope_close(scope);
    NEED(r == 0);
    return 0;
}

PLACES_MAIN(RUN(S62_the_handshake_needs_no_accept), RUN(S63_closing_takes_four_steps),
            RUN(S64_connections_wait_while_the_server_is_busy), RUN(S67_a_stream_has_no_borders),
            RUN(S68_small_pieces_need_not_wait_for_more),
            RUN(S69_datagrams_keep_borders_and_need_no_connection), RUN(S70_both_sides_send_at_the_same_time))
