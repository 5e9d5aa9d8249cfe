/* SPDX-License-Identifier: MIT */
/*
 * Those that wait for their login are counted by source in an open-addressed table of at least twice as many
 * slots as there can be sources, each of them with a connection at least: so it never fills, a search
 * is short, and nobody can make it long, since the hash is keyed. A source whose last connection leaves is
 * taken out by moving back what its slot had pushed on; there are no tombstones that would pile up.
 */
#include "auth/admission.h"
#include <errno.h>
#include <lanyard/error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    struct ly__source source; /* bits 0: the slot is free */
    unsigned count;
};

struct ly__admission {
    pthread_mutex_t mutex;
    struct ly__admission_options options; /* with the defaults filled in */
    struct slot *slots;
    size_t mask; /* slots - 1; their number is a power of two */
    uint8_t key[LY__HASH_KEY];
    struct ly__admission_counts counts;
};

static uint32_t system_random(void *arg)
{
    uint32_t n = 0; /* without a generator everybody is turned away who could be */
    (void)arg;
    (void)ly__random(&n, sizeof n);
    return n;
}

static void fill_in(struct ly__admission_options *o)
{
    o->start = o->start ? o->start : 10;
    o->rate = o->rate ? o->rate : 30;
    o->full = o->full ? o->full : 100;
    o->per_source = o->per_source ? o->per_source : o->start;
    o->deadline_ms = o->deadline_ms ? o->deadline_ms : 30000;
    o->random = o->random ? o->random : system_random;
}

/* A number from 1 to most at *at, which ends before one of `ends`; moves behind that. */
static int read_number(const char **at, const char *ends, unsigned most, unsigned *ret)
{
    unsigned n = 0;
    const char *p = *at;
    for (; *p >= '0' && *p <= '9' && n <= most; p++)
        n = n * 10 + (unsigned)(*p - '0');
    if (n < 1 || n > most || !strchr(ends, *p))
        return LY_EFIELD;
    *at = *p ? p + 1 : p;
    *ret = n;
    return 0;
}

int ly__admission_parse(struct ly__admission_options *o, const char *text)
{
    unsigned start = 0, rate = 100, full = 0;
    const char *at = text;
    if (!strchr(text, ':')) {
        int r = read_number(&at, "", LY__ADMISSION_MAX, &full);
        if (r < 0)
            return r;
        start = full;
    } else {
        int r = read_number(&at, ":", LY__ADMISSION_MAX, &start);
        if (r == 0)
            r = read_number(&at, ":", 100, &rate);
        if (r == 0)
            r = read_number(&at, "", LY__ADMISSION_MAX, &full);
        if (r < 0 || start > full)
            return LY_EFIELD;
    }
    o->start = start;
    o->rate = rate;
    o->full = full;
    return 0;
}

static int check(const struct ly__admission_options *o)
{
    bool good = o->start <= o->full && o->full <= LY__ADMISSION_MAX && o->rate <= 100 && o->deadline_ms >= 0;
    return good ? 0 : -EINVAL;
}

/* A table for so many sources. */
static int make_table(struct ly__admission *a, size_t sources)
{
    size_t n = 2;
    while (n < 2 * sources)
        n *= 2;
    struct slot *slots = calloc(n, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    a->slots = slots;
    a->mask = n - 1;
    return 0;
}

static int set_key(struct ly__admission *a)
{
    if (!a->options.hash_key)
        return ly__random(a->key, sizeof a->key);
    memcpy(a->key, a->options.hash_key, sizeof a->key);
    return 0;
}

int ly__admission_new(struct ly__admission **ret, const struct ly__admission_options *options)
{
    struct ly__admission *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    pthread_mutex_init(&a->mutex, NULL);
    a->options = *options;
    fill_in(&a->options);
    int r = check(&a->options);
    if (r == 0)
        r = make_table(a, a->options.full);
    if (r == 0)
        r = set_key(a);
    if (r < 0) {
        ly__admission_free(a);
        return r;
    }
    *ret = a;
    return 0;
}

void ly__admission_free(struct ly__admission *a)
{
    if (!a)
        return;
    pthread_mutex_destroy(&a->mutex);
    free(a->slots);
    free(a);
}

/* ---- how many of a source ---- */

static size_t home(const struct ly__admission *a, const struct ly__source *source)
{
    return ly__source_hash(source, a->key) & a->mask;
}

/* The source's slot, or the free one where it would be. */
static size_t find(const struct ly__admission *a, const struct ly__source *source)
{
    size_t i = home(a, source);
    while (a->slots[i].source.bits != 0 && !ly__source_same(&a->slots[i].source, source))
        i = (i + 1) & a->mask;
    return i;
}

/* Free a slot. Whatever lies behind it and would not be found past it moves into the gap. */
static void take_out(struct ly__admission *a, size_t gap)
{
    for (size_t i = (gap + 1) & a->mask; a->slots[i].source.bits != 0; i = (i + 1) & a->mask) {
        size_t pushed = (i - home(a, &a->slots[i].source)) & a->mask;
        if (pushed < ((i - gap) & a->mask))
            continue;
        a->slots[gap] = a->slots[i];
        gap = i;
    }
    a->slots[gap] = (struct slot){.count = 0};
}

/* ---- other numbers ---- */

static int replace_table(struct ly__admission *a, size_t sources)
{
    struct slot *old = a->slots;
    size_t n = a->mask + 1;
    int r = make_table(a, sources);
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        if (old[i].source.bits != 0)
            a->slots[find(a, &old[i].source)] = old[i];
    }
    free(old);
    return 0;
}

int ly__admission_set(struct ly__admission *a, const struct ly__admission_options *options)
{
    struct ly__admission_options o = *options;
    fill_in(&o);
    int r = check(&o);
    if (r < 0)
        return r;
    pthread_mutex_lock(&a->mutex);
    /* there may be more now than there may be from now on */
    r = replace_table(a, o.full > a->counts.waiting ? o.full : a->counts.waiting);
    if (r == 0) {
        a->options.start = o.start;
        a->options.rate = o.rate;
        a->options.full = o.full;
        a->options.per_source = o.per_source;
        a->options.deadline_ms = o.deadline_ms;
    }
    pthread_mutex_unlock(&a->mutex);
    return r;
}

/* ---- who waits ---- */

static unsigned count_of(const struct ly__admission *a, const struct ly__source *source)
{
    return source->bits ? a->slots[find(a, source)].count : 0;
}

static void hold(struct ly__admission *a, const struct ly__source *source)
{
    a->counts.waiting++;
    if (source->bits == 0)
        return;
    struct slot *s = &a->slots[find(a, source)];
    s->source = *source;
    s->count++;
}

static void let_go(struct ly__admission *a, const struct ly__source *source)
{
    a->counts.waiting--;
    if (source->bits == 0)
        return;
    size_t i = find(a, source);
    if (--a->slots[i].count == 0)
        take_out(a, i);
}

/* ---- the gate ---- */

/*
 * The chance of being turned away rises in a straight line from rate/100 at `start` to 1 at `full`. In
 * 2^32nds of a hundredth of (full - start), so that it is exact.
 */
static bool drops_early(struct ly__admission *a)
{
    const struct ly__admission_options *o = &a->options;
    if (a->counts.waiting < o->start)
        return false;
    uint64_t span = o->full - o->start, beyond = a->counts.waiting - o->start;
    uint64_t chance = o->rate * span + (100 - o->rate) * beyond;
    uint64_t thrown = o->random(o->random_arg);
    return thrown * 100 * span < chance << 32;
}

static enum ly__verdict judge(struct ly__admission *a, const struct ly__source *source)
{
    if (count_of(a, source) >= a->options.per_source)
        return LY__REFUSED_SOURCE;
    if (a->counts.waiting >= a->options.full)
        return LY__REFUSED_FULL;
    return drops_early(a) ? LY__REFUSED_EARLY : LY__ADMITTED;
}

enum ly__verdict ly__admission_enter(struct ly__admission *a, const struct ly_address *peer, int64_t now,
                                     struct ly__ticket *ret_ticket)
{
    struct ly__source source = ly__source_of(peer);
    struct ly__penalties *penalties = a->options.penalties;
    bool penalised = penalties && ly__penalties_left(penalties, peer, now) > 0;
    pthread_mutex_lock(&a->mutex);
    enum ly__verdict v = penalised ? LY__REFUSED_PENALTY : judge(a, &source);
    if (v == LY__ADMITTED) {
        hold(a, &source);
        *ret_ticket = (struct ly__ticket){
            .source = source, .held = true, .deadline = now + a->options.deadline_ms * 1000000};
    }
    a->counts.verdicts[v]++;
    pthread_mutex_unlock(&a->mutex);
    return v;
}

void ly__admission_leave(struct ly__admission *a, struct ly__ticket *ticket)
{
    if (!ticket->held)
        return;
    ticket->held = false;
    pthread_mutex_lock(&a->mutex);
    let_go(a, &ticket->source);
    pthread_mutex_unlock(&a->mutex);
}

void ly__admission_count(struct ly__admission *a, struct ly__admission_counts *ret)
{
    pthread_mutex_lock(&a->mutex);
    *ret = a->counts;
    pthread_mutex_unlock(&a->mutex);
}

const char *ly__verdict_name(enum ly__verdict verdict)
{
    static const char *const names[LY__VERDICTS] = {"admitted", "penalty", "source", "early", "full"};
    return names[verdict];
}
