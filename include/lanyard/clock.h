/* SPDX-License-Identifier: MIT */
/*
 * Time: the monotonic clock, time-outs and deadlines.
 *
 * A time-out is a duration in milliseconds: LY_FOREVER waits without end, 0 does not wait. A deadline is a
 * point of ly_now(), in nanoseconds; LY_NEVER has none.
 */
#ifndef LANYARD_CLOCK_H
#define LANYARD_CLOCK_H

#include <lanyard/error.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LY_FOREVER ((int64_t)-1)
#define LY_NEVER INT64_MAX

/*
 * The time-out of so many seconds, rounded up to whole milliseconds, so that only 0 gives 0. -EINVAL, which
 * no socket takes for a time-out: negative, not a number, or above 2^53 ms.
 */
LY_API int64_t ly_milliseconds(double seconds);

/* The monotonic clock (CLOCK_MONOTONIC) in nanoseconds. Never fails, never runs backwards. */
LY_API int64_t ly_now(void);

/*
 * The deadline a time-out of this many milliseconds from now gives. LY_FOREVER and times beyond the range
 * give LY_NEVER; 0 gives a deadline that has passed.
 */
LY_API int64_t ly_deadline(int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
