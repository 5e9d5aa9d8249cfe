/* SPDX-License-Identifier: MIT */
/*
 * Trails: which calls led to an error.
 *
 * In C an error is a number that is handed back from call to call; by the time somebody reports it, the calls
 * that led to it have returned. So where a call of this library fails it leaves the chain of its callers
 * behind, one for each thread, the latest. Whoever reports an error of the same task finds it there. It costs
 * a microsecond for each failing call, so it is left only once somebody has said that he reads it.
 */
#ifndef LY_FIBER_TRAIL_H
#define LY_FIBER_TRAIL_H

#include <stdatomic.h>

#define LY__TRAIL_MAX 24 /* calls kept, the innermost */

extern atomic_bool ly__trail_is_read;

/* From now on trails are left. */
void ly__trail_read(void);

void ly__trail_leave(int error);
void ly__trail_forget(void);

/* A call fails with this error, which is returned. Of those that are not worth it, EAGAIN leaves none. */
static inline long ly__failed(long error)
{
    if (__builtin_expect(atomic_load_explicit(&ly__trail_is_read, memory_order_relaxed), 0))
        ly__trail_leave((int)error);
    return error;
}

/* The chain that led to this error of the calling task, the innermost first. Returns its length; 0 where none
 * is known. */
int ly__trail_of(int error, void *const **ret_frames);

#endif
