/* SPDX-License-Identifier: MIT */
/*
 * How fast users with a limit may go: all sessions of one together, whichever workers serve them, both ways.
 *
 * What is kept of a user is the time at which what was moved so far will have been paid for, by the rate of
 * then (a token bucket, told by its end). Whoever moves bytes puts that time off, and waits until it is no
 * further away than the burst. So sessions share by turns, and an idle one takes nothing from the others.
 * Time is the monotonic clock's. One thread calls.
 */
#ifndef LY_DAEMON_PACE_H
#define LY_DAEMON_PACE_H

#include "base/list.h"
#include <stdint.h>

#define LY__PACE_BURST_MS 250 /* how far somebody may be ahead, who has been slow or idle */

struct ly__pace {
    struct ly__list users; /* those that have moved something: few, since they are limited one by one */
};

void ly__pace_open(struct ly__pace *p);
void ly__pace_close(struct ly__pace *p);

/* A user moves so many bytes, at rate > 0 bytes a second at most. now: of ly_now(). Returns for how many
 * milliseconds they have to wait now, or -ENOMEM. */
int64_t ly__pace_spend(struct ly__pace *p, int64_t user, int64_t rate, int64_t bytes, int64_t now);

#endif
