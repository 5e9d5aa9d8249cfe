/* SPDX-License-Identifier: MIT */
/* Addresses made of parts, and networks. */
#include "net/address.h"
#include <arpa/inet.h>
#include <string.h>

#define FLOW_MAX 0xfffff
#define MAPPED_BITS 96 /* in front of an IPv4 address in IPv6's form */

int ly_address_make(struct ly_address *ret_address, int type, const char *host, int64_t port)
{
    struct ly__name name;
    struct ly_address a;

    if (port < 0 || port > UINT16_MAX)
        return LY_EADDRESS;
    int r = ly__host_read(&a, host, strlen(host), (uint16_t)port, &name);
    if (r < 0)
        return r;
    a.type = type;
    *ret_address = a;
    return 0;
}

int ly_address_set_flow(struct ly_address *address, int64_t flow, int64_t scope)
{
    if (address->length < sizeof address->u.in6 || address->u.family != AF_INET6 || flow < 0 ||
        flow > FLOW_MAX || scope < 0 || scope > UINT32_MAX)
        return LY_EADDRESS;
    address->u.in6.sin6_flowinfo = htonl((uint32_t)flow);
    address->u.in6.sin6_scope_id = (uint32_t)scope;
    return 0;
}

/* ---- networks ---- */

/* The bits of a host in network order, NULL where it has none. */
static const unsigned char *bits_of(const struct ly_address *a, int *ret_count)
{
    *ret_count = 0;
    if (ly__address_is_unix(a))
        return NULL;
    if (a->u.family == AF_INET) {
        *ret_count = 32;
        return (const unsigned char *)&a->u.in.sin_addr;
    }
    if (a->u.family != AF_INET6)
        return NULL;
    bool mapped = IN6_IS_ADDR_V4MAPPED(&a->u.in6.sin6_addr);
    *ret_count = mapped ? 32 : 128;
    return a->u.in6.sin6_addr.s6_addr + (mapped ? MAPPED_BITS / 8 : 0);
}

static bool bit(const unsigned char *bits, int i)
{
    return bits[i / 8] >> (7 - i % 8) & 1;
}

bool ly_address_in_network(const struct ly_address *address, const struct ly_address *network, int prefix)
{
    int count, network_count;
    const unsigned char *a = bits_of(address, &count), *b = bits_of(network, &network_count);

    if (!a || !b || count != network_count || prefix < 0 || prefix > count)
        return false;
    for (int i = 0; i < prefix; i++) {
        if (bit(a, i) != bit(b, i))
            return false;
    }
    return true;
}

static bool is_zero_from(const unsigned char *bits, int at, int count)
{
    for (; at < count; at++) {
        if (bit(bits, at))
            return false;
    }
    return true;
}

/* A decimal number. Returns it, or LY_EADDRESS where it is none or above max. */
static int read_bits(const char *s, int max)
{
    int n = 0;
    for (; *s && n <= max; s++) {
        if (*s < '0' || *s > '9')
            return LY_EADDRESS;
        n = n * 10 + (*s - '0');
    }
    return n <= max ? n : LY_EADDRESS;
}

/* "24" or "255.255.255.0", of a host of count bits. Returns the number of bits, or LY_EADDRESS. */
static int read_prefix(const char *s, int count)
{
    struct ly_address mask;
    int mask_count, n = 0;

    if (!*s)
        return LY_EADDRESS;
    if (!strpbrk(s, ".:"))
        return read_bits(s, count);
    if (ly_address_make(&mask, SOCK_STREAM, s, 0) < 0)
        return LY_EADDRESS;
    const unsigned char *bits = bits_of(&mask, &mask_count);
    if (mask_count != count)
        return LY_EADDRESS;
    while (n < count && bit(bits, n))
        n++;
    return is_zero_from(bits, n, count) ? n : LY_EADDRESS;
}

int ly_network_parse(struct ly_address *ret_network, int *ret_prefix, const char *text)
{
    struct ly_address network;
    struct ly__name name;
    int count;
    size_t n = strcspn(text, "/");

    if (n == 0 || ly__host_read(&network, text, n, 0, &name) < 0)
        return LY_EADDRESS;
    const unsigned char *bits = bits_of(&network, &count);
    int prefix = text[n] ? read_prefix(text + n + 1, count) : count;
    if (prefix < 0 || !is_zero_from(bits, prefix, count))
        return LY_EADDRESS;
    network.type = SOCK_STREAM;
    *ret_network = network;
    *ret_prefix = prefix;
    return 0;
}
