/* SPDX-License-Identifier: MIT */
/*
 * Failures by name, in a table of fixed size: sets of four places, of which a name's hash chooses one. The
 * hash is keyed, so that nobody can choose names that fall together. In a full set the name that has failed
 * least gives way: who wants to be forgotten has to fail with many other names first.
 */
#include "auth/failures.h"
#include "auth/source.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SETS 1024
#define WAYS 4

struct place {
    uint64_t tag;   /* the name's hash */
    int64_t last;   /* when it failed last */
    uint32_t count; /* how often; 0: the place is free */
};

struct ly__failures {
    pthread_mutex_t lock;
    uint8_t key[LY__HASH_KEY], wait_key[LY__HASH_KEY];
    struct place places[SETS][WAYS];
};

int ly__failures_new(struct ly__failures **ret_failures)
{
    struct ly__failures *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    int r = ly__random(f->key, sizeof f->key);
    if (r == 0)
        r = ly__random(f->wait_key, sizeof f->wait_key);
    if (r < 0) {
        free(f);
        return r;
    }
    pthread_mutex_init(&f->lock, NULL);
    *ret_failures = f;
    return 0;
}

void ly__failures_free(struct ly__failures *f)
{
    if (!f)
        return;
    pthread_mutex_destroy(&f->lock);
    explicit_bzero(f, sizeof *f);
    free(f);
}

static struct place *find(struct place *set, uint64_t tag)
{
    for (int i = 0; i < WAYS; i++) {
        if (set[i].count > 0 && set[i].tag == tag)
            return &set[i];
    }
    return NULL;
}

/* The place that a new name gets: one that is free or forgotten, else that of the least failures, the oldest
 * of them. */
static struct place *give_way(struct place *set, int64_t now)
{
    struct place *best = &set[0];
    for (int i = 0; i < WAYS; i++) {
        struct place *p = &set[i];
        if (p->count == 0 || now - p->last > LY__FAILURE_FORGET_MS)
            return p;
        if (p->count < best->count || (p->count == best->count && p->last < best->last))
            best = p;
    }
    return best;
}

static uint32_t count_failure(struct place *set, uint64_t tag, int64_t now)
{
    struct place *p = find(set, tag);
    if (!p || now - p->last > LY__FAILURE_FORGET_MS) {
        p = p ? p : give_way(set, now);
        *p = (struct place){.tag = tag};
    }
    p->last = now;
    if (p->count < UINT32_MAX)
        p->count++;
    return p->count;
}

/* The wait after a name's first failure. */
static int64_t first_wait(const struct ly__failures *f, const char *name)
{
    return LY__FAILURE_LEAST_MS +
           (int64_t)(ly__siphash(f->wait_key, name, strlen(name)) % LY__FAILURE_LEAST_MS);
}

int64_t ly__failures_note(struct ly__failures *f, const char *name, int64_t now)
{
    uint64_t tag = ly__siphash(f->key, name, strlen(name));
    pthread_mutex_lock(&f->lock);
    uint32_t count = count_failure(f->places[tag % SETS], tag, now);
    pthread_mutex_unlock(&f->lock);
    int64_t wait = first_wait(f, name) << (count < 16 ? count - 1 : 15);
    return wait < LY__FAILURE_MOST_MS ? wait : LY__FAILURE_MOST_MS;
}

void ly__failures_clear(struct ly__failures *f, const char *name)
{
    uint64_t tag = ly__siphash(f->key, name, strlen(name));
    pthread_mutex_lock(&f->lock);
    struct place *p = find(f->places[tag % SETS], tag);
    if (p)
        p->count = 0;
    pthread_mutex_unlock(&f->lock);
}
