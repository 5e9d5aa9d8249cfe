/* SPDX-License-Identifier: MIT */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

union any_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_un un;
};

_Noreturn void die(const char *what)
{
    if (errno)
        fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
    else
        fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
    exit(1);
}

uint64_t number(const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno || end == text || *end)
        die(text);
    return value;
}

static socklen_t parse_tcp(const char *text, union any_address *ret)
{
    const char *colon = strrchr(text, ':');
    char host[INET_ADDRSTRLEN];
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return 0;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = 0;
    ret->in.sin_family = AF_INET;
    ret->in.sin_port = htons((uint16_t)number(colon + 1));
    return inet_pton(AF_INET, host, &ret->in.sin_addr) == 1 ? sizeof ret->in : 0;
}

static socklen_t parse(const char *text, union any_address *ret, int *ret_type)
{
    socklen_t length = 0;
    memset(ret, 0, sizeof *ret);
    *ret_type = strncmp(text, "udp://", 6) ? SOCK_STREAM : SOCK_DGRAM;
    if (!strncmp(text, "tcp://", 6) || !strncmp(text, "udp://", 6)) {
        length = parse_tcp(text + 6, ret);
    } else if (!strncmp(text, "unix:", 5) && strlen(text + 5) < sizeof ret->un.sun_path) {
        ret->un.sun_family = AF_UNIX;
        memcpy(ret->un.sun_path, text + 5, strlen(text + 5));
        length = sizeof ret->un;
    }
    errno = 0;
    if (!length)
        die(text);
    return length;
}

int listen_on(const char *address)
{
    union any_address a;
    int one = 1, type;
    socklen_t length = parse(address, &a, &type);
    int fd = socket(a.any.sa_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) || bind(fd, &a.any, length) ||
        (type == SOCK_STREAM && listen(fd, 4096)) || getsockname(fd, &a.any, &length))
        die(address);
    if (a.any.sa_family == AF_INET)
        printf("listening %s://127.0.0.1:%u\n", type == SOCK_STREAM ? "tcp" : "udp", ntohs(a.in.sin_port));
    else
        printf("listening %s\n", address);
    fflush(stdout);
    return fd;
}

int connect_to(const char *address, unsigned source)
{
    union any_address a,
        from = {.in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK + source)}}};
    int one = 1, type;
    socklen_t length = parse(address, &a, &type);
    int fd = socket(a.any.sa_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    if (a.any.sa_family == AF_INET && type == SOCK_STREAM) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (source && bind(fd, &from.any, sizeof from.in))
            die("bind");
    }
    if (connect(fd, &a.any, length))
        die(address);
    return fd;
}

int accept_from(int listener, int flags)
{
    int one = 1;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | flags);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* fails on Unix sockets, harmlessly */
    return fd;
}

void set_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
        die("fcntl");
}

void put_all(int fd, const void *bytes, size_t n)
{
    for (const char *p = bytes; n;) {
        ssize_t r = write(fd, p, n);
        if (r <= 0)
            die("write");
        p += r;
        n -= (size_t)r;
    }
}

bool get_all(int fd, void *bytes, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = read(fd, (char *)bytes + got, n - got);
        if (r == 0 && got == 0)
            return false;
        if (r <= 0)
            die("read");
        got += (size_t)r;
    }
    return true;
}

static uint64_t read_clock(clockid_t clock)
{
    struct timespec t;
    if (clock_gettime(clock, &t))
        return 0;
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t process_cpu_ns(pid_t pid)
{
    clockid_t clock;
    return clock_getcpuclockid(pid, &clock) ? 0 : read_clock(clock);
}
