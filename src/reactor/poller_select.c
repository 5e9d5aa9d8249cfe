/* SPDX-License-Identifier: MIT */
/*
 * The select poller: three bitmaps, as long as the highest descriptor needs. The kernel's select(2) has no
 * limit of FD_SETSIZE, only the macros have, so the bits are set here by hand.
 *
 * A descriptor that was closed makes select(2) fail as a whole; then it is looked for, and reported as
 * poll(2) would.
 */
#include "reactor/poller.h"
#include "reactor/reactor.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#define WORD_BITS ((int)(8 * sizeof(unsigned long)))
#define KINDS 3

/* What each of select's sets reports. */
static const unsigned kinds[KINDS] = {LY_POLL_IN, LY_POLL_OUT, LY_POLL_PRI};

struct select_poller {
    struct ly_poller base;
    unsigned long *wanted[KINDS], *got[KINDS];
    int words; /* in each */
    int top;   /* no descriptor from here on is in a set */
    int next;  /* where to begin looking, so that nobody is passed over for ever */
};

static struct select_poller *of(struct ly_poller *p)
{
    return (struct select_poller *)(void *)p;
}

static int grow_map(unsigned long **map, int from, int to)
{
    unsigned long *longer = realloc(*map, (size_t)to * sizeof **map);
    if (!longer)
        return -ENOMEM;
    memset(longer + from, 0, (size_t)(to - from) * sizeof **map);
    *map = longer;
    return 0;
}

static int grow(struct select_poller *s, int fd)
{
    int words = s->words ? s->words : 16;
    while (words <= fd / WORD_BITS)
        words *= 2;
    for (int k = 0; k < KINDS; k++)
        if (grow_map(&s->wanted[k], s->words, words) < 0 || grow_map(&s->got[k], s->words, words) < 0)
            return -ENOMEM;
    s->words = words;
    return 0;
}

static bool is_wanted(const struct select_poller *s, int fd)
{
    unsigned long any =
        s->wanted[0][fd / WORD_BITS] | s->wanted[1][fd / WORD_BITS] | s->wanted[2][fd / WORD_BITS];
    return any >> (fd % WORD_BITS) & 1;
}

/* Put fd into the sets of these events, and out of the others. */
static void set(struct select_poller *s, int fd, unsigned events)
{
    unsigned long bit = 1ul << (fd % WORD_BITS);
    for (int k = 0; k < KINDS; k++)
        if (events & kinds[k])
            s->wanted[k][fd / WORD_BITS] |= bit;
        else
            s->wanted[k][fd / WORD_BITS] &= ~bit;
    if (events && fd >= s->top)
        s->top = fd + 1;
    while (s->top > 0 && !is_wanted(s, s->top - 1))
        s->top--;
}

static unsigned got(const struct select_poller *s, int fd)
{
    unsigned events = 0;
    for (int k = 0; k < KINDS; k++)
        if (s->got[k][fd / WORD_BITS] >> (fd % WORD_BITS) & 1)
            events |= kinds[k];
    return events;
}

static void select_poller_close(struct ly_poller *p)
{
    for (int k = 0; k < KINDS; k++) {
        free(of(p)->wanted[k]);
        free(of(p)->got[k]);
    }
}

static int select_poller_open(struct ly_poller **ret_poller, int wake_fd)
{
    struct select_poller *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    if (grow(s, wake_fd < 0 ? 0 : wake_fd) < 0) {
        select_poller_close(&s->base);
        free(s);
        return -ENOMEM;
    }
    if (wake_fd >= 0)
        set(s, wake_fd, LY_POLL_IN);
    *ret_poller = &s->base;
    return 0;
}

static int select_poller_modify(struct ly_poller *p, int fd, struct ly__entry *e)
{
    set(of(p), fd, e->events & LY__POLL_WANTED);
    return 0;
}

static int select_poller_add(struct ly_poller *p, int fd, struct ly__entry *e)
{
    if (fd / WORD_BITS >= of(p)->words && grow(of(p), fd) < 0)
        return -ENOMEM;
    return select_poller_modify(p, fd, e);
}

static int select_poller_remove(struct ly_poller *p, int fd, struct ly__entry *e)
{
    (void)e;
    set(of(p), fd, 0);
    return 0;
}

static void report(struct select_poller *s, struct ly_poller_event *ret, int fd, unsigned events)
{
    struct ly__entry *e = &s->base.entries[fd];
    ly__poller_report(ret, fd, e, events);
    if (e->spent)
        set(s, fd, 0);
}

/* Report the registered ones that are not open. */
static int report_closed(struct select_poller *s, struct ly_poller_event *ret_events, int max)
{
    int found = 0;
    for (int fd = 0; fd < s->base.capacity && found < max; fd++)
        if (s->base.entries[fd].generation && !s->base.entries[fd].spent && fcntl(fd, F_GETFD) < 0)
            report(s, &ret_events[found++], fd, LY_POLL_NVAL);
    return found ? found : -EBADF;
}

static int collect(struct select_poller *s, struct ly_poller_event *ret_events, int max, int top)
{
    int found = 0;
    for (int seen = 0; seen < top && found < max; seen++) {
        int fd = s->next < top ? s->next : 0;
        s->next = fd + 1;
        unsigned events = got(s, fd);
        if (events && fd == s->base.wake_fd)
            ly__poller_woken(&s->base);
        else if (events)
            report(s, &ret_events[found++], fd, events);
    }
    return found;
}

static int select_poller_wait(struct ly_poller *p, struct ly_poller_event *ret_events, int max,
                              int64_t deadline)
{
    struct select_poller *s = of(p);
    size_t bytes = (size_t)s->words * sizeof(unsigned long);
    int ms = ly__reactor_ms(deadline);
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    fd_set *sets[KINDS];

    for (int k = 0; k < KINDS; k++) {
        memcpy(s->got[k], s->wanted[k], bytes);
        sets[k] = (fd_set *)(void *)s->got[k];
    }
    int n = select(s->top, sets[0], sets[1], sets[2], ms < 0 ? NULL : &wait);
    if (n < 0)
        return errno == EBADF ? report_closed(s, ret_events, max) : -errno;
    return n == 0 ? 0 : collect(s, ret_events, max, s->top);
}

const struct ly__poller_ops ly__poller_select = {
    .name = "select",
    .open = select_poller_open,
    .close = select_poller_close,
    .add = select_poller_add,
    .modify = select_poller_modify,
    .remove = select_poller_remove,
    .wait = select_poller_wait,
    .no_rdhup = true,
};
