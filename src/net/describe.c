/* SPDX-License-Identifier: MIT */
/* A socket as a line of text. */
#include "net/address.h"
#include "net/sock.h"
#include <lanyard/option.h>
#include <stdarg.h>
#include <stdio.h>

#define NUMBER_TEXT 16

struct name {
    int number;
    const char *name;
};

static const struct name families[] = {
    {AF_INET, "AF_INET"},       {AF_INET6, "AF_INET6"},   {AF_UNIX, "AF_UNIX"},
    {AF_NETLINK, "AF_NETLINK"}, {AF_PACKET, "AF_PACKET"}, {-1, NULL},
};
static const struct name types[] = {
    {SOCK_STREAM, "SOCK_STREAM"},
    {SOCK_DGRAM, "SOCK_DGRAM"},
    {SOCK_SEQPACKET, "SOCK_SEQPACKET"},
    {SOCK_RAW, "SOCK_RAW"},
    {-1, NULL},
};

static const char *name_of(const struct name *list, int number, char room[NUMBER_TEXT])
{
    for (; list->name; list++) {
        if (list->number == number)
            return list->name;
    }
    snprintf(room, NUMBER_TEXT, "%d", number);
    return room;
}

/* Text that is counted to its end and kept as far as it fits. */
struct line {
    char *buf;
    size_t cap, length;
};

static __attribute__((format(printf, 2, 3))) void add(struct line *l, const char *format, ...)
{
    va_list args;
    size_t at = l->length < l->cap ? l->length : l->cap;
    va_start(args, format);
    int n = vsnprintf(at < l->cap ? l->buf + at : NULL, l->cap - at, format, args);
    va_end(args);
    l->length += n > 0 ? (size_t)n : 0;
}

static void add_address(struct line *l, const char *label, const struct ly_address *a)
{
    char host[LY_ADDRESS_TEXT];
    size_t n = ly_address_host(a, host, sizeof host);

    if (ly__address_is_unix(a)) {
        if (n > 0)
            add(l, ", %s='%s'", label, host);
    } else if (a->u.family == AF_INET) {
        add(l, ", %s=('%s', %d)", label, host, ly_address_port(a));
    } else if (a->u.family == AF_INET6) {
        add(l, ", %s=('%s', %d, %u, %u)", label, host, ly_address_port(a), ntohl(a->u.in6.sin6_flowinfo),
            a->u.in6.sin6_scope_id);
    }
}

size_t ly_sock_describe(const struct ly_sock *s, char *buf, size_t cap)
{
    struct line l = {.buf = buf, .cap = cap};
    struct ly_address a;
    char family[NUMBER_TEXT], type[NUMBER_TEXT];

    if (cap > 0)
        *buf = 0;
    add(&l, "<socket %sfd=%d, family=%s, type=%s, proto=%d", s->io.fd < 0 ? "[closed] " : "", s->io.fd,
        name_of(families, s->family, family), name_of(types, s->type, type), s->proto);
    if (ly_sock_local(s, &a) == 0)
        add_address(&l, "laddr", &a);
    if (ly_sock_peer(s, &a) == 0)
        add_address(&l, "raddr", &a);
    add(&l, ">");
    return l.length;
}
