/* SPDX-License-Identifier: MIT */
/*
 * The table of debts.
 *
 * Memory is bounded, so an attacker with more addresses than there is room must not make it forget what
 * matters, and must not be able to steer what it forgets.
 *
 * The table has sets of WAYS entries. A keyed hash names a source's set, so nobody can choose addresses that
 * fall into a given one. A debt is kept as the time when it ends ("until"): it decays without being touched,
 * and an entry whose time has passed is free.
 *
 * When a set is full, the offence of a newcomer does not push anyone out. It lowers the smallest debt of the
 * set by its own weight, and only where nothing is left of that does the newcomer take the entry. So whatever
 * is forgotten before its time has been paid for, second for second, by offences of others: all evictions
 * together remove no more debt than newcomers would have run up. As the smallest debt goes first, those many
 * addresses push out each other long before somebody who is refused.
 *
 * The obvious ways are worse. Evicting the oldest, or the one that ends first, lets one cheap offence remove
 * any debt. Refusing everybody when the table is full lets the attacker close the server. Taking over the
 * evicted debt (as counting algorithms do) would penalise who has done nothing.
 */
#include "auth/penalty.h"
#include "auth/source.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define WAYS 16u /* at a quarter of the room, one table in 200 has a set that is full */
#define SOURCES_MAX (1u << 24)
#define MS 1000000             /* nanoseconds */
#define TIME_MAX 1000000000000 /* milliseconds: some thirty years, so that no sum overflows */

struct debt {
    struct ly__source source;
    bool refused;  /* it has reached `enforce`, and is refused until the end */
    int64_t until; /* when nothing is left of it */
};

/* What the options say, in nanoseconds. */
struct rules {
    int64_t weight[LY__OFFENCES], enforce, most;
    struct ly__exempt *exempt; /* owned */
    unsigned exempts;
};

struct ly__penalties {
    pthread_mutex_t mutex;
    struct rules rules;
    struct debt *debts; /* sets of WAYS */
    uint64_t sets;      /* a power of two */
    uint8_t key[LY__HASH_KEY];
    struct ly__penalty_counts counts;
};

static int read_time(int64_t *ret, int64_t ms, int64_t otherwise)
{
    if (ms > TIME_MAX)
        return -EINVAL;
    *ret = ms < 0 ? 0 : (ms ? ms : otherwise) * MS;
    return 0;
}

static int read_times(struct rules *ret, const struct ly__penalty_options *o)
{
    static const int64_t weights[LY__OFFENCES] = {[LY__OFFENCE_LOGIN] = 5000,
                                                  [LY__OFFENCE_SILENT] = 1000,
                                                  [LY__OFFENCE_PROTOCOL] = 10000,
                                                  [LY__OFFENCE_CRASH] = 90000};
    int r = read_time(&ret->enforce, o->enforce_ms, 15000);
    if (r == 0)
        r = read_time(&ret->most, o->most_ms, 600000);
    for (int i = 0; i < LY__OFFENCES && r == 0; i++)
        r = read_time(&ret->weight[i], o->weight_ms[i], weights[i]);
    return r == 0 && (ret->enforce > ret->most || ret->enforce == 0) ? -EINVAL : r;
}

static int read_rules(struct rules *ret, const struct ly__penalty_options *o)
{
    struct rules rules = {.exempts = o->exempts};
    int r = read_times(&rules, o);
    if (r == 0 && o->exempts > LY__EXEMPTS_MAX)
        r = -EINVAL;
    if (r < 0)
        return r;
    if (o->exempts > 0) {
        rules.exempt = calloc(o->exempts, sizeof *rules.exempt);
        if (!rules.exempt)
            return -ENOMEM;
        memcpy(rules.exempt, o->exempt, o->exempts * sizeof *rules.exempt);
    }
    *ret = rules;
    return 0;
}

static int make_table(struct ly__penalties *p, const struct ly__penalty_options *o)
{
    unsigned sources = o->sources ? o->sources : 65536;
    if (sources > SOURCES_MAX)
        return -EINVAL;
    for (p->sets = 1; p->sets * WAYS < sources;)
        p->sets *= 2;
    p->debts = calloc(p->sets * WAYS, sizeof *p->debts);
    if (!p->debts)
        return -ENOMEM;
    if (!o->hash_key)
        return ly__random(p->key, sizeof p->key);
    memcpy(p->key, o->hash_key, sizeof p->key);
    return 0;
}

int ly__penalties_new(struct ly__penalties **ret, const struct ly__penalty_options *options)
{
    struct ly__penalties *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    pthread_mutex_init(&p->mutex, NULL);
    int r = read_rules(&p->rules, options);
    if (r == 0)
        r = make_table(p, options);
    if (r < 0) {
        ly__penalties_free(p);
        return r;
    }
    *ret = p;
    return 0;
}

void ly__penalties_free(struct ly__penalties *p)
{
    if (!p)
        return;
    pthread_mutex_destroy(&p->mutex);
    free(p->rules.exempt);
    free(p->debts);
    free(p);
}

int ly__penalties_set(struct ly__penalties *p, const struct ly__penalty_options *options)
{
    struct rules rules, old;
    int r = read_rules(&rules, options);
    if (r < 0)
        return r;
    pthread_mutex_lock(&p->mutex);
    old = p->rules;
    p->rules = rules;
    pthread_mutex_unlock(&p->mutex);
    free(old.exempt);
    return 0;
}

static bool is_exempt(const struct rules *rules, const struct ly_address *peer)
{
    for (unsigned i = 0; i < rules->exempts; i++) {
        if (ly_address_in_network(peer, &rules->exempt[i].network, rules->exempt[i].prefix))
            return true;
    }
    return false;
}

static struct debt *find_set(const struct ly__penalties *p, const struct ly__source *source)
{
    return p->debts + (ly__source_hash(source, p->key) & (p->sets - 1)) * WAYS;
}

/* Where the source is remembered; NULL: nowhere, or all of it is gone. */
static struct debt *find(struct debt *set, const struct ly__source *source, int64_t now)
{
    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].until > now && ly__source_same(&set[i].source, source))
            return &set[i];
    }
    return NULL;
}

/* The entry that a newcomer may have: a free one, else the smallest debt's if the offence outweighs it. NULL:
 * none, and that debt is smaller by the offence's weight. */
static struct debt *make_room(struct ly__penalties *p, struct debt *set, int64_t weight, int64_t now)
{
    struct debt *least = set;
    for (unsigned i = 1; i < WAYS; i++) {
        if (set[i].until < least->until)
            least = &set[i];
    }
    if (least->until <= now)
        return least;
    least->until -= weight;
    if (least->until > now) {
        p->counts.crowded++;
        return NULL;
    }
    p->counts.evicted++;
    return least;
}

static void charge(struct ly__penalties *p, struct debt *d, int64_t weight, int64_t now)
{
    d->until += weight;
    if (d->until > now + p->rules.most)
        d->until = now + p->rules.most;
    if (d->until - now >= p->rules.enforce)
        d->refused = true;
    p->counts.offences++;
}

/* The caller holds the mutex. */
static void add(struct ly__penalties *p, const struct ly__source *source, int64_t weight, int64_t now)
{
    struct debt *set = find_set(p, source), *d = find(set, source, now);
    if (!d) {
        d = make_room(p, set, weight, now);
        if (!d)
            return;
        *d = (struct debt){.source = *source, .until = now};
    }
    charge(p, d, weight, now);
}

void ly__penalties_add(struct ly__penalties *p, const struct ly_address *peer, enum ly__offence kind,
                       int64_t now)
{
    struct ly__source source = ly__source_of(peer);
    if (source.bits == 0)
        return;
    pthread_mutex_lock(&p->mutex);
    int64_t weight = p->rules.weight[kind];
    if (weight > 0 && !is_exempt(&p->rules, peer))
        add(p, &source, weight, now);
    pthread_mutex_unlock(&p->mutex);
}

static int64_t find_left(struct ly__penalties *p, const struct ly_address *peer, int64_t now, bool refuses)
{
    struct ly__source source = ly__source_of(peer);
    int64_t left = 0;
    if (source.bits == 0)
        return 0;
    struct debt *set = find_set(p, &source);
    pthread_mutex_lock(&p->mutex);
    struct debt *d = find(set, &source, now);
    if (d && d->refused) {
        left = (d->until - now + MS - 1) / MS;
        p->counts.refusals += refuses;
    }
    pthread_mutex_unlock(&p->mutex);
    return left;
}

int64_t ly__penalties_left(struct ly__penalties *p, const struct ly_address *peer, int64_t now)
{
    return find_left(p, peer, now, true);
}

int64_t ly__penalties_ahead(struct ly__penalties *p, const struct ly_address *peer, int64_t now)
{
    return find_left(p, peer, now, false);
}

void ly__penalties_count(struct ly__penalties *p, int64_t now, struct ly__penalty_counts *ret)
{
    pthread_mutex_lock(&p->mutex);
    *ret = p->counts;
    for (uint64_t i = 0; i < p->sets * WAYS; i++)
        ret->in_force += p->debts[i].refused && p->debts[i].until > now;
    pthread_mutex_unlock(&p->mutex);
}
