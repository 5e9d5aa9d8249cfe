/* SPDX-License-Identifier: MIT */
/*
 * The select reactor: three bitmaps of what is waited for now. They are as long as the highest descriptor
 * needs; the kernel's select(2) has no limit of FD_SETSIZE, only the macros have, so the bits are set here by
 * hand.
 */
#include "reactor/reactor.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>
#include <sys/time.h>

#define WORD_BITS ((int)(8 * sizeof(unsigned long)))

struct select_reactor {
    struct ly__reactor base;
    unsigned long *wanted[2],
        *got[3];         /* by direction; got[2]: exceptional conditions of those that want input */
    struct ly__io **ios; /* by descriptor */
    int words;           /* in each bitmap */
    int top;             /* highest descriptor that is wanted, or was; -1: none */
};

static struct select_reactor *of(struct ly__reactor *r)
{
    return (struct select_reactor *)(void *)r;
}

static bool has(const unsigned long *map, int fd)
{
    return map[fd / WORD_BITS] >> (fd % WORD_BITS) & 1;
}

static void add(unsigned long *map, int fd)
{
    map[fd / WORD_BITS] |= 1ul << (fd % WORD_BITS);
}

static void take(unsigned long *map, int fd)
{
    map[fd / WORD_BITS] &= ~(1ul << (fd % WORD_BITS));
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

/* Make room for descriptor fd. */
static int grow(struct select_reactor *s, int fd)
{
    int words = s->words ? s->words : 16;
    while (words * WORD_BITS <= fd)
        words *= 2;
    struct ly__io **ios = realloc(s->ios, (size_t)(words * WORD_BITS) * sizeof(struct ly__io *));
    if (!ios)
        return -ENOMEM;
    s->ios = ios;
    for (int d = 0; d < 2; d++)
        if (grow_map(&s->wanted[d], s->words, words) < 0)
            return -ENOMEM;
    for (int d = 0; d < 3; d++)
        if (grow_map(&s->got[d], s->words, words) < 0)
            return -ENOMEM;
    s->words = words;
    return 0;
}

static void select_close(struct ly__reactor *r)
{
    struct select_reactor *s = of(r);
    for (int d = 0; d < 3; d++) {
        free(d < 2 ? s->wanted[d] : NULL);
        free(s->got[d]);
    }
    free(s->ios);
    ly__reactor_done(r);
    free(s);
}

static int select_open(struct ly__reactor **ret_reactor)
{
    struct select_reactor *s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->top = -1;
    int r = ly__reactor_init(&s->base, &ly__select_ops);
    if (r == 0)
        r = grow(s, s->base.wake_fd);
    if (r < 0) {
        select_close(&s->base);
        return r;
    }
    s->ios[s->base.wake_fd] = NULL;
    add(s->wanted[LY__IN], s->base.wake_fd);
    s->top = s->base.wake_fd;
    *ret_reactor = &s->base;
    return 0;
}

static void deliver(struct select_reactor *s, int fd)
{
    unsigned events = 0;
    if (has(s->got[0], fd) || has(s->got[2], fd))
        events |= LY__EVENT_IN;
    if (has(s->got[1], fd))
        events |= LY__EVENT_OUT;
    struct ly__io *io = s->ios[fd];
    if (!io) {
        ly__reactor_drain_wake(&s->base);
        return;
    }
    if (events & LY__EVENT_IN)
        take(s->wanted[LY__IN], fd);
    if (events & LY__EVENT_OUT)
        take(s->wanted[LY__OUT], fd);
    ly__io_event(io, events);
}

static void deliver_all(struct select_reactor *s, int top)
{
    for (int w = 0; w <= top / WORD_BITS; w++) {
        unsigned long any = s->got[0][w] | s->got[1][w] | s->got[2][w];
        while (any) {
            int fd = w * WORD_BITS + __builtin_ctzl(any);
            any &= any - 1;
            deliver(s, fd);
        }
    }
}

static void select_turn(struct ly__reactor *r, int64_t deadline)
{
    struct select_reactor *s = of(r);
    size_t bytes = (size_t)(s->top / WORD_BITS + 1) * sizeof(unsigned long);
    int ms = ly__reactor_ms(deadline), top = s->top;
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    memcpy(s->got[0], s->wanted[LY__IN], bytes);
    memcpy(s->got[1], s->wanted[LY__OUT], bytes);
    memcpy(s->got[2], s->wanted[LY__IN], bytes);
    int n = select(top + 1, (fd_set *)(void *)s->got[0], (fd_set *)(void *)s->got[1],
                   (fd_set *)(void *)s->got[2], ms < 0 ? NULL : &wait);
    if (n > 0)
        deliver_all(s, top);
}

static int select_arm(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir)
{
    struct select_reactor *s = of(r);
    if (io->fd >= s->words * WORD_BITS && grow(s, io->fd) < 0)
        return -ENOMEM;
    s->ios[io->fd] = io;
    add(s->wanted[dir], io->fd);
    if (io->fd > s->top)
        s->top = io->fd;
    return 0;
}

static void select_disarm(struct ly__reactor *r, struct ly__io *io, enum ly__dir dir)
{
    take(of(r)->wanted[dir], io->fd);
}

static void select_forget(struct ly__reactor *r, struct ly__io *io)
{
    if (io->waits[LY__IN])
        select_disarm(r, io, LY__IN);
    if (io->waits[LY__OUT])
        select_disarm(r, io, LY__OUT);
}

const struct ly__reactor_ops ly__select_ops = {
    .name = "select",
    .open = select_open,
    .close = select_close,
    .turn = select_turn,
    .arm = select_arm,
    .disarm = select_disarm,
    .forget = select_forget,
};
