/* SPDX-License-Identifier: MIT */
/* How a TCP socket stands. The kernel's own header, because the C library's struct ends earlier; the two
 * cannot be included together. */
#include <errno.h>
#include <lanyard/option.h>
#include <linux/tcp.h>

#define ESTABLISHED 1 /* the states' numbers: TCP_ESTABLISHED and so on of the C library */
#define LISTEN 10

const char *ly_tcp_state_name(int state)
{
    static const char *const names[] = {
        "UNKNOWN",   "ESTABLISHED", "SYN-SENT",   "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
        "TIME-WAIT", "CLOSED",      "CLOSE-WAIT", "LAST-ACK",     "LISTEN",     "CLOSING",
    };
    return state >= ESTABLISHED && state < (int)(sizeof names / sizeof *names) ? names[state] : names[0];
}

int ly_tcp_info(const struct ly_sock *s, struct ly_tcp_info *ret_info)
{
    struct tcp_info t = {0}; /* an older kernel fills less of it */
    socklen_t length = sizeof t;
    int r = ly_sock_get_option(s, IPPROTO_TCP, TCP_INFO, &t, &length);
    if (r < 0)
        return r == -ENOPROTOOPT ? -EOPNOTSUPP : r;
    *ret_info = (struct ly_tcp_info){
        .state = t.tcpi_state,
        .round_trip_us = t.tcpi_rtt,
        .round_trip_var_us = t.tcpi_rttvar,
        .send_mss = t.tcpi_snd_mss,
        .recv_mss = t.tcpi_rcv_mss,
        .path_mtu = t.tcpi_pmtu,
        .send_window = t.tcpi_snd_cwnd,
        .unacked = t.tcpi_unacked,
        .lost = t.tcpi_lost,
        .retransmitted = t.tcpi_total_retrans,
        .bytes_acked = t.tcpi_bytes_acked,
        .bytes_received = t.tcpi_bytes_received,
    };
    if (t.tcpi_state == LISTEN) { /* two fields mean something else there */
        ret_info->queued = t.tcpi_unacked;
        ret_info->backlog = t.tcpi_sacked;
        ret_info->unacked = 0;
    }
    return 0;
}
