/* SPDX-License-Identifier: MIT */
/*
 * How users name a machine, and a file on one.
 *
 *   HOST       [tls://][USER@]NAME[:PORT][#ID]   unix:/path/of.sock   unix:@name   tcp://127.0.0.1:7000
 *   HOST:PATH  any of these, a colon, and a path in what is served there; nothing before the colon is the
 *              default machine. A colon in a socket's path is written %3A.
 *
 * The first form is a machine on the network (auth/peer.h). Where a path may follow, a number is its port
 * only between two colons, or before a '#': lab:7433:docs has a port, lab:7433 is the path 7433. As with scp
 * a path of this machine that has a colon before its first slash is written ./a:b.
 *
 * The default machine is $LANYARD_HOST, else this user's server on this machine.
 */
#ifndef LY_CLI_HOST_H
#define LY_CLI_HOST_H

#include "auth/peer.h"
#include <lanyard/address.h>
#include <stdbool.h>

#define LY__HOST_TLS "tls://"
#define LY__HOST_TEXT (LY__PEER_TEXT + sizeof LY__HOST_TLS) /* bytes of any HOST with its zero byte */
_Static_assert(LY__HOST_TEXT >= LY_ADDRESS_TEXT, "the other forms fit as well");

/*
 * Tell HOST:PATH from a local path. ret_host: LY__HOST_TEXT bytes; "" for the default machine. ret_path:
 * the part of text behind the colon, "" (the top) where there is none. Returns 1; 0 (a local path: no colon,
 * or a slash before the first); LY_EADDRESS (what stands before the colon names no machine).
 */
int ly__host_split(const char *text, char *ret_host, const char **ret_path);

/* Whether text cannot be anything but a HOST, right or wrong: a mere name can. */
bool ly__host_is(const char *text);

/* A machine, taken apart. */
struct ly__host {
    char address[LY__HOST_TEXT]; /* as users know it: "lab:7433", "unix:/run/s"; of the library unless is_tls
                                  */
    bool is_tls;                 /* on the network: peer says who */
    struct ly__peer peer;
};

/* Read a host (NULL or "": the default machine). Returns 0, LY_EADDRESS (it is none), LY_ETOOBIG, or an error
 * of ly__place_default. ret_host->address is the text in any case. */
int ly__host_parse(struct ly__host *ret_host, const char *host);

#endif
