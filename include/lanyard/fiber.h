/* SPDX-License-Identifier: MIT */
/*
 * Fibers: plain blocking code by the hundred thousand on one thread.
 *
 * ly_run turns the calling thread into a loop and runs a function in its first fiber. Fibers live in scopes:
 * whoever opens a scope starts fibers in it and closes it, which cancels those that still run and waits for
 * all of them. A fiber stays on the thread that started it. Everything here also works outside a loop, where
 * the same calls start and suspend threads; a handler does not have to know.
 *
 * A call that "suspends" gives way to other fibers of its loop (outside a loop it blocks its thread). Every
 * such call ends early with -ETIMEDOUT at the deadline of an enclosing scope and with -ECANCELED once an
 * enclosing scope is cancelled; a task that is cancelled gets -ECANCELED from each further call that
 * suspends, except under a shield.
 */
#ifndef LANYARD_FIBER_H
#define LANYARD_FIBER_H

#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef int ly_task_fn(void *arg);

/* ---- the loop ---- */

/* Told by the runtime when something is wrong with the program; called on the thread concerned unless noted.
 */
struct ly_run_hooks {
    /* A fiber held its loop for longer than stall_ms. Called on the watchdog's thread. report: several lines,
     * the fiber's name and its stack; borrowed. NULL: the report goes to the log as a warning. */
    void (*stall)(const char *report);
    /* Every fiber of the loop waits for another one. report: a line per fiber, with what it waits for;
     * borrowed. NULL: the report goes to the log as an error. The waits then end with -EDEADLK. */
    void (*deadlock)(const char *report);
};

struct ly_run_options {
    /* "epoll", "io_uring", "poll", "select"; NULL: LY_REACTOR from the environment, else epoll. A comma list
     * is tried in order; one that the kernel refuses is passed over and the reason logged; epoll, poll are
     * tried last unless the name ends in '!' */
    const char *reactor;
    size_t stack_size; /* bytes of a fiber's stack, rounded up to pages; 0: 256 KiB */
    /* how long one fiber may hold the loop before the watchdog reports it; 0: never */
    int64_t stall_ms;
    const struct ly_run_hooks *hooks; /* borrowed while the loop runs; NULL: the defaults named above */
};

/*
 * Run fn(arg) in the first fiber of a loop on the calling thread, until it returns.
 *
 * options   NULL for the defaults
 *
 * Returns what fn returned, or LY_ENOREACTOR, -ENOMEM, -EMFILE (the loop could not be set up; fn did not
 * run), -EBUSY (this thread runs a loop already).
 */
LY_API int ly_run(ly_task_fn *fn, void *arg, const struct ly_run_options *options);

/* The name of the reactor under the calling fiber; "thread" outside a loop. Static. */
LY_API const char *ly_reactor_name(void);

/* ---- scopes ---- */

struct ly_scope;

struct ly_scope_options {
    /* ly_now() nanoseconds at which everything below the scope times out; 0 or LY_NEVER: none of its own */
    int64_t deadline;
    /* calls inside are not ended by what surrounds the scope, neither its cancellation nor its deadline */
    bool shield;
    const char *name; /* shown in reports; borrowed for the scope's life; NULL: the opener's name */
};

/*
 * Open a scope inside the caller's current one and make it current. options NULL: no deadline, no shield.
 * The scope belongs to the calling task, which must close it; scopes close in the reverse order of opening.
 * Returns 0 or -ENOMEM.
 */
LY_API int ly_scope_open(struct ly_scope **ret_scope, const struct ly_scope_options *options);

/*
 * Wait until every task of the scope has ended. Only the scope's owner may call it. Suspends.
 * Returns 0, -ETIMEDOUT or -ECANCELED (tasks may still run; close the scope).
 */
LY_API int ly_scope_join(struct ly_scope *s);

/*
 * Cancel what still runs, wait for all of it, and free the scope. NULL is accepted. Suspends; neither a
 * deadline nor a cancellation ends it early, since no task may outlive its scope.
 */
LY_API void ly_scope_close(struct ly_scope *s);

/* Cancel everything below the scope: each call that suspends, or will, returns -ECANCELED. May be called from
 * any thread while the scope is open, any number of times. */
LY_API void ly_scope_cancel(struct ly_scope *s);

/* Move the scope's deadline (nanoseconds of ly_now(); LY_NEVER: none). Only on the scope's own thread. Waits
 * that have begun notice it. */
LY_API void ly_scope_set_deadline(struct ly_scope *s, int64_t deadline);

/*
 * Start fn(arg) as a task of the scope; it runs when the caller next suspends. Its result is dropped.
 * Callable from the scope's own thread (the owner or a task below it).
 * Returns 0, -ENOMEM, -EAGAIN (no thread could be started), -ECANCELED (the scope is cancelled).
 */
LY_API int ly_go(struct ly_scope *s, ly_task_fn *fn, void *arg);

/* ---- awaiting a result ---- */

struct ly_future;

/* As ly_go, with a handle for the result. The handle is freed by ly_await, or by closing the scope. */
LY_API int ly_async(struct ly_scope *s, struct ly_future **ret_future, ly_task_fn *fn, void *arg);

/*
 * Wait for the task's end and give its result; the handle is then gone. Suspends.
 * Returns what the task's function returned. Where the wait itself ends early, -ECANCELED or -ETIMEDOUT, and
 * the handle stays usable; *ret_done (may be NULL) tells the two apart: true once the task has ended.
 */
LY_API int ly_await(struct ly_future *f, bool *ret_done);

/* ---- the calling task ---- */

/* Suspend for at least this many milliseconds (0: let the others run once). Returns 0, -ECANCELED,
 * -ETIMEDOUT, or -EINVAL (below LY_FOREVER). */
LY_API int ly_sleep(int64_t ms);

/* 0, or the error (-ECANCELED, -ETIMEDOUT) that the next call that suspends would give. For long
 * computations. */
LY_API int ly_cancelled(void);

/* Name the calling task for logs and reports. At most 71 bytes are kept. */
LY_API void ly_set_name(const char *name);

/* The name of the calling task; "" when it has none. Valid until the task ends or is renamed. */
LY_API const char *ly_name(void);

/* A number that is unique among the tasks of this process; 0 in a thread the library has not met. */
LY_API uint64_t ly_id(void);

/*
 * Run fn(arg), which may block, on the offload pool's threads, and wait for it. Outside a loop it is called
 * directly. Suspends; once fn has begun it is waited for, whatever is cancelled meanwhile. Returns what fn
 * returned; -ECANCELED or -ETIMEDOUT (it never began); -EAGAIN (no thread could be started).
 */
LY_API int ly_offload(ly_task_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif
#endif
