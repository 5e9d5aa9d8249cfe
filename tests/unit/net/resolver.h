/* SPDX-License-Identifier: MIT */
/*
 * The system's resolver as the test wants it: getaddrinfo of the test program takes the place of the C
 * library's. It gives fixed answers, and can be held up like one whose name servers are silent.
 */
#ifndef TESTS_UNIT_NET_RESOLVER_H
#define TESTS_UNIT_NET_RESOLVER_H

#include <arpa/inet.h>
#include <netdb.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    const char *const *hosts; /* the answer: numeric, NULL-terminated */
    int code;                 /* what getaddrinfo returns */
    bool held;                /* it does not return while set */
    int asked, inside;        /* calls begun; calls that have not returned */
} resolver = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static inline void resolver_set(const char *const *hosts, int code, bool held)
{
    pthread_mutex_lock(&resolver.lock);
    resolver.hosts = hosts;
    resolver.code = code;
    resolver.held = held;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
}

static inline void resolver_answers(const char *const *hosts)
{
    resolver_set(hosts, 0, false);
}

static inline int resolver_asked(void)
{
    pthread_mutex_lock(&resolver.lock);
    int n = resolver.asked;
    pthread_mutex_unlock(&resolver.lock);
    return n;
}

/* Wait until all calls have returned. */
static inline void resolver_settle(void)
{
    pthread_mutex_lock(&resolver.lock);
    while (resolver.inside > 0)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    pthread_mutex_unlock(&resolver.lock);
}

struct resolver_entry {
    struct addrinfo info;
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_in6 in6;
    } address;
};

static struct addrinfo *resolver_entry(const char *host, int port)
{
    struct resolver_entry *e = calloc(1, sizeof *e);
    if (!e)
        abort();
    e->info.ai_addr = &e->address.any;
    if (inet_pton(AF_INET, host, &e->address.in.sin_addr) == 1) {
        e->address.in.sin_family = AF_INET;
        e->address.in.sin_port = htons((uint16_t)port);
        e->info.ai_addrlen = sizeof e->address.in;
    } else {
        inet_pton(AF_INET6, host, &e->address.in6.sin6_addr);
        e->address.in6.sin6_family = AF_INET6;
        e->address.in6.sin6_port = htons((uint16_t)port);
        e->info.ai_addrlen = sizeof e->address.in6;
    }
    e->info.ai_family = e->address.any.sa_family;
    return &e->info;
}

int getaddrinfo(const char *restrict node, const char *restrict service,
                const struct addrinfo *restrict hints, struct addrinfo **restrict ret)
{
    struct addrinfo *first = NULL, **end = &first;
    (void)node;
    (void)hints;
    pthread_mutex_lock(&resolver.lock);
    resolver.asked++;
    resolver.inside++;
    pthread_cond_broadcast(&resolver.changed);
    while (resolver.held)
        pthread_cond_wait(&resolver.changed, &resolver.lock);
    int code = resolver.code;
    for (const char *const *h = resolver.hosts; code == 0 && *h; h++) {
        *end = resolver_entry(*h, (int)strtol(service, NULL, 10));
        end = &(*end)->ai_next;
    }
    resolver.inside--;
    pthread_cond_broadcast(&resolver.changed);
    pthread_mutex_unlock(&resolver.lock);
    if (code == 0)
        *ret = first;
    return code;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list); /* the first field of its struct resolver_entry */
        list = next;
    }
}

#endif
