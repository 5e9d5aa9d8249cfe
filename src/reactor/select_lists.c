/* SPDX-License-Identifier: MIT */
/* ly_select: select(2) with lists, by a select poller that lives as long as the call. */
#include "reactor/poller.h"
#include <errno.h>
#include <stdlib.h>

#define LISTS 3

static const unsigned wanted[LISTS] = {LY_POLL_IN, LY_POLL_OUT, LY_POLL_PRI};

struct lists {
    struct ly_select_list *list[LISTS];
    size_t count;  /* in all three */
    unsigned *got; /* a word for each descriptor, found by its entry's data */
    struct ly_poller_event *events;
    struct ly_poller *poller;
};

static int add(struct lists *l, size_t n, int fd, unsigned events)
{
    const struct ly__entry *e = ly__poller_entry(l->poller, fd);
    if (e)
        return ly_poller_modify(l->poller, fd, e->events | events, e->data);
    return ly_poller_register(l->poller, fd, events, &l->got[n]);
}

static int add_all(struct lists *l)
{
    size_t n = 0;
    int r = 0;
    for (int k = 0; k < LISTS; k++)
        for (size_t i = 0; l->list[k] && i < l->list[k]->count && r == 0; i++)
            r = add(l, n++, l->list[k]->fds[i], wanted[k]);
    return r;
}

/* Wait, and spread what comes. Returns 0 or an error. */
static int wait_for_any(struct lists *l, int64_t timeout_ms)
{
    int n = ly_poller_wait(l->poller, l->events, (int)l->count + 1, timeout_ms);
    for (int i = 0; i < n; i++) {
        if (l->events[i].events & LY_POLL_NVAL)
            return -EBADF;
        *(unsigned *)l->events[i].data = l->events[i].events;
    }
    return n < 0 ? n : 0;
}

/* Keep the ready ones of each list. */
static int keep_ready(struct lists *l)
{
    int ready = 0;
    for (int k = 0; k < LISTS; k++) {
        struct ly_select_list *list = l->list[k];
        size_t kept = 0;
        for (size_t i = 0; list && i < list->count; i++) {
            const struct ly__entry *e = ly__poller_entry(l->poller, list->fds[i]);
            if (*(const unsigned *)e->data & wanted[k])
                list->fds[kept++] = list->fds[i];
        }
        if (list)
            list->count = kept;
        ready += (int)kept;
    }
    return ready;
}

int ly_select(struct ly_select_list *reads, struct ly_select_list *writes, struct ly_select_list *exceptions,
              int64_t timeout_ms)
{
    struct lists l = {.list = {reads, writes, exceptions}};
    int r = timeout_ms < LY_FOREVER ? -EINVAL : 0;
    for (int k = 0; k < LISTS && r == 0; k++) {
        l.count += l.list[k] ? l.list[k]->count : 0;
        if (l.count > INT32_MAX / 2)
            r = -EINVAL;
    }
    if (r < 0)
        return r;
    l.got = calloc(l.count + 1, sizeof *l.got);
    l.events = calloc(l.count + 1, sizeof *l.events);
    r = l.got && l.events ? ly__poller_open_plain(&l.poller, &ly__poller_select) : -ENOMEM;
    if (r == 0)
        r = add_all(&l);
    if (r == 0)
        r = wait_for_any(&l, timeout_ms);
    if (r == 0)
        r = keep_ready(&l);
    ly_poller_free(l.poller);
    free(l.events);
    free(l.got);
    return r;
}
