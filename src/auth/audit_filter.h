/* SPDX-License-Identifier: MIT */
/* Which records of the trail are asked for. */
#ifndef LY_AUTH_AUDIT_FILTER_H
#define LY_AUTH_AUDIT_FILTER_H

#include "auth/audit_line.h"
#include <lanyard/address.h>

/* Texts are borrowed; NULL: any. */
struct ly__audit_filter {
    const char *user; /* "": records without a user */
    const char *from; /* an address, a network, or a device */
    const char *what;
    const char *result;   /* "ok", "begun", "error" (any), or an error's name */
    int64_t since, until; /* in microseconds since 1970; since <= time < until */
    /* set by _from: */
    struct ly_address network;
    int prefix; /* negative: from is no network */
};

/* An empty filter, which every record passes. */
struct ly__audit_filter ly__audit_filter_any(void);

/* Ask for records from an address, with its port or without, a network ("192.0.2.0/24", "2001:db8::1"), or
 * those whose device is this text. Returns 0, or LY_EFIELD: it is none of these, and no record is meant. */
int ly__audit_filter_from(struct ly__audit_filter *f, const char *text);

bool ly__audit_filter_passes(const struct ly__audit_filter *f, const struct ly__audit_view *v);

#endif
