/* SPDX-License-Identifier: MIT */
/*
 * How users name a machine, and a file on one.
 *
 *   HOST       unix:/path/of.sock   unix:@name   tcp://127.0.0.1:7000
 *   HOST:PATH  any of these, a colon, and a path in what is served there; nothing before the colon is the
 *              default machine. A colon in a socket's path is written %3A.
 *
 * The default machine is $LANYARD_HOST, else this user's server on this machine.
 */
#ifndef LY_CLI_HOST_H
#define LY_CLI_HOST_H

#include <lanyard/address.h>
#include <lanyard/stream.h>

/*
 * Tell HOST:PATH from a local path. ret_host: LY_ADDRESS_TEXT bytes; "" for the default machine. ret_path:
 * the part of text behind the colon, "" (the top) where there is none. Returns 1; 0 (a local path: what
 * stands before its first colon, if it has one, names no machine); LY_EADDRESS (the address is too long).
 */
int ly__host_split(const char *text, char *ret_host, const char **ret_path);

/* Whether text has the form of a HOST, right or wrong, rather than of anything else. */
bool ly__host_is(const char *text);

/* The address of a host (NULL or "": the default machine). cap: LY_ADDRESS_TEXT. Returns 0 or an error of
 * ly__place_default, LY_ETOOBIG. */
int ly__host_address(const char *host, char *ret_address);

/* A connection to a host. */
struct ly__client {
    struct ly_stream *stream;
    char address[LY_ADDRESS_TEXT];
};

/* Connect. command: for the message on standard error that a failure gives. Returns 0 or the error. Suspends.
 */
int ly__client_open(struct ly__client *c, const char *command, const char *host);
void ly__client_close(struct ly__client *c);

#endif
