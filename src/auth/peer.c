/* SPDX-License-Identifier: MIT */
/*
 * From the outside inwards: what stands behind the last '#', before the last '@', and behind the last colon
 * that no bracket holds. What is left is looked at byte for byte, since it is shown, stored in lines of
 * words, and offered as part of a command.
 */
#include "auth/peer.h"
#include "base/escape.h"
#include "base/utf8.h"
#include <arpa/inet.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A part of the text. */
struct span {
    const char *at;
    size_t n;
};

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static bool is_word(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (!is_word_byte(s.at[i]))
            return false;
    }
    return s.n > 0 && *s.at != '-' && *s.at != '.';
}

/* Characters that print, in UTF-8. */
static bool is_user(struct span s)
{
    for (size_t at = 0; at < s.n;) {
        uint32_t code = 0;
        size_t n = ly__utf8_decode(s.at + at, s.n - at, &code);
        if (n == 0 || code == ' ' || ly__escape_needed(code))
            return false;
        at += n;
    }
    return s.n > 0 && s.n < LY__PEER_USER && *s.at != '-';
}

static void copy_lower(char *to, struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        to[i] = s.at[i] >= 'A' && s.at[i] <= 'Z' ? (char)(s.at[i] - 'A' + 'a') : s.at[i];
    to[s.n] = 0;
}

static int read_port(struct span s, uint16_t *ret_port)
{
    unsigned port = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (s.at[i] < '0' || s.at[i] > '9' || i == 5)
            return LY_EADDRESS;
        port = port * 10 + (unsigned)(s.at[i] - '0');
    }
    if (port == 0 || port > UINT16_MAX || *s.at == '0')
        return LY_EADDRESS;
    *ret_port = (uint16_t)port;
    return 0;
}

/* In its one spelling (RFC 5952), so that it is remembered once; a zone ("%eth0") stays. */
static int read_ipv6(struct span s, struct ly__peer *peer)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    const char *percent = memchr(s.at, '%', s.n);
    size_t n = percent ? (size_t)(percent - s.at) : s.n;
    struct span zone = {percent ? percent + 1 : "", percent ? s.n - n - 1 : 0};
    if (n >= sizeof text || zone.n > 32 || (percent && !is_word(zone)))
        return LY_EADDRESS;
    memcpy(text, s.at, n);
    text[n] = 0;
    if (strlen(text) != n || inet_pton(AF_INET6, text, bytes) != 1 ||
        !inet_ntop(AF_INET6, bytes, text, sizeof text))
        return LY_EADDRESS;
    (void)snprintf(peer->host, sizeof peer->host, "%s%s%.*s", text, percent ? "%" : "", (int)zone.n, zone.at);
    (void)snprintf(peer->name, sizeof peer->name, "[%s]:%u", peer->host, (unsigned)peer->port);
    return 0;
}

static int read_host(struct span s, struct ly__peer *peer)
{
    if (s.n > 2 && *s.at == '[' && s.at[s.n - 1] == ']')
        return read_ipv6((struct span){s.at + 1, s.n - 2}, peer);
    if (s.n >= sizeof peer->host || !is_word(s))
        return LY_EADDRESS;
    copy_lower(peer->host, s);
    (void)snprintf(peer->name, sizeof peer->name, "%s:%u", peer->host, (unsigned)peer->port);
    return 0;
}

static int read_machine(struct span s, struct ly__peer *peer)
{
    const char *colon = memrchr(s.at, ':', s.n), *bracket = memrchr(s.at, ']', s.n);
    peer->port = LY__PORT;
    if (!colon || (bracket && bracket > colon))
        return read_host(s, peer);
    size_t n = (size_t)(colon - s.at);
    int r = s.n - n > 1 ? read_port((struct span){colon + 1, s.n - n - 1}, &peer->port) : LY_EADDRESS;
    return r < 0 ? r : read_host((struct span){s.at, n}, peer);
}

int ly__peer_parse(struct ly__peer *ret_peer, const char *text, size_t n)
{
    struct ly__peer peer = {.port = 0};
    struct span s = {text, n};
    const char *hash = memrchr(s.at, '#', s.n);
    if (hash) {
        s.n = (size_t)(hash - s.at);
        if (ly__id_parse(peer.id, hash + 1, n - s.n - 1) < 0)
            return LY_EADDRESS;
    }
    const char *at = memrchr(s.at, '@', s.n);
    if (at) {
        struct span user = {s.at, (size_t)(at - s.at)};
        if (!is_user(user))
            return LY_EADDRESS;
        memcpy(peer.user, user.at, user.n);
        s = (struct span){at + 1, s.n - user.n - 1};
    }
    int r = read_machine(s, &peer);
    if (r == 0)
        *ret_peer = peer;
    return r;
}
