/* SPDX-License-Identifier: MIT */
#ifndef LY_NET_RESOLVE_H
#define LY_NET_RESOLVE_H

#include "net/address.h"

/*
 * getaddrinfo(3) for a name and port; it waits until the resolver answers or the caller's scopes end the
 * wait. The arguments are as of ly_resolve. Suspends.
 */
int ly__lookup(const struct ly__name *name, struct ly_address *list, size_t cap);

#endif
