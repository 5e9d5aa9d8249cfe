/* SPDX-License-Identifier: MIT */
/*
 * How long the answer to a failed login takes.
 *
 * The answer comes at a moment that depends on the name alone: on a secret's hash of it, and on how often
 * logins by this name have failed of late. Whether there is such a user does not matter, so it cannot be
 * measured; and whoever tries passwords waits longer each time. A login that succeeds never waits: nobody
 * locks a user out by failing.
 */
#ifndef LY_AUTH_FAILURES_H
#define LY_AUTH_FAILURES_H

#include <stdint.h>

#define LY__FAILURE_LEAST_MS 100 /* the first answer comes after this and up to as long again */
#define LY__FAILURE_MOST_MS 5000
#define LY__FAILURE_FORGET_MS 600000 /* without another one, failures are forgotten */

struct ly__failures;

/* Remembers a fixed number of names, some 100 KiB. Returns 0, -ENOMEM or an error of getrandom(2). */
int ly__failures_new(struct ly__failures **ret_failures);
void ly__failures_free(struct ly__failures *f);

/*
 * Note that a login by a name has failed. now is a monotonic clock in milliseconds. Returns for
 * how many milliseconds, counted from the login's first message, nothing may be answered.
 */
int64_t ly__failures_note(struct ly__failures *f, const char *name, int64_t now);

/* Note that one has succeeded: the name's failures are forgotten. */
void ly__failures_clear(struct ly__failures *f, const char *name);

#endif
