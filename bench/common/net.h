/* SPDX-License-Identifier: MIT */
/* What the measuring programs share: addresses, sockets, clocks, and giving up. Nothing here runs in a timed
 * loop. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Print "NAME: what: error" and exit 1; without an error when errno is 0. */
_Noreturn void die(const char *what);

/* A decimal argument, or exit. */
uint64_t number(const char *text);

/* Listen on "tcp://IPV4:PORT" or "unix:PATH", or bind "udp://IPV4:PORT", and print "listening ADDRESS" with
 * the real port, or exit. */
int listen_on(const char *address);

/* Connect, from IPv4 loopback address 127.0.0.(1 + source) for TCP, or exit. TCP_NODELAY is set.
 * A datagram socket is connected, too. */
int connect_to(const char *address, unsigned source);

/* accept4 with close-on-exec and the flags given; TCP_NODELAY set on TCP. -1 when there is none or on error.
 */
int accept_from(int listener, int flags);

void set_nonblocking(int fd);

/* Send or receive exactly n bytes on a blocking descriptor, or exit. false: the peer ended before the first
 * byte. */
void put_all(int fd, const void *bytes, size_t n);
bool get_all(int fd, void *bytes, size_t n);

/* Nanoseconds: monotonic, and the processor time of a whole process (0 when it has ended). */
uint64_t now_ns(void);
uint64_t process_cpu_ns(pid_t pid);

#endif
