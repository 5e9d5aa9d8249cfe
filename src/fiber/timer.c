/* SPDX-License-Identifier: MIT */
#include "fiber/timer.h"
#include <errno.h>
#include <stdlib.h>

static void put(struct ly__timers *h, size_t i, struct ly__timer_entry e)
{
    h->heap[i] = e;
    e.timer->place = i + 1;
}

static void sift_up(struct ly__timers *h, size_t i, struct ly__timer_entry e)
{
    while (i > 0) {
        size_t parent = (i - 1) / 4;
        if (h->heap[parent].deadline <= e.deadline)
            break;
        put(h, i, h->heap[parent]);
        i = parent;
    }
    put(h, i, e);
}

static size_t earliest_child(const struct ly__timers *h, size_t i)
{
    size_t first = 4 * i + 1, best = first;
    for (size_t c = first + 1; c < first + 4 && c < h->count; c++)
        if (h->heap[c].deadline < h->heap[best].deadline)
            best = c;
    return best;
}

static void sift_down(struct ly__timers *h, size_t i, struct ly__timer_entry e)
{
    while (4 * i + 1 < h->count) {
        size_t child = earliest_child(h, i);
        if (h->heap[child].deadline >= e.deadline)
            break;
        put(h, i, h->heap[child]);
        i = child;
    }
    put(h, i, e);
}

void ly__timers_done(struct ly__timers *h)
{
    free(h->heap);
    *h = (struct ly__timers){0};
}

int ly__timers_reserve(struct ly__timers *h, size_t n)
{
    if (n <= h->capacity)
        return 0;
    size_t capacity = h->capacity ? h->capacity : 64;
    while (capacity < n)
        capacity *= 2;
    void *heap = realloc(h->heap, capacity * sizeof *h->heap);
    if (!heap)
        return -ENOMEM;
    h->heap = heap;
    h->capacity = capacity;
    return 0;
}

void ly__timer_set(struct ly__timers *h, struct ly__timer *t, int64_t deadline)
{
    ly__timer_clear(h, t);
    sift_up(h, h->count++, (struct ly__timer_entry){deadline, t});
}

void ly__timer_clear(struct ly__timers *h, struct ly__timer *t)
{
    if (!t->place)
        return;
    size_t i = t->place - 1;
    t->place = 0;
    struct ly__timer_entry last = h->heap[--h->count];
    if (last.timer == t)
        return;
    if (i > 0 && h->heap[(i - 1) / 4].deadline > last.deadline)
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
}

void ly__timers_fire(struct ly__timers *h, int64_t now)
{
    while (h->count && h->heap[0].deadline <= now) {
        struct ly__timer *t = h->heap[0].timer;
        ly__timer_clear(h, t);
        t->fire(t);
    }
}
