/* SPDX-License-Identifier: MIT */
/*
 * What the runtime says when something is wrong: a list of a loop's fibers, and the end of a wait of all for
 * each other.
 *
 * A deadlock is certain, not guessed: no fiber is ready, no timer is set, no descriptor is watched, nothing
 * runs on the offload pool and no shared channel is waited for. The waits then end with -EDEADLK, because a
 * program that hangs for ever helps nobody, and a handler passes the error on like any other.
 */
#include "fiber/loop.h"
#include <errno.h>
#include <lanyard/log.h>
#include <stdio.h>
#include <string.h>

static size_t add_line(char *buf, size_t cap, size_t used, const struct ly__task *t)
{
    int n = snprintf(buf + used, cap - used, "fiber %llu \"%s\" %s%s\n", (unsigned long long)t->id, t->name,
                     t->waits_for ? "waits for " : "is running or ready", t->waits_for ? t->waits_for : "");
    if (n < 0 || (size_t)n >= cap - used)
        return cap - 1;
    return used + (size_t)n;
}

size_t ly__loop_report(struct ly__loop *l, char *buf, size_t cap)
{
    size_t used = 0;
    buf[0] = 0;
    ly__list_each (s, &l->scopes) {
        struct ly_scope *scope = ly__container_of(s, struct ly_scope, in_loop);
        ly__list_each (t, &scope->tasks) {
            if (used + 1 >= cap)
                return used;
            used = add_line(buf, cap, used, ly__container_of(t, struct ly__task, in_scope));
        }
    }
    return used;
}

/* By hand: snprintf is not async-signal-safe. Control characters may come from a peer and never reach a
 * terminal. */
size_t ly__loop_describe_stack(void *low, char *buf, size_t cap)
{
    struct ly__loop *l = ly__loop_here;
    struct ly__fiber *f = l ? l->running : NULL;
    char digits[24];
    size_t ndigits = 0, n = 0;

    if (!f || f->stack != low || cap < sizeof "fiber \"\"" + sizeof digits + LY__NAME_MAX)
        return 0;
    for (uint64_t id = f->task.id; id || ndigits == 0; id /= 10)
        digits[ndigits++] = (char)('0' + id % 10);
    for (const char *p = "fiber "; *p; p++)
        buf[n++] = *p;
    while (ndigits)
        buf[n++] = digits[--ndigits];
    if (!f->task.name[0])
        return n;
    buf[n++] = ' ';
    buf[n++] = '"';
    for (const char *p = f->task.name; *p; p++)
        buf[n++] = (unsigned char)*p < ' ' || *p == 127 ? '?' : *p;
    buf[n++] = '"';
    return n;
}

static void tell(struct ly__loop *l)
{
    static const char title[] = "every fiber of the loop waits for another one\n";
    char report[4096];
    memcpy(report, title, sizeof title);
    ly__loop_report(l, report + sizeof title - 1, sizeof report - sizeof title);
    if (l->hooks && l->hooks->deadlock)
        l->hooks->deadlock(report);
    else
        ly_log(LY_LOG_ERROR, "fiber", "deadlock", LY_STR("report", report));
}

void ly__loop_break_deadlock(struct ly__loop *l)
{
    tell(l);
    ly__list_each (s, &l->scopes) {
        struct ly_scope *scope = ly__container_of(s, struct ly_scope, in_loop);
        ly__list_each (t, &scope->tasks) {
            struct ly__fiber *f = ly__fiber_of(ly__container_of(t, struct ly__task, in_scope));
            if (f->parked && f->wait_deadline != LY__UNINTERRUPTED)
                ly__fiber_wake(f, -EDEADLK);
        }
    }
}

/*
 * What scripts/gdb/lanyard.py has to know of our structs, in its order: so it works where the debug
 * information is missing. A change in the order or number of entries is a new version.
 */
extern const uint32_t ly__debugger_layout[];
__attribute__((used)) const uint32_t ly__debugger_layout[] = {
    1, /* version */
#ifdef LY__UCONTEXT
    1,
#else
    0,
#endif
    offsetof(struct ly__loop, in_loops),
    offsetof(struct ly__loop, running),
    offsetof(struct ly__loop, scopes),
    offsetof(struct ly__loop, stacks.size),
    offsetof(struct ly_scope, in_loop),
    offsetof(struct ly_scope, tasks),
    offsetof(struct ly_scope, name),
    offsetof(struct ly__task, in_scope),
    offsetof(struct ly__task, id),
    offsetof(struct ly__task, name),
    LY__NAME_MAX,
    offsetof(struct ly__task, waits_for),
    offsetof(struct ly__task, fn),
    offsetof(struct ly__fiber, context.sp),
    offsetof(struct ly__fiber, parked),
    offsetof(struct ly__fiber, stack),
};
