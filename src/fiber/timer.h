/* SPDX-License-Identifier: MIT */
/* Timers of one loop: a heap of deadlines. */
#ifndef LY_FIBER_TIMER_H
#define LY_FIBER_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ly__timer {
    size_t place;                      /* index in the heap + 1; 0: not set */
    void (*fire)(struct ly__timer *t); /* called once, after the timer was taken out */
};

struct ly__timers {
    struct ly__timer_entry {
        int64_t deadline;
        struct ly__timer *timer;
    } * heap; /* 4-ary, the earliest first; the deadline stands beside the pointer so that sifting stays in
                 the array */
    size_t count, capacity;
};

void ly__timers_done(struct ly__timers *h);

/* Make room so that n timers can be set without failing. Returns 0 or -ENOMEM. */
int ly__timers_reserve(struct ly__timers *h, size_t n);

/* Set a timer, or move one that is set. Room must have been reserved. */
void ly__timer_set(struct ly__timers *h, struct ly__timer *t, int64_t deadline);

/* Take a timer out; harmless if it is not set. */
void ly__timer_clear(struct ly__timers *h, struct ly__timer *t);

/* Fire all timers whose deadline is at most now. */
void ly__timers_fire(struct ly__timers *h, int64_t now);

/* The earliest deadline; INT64_MAX without timers. */
static inline int64_t ly__timers_next(const struct ly__timers *h)
{
    return h->count ? h->heap[0].deadline : INT64_MAX;
}

#endif
