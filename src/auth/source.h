/* SPDX-License-Identifier: MIT */
/*
 * Where a connection comes from, as limits and penalties count it: by what one party has cheaply, not by
 * address.
 *
 *   IPv4                        the address; ::ffff:a.b.c.d is a.b.c.d
 *   IPv6                        the /64, in which a machine picks addresses as it likes
 *   IPv6, link-local (fe80::)   the address: there is one such /64 for all the machines on a cable
 *   Unix sockets, no address    nothing: such a peer is known by its credentials, and never counted here
 */
#ifndef LY_AUTH_SOURCE_H
#define LY_AUTH_SOURCE_H

#include <lanyard/address.h>
#include <stdbool.h>
#include <stdint.h>

/* Zero in whole: no source. Two are the same if all bytes are. */
struct ly__source {
    uint8_t bits;     /* leading bits of the host that count: 32, 64, 128; 0: no source */
    uint8_t host[16]; /* in network order, what does not count is zero */
};

#define LY__HASH_KEY 16 /* bytes */

struct ly__source ly__source_of(const struct ly_address *peer);

/* A listener for both families takes an IPv4 peer as [::ffff:192.0.2.7]: from here on it is 192.0.2.7, to the
 * gate, in the trail, in logs and for people. Other addresses stay as they are. */
void ly__source_unmap(struct ly_address *peer);

bool ly__source_same(const struct ly__source *a, const struct ly__source *b);

/* A hash that who does not know the key cannot steer: SipHash-2-4 (Aumasson, Bernstein 2012). */
uint64_t ly__source_hash(const struct ly__source *source, const uint8_t key[LY__HASH_KEY]);
uint64_t ly__siphash(const uint8_t key[LY__HASH_KEY], const void *bytes, size_t n);

/* A key for it, or what else must not be guessed: n bytes of the system's generator. Returns 0 or an error of
 * getrandom(2). */
int ly__random(void *ret, size_t n);

#endif
