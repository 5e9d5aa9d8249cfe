/* SPDX-License-Identifier: MIT */
/*
 * Failures by name, in a table of fixed size: sets of four places, of which a name's hash chooses one. The
 * hash is keyed, so that nobody can choose names that fall together. In a full set the name that has failed
 * least gives way: who wants to be forgotten has to fail with many other names first.
 */
#include "auth/failures.h"
#include <errno.h>
#include <lanyard/challenge.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SETS 1024
#define WAYS 4
#define KEY 32

struct place {
    uint64_t tag;   /* of the name's hash */
    int64_t last;   /* when it failed last */
    uint32_t count; /* how often; 0: the place is free */
};

struct ly__failures {
    pthread_mutex_t lock;
    uint8_t key[KEY];
    struct place places[SETS][WAYS];
};

int ly__failures_new(struct ly__failures **ret_failures)
{
    struct ly__failures *f = calloc(1, sizeof *f);
    if (!f)
        return -ENOMEM;
    if (getrandom(f->key, sizeof f->key, 0) != (ssize_t)sizeof f->key) {
        free(f);
        return -EIO;
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
    explicit_bzero(f->key, sizeof f->key);
    free(f);
}

/* What a name's hash decides. */
struct mark {
    uint64_t tag;
    uint64_t set;
    uint64_t wait; /* of its first failure, in milliseconds */
};

static int hash(const struct ly__failures *f, const char *name, struct mark *ret)
{
    struct ly_digest *d;
    unsigned char out[LY_DIGEST_MAX];
    int r = ly_digest_new(&d, LY_SHA256, f->key, sizeof f->key);
    if (r < 0)
        return r;
    r = ly_digest_update(d, name, strlen(name));
    if (r == 0 && ly_digest_end(d, out) < 0)
        r = -ENOMEM;
    ly_digest_free(d);
    if (r != 0)
        return -ENOMEM;
    memcpy(&ret->tag, out, 8);
    memcpy(&ret->set, out + 8, 8);
    memcpy(&ret->wait, out + 16, 8);
    ret->set %= SETS;
    ret->wait = LY__FAILURE_LEAST_MS + ret->wait % LY__FAILURE_LEAST_MS;
    return 0;
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

int64_t ly__failures_note(struct ly__failures *f, const char *name, int64_t now)
{
    struct mark m;
    if (hash(f, name, &m) < 0)
        return LY__FAILURE_MOST_MS; /* no memory: nobody learns from that */
    pthread_mutex_lock(&f->lock);
    uint32_t count = count_failure(f->places[m.set], m.tag, now);
    pthread_mutex_unlock(&f->lock);
    uint64_t wait = m.wait << (count < 16 ? count - 1 : 15);
    return wait < LY__FAILURE_MOST_MS ? (int64_t)wait : LY__FAILURE_MOST_MS;
}

void ly__failures_clear(struct ly__failures *f, const char *name)
{
    struct mark m;
    if (hash(f, name, &m) < 0)
        return;
    pthread_mutex_lock(&f->lock);
    struct place *p = find(f->places[m.set], m.tag);
    if (p)
        p->count = 0;
    pthread_mutex_unlock(&f->lock);
}
