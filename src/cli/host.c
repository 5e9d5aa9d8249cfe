/* SPDX-License-Identifier: MIT */
#include "cli/host.h"
#include "daemon/place.h"
#include <lanyard/error.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Forms that the library reads itself. */
static bool is_library_address(const char *text)
{
    return begins(text, "unix:") || begins(text, "tcp://");
}

bool ly__host_is(const char *text)
{
    return is_library_address(text) || begins(text, LY__HOST_TLS) || strpbrk(text, "@:#");
}

/* ---- HOST:PATH ---- */

/* The colon behind an address of the library; NULL if there is none. */
static const char *end_of_address(const char *text)
{
    if (begins(text, "unix:"))
        return strchr(text + strlen("unix:"), ':');
    const char *host = text + strlen("tcp://");
    const char *bracket = *host == '[' ? strchr(host, ']') : host;
    const char *port = bracket ? strchr(bracket, ':') : NULL;
    return port ? strchr(port + 1, ':') : NULL;
}

/* The first colon that no bracket holds. */
static const char *first_colon(const char *text)
{
    size_t n = strcspn(text, ":[");
    const char *bracket = text[n] == '[' ? strchr(text + n, ']') : NULL;
    const char *at = bracket ? bracket : text + n;
    return strchr(at, ':');
}

/* The colon between a machine's name and a path: the one behind the port, if there is a port. */
static const char *end_of_machine(const char *text)
{
    const char *colon = first_colon(text);
    size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;
    if (digits > 0 && colon[1 + digits] == ':')
        return colon + 1 + digits;
    if (digits > 0 && colon[1 + digits] == '#')
        return strchr(colon + 1 + digits, ':');
    return colon;
}

static int split(const char *text, size_t n, const char *path, char *ret_host, const char **ret_path)
{
    if (n >= LY__HOST_TEXT || (is_library_address(text) && n >= LY_ADDRESS_TEXT))
        return LY_EADDRESS;
    memcpy(ret_host, text, n);
    ret_host[n] = 0;
    *ret_path = path;
    return 1;
}

static int split_library(const char *text, char *ret_host, const char **ret_path)
{
    const char *end = end_of_address(text);
    size_t n = end ? (size_t)(end - text) : strlen(text);
    return split(text, n, end ? end + 1 : text + n, ret_host, ret_path); /* without a path: the top */
}

/* A user's name has neither of the characters that end a machine's before a path. */
static int parse_peer(struct ly__peer *peer, const char *text, size_t n)
{
    int r = ly__peer_parse(peer, text, n);
    return r == 0 && strpbrk(peer->user, ":/") ? LY_EADDRESS : r;
}

static int split_machine(const char *text, char *ret_host, const char **ret_path)
{
    struct ly__peer peer;
    bool is_marked = begins(text, LY__HOST_TLS);
    const char *machine = is_marked ? text + strlen(LY__HOST_TLS) : text, *end = end_of_machine(machine);
    if (!is_marked && (!end || strcspn(text, "/") < (size_t)(end - text)))
        return 0;
    size_t n = end ? (size_t)(end - machine) : strlen(machine);
    if (parse_peer(&peer, machine, n) < 0)
        return LY_EADDRESS;
    return split(text, (size_t)(machine - text) + n, end ? end + 1 : machine + n, ret_host, ret_path);
}

int ly__host_split(const char *text, char *ret_host, const char **ret_path)
{
    if (*text == ':')
        return split(text, 0, text + 1, ret_host, ret_path);
    return is_library_address(text) ? split_library(text, ret_host, ret_path)
                                    : split_machine(text, ret_host, ret_path);
}

/* ---- HOST ---- */

static int find_default(const char **host, char *place)
{
    if (!*host || !**host)
        *host = getenv("LANYARD_HOST");
    if (*host && **host)
        return 0;
    *host = place;
    return ly__place_default(place, LY_ADDRESS_TEXT, false, NULL);
}

static int read_machine(struct ly__host *h)
{
    const char *machine = begins(h->address, LY__HOST_TLS) ? h->address + strlen(LY__HOST_TLS) : h->address;
    int r = parse_peer(&h->peer, machine, strlen(machine));
    if (r < 0)
        return r;
    h->is_tls = true;
    memcpy(h->address, h->peer.name, sizeof h->peer.name);
    return 0;
}

int ly__host_parse(struct ly__host *ret_host, const char *host)
{
    char place[LY_ADDRESS_TEXT] = "";
    *ret_host = (struct ly__host){.is_tls = false};
    int r = find_default(&host, place);
    int n = snprintf(ret_host->address, sizeof ret_host->address, "%s", host);
    if (r < 0)
        return r;
    if (n < 0 || (size_t)n >= sizeof ret_host->address)
        return LY_ETOOBIG;
    if (!is_library_address(host))
        return read_machine(ret_host);
    /* Servers are reached by streams: the library's other schemes name none. */
    return strcmp(host, "unix:") == 0 ? LY_EADDRESS : 0;
}
