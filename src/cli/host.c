/* SPDX-License-Identifier: MIT */
#include "cli/host.h"
#include "cli/command.h"
#include "daemon/place.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER ((size_t)256 << 10) /* of a connection, each way: what one call moves */

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

bool ly__host_is(const char *text)
{
    return begins(text, "unix:") || begins(text, "tcp://");
}

/* ---- HOST:PATH ---- */

/* The colon behind the address at the start of text; NULL if there is none. */
static const char *find_end(const char *text)
{
    if (begins(text, "unix:"))
        return strchr(text + strlen("unix:"), ':');
    const char *host = text + strlen("tcp://");
    const char *bracket = *host == '[' ? strchr(host, ']') : host;
    const char *port = bracket ? strchr(bracket, ':') : NULL;
    return port ? strchr(port + 1, ':') : NULL;
}

int ly__host_split(const char *text, char *ret_host, const char **ret_path)
{
    if (*text == ':') {
        *ret_host = 0;
        *ret_path = text + 1;
        return 1;
    }
    if (!ly__host_is(text))
        return 0;
    const char *end = find_end(text);
    size_t n = end ? (size_t)(end - text) : strlen(text);
    if (n >= LY_ADDRESS_TEXT)
        return LY_EADDRESS;
    memcpy(ret_host, text, n);
    ret_host[n] = 0;
    *ret_path = end ? end + 1 : text + n; /* without a path: the top */
    return 1;
}

/* ---- connecting ---- */

int ly__host_address(const char *host, char *ret_address)
{
    if (!host || !*host)
        host = getenv("LANYARD_HOST");
    if (!host || !*host)
        return ly__place_default(ret_address, LY_ADDRESS_TEXT, false, NULL);
    size_t n = strlen(host);
    if (n >= LY_ADDRESS_TEXT)
        return LY_ETOOBIG;
    memcpy(ret_address, host, n + 1);
    return 0;
}

static const char *hint(int error)
{
    if (error == -ECONNREFUSED || error == -ENOENT)
        return " (is \"lanyard serve\" running?)";
    if (error == LY_EADDRESS)
        return " (expected unix:PATH, unix:@NAME or tcp://HOST:PORT)";
    return "";
}

/* Servers are reached by streams: the library's other schemes name none. */
static bool names_server(const char *address)
{
    return begins(address, "tcp://") || (begins(address, "unix:") && address[strlen("unix:")]);
}

int ly__client_open(struct ly__client *c, const char *command, const char *host)
{
    struct ly_sock *sock;
    *c = (struct ly__client){0};
    int r = ly__host_address(host, c->address);
    if (r == -EPERM) {
        ly__cli_say(command, "the default socket's folder belongs to somebody else; name the server");
        return r;
    }
    if (r == 0 && !names_server(c->address))
        r = LY_EADDRESS;
    if (r == 0)
        r = ly_connect(&sock, c->address, NULL);
    if (r == 0 && begins(c->address, "tcp:"))
        ly_sock_set_int(sock, IPPROTO_TCP, TCP_NODELAY, 1);
    if (r == 0)
        r = ly_stream_open(&c->stream, sock,
                           &(struct ly_stream_options){.read_size = BUFFER, .write_size = BUFFER});
    if (r < 0)
        ly__cli_say(command, "cannot connect to %s: %s%s", c->address, ly_error_text(r), hint(r));
    return r;
}

void ly__client_close(struct ly__client *c)
{
    ly_stream_close(c->stream);
    c->stream = NULL;
}
