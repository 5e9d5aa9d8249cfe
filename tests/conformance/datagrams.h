/* SPDX-License-Identifier: MIT */
/* Clients and handlers of datagram servers, for rows that run over ALL | DATAGRAMS. */
#ifndef LY_CONFORMANCE_DATAGRAMS_H
#define LY_CONFORMANCE_DATAGRAMS_H

#include "matrix.h"

/* A client with an address, so that it can be answered; its receives end after 20 s. */
static inline struct ly_sock *join(const struct ly_server *server)
{
    struct ly_address a;
    struct ly_sock *s = NULL;
    char text[LY_ADDRESS_TEXT];
    assert_int_equal(ly_server_address(server, &a), 0);
    ly_address_format(&a, text, sizeof text);
    bool is_unix = a.u.family == AF_UNIX;
    struct ly_connect_options o = {.source = is_unix ? "unix-dgram:" : NULL};
    assert_int_equal(ly_connect(&s, text, &o), 0);
    assert_int_equal(ly_sock_set_timeout(s, 20000), 0);
    return s;
}

static inline void throw(struct ly_sock * s, const void *bytes, size_t n)
{
    assert_int_equal(ly_send(s, bytes, n), (ssize_t)n);
}

static inline void throw_text(struct ly_sock *s, const char *text)
{
    throw(s, text, strlen(text));
}

/* The next datagram is this text. */
static inline void catch_text(struct ly_sock *s, const char *text)
{
    char buf[256] = {0};
    assert_int_equal(ly_recv(s, buf, sizeof buf - 1), (ssize_t)strlen(text));
    assert_string_equal(buf, text);
}

/* Nothing is there now. */
static inline void catch_nothing(struct ly_sock *s)
{
    char byte;
    assert_int_equal(ly_recv_flags(s, &byte, 1, MSG_DONTWAIT), -EAGAIN);
}

/* One question, one answer. */
static inline void ask(const struct ly_server *server, const char *text, const char *answer)
{
    struct ly_sock *s = join(server);
    throw_text(s, text);
    catch_text(s, answer);
    ly_sock_free(s);
}

/* A handler: give the datagram back. */
static inline int give_back(struct ly_request *rq)
{
    return ly_reply(rq, rq->packet, rq->packet_length);
}

/* A handler: says "on", waits for the test to count(7), says "off". Ends with -ECANCELED where it is
 * cancelled. */
static inline int stay(struct ly_request *rq)
{
    int r = ly_reply(rq, "on", 2);
    while (r == 0 && counted(7) == 0)
        r = ly_sleep(1);
    count(0);
    return r == 0 ? ly_reply(rq, "off", 3) : r;
}

#endif
