/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <lanyard/clock.h>
#include <time.h>

#define NS_PER_S 1000000000
#define NS_PER_MS 1000000
#define MS_PER_S 1000
#define MS_MAX (INT64_C(1) << 53)

int64_t ly_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t); /* fails only for a bad clock or pointer */
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t ly_milliseconds(double seconds)
{
    double ms = seconds * MS_PER_S;
    if (!(ms >= 0 && ms <= (double)MS_MAX)) /* so that what is no number is refused too */
        return -EINVAL;
    int64_t whole = (int64_t)ms;
    return (double)whole < ms ? whole + 1 : whole;
}

int64_t ly_deadline(int64_t timeout_ms)
{
    int64_t span, deadline;
    if (timeout_ms == 0)
        return 0; /* long past, and known without asking the clock */
    if (timeout_ms < 0 || __builtin_mul_overflow(timeout_ms, NS_PER_MS, &span) ||
        __builtin_add_overflow(ly_now(), span, &deadline))
        return LY_NEVER;
    return deadline;
}
