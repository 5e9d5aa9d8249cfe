/* SPDX-License-Identifier: MIT */
/* Addresses from text, with or without asking a resolver: what is numeric, empty or a Unix name never does.
 */
#include "net/resolve.h"
#include <errno.h>

/* The addresses an empty host stands for, IPv6 first. */
static int empty_host(uint16_t port, bool passive, struct ly_address *list, size_t cap)
{
    struct in_addr host = {.s_addr = htonl(passive ? INADDR_ANY : INADDR_LOOPBACK)};
    ly__address_set_in6(&list[0], passive ? &in6addr_any : &in6addr_loopback, port, 0);
    if (cap < 2)
        return 1;
    ly__address_set_in(&list[1], &host, port);
    return 2;
}

static int resolve(const char *text, bool passive, struct ly_address *list, size_t cap, int *ret_type)
{
    struct ly__name name;
    struct ly_address one;

    int r = ly__address_read(&one, text, &name);
    *ret_type = name.type;
    if (r == LY_ENONAME)
        return ly__lookup(&name, list, cap);
    if (r < 0)
        return r;
    if (name.empty)
        return empty_host(name.port, passive, list, cap);
    list[0] = one;
    return 1;
}

int ly_resolve(const char *text, bool passive, struct ly_address *list, size_t cap)
{
    int type = 0;
    if (cap == 0)
        return -EINVAL;
    int n = resolve(text, passive, list, cap, &type);
    for (int i = 0; i < n; i++)
        list[i].type = type;
    return n;
}
