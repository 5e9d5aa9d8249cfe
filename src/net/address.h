/* SPDX-License-Identifier: MIT */
#ifndef LY_NET_ADDRESS_H
#define LY_NET_ADDRESS_H

#include <lanyard/address.h>

#define LY__HOST_MAX 253 /* characters of a host name (RFC 1035, 2.3.4, without the root's dot) */

/* What an address's text says of a host that is not numeric. */
struct ly__name {
    char host[LY__HOST_MAX + 1]; /* "" when the host is empty */
    uint16_t port;
    bool empty; /* "tcp://:port" */
    int type;   /* SOCK_... */
};

/* The type of the sockets that an address is for. */
static inline int ly__address_type(const struct ly_address *a)
{
    return a->type ? a->type : SOCK_STREAM;
}

#define LY__TLS_SCHEME "tls://"

struct ly__scheme {
    const char *prefix;
    sa_family_t family; /* AF_UNIX, or AF_UNSPEC for both of the Internet's */
    int type;           /* SOCK_... */
};
#define LY__SCHEMES 6
extern const struct ly__scheme ly__schemes[LY__SCHEMES];

/* The bytes of a Unix address's name: a path without its zero byte, an abstract name with its leading one;
 * none: length 0. */
const char *ly__unix_name(const struct ly_address *a, size_t *ret_length);
bool ly__address_is_unix(const struct ly_address *a);

/*
 * As ly_address_parse; *ret_name is filled where LY_ENONAME is returned and where the host is empty (then
 * ret_address is the IPv6 any address and the return 0).
 */
int ly__address_read(struct ly_address *ret_address, const char *text, struct ly__name *ret_name);

/* Fill in an Internet address: 4 or 16 bytes of host in network order, port in host order. */
void ly__address_set_in(struct ly_address *a, const void *host, uint16_t port);
void ly__address_set_in6(struct ly_address *a, const void *host, uint16_t port, uint32_t scope);

/* Read a host alone, n bytes of it and without brackets: an IPv4 or IPv6 address, "<broadcast>", a name
 * (LY_ENONAME: *ret_name is filled), or nothing. */
int ly__host_read(struct ly_address *ret_address, const char *host, size_t n, uint16_t port,
                  struct ly__name *ret_name);

/* Take over a length that the kernel gave for a->u, which may exceed the room there was, and the type of the
 * socket that was asked. */
void ly__address_set_length(struct ly_address *a, socklen_t length, int type);

#endif
