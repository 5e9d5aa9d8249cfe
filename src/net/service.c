/* SPDX-License-Identifier: MIT */
/* The names of services: the system's table, and a few for systems that have none. */
#include <arpa/inet.h>
#include <errno.h>
#include <lanyard/address.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#define ENTRY_SIZE 2048 /* of one line of the table, with its aliases */

static const struct known {
    const char *name;
    int port;
} known[] = {
    {"ftp-data", 20}, {"ftp", 21},         {"ssh", 22},    {"telnet", 23}, {"smtp", 25},
    {"domain", 53},   {"http", 80},        {"pop3", 110},  {"ntp", 123},   {"imap2", 143},
    {"https", 443},   {"submission", 587}, {"imaps", 993}, {"pop3s", 995},
};
#define KNOWN (sizeof known / sizeof *known)

int ly_service_port(const char *name, const char *protocol)
{
    struct servent entry, *found = NULL;
    char room[ENTRY_SIZE];

    if (getservbyname_r(name, protocol, &entry, room, sizeof room, &found) == 0 && found)
        return ntohs((uint16_t)found->s_port);
    for (size_t i = 0; i < KNOWN; i++) {
        if (strcmp(known[i].name, name) == 0)
            return known[i].port;
    }
    return LY_ENONAME;
}

int ly_service_name(int port, const char *protocol, char *buf, size_t cap)
{
    struct servent entry, *found = NULL;
    char room[ENTRY_SIZE];

    if (port < 0 || port > UINT16_MAX)
        return -EINVAL;
    if (getservbyport_r(htons((uint16_t)port), protocol, &entry, room, sizeof room, &found) == 0 && found)
        return snprintf(buf, cap, "%s", found->s_name);
    for (size_t i = 0; i < KNOWN; i++) {
        if (known[i].port == port)
            return snprintf(buf, cap, "%s", known[i].name);
    }
    return LY_ENONAME;
}
