/* SPDX-License-Identifier: MIT */
/*
 * What a socket tells of itself: the options by their names, the state of a TCP connection, a line for
 * people.
 */
#ifndef LANYARD_OPTION_H
#define LANYARD_OPTION_H

#include <lanyard/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- options by name ---- */

/* What the value of an option is. */
enum ly_option_kind {
    LY_OPTION_FLAG,    /* an int, 0 or 1 */
    LY_OPTION_INT,     /* an int */
    LY_OPTION_LINGER,  /* struct linger */
    LY_OPTION_TIMEVAL, /* struct timeval */
    LY_OPTION_TEXT,    /* characters, cut to the room */
    LY_OPTION_BYTES,   /* a struct of the option's own; some are for setting only */
};

struct ly_option {
    const char *name; /* as in C: "SO_REUSEADDR" */
    int level;        /* SOL_SOCKET, IPPROTO_TCP, ... */
    int option;       /* SO_REUSEADDR, ... */
    enum ly_option_kind kind;
};

/* The option of that name; NULL if the table has none. Options that are not in it work by their numbers. */
LY_API const struct ly_option *ly_option_find(const char *name);

/* The table's entries, for index 0, 1, ...; NULL behind the last. */
LY_API const struct ly_option *ly_option_at(size_t index);

/* ---- TCP ---- */

struct ly_tcp_info {
    int state;                  /* TCP_ESTABLISHED, ...: see ly_tcp_state_name */
    uint32_t queued, backlog;   /* of a listener: connections that wait to be accepted, and at most; else 0 */
    uint32_t round_trip_us;     /* smoothed, microseconds */
    uint32_t round_trip_var_us; /* its variation */
    uint32_t send_mss, recv_mss; /* bytes of a segment at most */
    uint32_t path_mtu;           /* bytes of a packet on the way to the peer at most */
    uint32_t send_window;        /* the congestion window, in segments */
    uint32_t unacked, lost;      /* segments in flight; of them taken for lost */
    uint32_t retransmitted;      /* segments sent again, since the connection began */
    uint64_t bytes_acked;        /* of ours, by the peer */
    uint64_t bytes_received;
};

/* How a TCP socket stands. Returns 0, -EOPNOTSUPP (not TCP), -EBADF. Source: tcp(7), TCP_INFO. */
LY_API int ly_tcp_info(const struct ly_sock *s, struct ly_tcp_info *ret_info);

/* The state's name by RFC 9293, 3.3.2: "ESTABLISHED", "SYN-SENT", "TIME-WAIT"; "UNKNOWN" for other numbers.
 */
LY_API const char *ly_tcp_state_name(int state);

/* ---- for people ---- */

#define LY_SOCK_TEXT \
    (128 + 2 * LY_ADDRESS_TEXT) /* the longest text ly_sock_describe gives, with its zero byte */

/*
 * Print a socket as Python does:
 *
 *   <socket fd=5, family=AF_INET, type=SOCK_STREAM, proto=6, laddr=('127.0.0.1', 80), raddr=('127.0.0.1',
 * 4242)>
 *
 * with "[closed]" and fd=-1 after close, and without the addresses that there are not. cap: bytes of buf,
 * best LY_SOCK_TEXT; the text is cut to fit and always ends with a zero byte. Returns the length of the whole
 * text.
 */
LY_API size_t ly_sock_describe(const struct ly_sock *s, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
