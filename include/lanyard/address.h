/* SPDX-License-Identifier: MIT */
/*
 * Socket addresses and their text.
 *
 *   tcp://host:port       host: a name, an IPv4 address, an IPv6 address in brackets, "<broadcast>", or
 *                         nothing for any address (dual stack)
 *   tls://host:port       the same, to listen or connect with TLS (tls.h); it is printed as tcp://
 *   udp://host:port       the same for datagrams
 *   unix:path             a stream socket's path, of at most 107 bytes
 *   unix:@name            an abstract name
 *   unix:                 no name; binding to it makes the system choose an abstract one
 *   unix-dgram:...        the same three for datagrams
 *   unix-seqpacket:...    and for connections that keep the borders of messages
 *
 * In paths and abstract names, bytes that are not printable are written %XX, '%' as %25.
 */
#ifndef LANYARD_ADDRESS_H
#define LANYARD_ADDRESS_H

#include <lanyard/error.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ly_address {
    socklen_t length; /* bytes of the union in use; 0: no address (an unbound Unix peer) */
    int type;         /* SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET, SOCK_RAW; 0 counts as SOCK_STREAM */
    union {
        sa_family_t family;
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    } u;
};

/* The longest text ly_address_format gives, with its zero byte: 108 bytes of a Unix name, each as %XX, and
 * the prefix. */
#define LY_ADDRESS_TEXT 352

/*
 * Read an address whose host, if it has one, is numeric or empty. Nothing is resolved.
 * Returns 0; LY_EADDRESS (malformed, path too long, port outside 0..65535); LY_ENONAME (the host is a name:
 * see ly_resolve).
 */
LY_API int ly_address_parse(struct ly_address *ret_address, const char *text);

/* Print it in the forms above, by its type ("unix:" and the like for no address; a raw socket's begins with
 * "raw://", which is not read back). cap: bytes of buf, best LY_ADDRESS_TEXT; the text is
 * cut to fit and always ends with a zero byte. Returns the length of the whole text. */
LY_API size_t ly_address_format(const struct ly_address *address, char *buf, size_t cap);

/*
 * Make an Internet address of its parts, as a program that keeps (host, port) pairs has them.
 * type   SOCK_STREAM, SOCK_DGRAM, SOCK_RAW
 * host   numeric, "<broadcast>", or "" for any address; IPv6 without brackets
 * port   0..65535
 * Returns 0; LY_EADDRESS (malformed, or the port out of range); LY_ENONAME (the host is a name).
 */
LY_API int ly_address_make(struct ly_address *ret_address, int type, const char *host, int64_t port);

/* Set the further parts of an IPv6 address. Returns 0 or LY_EADDRESS: flow outside 0..1048575, scope outside
 * 0..2^32-1, or not IPv6. */
LY_API int ly_address_set_flow(struct ly_address *address, int64_t flow, int64_t scope);

/* Print the host alone, an IPv6 one without brackets; of a Unix address the name as above. cap and result as
 * of ly_address_format. */
LY_API size_t ly_address_host(const struct ly_address *address, char *buf, size_t cap);

/* Whether both name the same family, host, port and scope, or the same Unix name, whatever their types. */
LY_API bool ly_address_equal(const struct ly_address *a, const struct ly_address *b);

/* The port in host order; -1 for a Unix address. */
LY_API int ly_address_port(const struct ly_address *address);

/* Whether only this machine can reach it: a Unix address, 127.0.0.0/8, ::1 or ::ffff:127.0.0.0/104. */
LY_API bool ly_address_is_local(const struct ly_address *address);

/*
 * Read a network: "192.0.2.0/24", "192.0.2.0/255.255.255.0", "2001:db8::/32", or a host for itself alone.
 * ret_prefix   how many leading bits of the host name the network
 * Returns 0; LY_EADDRESS (malformed, a mask with gaps, or bits set behind the prefix).
 */
LY_API int ly_network_parse(struct ly_address *ret_network, int *ret_prefix, const char *text);

/* Whether the first prefix bits of both hosts are the same: whether they are on one network. IPv4 addresses
 * in IPv6's form (::ffff:a.b.c.d) count as IPv4. false for a prefix out of range and for Unix addresses. */
LY_API bool ly_address_in_network(const struct ly_address *address, const struct ly_address *network,
                                  int prefix);

/* The port of a service by its name ("http"), and the name by the port, as the system's table has them; the
 * best known ones also where there is no table. protocol: "tcp", "udp", NULL for either. ly_service_name
 * prints it and returns its length. LY_ENONAME: there is none; -EINVAL: no port. They read files. Source:
 * services(5). */
LY_API int ly_service_port(const char *name, const char *protocol);
LY_API int ly_service_name(int port, const char *protocol, char *buf, size_t cap);

/*
 * Read an address, resolving a host name off the loop. passive: for listening (an empty host is any address),
 * else for connecting (an empty host is loopback).
 *
 * list, cap   the addresses, in the resolver's order without repetitions
 *
 * Returns how many were stored, at least 1. Errors: LY_EADDRESS, LY_ENONAME, LY_ERESOLVE, -ENOMEM,
 * -ETIMEDOUT, -ECANCELED. Suspends. Source: getaddrinfo(3).
 */
LY_API int ly_resolve(const char *text, bool passive, struct ly_address *list, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
