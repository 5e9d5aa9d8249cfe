/* SPDX-License-Identifier: MIT */
/*
 * Who may begin: the gate for connections that have not logged in.
 *
 * A stranger costs a descriptor, memory and the work of a handshake until he has logged in or his deadline
 * has passed. The gate bounds how many there are at once, in all and from one source (auth/source.h), and
 * asks the penalties first. Between `start` and `full` it turns away by chance, so that a flood of strangers
 * does not keep everybody else out with certainty, as a hard limit does. See docs/internals/admission.md.
 *
 * All functions are thread-safe, take constant time and allocate nothing, except _new, _set and _free. `now`
 * is ly_now()'s clock.
 */
#ifndef LY_AUTH_ADMISSION_H
#define LY_AUTH_ADMISSION_H

#include "auth/penalty.h"
#include "auth/source.h"

enum ly__verdict {
    LY__ADMITTED,
    LY__REFUSED_PENALTY, /* the source is refused for a while */
    LY__REFUSED_SOURCE,  /* it has as many connections as one source may */
    LY__REFUSED_EARLY,   /* turned away by chance */
    LY__REFUSED_FULL,    /* as many as may be are there */
    LY__VERDICTS
};

/* Where a number is 0, the default counts. */
struct ly__admission_options {
    unsigned start;                  /* up to so many not logged in, everybody is admitted. 10 */
    unsigned rate;                   /* then so many of 100 are turned away, rising ... 30 */
    unsigned full;                   /* ... to all of them at so many. 100; at most LY__ADMISSION_MAX */
    unsigned per_source;             /* not logged in, of one source. `start` */
    int64_t deadline_ms;             /* for handshake and login together. 30,000 */
    struct ly__penalties *penalties; /* asked first; borrowed; NULL: none */
    uint32_t (*random)(void *arg);   /* for tests: uniform 32 bits. NULL: the system's generator */
    void *random_arg;
    const uint8_t *hash_key; /* LY__HASH_KEY bytes, for tests; NULL: random */
};

#define LY__ADMISSION_MAX 65536u

/* What an admitted connection holds until ly__admission_leave. In the caller's memory. */
struct ly__ticket {
    struct ly__source source;
    bool held;
    int64_t deadline; /* of ly_now(): logged in by then, or closed */
};

struct ly__admission_counts {
    uint64_t verdicts[LY__VERDICTS];
    unsigned waiting; /* admitted and not logged in now */
};

/* Read "START:RATE:FULL", or "FULL" for a limit without chance, as operators write them. Sets these three.
 * Returns 0 or LY_EFIELD: malformed, not 1 <= START <= FULL <= LY__ADMISSION_MAX, RATE outside 1..100. */
int ly__admission_parse(struct ly__admission_options *o, const char *text);

struct ly__admission;

/* Returns 0; -EINVAL (not start <= full <= LY__ADMISSION_MAX, rate above 100), -ENOMEM, an error of
 * getrandom(2).
 */
int ly__admission_new(struct ly__admission **ret, const struct ly__admission_options *options);
void ly__admission_free(struct ly__admission *a);

/* Other numbers and another time from now on, for those who come; who waits goes on waiting. Only start,
 * rate, full, per_source and deadline_ms count. Returns 0, -EINVAL or -ENOMEM; on an error all is as before.
 */
int ly__admission_set(struct ly__admission *a, const struct ly__admission_options *options);

/* A peer has connected. Fills ret_ticket if it is admitted; any other verdict: close the connection at once,
 * without an answer, and leave ret_ticket alone. */
enum ly__verdict ly__admission_enter(struct ly__admission *a, const struct ly_address *peer, int64_t now,
                                     struct ly__ticket *ret_ticket);

/* It has logged in, or is gone. A ticket that is not held (zero, or left before) does nothing. */
void ly__admission_leave(struct ly__admission *a, struct ly__ticket *ticket);

void ly__admission_count(struct ly__admission *a, struct ly__admission_counts *ret);

/* For logs and metrics: "admitted", "penalty", "source", "early", "full". */
const char *ly__verdict_name(enum ly__verdict verdict);

#endif
