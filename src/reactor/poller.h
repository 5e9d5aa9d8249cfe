/* SPDX-License-Identifier: MIT */
/*
 * Inside of pollers: the table of operations and what all four share. poller.c keeps the table of registered
 * descriptors and does the waiting that can be cancelled or suspends a fiber; a mechanism adds, changes,
 * removes, and looks.
 */
#ifndef LY_REACTOR_POLLER_H
#define LY_REACTOR_POLLER_H

#include "reactor/io.h"
#include <lanyard/poller.h>

#define LY__POLL_WANTED (LY_POLL_IN | LY_POLL_PRI | LY_POLL_OUT | LY_POLL_RDHUP)
#define LY__POLL_ALWAYS (LY_POLL_ERR | LY_POLL_HUP | LY_POLL_NVAL)

/* A registered descriptor; they lie in an array, by number. */
struct ly__entry {
    void *data;
    unsigned events; /* as registered, modes included */
    uint32_t
        generation; /* counts registrations: events of an earlier one are known by it; 0: not registered */
    uint32_t armed; /* io_uring: the registration that the request in flight was made for; 0: none */
    int slot;       /* poll: index in its array; io_uring: its place in the batch being made, + 1 */
    int next;       /* io_uring: the next descriptor to arm; -1: the last */
    uint32_t told;  /* io_uring: the last wait that reported it */
    bool queued;    /* io_uring: on the list of those to arm, registered or not */
    bool spent;     /* one-shot, and it was reported */
};

struct ly__poller_ops {
    const char *name;
    /* Returns 0, or why the kernel refuses it. wake_fd is open (or -1). */
    int (*open)(struct ly_poller **ret_poller, int wake_fd);
    /* Give back all but the struct itself. */
    void (*close)(struct ly_poller *p);
    /* The entry is filled in. Return 0 or -errno; then nothing has changed. */
    int (*add)(struct ly_poller *p, int fd, struct ly__entry *e);
    int (*modify)(struct ly_poller *p, int fd, struct ly__entry *e);
    int (*remove)(struct ly_poller *p, int fd, struct ly__entry *e);
    /* Wait until the deadline, report up to max. Sets woken where wake_fd was the reason. May return 0
     * early. */
    int (*wait)(struct ly_poller *p, struct ly_poller_event *ret_events, int max, int64_t deadline);
    /* The descriptor to wait for in place of all of them, made at the first call; NULL: a mirror. */
    int (*pollable)(struct ly_poller *p);
    bool edge;            /* it can do LY_POLL_EDGE */
    bool knows_by_itself; /* the kernel says what is registered: a closed descriptor is not */
    bool no_rdhup;        /* it sees the peer's end by IN alone */
};

struct ly_poller {
    const struct ly__poller_ops *ops;
    int wake_fd;      /* an eventfd; -1: it is never woken */
    struct ly__io io; /* of what pollable gave; closed until then, and owned by the mechanism */
    struct ly__entry *entries;
    int capacity;        /* of entries */
    int count;           /* registered */
    uint32_t generation; /* the last given */
    int mirror;          /* see poller_mirror.c; -1: none */
    bool stale;          /* something in the mirror cannot be taken out, or is missing */
    bool shown;          /* somebody has asked for ly_poller_fileno */
    bool closed;
    bool woken; /* the last look ended because of wake_fd */
};

extern const struct ly__poller_ops ly__poller_epoll, ly__poller_uring, ly__poller_poll, ly__poller_select;

/* Open one that is never woken from outside: it costs no descriptor where the mechanism has none. */
int ly__poller_open_plain(struct ly_poller **ret_poller, const struct ly__poller_ops *ops);

/* The entry of a registered descriptor; NULL if it is not. */
static inline struct ly__entry *ly__poller_entry(const struct ly_poller *p, int fd)
{
    return fd >= 0 && fd < p->capacity && p->entries[fd].generation ? &p->entries[fd] : NULL;
}

/* The wake_fd was readable. */
void ly__poller_woken(struct ly_poller *p);

/* Report e: fill *ret and note that a one-shot entry is spent. */
static inline void ly__poller_report(struct ly_poller_event *ret, int fd, struct ly__entry *e,
                                     unsigned events)
{
    *ret = (struct ly_poller_event){.fd = fd, .events = events, .data = e->data};
    e->spent = (e->events & LY_POLL_ONESHOT) != 0;
}

/* ---- the mirror (poller_mirror.c) ---- */

/* The epoll descriptor that becomes readable when one of the registered ones may have become ready. */
int ly__mirror_open(struct ly_poller *p);
/* fd was registered, changed, reported once and for all, or (e NULL) unregistered. */
void ly__mirror_set(struct ly_poller *p, int fd, const struct ly__entry *e);
/* Before a look: only what happens from now on makes it readable. Returns 0, or why it does not mirror. */
int ly__mirror_drain(struct ly_poller *p);
/* After a look that reported these: they make it readable again for as long as they are ready. */
void ly__mirror_again(struct ly_poller *p, const struct ly_poller_event *events, int count);

#endif
