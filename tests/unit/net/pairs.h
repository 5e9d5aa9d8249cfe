/* SPDX-License-Identifier: MIT */
/* Connected sockets for the tests of sockets. */
#ifndef LY_TESTS_PAIRS_H
#define LY_TESTS_PAIRS_H

#include "everywhere.h"
#include <lanyard/socket.h>

/* A connected pair over loopback TCP. */
static inline int tcp_pair(struct ly_sock **ret_a, struct ly_sock **ret_b)
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
static inline int udp_pair(struct ly_sock **ret_a, struct ly_sock **ret_b, struct ly_address *ret_address_b)
{
    struct ly_address any;
    NEED_OK(ly_address_parse(&any, "tcp://127.0.0.1:0"));
    NEED_OK(ly_socket(ret_a, AF_INET, SOCK_DGRAM, 0));
    NEED_OK(ly_socket(ret_b, AF_INET, SOCK_DGRAM, 0));
    NEED_OK(ly_sock_bind(*ret_b, &any));
    return ly_sock_local(*ret_b, ret_address_b);
}

#endif
