/* SPDX-License-Identifier: MIT */
/*
 * How users name a machine on the network: [USER@]HOST[:PORT][#ID].
 *
 *   HOST  a name, an IPv4 address, or an IPv6 address in brackets
 *   PORT  7433 if it is not said
 *   ID    the identity that the machine must have (id.h), whatever is remembered of it
 */
#ifndef LY_AUTH_PEER_H
#define LY_AUTH_PEER_H

#include "auth/id.h"
#include <stddef.h>
#include <stdint.h>

#define LY__PORT 7433 /* lanyard's own */

#define LY__PEER_USER 256 /* bytes with the zero byte, as all of these */
#define LY__PEER_HOST 254
#define LY__PEER_NAME (LY__PEER_HOST + 8)
#define LY__PEER_TEXT (LY__PEER_USER + LY__PEER_NAME + LY__ID_TEXT + 2)

struct ly__peer {
    char user[LY__PEER_USER]; /* "" where none is named */
    char host[LY__PEER_HOST]; /* in lower case, without brackets */
    uint16_t port;
    char name[LY__PEER_NAME]; /* "host:port", "[::1]:7433": what it is remembered by, and an address behind
                                 "tls://" */
    char id[LY__ID_TEXT];     /* "" where none is named */
};

/* Read all of n bytes. Returns 0 or LY_EADDRESS. */
int ly__peer_parse(struct ly__peer *ret_peer, const char *text, size_t n);

#endif
