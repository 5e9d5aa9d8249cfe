/* SPDX-License-Identifier: MIT */
/*
 * Pollers: waiting for many descriptors at once, by select, poll, epoll or io_uring behind one set of calls.
 *
 * A descriptor is registered with the events that are wanted and a pointer of the caller's; ly_poller_wait
 * tells which of them are ready. What the four can do:
 *
 *                          select       poll         epoll        io_uring
 *     IN, PRI, OUT         yes          yes          yes          yes
 *     HUP, ERR             as IN, OUT   yes          yes          yes
 *     RDHUP                as IN        yes          yes          yes
 *     NVAL (closed)        yes          yes          -            when armed
 *     edge-triggered       -            -            yes          yes
 *     one-shot             yes          yes          yes          yes
 *     regular files        always ready always ready -EPERM       always ready
 *     cost of a wait       all          all          the ready    the ready
 *
 * HUP, ERR and NVAL are reported whether asked for or not. Unless LY_POLL_EDGE is given, reporting is level
 * triggered: a condition is reported as long as it lasts. A report is a hint that may be out of date by the
 * time it is read, so descriptors are best non-blocking.
 *
 * Unregister a descriptor before closing it. If it is closed first, epoll forgets it by itself (unless a
 * duplicate is open elsewhere), select and poll report LY_POLL_NVAL until it is unregistered, and io_uring
 * holds on to the file, so that a peer sees no end until then.
 *
 * A poller is used by one task at a time; only ly_poller_wake may be called while another task waits. After
 * ly_poller_close every call gives -EBADF. A child after fork(2) has to leave the poller alone: the kernel's
 * part of it is the parent's too.
 */
#ifndef LANYARD_POLLER_H
#define LANYARD_POLLER_H

#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The events, with the values of poll(2) and epoll(7). */
#define LY_POLL_IN 0x1u       /* there is something to read, a connection to accept, or the end */
#define LY_POLL_PRI 0x2u      /* urgent data */
#define LY_POLL_OUT 0x4u      /* there is room to write; a connection attempt has ended */
#define LY_POLL_ERR 0x8u      /* it failed, or nobody reads the pipe any more */
#define LY_POLL_HUP 0x10u     /* both directions have ended */
#define LY_POLL_NVAL 0x20u    /* the descriptor is not open */
#define LY_POLL_RDHUP 0x2000u /* the peer sends no more */

/* How they are reported; joined to the events. */
#define LY_POLL_ONESHOT 0x40000000u /* once, then not again until ly_poller_modify */
#define LY_POLL_EDGE 0x80000000u    /* when something new arrives, and not for what is still there */

/* What Python's poll and epoll register where nothing is said. */
#define LY_POLL_DEFAULT (LY_POLL_IN | LY_POLL_PRI | LY_POLL_OUT)

struct ly_poller;

struct ly_poller_event {
    int fd;
    unsigned events; /* LY_POLL_IN ... LY_POLL_RDHUP */
    void *data;      /* as registered */
};

/*
 * Open a poller.
 *
 * names     "epoll", "io_uring", "poll" or "select", or several of them with commas between, the first
 *           usable one being taken; NULL: the best one there is
 *
 * Returns 0, LY_ENOREACTOR (none of these can be used here), -ENOMEM, -EMFILE, -ENFILE.
 */
LY_API int ly_poller_open(struct ly_poller **ret_poller, const char *names);

/* Give back all it has of the kernel's; the object stays and answers -EBADF. The registered descriptors stay
 * open. A fiber of the same loop that waits in it gets -EBADF. Twice is harmless. */
LY_API void ly_poller_close(struct ly_poller *p);

/* Close and free. NULL is accepted. */
LY_API void ly_poller_free(struct ly_poller *p);

/* Its name: one of those above. Static. */
LY_API const char *ly_poller_name(const struct ly_poller *p);

/*
 * A descriptor that becomes readable when ly_poller_wait would find something, so that pollers can be
 * nested. It belongs to the poller and is close-on-exec; only wait for it. It may also be readable without
 * cause: ly_poller_wait then returns 0. Regular files do not make it readable.
 *
 * Returns it, -EBADF (the poller is closed), -EMFILE, -ENFILE, -ENOMEM.
 */
LY_API int ly_poller_fileno(struct ly_poller *p);

/*
 * Watch a descriptor.
 *
 * fd        borrowed until it is unregistered
 * events    what to report: LY_POLL_IN, PRI, OUT, RDHUP in any combination (0: HUP, ERR and NVAL alone),
 *           with LY_POLL_EDGE and LY_POLL_ONESHOT if wanted
 * data      comes with each event
 *
 * Returns 0, -EEXIST (it is registered), -EOPNOTSUPP (this poller cannot: edge-triggered by select or poll,
 * RDHUP without IN by select), -EINVAL (other bits), -EBADF (negative; not open, by epoll; the poller is
 * closed), -EPERM (a regular file, by epoll), -ENOMEM, -ENOSPC.
 */
LY_API int ly_poller_register(struct ly_poller *p, int fd, unsigned events, void *data);

/* Change what is reported of a registered descriptor; arms it anew after LY_POLL_ONESHOT.
 * Returns 0, -ENOENT (it is not registered), or an error of ly_poller_register. */
LY_API int ly_poller_modify(struct ly_poller *p, int fd, unsigned events, void *data);

/* Watch it no more; none of its events is reported after this. Returns 0, -ENOENT (it is not registered),
 * -EBADF (the poller is closed; by epoll, the descriptor was closed, which had unregistered it already). */
LY_API int ly_poller_unregister(struct ly_poller *p, int fd);

/*
 * Wait until a descriptor is ready, somebody calls ly_poller_wake, or the time is over.
 *
 * ret_events  room for max of them (1 or more); a descriptor is reported once. Where more are ready, later
 *             calls report the others first
 * timeout_ms  LY_FOREVER, 0 (only look) or milliseconds. A signal does not end the wait
 *
 * Returns the number of events, 0 when the time is over or it was woken; -EINVAL (max, time-out), -EBADF
 * (closed), -ECANCELED or -ETIMEDOUT (by the scopes around the caller), -ENOMEM. Suspends.
 */
LY_API int ly_poller_wait(struct ly_poller *p, struct ly_poller_event *ret_events, int max,
                          int64_t timeout_ms);

/* Make the wait that is under way, or else the next one, return at once. From any thread, and from a signal
 * handler; several calls count as one. Returns 0 or -EBADF. */
LY_API int ly_poller_wake(struct ly_poller *p);

/* ---- once ---- */

struct ly_select_list {
    int *fds;     /* the caller's; the ready ones are moved to the front, in their order */
    size_t count; /* how many, and how many are ready afterwards */
};

/*
 * select(2) with lists in place of sets, so that a descriptor may have any number: wait until one of the
 * lists has a ready descriptor.
 *
 * reads, writes, exceptions   each may be NULL or empty; with no descriptor at all it sleeps
 * timeout_ms                  LY_FOREVER, 0 (only look) or milliseconds
 *
 * Returns how many are ready, 0 when the time is over. Errors leave the lists as they were: -EINVAL (the
 * time-out), -EBADF (one is not open), -ENOMEM, -ECANCELED, -ETIMEDOUT. Suspends.
 */
LY_API int ly_select(struct ly_select_list *reads, struct ly_select_list *writes,
                     struct ly_select_list *exceptions, int64_t timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
