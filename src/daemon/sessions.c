/* SPDX-License-Identifier: MIT */
#include "daemon/sessions.h"
#include <lanyard/clock.h>
#include <stdio.h>
#include <stdlib.h>

void ly__sessions_open(struct ly__sessions *s)
{
    pthread_mutex_init(&s->lock, NULL);
    for (size_t i = 0; i < LY__SESSIONS_LISTS; i++)
        ly__list_init(&s->lists[i]);
}

void ly__sessions_close(struct ly__sessions *s)
{
    pthread_mutex_destroy(&s->lock);
}

static struct ly__list *list_of(struct ly__sessions *s, uint64_t number)
{
    return &s->lists[number % LY__SESSIONS_LISTS];
}

struct ly__entry *ly__sessions_add(struct ly__sessions *s, const struct ly_address *peer, const void *owner)
{
    struct ly__entry *e = calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->owner = owner;
    e->state = LY__CONNECTED;
    e->began = ly_now();
    e->peer = *peer;
    ly_address_format(peer, e->from, sizeof e->from);
    pthread_mutex_lock(&s->lock);
    e->number = ++s->last;
    ly__list_append(list_of(s, e->number), &e->link);
    s->count++;
    pthread_mutex_unlock(&s->lock);
    return e;
}

static struct ly__entry *find(struct ly__sessions *s, uint64_t number)
{
    ly__list_each (l, list_of(s, number)) {
        struct ly__entry *e = ly__container_of(l, struct ly__entry, link);
        if (e->number == number)
            return e;
    }
    return NULL;
}

size_t ly__sessions_count(struct ly__sessions *s)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

struct ly__entry *ly__sessions_find(struct ly__sessions *s, uint64_t number)
{
    pthread_mutex_lock(&s->lock);
    struct ly__entry *e = find(s, number);
    pthread_mutex_unlock(&s->lock);
    return e;
}

struct ly__entry *ly__sessions_find_of(struct ly__sessions *s, uint64_t number, const void *owner)
{
    pthread_mutex_lock(&s->lock);
    struct ly__entry *e = find(s, number);
    if (e && e->owner != owner)
        e = NULL;
    pthread_mutex_unlock(&s->lock);
    return e;
}

void ly__sessions_remove(struct ly__sessions *s, struct ly__entry *e)
{
    pthread_mutex_lock(&s->lock);
    ly__list_remove(&e->link);
    s->count--;
    pthread_mutex_unlock(&s->lock);
}

void ly__entry_free(struct ly__entry *e)
{
    ly__login_free(e->login);
    free(e);
}

void ly__sessions_lock(struct ly__sessions *s)
{
    pthread_mutex_lock(&s->lock);
}

void ly__sessions_unlock(struct ly__sessions *s)
{
    pthread_mutex_unlock(&s->lock);
}

void ly__sessions_note(struct ly__sessions *s, uint64_t number, const void *owner, const char *doing)
{
    pthread_mutex_lock(&s->lock);
    struct ly__entry *e = find(s, number);
    if (e && e->owner == owner) {
        snprintf(e->doing, sizeof e->doing, "%s", doing);
        e->last = e->doing_at = ly_now();
    }
    pthread_mutex_unlock(&s->lock);
}

void ly__sessions_each(struct ly__sessions *s, void (*fn)(void *arg, struct ly__entry *e), void *arg)
{
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < LY__SESSIONS_LISTS; i++) {
        ly__list_each_safe (l, &s->lists[i])
            fn(arg, ly__container_of(l, struct ly__entry, link));
    }
    pthread_mutex_unlock(&s->lock);
}
