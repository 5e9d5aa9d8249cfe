/* SPDX-License-Identifier: MIT */
#include "net/address.h"
#include <arpa/inet.h>
#include <net/if.h>
#include <string.h>

#define PATH_MAX_UNIX (sizeof((struct sockaddr_un *)0)->sun_path)
#define PATH_OFFSET offsetof(struct sockaddr_un, sun_path)

const struct ly__scheme ly__schemes[LY__SCHEMES] = {
    {"tcp://", AF_UNSPEC, SOCK_STREAM}, /* the first of its kind is what an address is printed with */
    {LY__TLS_SCHEME, AF_UNSPEC, SOCK_STREAM},
    {"udp://", AF_UNSPEC, SOCK_DGRAM},
    {"unix:", AF_UNIX, SOCK_STREAM},
    {"unix-dgram:", AF_UNIX, SOCK_DGRAM},
    {"unix-seqpacket:", AF_UNIX, SOCK_SEQPACKET},
};

/* ---- making ---- */

void ly__address_set_in(struct ly_address *a, const void *host, uint16_t port)
{
    *a = (struct ly_address){.length = sizeof a->u.in};
    a->u.in.sin_family = AF_INET;
    a->u.in.sin_port = htons(port);
    memcpy(&a->u.in.sin_addr, host, sizeof a->u.in.sin_addr);
}

void ly__address_set_in6(struct ly_address *a, const void *host, uint16_t port, uint32_t scope)
{
    *a = (struct ly_address){.length = sizeof a->u.in6};
    a->u.in6.sin6_family = AF_INET6;
    a->u.in6.sin6_port = htons(port);
    a->u.in6.sin6_scope_id = scope;
    memcpy(&a->u.in6.sin6_addr, host, sizeof a->u.in6.sin6_addr);
}

void ly__address_set_length(struct ly_address *a, socklen_t length, int type)
{
    a->type = type;
    if (length <= sizeof a->u.family)
        length = 0; /* a Unix socket without a name: a family and nothing else */
    a->length = length < sizeof a->u ? length : (socklen_t)sizeof a->u;
}

/* ---- reading ---- */

/* A number without sign or space, at most max. Returns -1 where it is none. */
static int64_t read_number(const char *s, size_t n, int64_t max)
{
    int64_t value = 0;
    if (n == 0 || n > 10)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (s[i] < '0' || s[i] > '9')
            return -1;
        value = value * 10 + (s[i] - '0');
    }
    return value <= max ? value : -1;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Undo %XX. Returns the bytes stored, or LY_EADDRESS: a bad escape, or more than cap bytes. */
static int unescape(const char *s, char *out, size_t cap)
{
    size_t n = 0;
    for (; *s; s++) {
        char c = *s;
        if (n == cap)
            return LY_EADDRESS;
        if (c == '%') {
            int high = hex_digit(s[1]);
            int low = high < 0 ? -1 : hex_digit(s[2]);
            if (low < 0)
                return LY_EADDRESS;
            c = (char)(high * 16 + low);
            s += 2;
        }
        out[n++] = c;
    }
    return (int)n;
}

static int read_unix(struct ly_address *ret, const char *s)
{
    struct ly_address a = {0};
    bool abstract = *s == '@';
    char *name = a.u.un.sun_path + abstract;
    int n = unescape(s + abstract, name, PATH_MAX_UNIX - 1);

    /* A path ends with a zero byte, which is counted; an abstract name begins with one and may hold more. No
     * name at all is the family alone: the kernel then chooses one. */
    if (n < 0 || (!abstract && memchr(name, 0, (size_t)n)))
        return LY_EADDRESS;
    a.u.un.sun_family = AF_UNIX;
    a.length = (socklen_t)(*s ? PATH_OFFSET + (size_t)n + 1 : sizeof a.u.family);
    *ret = a;
    return 0;
}

/* "fe80::1" or "fe80::1%eth0", n bytes between the brackets. */
static int read_in6(struct ly_address *ret, const char *s, size_t n, uint16_t port)
{
    char text[INET6_ADDRSTRLEN + IF_NAMESIZE + 1];
    struct in6_addr host;
    int64_t scope = 0;

    if (n >= sizeof text)
        return LY_EADDRESS;
    memcpy(text, s, n);
    text[n] = 0;
    char *zone = strchr(text, '%');
    if (zone) {
        *zone++ = 0;
        scope = read_number(zone, strlen(zone), UINT32_MAX);
        if (scope < 0)
            scope = if_nametoindex(zone);
        if (scope == 0)
            return LY_EADDRESS;
    }
    if (inet_pton(AF_INET6, text, &host) != 1)
        return LY_EADDRESS;
    ly__address_set_in6(ret, &host, port, (uint32_t)scope);
    return 0;
}

static bool is_host_name(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = s[i];
        bool fits = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '-' ||
                    c == '.' || c == '_';
        if (!fits)
            return false;
    }
    return n > 0 && n <= LY__HOST_MAX && s[0] != '-';
}

#define BROADCAST "<broadcast>"

/* Whether the last label is a number: no name ends so, but resolvers take "127.1" and "0x7f000001" for
 * addresses, which nobody who compared the text would have expected. */
static bool looks_numeric(const char *host)
{
    static const char digits[] = "0123456789", hex[] = "0123456789abcdefABCDEF";
    size_t n = strlen(host);
    if (n > 0 && host[n - 1] == '.')
        n--;
    const char *last = memrchr(host, '.', n);
    last = last ? last + 1 : host;
    n -= (size_t)(last - host);
    bool is_hex = n > 1 && last[0] == '0' && (last[1] | 0x20) == 'x';
    return is_hex ? strspn(last + 2, hex) >= n - 2 : strspn(last, digits) >= n;
}

/* An IPv4 address, a name, or nothing: the n bytes before the port. */
static int read_host(struct ly_address *ret, const char *s, size_t n, uint16_t port, struct ly__name *name)
{
    struct in_addr host;

    *name = (struct ly__name){.port = port, .empty = n == 0};
    if (n == 0) {
        ly__address_set_in6(ret, &in6addr_any, port, 0);
        return 0;
    }
    if (n == strlen(BROADCAST) && memcmp(s, BROADCAST, n) == 0) {
        host.s_addr = INADDR_BROADCAST;
        ly__address_set_in(ret, &host, port);
        return 0;
    }
    if (!is_host_name(s, n))
        return LY_EADDRESS;
    memcpy(name->host, s, n);
    if (inet_pton(AF_INET, name->host, &host) != 1)
        return looks_numeric(name->host) ? LY_EADDRESS : LY_ENONAME;
    ly__address_set_in(ret, &host, port);
    return 0;
}

int ly__host_read(struct ly_address *ret_address, const char *host, size_t n, uint16_t port,
                  struct ly__name *ret_name)
{
    ret_name->empty = false;
    if (memchr(host, ':', n))
        return read_in6(ret_address, host, n, port);
    return read_host(ret_address, host, n, port, ret_name);
}

static int read_internet(struct ly_address *ret, const char *s, struct ly__name *name)
{
    const char *colon = strrchr(s, ':');
    if (!colon)
        return LY_EADDRESS;
    int64_t port = read_number(colon + 1, strlen(colon + 1), UINT16_MAX);
    if (port < 0)
        return LY_EADDRESS;
    if (*s == '[')
        return colon > s + 1 && colon[-1] == ']'
                   ? read_in6(ret, s + 1, (size_t)(colon - s) - 2, (uint16_t)port)
                   : LY_EADDRESS;
    return read_host(ret, s, (size_t)(colon - s), (uint16_t)port, name);
}

int ly__address_read(struct ly_address *ret_address, const char *text, struct ly__name *ret_name)
{
    ret_name->empty = false;
    ret_name->type = 0;
    for (const struct ly__scheme *s = ly__schemes; s < ly__schemes + LY__SCHEMES; s++) {
        size_t n = strlen(s->prefix);
        if (strncmp(text, s->prefix, n) != 0)
            continue;
        int r = s->family == AF_UNIX ? read_unix(ret_address, text + n)
                                     : read_internet(ret_address, text + n, ret_name);
        ret_name->type = s->type;
        if (r == 0)
            ret_address->type = s->type;
        return r;
    }
    return LY_EADDRESS;
}

int ly_address_parse(struct ly_address *ret_address, const char *text)
{
    struct ly__name name;
    return ly__address_read(ret_address, text, &name);
}

/* ---- what is in a Unix address ---- */

const char *ly__unix_name(const struct ly_address *a, size_t *ret_length)
{
    const char *name = a->u.un.sun_path;
    size_t n = a->length > PATH_OFFSET ? a->length - PATH_OFFSET : 0;
    n = n < PATH_MAX_UNIX ? n : PATH_MAX_UNIX;
    *ret_length = n > 0 && name[0] ? strnlen(name, n) : n;
    return name;
}

bool ly__address_is_unix(const struct ly_address *a)
{
    return a->length < sizeof a->u.family || a->u.family == AF_UNIX;
}

/* ---- comparing ---- */

static bool equal_unix(const struct ly_address *a, const struct ly_address *b)
{
    size_t na, nb;
    const char *name_a = ly__unix_name(a, &na), *name_b = ly__unix_name(b, &nb);
    return na == nb && memcmp(name_a, name_b, na) == 0;
}

bool ly_address_equal(const struct ly_address *a, const struct ly_address *b)
{
    if (ly__address_is_unix(a) || ly__address_is_unix(b))
        return ly__address_is_unix(a) && ly__address_is_unix(b) && equal_unix(a, b);
    if (a->u.family != b->u.family)
        return false;
    if (a->u.family == AF_INET)
        return a->u.in.sin_port == b->u.in.sin_port && a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
    if (a->u.family == AF_INET6)
        return a->u.in6.sin6_port == b->u.in6.sin6_port && a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
               IN6_ARE_ADDR_EQUAL(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr);
    return a->length == b->length && memcmp(&a->u, &b->u, a->length) == 0;
}

int ly_address_port(const struct ly_address *address)
{
    if (ly__address_is_unix(address))
        return -1;
    if (address->u.family == AF_INET)
        return ntohs(address->u.in.sin_port);
    return address->u.family == AF_INET6 ? ntohs(address->u.in6.sin6_port) : -1;
}

bool ly_address_is_local(const struct ly_address *address)
{
    if (ly__address_is_unix(address))
        return true;
    if (address->u.family == AF_INET)
        return ntohl(address->u.in.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    if (address->u.family != AF_INET6)
        return false;
    const struct in6_addr *host = &address->u.in6.sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(host) || (IN6_IS_ADDR_V4MAPPED(host) && host->s6_addr[12] == IN_LOOPBACKNET);
}
