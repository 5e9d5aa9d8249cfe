/* SPDX-License-Identifier: MIT */
/*
 * Tutorial 001: calls out to all once a second: 001_broadcast_send [dest] [port] [count] [interval]
 *
 * Bytes: 21 of UTF-8, `坚决拥护张大大`, to a broadcast address; one answer of up to 1024 is read. count 0 has
 * no end; interval is in seconds (1).
 * The tutorial's address is 192.168.1.255; here it is loopback's, 127.255.255.255, unless one is given. The
 * toy waits for an answer for ever, so one lost datagram ends it. Here the wait is an interval long.
 */
#include "python_form.h"
#include <errno.h>

static int call(struct ly_sock *sock, const struct ly_address *to)
{
    static const char text[] = "坚决拥护张大大";
    char data[1024];
    struct ly_address from;
    ssize_t n = ly_sendto(sock, text, sizeof text - 1, 0, to);
    if (n >= 0)
        n = ly_recvfrom(sock, data, sizeof data, 0, &from);
    if (n >= 0)
        py_print("从%s接收到:%s\n", py_tuple(&from), py_text(data, (size_t)n));
    return n < 0 && n != -ETIMEDOUT ? (int)n : 0;
}

int main(int argc, char **argv)
{
    char text[LY_ADDRESS_TEXT];
    struct ly_address to = {0};
    struct ly_sock *sock = NULL;
    double count = py_number(argc, argv, 3, 0), interval = py_number(argc, argv, 4, 1);
    int64_t interval_ms = (int64_t)(interval * 1000);
    py_address(text, argc, argv, "udp://127.255.255.255:19999");
    int r = ly_resolve(text, false, &to, 1);
    if (r > 0)
        r = ly_socket(&sock, to.u.family, SOCK_DGRAM, 0);
    if (r < 0)
        return py_end(r);
    ly_sock_set_int(sock, SOL_SOCKET, SO_BROADCAST, 1);
    ly_sock_set_timeout(sock, interval_ms > 0 ? interval_ms : 1000);
    for (double i = 0; r == 0 && (count < 1 || i < count); i++) {
        r = i > 0 ? ly_sleep(interval_ms) : 0;
        if (r == 0)
            r = call(sock, &to);
    }
    ly_sock_free(sock);
    return py_end(r);
}
