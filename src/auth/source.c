/* SPDX-License-Identifier: MIT */
#include "auth/source.h"
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define MAPPED \
    12 /* bytes that make an IPv6 address stand for the IPv4 address behind them (RFC 4291, 2.5.5.2) */
#define NET_BITS 64 /* of an IPv6 address: what a subnet's machines share (RFC 4291, 2.5.4) */

static bool is_link_local(const uint8_t *host)
{
    return host[0] == 0xfe && (host[1] & 0xc0) == 0x80;
}

static bool is_mapped(const uint8_t *host)
{
    static const uint8_t mapped[MAPPED] = {[10] = 0xff, [11] = 0xff};
    return memcmp(host, mapped, sizeof mapped) == 0;
}

void ly__source_unmap(struct ly_address *peer)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = peer->u.in6.sin6_port};
    if (peer->length == 0 || peer->u.family != AF_INET6 || !is_mapped(peer->u.in6.sin6_addr.s6_addr))
        return;
    memcpy(&in.sin_addr, peer->u.in6.sin6_addr.s6_addr + MAPPED, sizeof in.sin_addr);
    peer->u.in = in;
    peer->length = sizeof in;
}

static struct ly__source of_ipv6(const uint8_t *host)
{
    struct ly__source s = {0};
    if (is_mapped(host)) {
        s.bits = 32;
        memcpy(s.host, host + MAPPED, 4);
    } else {
        s.bits = is_link_local(host) ? 128 : NET_BITS;
        memcpy(s.host, host, s.bits / 8u);
    }
    return s;
}

struct ly__source ly__source_of(const struct ly_address *peer)
{
    struct ly__source s = {0};
    if (peer->length == 0)
        return s;
    if (peer->u.family == AF_INET6)
        return of_ipv6(peer->u.in6.sin6_addr.s6_addr);
    if (peer->u.family == AF_INET) {
        s.bits = 32;
        memcpy(s.host, &peer->u.in.sin_addr, 4);
    }
    return s;
}

bool ly__source_same(const struct ly__source *a, const struct ly__source *b)
{
    return a->bits == b->bits && memcmp(a->host, b->host, sizeof a->host) == 0;
}

/* ---- SipHash-2-4 ---- */

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void mix(uint64_t v[4], int rounds)
{
    while (rounds-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] = rotate(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] = rotate(v[2], 32);
    }
}

/* Up to 8 bytes as a little-endian number. */
static uint64_t load(const uint8_t *p, size_t n)
{
    uint64_t x = 0;
    while (n-- > 0)
        x = x << 8 | p[n];
    return x;
}

uint64_t ly__siphash(const uint8_t key[LY__HASH_KEY], const void *bytes, size_t n)
{
    const uint8_t *p = bytes;
    uint64_t k0 = load(key, 8), k1 = load(key + 8, 8), word = 0;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    for (size_t left = n;; left -= 8, p += 8) {
        word = left >= 8 ? load(p, 8) : load(p, left) | (uint64_t)n << 56;
        v[3] ^= word;
        mix(v, 2);
        v[0] ^= word;
        if (left < 8)
            break;
    }
    v[2] ^= 0xff;
    mix(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t ly__source_hash(const struct ly__source *source, const uint8_t key[LY__HASH_KEY])
{
    return ly__siphash(key, source, sizeof *source); /* bytes only: there is no padding */
}

int ly__random(void *ret, size_t n)
{
    uint8_t *at = ret;
    while (n > 0) {
        ssize_t r = getrandom(at, n, 0);
        if (r < 0 && errno != EINTR)
            return -errno;
        at += r > 0 ? r : 0;
        n -= r > 0 ? (size_t)r : 0;
    }
    return 0;
}
