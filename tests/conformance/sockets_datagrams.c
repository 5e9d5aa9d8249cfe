/* SPDX-License-Identifier: MIT */
/* Part H, its datagrams and messages: UDP in the TCP cells, Unix datagrams in the others. */
#include "places.h"
#include <linux/capability.h>
#include <netinet/in.h>
#include <sys/syscall.h>

struct pair {
    struct ly_sock *a, *b;
    struct ly_address at_a, at_b;
};

/* Two bound datagram sockets that know each other's address. */
static int datagram_pair(const struct place *p, struct pair *d)
{
    const char *any = p->tcp ? "udp://127.0.0.1:0" : "unix-dgram:";
    NEED(ly_bind(&d->a, any, NULL) == 0 && ly_bind(&d->b, any, NULL) == 0);
    NEED(ly_sock_local(d->a, &d->at_a) == 0 && ly_sock_local(d->b, &d->at_b) == 0);
    return 0;
}

static void free_pair(struct pair *d)
{
    ly_sock_free(d->a);
    ly_sock_free(d->b);
}

ROW(C106_C107_a_cut_datagram_is_told_apart, BOTH)
{
    struct pair d;
    char one[3] = "", two[4] = "";
    struct iovec pieces[] = {{one, 2}, {two, 3}};
    struct ly_address from;
    NEED(datagram_pair(p, &d) == 0);
    NEED(ly_sendto(d.a, "longer than that", 16, 0, &d.at_b) == 16);
    NEED(ly_sendto(d.a, "next", 4, 0, &d.at_b) == 4);
    struct ly_sock_message m = {.iov = pieces, .iov_count = 2, .address = &from};
    NEED(ly_recvmsg(d.b, &m, 0) == 5); /* never more than there is room for */
    NEED(m.flags & MSG_TRUNC && m.length == 16);
    NEED(strcmp(one, "lo") == 0 && strcmp(two, "nge") == 0);
    NEED(ly_address_equal(&from, &d.at_a));
    NEED(ly_recvmsg(d.b, &m, 0) == 4 && !(m.flags & MSG_TRUNC) && m.length == 4);
    free_pair(&d);
    return 0;
}

ROW(C107_sendmsg_gathers_one_datagram, BOTH)
{
    struct pair d;
    char one[] = "ga", two[] = "thered", buf[16];
    struct iovec pieces[] = {{one, 2}, {two, 6}};
    NEED(datagram_pair(p, &d) == 0);
    struct ly_sock_message m = {.iov = pieces, .iov_count = 2, .address = &d.at_b};
    NEED(ly_sendmsg(d.a, &m, 0) == 8);
    NEED(ly_recv(d.b, buf, sizeof buf) == 8 && memcmp(buf, "gathered", 8) == 0);
    free_pair(&d);
    return 0;
}

ROW(C108_S46_the_rest_of_a_datagram_is_lost_and_the_next_one_comes, BOTH)
{
    struct pair d;
    struct ly_address from;
    char buf[8] = "";
    NEED(datagram_pair(p, &d) == 0);
    NEED(ly_sendto(d.a, "abcdef", 6, 0, &d.at_b) == 6);
    NEED(ly_sendto(d.a, "second", 6, 0, &d.at_b) == 6);
    NEED(ly_recvfrom(d.b, buf, 3, 0, &from) == 3 && memcmp(buf, "abc", 3) == 0);
    NEED(ly_address_equal(&from, &d.at_a) && from.type == SOCK_DGRAM);
    NEED(ly_recvfrom(d.b, buf, sizeof buf, 0, &from) == 6 && memcmp(buf, "second", 6) == 0);
    free_pair(&d);
    return 0;
}

ROW(C109_S47_a_datagram_may_be_empty_and_has_a_greatest_size, TCP)
{
    static char large[65508];
    struct pair d;
    struct ly_address from;
    NEED(datagram_pair(p, &d) == 0);
    NEED(ly_sendto(d.a, "", 0, 0, &d.at_b) == 0);
    NEED(ly_recvfrom(d.b, large, sizeof large, 0, &from) == 0);
    NEED(ly_address_equal(&from, &d.at_a)); /* it has come, empty as it is */
    NEED(ly_sendto(d.a, large, 65507, 0, &d.at_b) == 65507);
    NEED(ly_recvfrom(d.b, large, sizeof large, 0, NULL) == 65507);
    NEED(ly_sendto(d.a, large, 65508, 0, &d.at_b) == -EMSGSIZE);
    free_pair(&d);
    return 0;
}

ROW(C95_recvfrom_of_0_bytes_takes_a_datagram_and_recv_does_not, BOTH)
{
    struct pair d;
    char buf[8];
    NEED(datagram_pair(p, &d) == 0);
    NEED(ly_sendto(d.a, "one", 3, 0, &d.at_b) == 3);
    NEED(ly_sendto(d.a, "two", 3, 0, &d.at_b) == 3);
    NEED(ly_recv(d.b, buf, 0) == 0);
    NEED(ly_recvfrom(d.b, buf, 0, 0, NULL) == 0);
    NEED(ly_recv(d.b, buf, sizeof buf) == 3 && memcmp(buf, "two", 3) == 0);
    free_pair(&d);
    return 0;
}

ROW(C102_a_datagram_needs_a_destination, TCP)
{
    struct ly_sock *s;
    NEED(ly_socket(&s, AF_INET, SOCK_DGRAM, 0) == 0);
    NEED(ly_send(s, "x", 1) == -EDESTADDRREQ);
    ly_sock_free(s);
    return 0;
}

ROW(C103_S48_bytes_beyond_a_datagram_stay, BOTH)
{
    struct pair d;
    char buf[8] = "1234567";
    NEED(datagram_pair(p, &d) == 0);
    NEED(ly_sendto(d.a, "abc", 3, 0, &d.at_b) == 3);
    NEED(ly_recvfrom(d.b, buf, sizeof buf, 0, NULL) == 3);
    NEED(memcmp(buf, "abc4567", 8) == 0);
    free_pair(&d);
    return 0;
}

ROW(C110_a_connected_datagram_socket_has_one_peer, TCP)
{
    struct pair d;
    struct ly_sock *s, *stranger;
    struct ly_address at_s;
    char text[LY_ADDRESS_TEXT], buf[8];
    NEED(datagram_pair(p, &d) == 0);
    ly_address_format(&d.at_b, text, sizeof text);
    NEED(ly_connect(&s, text, NULL) == 0);
    NEED(ly_sock_local(s, &at_s) == 0);
    NEED(ly_bind(&stranger, "udp://127.0.0.1:0", NULL) == 0);
    NEED(ly_sendto(stranger, "no", 2, 0, &at_s) == 2);
    NEED(ly_sendto(d.b, "yes", 3, 0, &at_s) == 3);
    NEED(ly_recv(s, buf, sizeof buf) == 3);
    NEED(ly_recv_flags(s, buf, sizeof buf, MSG_DONTWAIT) == -EAGAIN);
    ly_sock_close(d.b);
    NEED(ly_send(s, "x", 1) == 1);
    NEED(ly_recv(s, buf, sizeof buf) == -ECONNREFUSED);
    ly_sock_free(stranger);
    ly_sock_free(s);
    free_pair(&d);
    return 0;
}

ROW(C111_S54_broadcasting_has_to_be_asked_for_and_receiving_does_not, TCP)
{
    struct ly_sock *from, *to;
    struct ly_address at;
    char buf[8];
    NEED(ly_bind(&to, "udp://0.0.0.0:0", NULL) == 0);
    NEED(ly_sock_local(to, &at) == 0);
    NEED(ly_address_make(&at, SOCK_DGRAM, "127.255.255.255", ly_address_port(&at)) == 0);
    NEED(ly_bind(&from, "udp://127.0.0.1:0", NULL) == 0);
    NEED(ly_sendto(from, "all", 3, 0, &at) == -EACCES);
    NEED(ly_sock_set_int(from, SOL_SOCKET, SO_BROADCAST, 1) == 0);
    NEED(ly_sendto(from, "all", 3, 0, &at) == 3);
    NEED(ly_recv(to, buf, sizeof buf) == 3);
    ly_sock_free(from);
    ly_sock_free(to);
    return 0;
}

ROW(C134_seqpacket_keeps_borders_and_drops_what_does_not_fit, UNIX)
{
    struct ly_sock *a, *b;
    char buf[8];
    NEED(ly_socketpair_of(&a, &b, AF_UNIX, SOCK_SEQPACKET, 0) == 0);
    NEED(ly_send(a, "one", 3) == 3 && ly_send(a, "two", 3) == 3);
    NEED(ly_recv(b, buf, 2) == 2 && memcmp(buf, "on", 2) == 0);
    NEED(ly_recv(b, buf, sizeof buf) == 3 && memcmp(buf, "two", 3) == 0);
    ly_sock_close(a);
    NEED(ly_recv(b, buf, sizeof buf) == 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

ROW(S36_each_family_has_streams_and_datagrams, TCP)
{
    static const char *const at[] = {
        "tcp://127.0.0.1:0", "udp://127.0.0.1:0", "tcp://[::1]:0", "udp://[::1]:0", "unix:", "unix-dgram:"};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct ly_sock *l, *s, *c;
        struct ly_address bound;
        char text[LY_ADDRESS_TEXT], buf[8];
        NEED(ly_listen(&l, at[i], NULL) == 0 && ly_sock_local(l, &bound) == 0);
        ly_address_format(&bound, text, sizeof text);
        NEED(ly_connect(&s, text, NULL) == 0);
        bool stream = ly_sock_type(s) == SOCK_STREAM;
        NEED(!stream || ly_accept(l, &c, NULL) == 0);
        NEED(ly_send(s, "hello", 5) == 5);
        NEED(ly_recv(stream ? c : l, buf, sizeof buf) == 5);
        if (stream)
            ly_sock_free(c);
        ly_sock_free(s);
        ly_sock_free(l);
    }
    return 0;
}

/* ---- raw sockets ---- */

/* The calling thread's effective capabilities, with or without CAP_NET_RAW. Returns what there was. */
static bool set_raw(bool wanted)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &head, data) < 0)
        return false;
    bool had = data[0].effective & 1U << CAP_NET_RAW;
    data[0].effective &= ~(1U << CAP_NET_RAW);
    if (wanted)
        data[0].effective |= 1U << CAP_NET_RAW;
    return syscall(SYS_capset, &head, data) == 0 && had;
}

#define PROTOCOL 253 /* for experiments: RFC 3692 */
#define IP_HEADER 20

/* Send oneself a packet. Another run of this test may send some too. */
static int talk_raw(struct place *p, struct ly_sock *s)
{
    struct ly_address to, from;
    char sent[32], buf[128] = "";
    snprintf(sent, sizeof sent, "raw %d", (int)getpid());
    size_t n = strlen(sent);
    NEED(ly_address_make(&to, SOCK_RAW, "127.0.0.1", 0) == 0);
    NEED(ly_sendto(s, sent, n, 0, &to) == (ssize_t)n);
    ssize_t got;
    do
        got = ly_recvfrom(s, buf, sizeof buf, 0, &from);
    while (got > 0 && (got != (ssize_t)(IP_HEADER + n) || memcmp(buf + IP_HEADER, sent, n) != 0));
    NEED(got > 0 && buf[0] >> 4 == 4); /* a packet of IPv4, with its header */
    NEED(from.type == SOCK_RAW && ly_address_equal(&from, &to));
    return 0;
}

ROW(S37_a_raw_socket_needs_the_privilege, TCP)
{
    struct ly_sock *s = NULL;
    bool had = set_raw(false);
    int r = ly_socket(&s, AF_INET, SOCK_RAW, PROTOCOL);
    if (had)
        set_raw(true);
    NEED(r == -EPERM && !s);
    if (!had)
        return 0;
    NEED(ly_socket(&s, AF_INET, SOCK_RAW, PROTOCOL) == 0);
    NEED(ly_sock_type(s) == SOCK_RAW);
    NEED(talk_raw(p, s) == 0);
    ly_sock_free(s);
    return 0;
}

PLACES_MAIN(RUN(C106_C107_a_cut_datagram_is_told_apart), RUN(C107_sendmsg_gathers_one_datagram),
            RUN(C108_S46_the_rest_of_a_datagram_is_lost_and_the_next_one_comes),
            RUN(C109_S47_a_datagram_may_be_empty_and_has_a_greatest_size),
            RUN(C95_recvfrom_of_0_bytes_takes_a_datagram_and_recv_does_not),
            RUN(C102_a_datagram_needs_a_destination), RUN(C103_S48_bytes_beyond_a_datagram_stay),
            RUN(C110_a_connected_datagram_socket_has_one_peer),
            RUN(C111_S54_broadcasting_has_to_be_asked_for_and_receiving_does_not),
            RUN(C134_seqpacket_keeps_borders_and_drops_what_does_not_fit),
            RUN(S36_each_family_has_streams_and_datagrams), RUN(S37_a_raw_socket_needs_the_privilege))
