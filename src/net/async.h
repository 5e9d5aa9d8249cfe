/* SPDX-License-Identifier: MIT */
/* Inside of asynchronous operations: async.c begins, awaits and ends them, async_ops.c says what each does,
 * async_helper.c keeps the loop for those of plain threads. */
#ifndef LY_NET_ASYNC_H
#define LY_NET_ASYNC_H

#include "fiber/loop.h"
#include <lanyard/async.h>

struct ly__awaiter;

struct ly_async {
    struct ly_scope scope; /* home of its one task; cancelling it cancels the operation */
    int64_t (*run)(struct ly_async *op);
    bool helped;     /* it runs in the helper's loop, and what follows is under the helper's lock */
    bool done;       /* nothing of it runs any more */
    int64_t result;  /* once done */
    uint64_t number; /* once done: how many operations of the process were before it */
    struct ly__awaiter *awaiter; /* who waits for it; NULL: nobody */
    struct ly__mail mail;        /* to the helper: begin; in the helper, to itself: done */
    /* What was given to it; each kind uses some. */
    struct ly_sock *sock;
    struct ly_sock **ret_sock;
    void *buf;
    const void *data;
    size_t size;
    int flags, fd;
    int64_t offset, ms;
    int64_t moved; /* read and write: what the pool's thread leaves here */
    struct ly_address *ret_address;
    const struct ly_address *address;
    const char *text;
    const struct ly_connect_options *options;
    ly_task_fn *fn;
    void *arg;
};

/* Begin an operation: a copy of `as`, of which run and what was given are set. */
int ly__async_begin(struct ly_async **ret_op, const struct ly_async *as);

/* ---- the helper ---- */

/* Its loop, started if it does not run. Returns 0 or why it does not. */
int ly__helper_loop(struct ly__loop **ret_loop);
void ly__helper_lock(void);
void ly__helper_unlock(void);

#endif
