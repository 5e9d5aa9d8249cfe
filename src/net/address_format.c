/* SPDX-License-Identifier: MIT */
/* Addresses printed. */
#include "net/address.h"
#include <arpa/inet.h>

/* Text that is counted to its end and kept as far as it fits. */
struct text {
    char *buf;
    size_t cap, length;
};

static void put(struct text *t, char c)
{
    if (t->length + 1 < t->cap)
        t->buf[t->length] = c;
    t->length++;
}

/* Close the text with its zero byte. Returns the whole length. */
static size_t finish(struct text *t)
{
    if (t->cap > 0)
        t->buf[t->length < t->cap ? t->length : t->cap - 1] = 0;
    return t->length;
}

static void put_string(struct text *t, const char *s)
{
    while (*s)
        put(t, *s++);
}

static void put_escaped(struct text *t, char c)
{
    static const char digits[] = "0123456789ABCDEF";
    put(t, '%');
    put(t, digits[(unsigned char)c >> 4]);
    put(t, digits[c & 15]);
}

static void put_scheme(struct text *t, const struct ly_address *a, sa_family_t family)
{
    for (size_t i = 0; i < LY__SCHEMES; i++) {
        if (ly__schemes[i].family == family && ly__schemes[i].type == ly__address_type(a)) {
            put_string(t, ly__schemes[i].prefix);
            return;
        }
    }
    put_string(t, family == AF_UNIX ? "unix:" : "raw://");
}

static void put_unix(struct text *t, const struct ly_address *a)
{
    size_t n;
    const char *name = ly__unix_name(a, &n);
    bool abstract = n > 0 && name[0] == 0;

    if (abstract)
        put(t, '@');
    for (size_t i = abstract; i < n; i++) {
        /* A path that begins with '@' must not look like an abstract name. */
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '%' || (i == 0 && name[i] == '@'))
            put_escaped(t, name[i]);
        else
            put(t, name[i]);
    }
}

static void put_number(struct text *t, uint32_t n)
{
    char digits[10];
    int count = 0;
    do
        digits[count++] = (char)('0' + n % 10);
    while (n /= 10);
    while (count > 0)
        put(t, digits[--count]);
}

/* By hand: a server names a fiber after each connection's peer. */
static void put_in(struct text *t, const struct in_addr *host)
{
    uint32_t n = ntohl(host->s_addr);
    for (int shift = 24; shift >= 0; shift -= 8) {
        put_number(t, n >> shift & 255);
        if (shift > 0)
            put(t, '.');
    }
}

static void put_in6(struct text *t, const struct sockaddr_in6 *in6)
{
    char host[INET6_ADDRSTRLEN] = "";
    inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
    put_string(t, host);
    if (in6->sin6_scope_id) {
        put(t, '%');
        put_number(t, in6->sin6_scope_id);
    }
}

static void put_internet(struct text *t, const struct ly_address *a)
{
    put_scheme(t, a, AF_UNSPEC);
    if (a->u.family == AF_INET6) {
        put(t, '[');
        put_in6(t, &a->u.in6);
        put(t, ']');
    } else {
        put_in(t, &a->u.in.sin_addr);
    }
    put(t, ':');
    put_number(t, (uint32_t)ly_address_port(a));
}

size_t ly_address_format(const struct ly_address *address, char *buf, size_t cap)
{
    struct text t = {.buf = buf, .cap = cap};

    if (ly__address_is_unix(address)) {
        put_scheme(&t, address, AF_UNIX);
        put_unix(&t, address);
    } else if (address->u.family == AF_INET || address->u.family == AF_INET6) {
        put_internet(&t, address);
    } else {
        put_string(&t, "unknown:");
    }
    return finish(&t);
}

size_t ly_address_host(const struct ly_address *address, char *buf, size_t cap)
{
    struct text t = {.buf = buf, .cap = cap};

    if (ly__address_is_unix(address))
        put_unix(&t, address);
    else if (address->u.family == AF_INET6)
        put_in6(&t, &address->u.in6);
    else if (address->u.family == AF_INET)
        put_in(&t, &address->u.in.sin_addr);
    return finish(&t);
}
