/* SPDX-License-Identifier: MIT */
/*
 * Penalties by source (auth/source.h): who misbehaves is refused for a while.
 *
 * Each offence puts the source in debt by its kind's weight, which is a time. Debts go away as time does, a
 * second a second. A debt that reaches `enforce` has the source refused until all of it is gone; a smaller
 * one is only remembered. See docs/internals/admission.md.
 *
 * All functions are thread-safe. Only _new and _set allocate; the others take constant time. `now` is
 * ly_now()'s clock.
 */
#ifndef LY_AUTH_PENALTY_H
#define LY_AUTH_PENALTY_H

#include <lanyard/address.h>
#include <stdint.h>

enum ly__offence {
    LY__OFFENCE_LOGIN,    /* a login failed: name, password, key or code */
    LY__OFFENCE_SILENT,   /* no login before the deadline, or left without trying */
    LY__OFFENCE_PROTOCOL, /* what came was no TLS, or no frame */
    LY__OFFENCE_CRASH,    /* the worker that served it crashed */
    LY__OFFENCES
};

#define LY__EXEMPTS_MAX 1024

/* A network whose hosts are never penalised, as ly_network_parse gives it. */
struct ly__exempt {
    struct ly_address network;
    int prefix;
};

/* Where a number is 0, the default counts. */
struct ly__penalty_options {
    int64_t weight_ms[LY__OFFENCES]; /* 5,000; 1,000; 10,000; 90,000. Negative: this kind is no offence */
    int64_t enforce_ms;              /* a debt of this much is enforced. 15,000 */
    int64_t most_ms;                 /* no debt is larger. 600,000 */
    unsigned sources;                /* how many are remembered, 32 bytes each; rounded up. 65,536 */
    const struct ly__exempt *exempt; /* copied */
    unsigned exempts;                /* at most LY__EXEMPTS_MAX */
    const uint8_t *hash_key;         /* LY__HASH_KEY bytes, for tests; NULL: random */
};

struct ly__penalty_counts {
    uint64_t offences; /* that were charged to a source */
    uint64_t refusals; /* times a source was told to wait */
    uint64_t crowded;  /* offences of new sources that found no room, and only lowered another's debt */
    uint64_t evicted;  /* debts that were forgotten this way before their time */
    uint64_t in_force; /* sources that are refused now */
};

struct ly__penalties;

/* Returns 0; -EINVAL (enforce above most, a time above 10^12 ms, more sources than 2^24, too many networks),
 * -ENOMEM, an error of getrandom(2). */
int ly__penalties_new(struct ly__penalties **ret, const struct ly__penalty_options *options);
void ly__penalties_free(struct ly__penalties *p);

/* Other weights, times and networks from now on; the debts stay, and so does their number. Returns 0, -EINVAL
 * or -ENOMEM; on an error all is as before. */
int ly__penalties_set(struct ly__penalties *p, const struct ly__penalty_options *options);

/* Charge a peer for an offence. A peer without a source (a Unix socket's) and an exempt one are not charged.
 */
void ly__penalties_add(struct ly__penalties *p, const struct ly_address *peer, enum ly__offence kind,
                       int64_t now);

/* For how many milliseconds the peer is still to be refused, rounded up; 0: it is not. */
int64_t ly__penalties_left(struct ly__penalties *p, const struct ly_address *peer, int64_t now);

/* The same, to tell somebody who is not refused by it now: it does not count as a refusal. */
int64_t ly__penalties_ahead(struct ly__penalties *p, const struct ly_address *peer, int64_t now);

/* Looks at all that is remembered: for people and monitoring, not for each connection. */
void ly__penalties_count(struct ly__penalties *p, int64_t now, struct ly__penalty_counts *ret);

#endif
