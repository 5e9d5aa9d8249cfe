/* SPDX-License-Identifier: MIT */
#include "fiber/trail.h"
#include "fiber/task.h"
#include <errno.h>
#include <execinfo.h>

atomic_bool ly__trail_is_read;

static __thread struct {
    uint64_t task;
    int error; /* 0: none */
    int count;
    void *frames[LY__TRAIL_MAX];
} trail;

void ly__trail_read(void)
{
    void *frame;
    backtrace(&frame, 1); /* loads what it needs now, not in the midst of an error */
    atomic_store(&ly__trail_is_read, true);
}

__attribute__((noinline)) void ly__trail_leave(int error)
{
    if (error == -EAGAIN)
        return;
    trail.task = ly_id();
    trail.error = error;
    trail.count = backtrace(trail.frames, LY__TRAIL_MAX);
}

LY__HOT void ly__trail_forget(void)
{
    trail.error = 0;
}

int ly__trail_of(int error, void *const **ret_frames)
{
    if (error == 0 || trail.error != error || trail.task != ly_id())
        return 0;
    *ret_frames = trail.frames;
    return trail.count;
}
