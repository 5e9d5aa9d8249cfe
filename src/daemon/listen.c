/* SPDX-License-Identifier: MIT */
/*
 * The addresses. Version 1 of the protocol has no logins: whoever can connect may do all that the server's
 * user may do. A Unix socket with mode 0600 lets in that user (and root) only. A TCP port on loopback lets in
 * everyone on this machine, so it has to be asked for by name; any other port would let in the network, and
 * is refused.
 */
#include "daemon/listen.h"
#include "daemon/notify.h"
#include <errno.h>
#include <lanyard/log.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 1024

#define STALL_MS 2000 /* a fiber that holds its loop for so long is reported */

static int refuse(const char *address, const char *why)
{
    fprintf(stderr, "%slanyard serve: will not listen on %s: %s\n", ly__notify_error(), address, why);
    return LY_EREFUSED;
}

/* Of a Unix socket's path. */
static const char *explain_path(const char *path, int error)
{
    struct stat st;
    switch (error) {
    case -EADDRINUSE:
        if (*path != '@' && stat(path, &st) == 0 && !S_ISSOCK(st.st_mode))
            return "a file that is no socket is there, and stays: remove it, or name another path";
        return "it is served already: end that server, or name another path";
    case -ENOENT:
    case -ENOTDIR:
        return "the directory of this path is not there: make it first";
    case -EACCES:
    case -EPERM:
        return "you may not make a file in the directory of this path: name one in a directory of your own";
    case -EROFS:
        return "the directory of this path is on a file system that is read-only: name another path";
    default:
        return NULL;
    }
}

/* Of a host and a port. */
static const char *explain_port(int error)
{
    switch (error) {
    case -EADDRINUSE:
        return "something listens on this port already, another 'lanyard serve' perhaps ('ss -ltnp' says what): end it, or "
               "choose another port";
    case -EADDRNOTAVAIL:
        return "this machine does not have this address: 'ip address' shows those that it has, and 0.0.0.0 or [::] stand "
               "for all of them";
    case -EACCES:
        return "you may not use this port: those below 1024 take root, or CAP_NET_BIND_SERVICE; choose one from 1024 on";
    case -EAFNOSUPPORT:
        return "this machine does not speak that kind of address (has it IPv6?): choose one of its others";
    case LY_ENONAME:
        return "there is no machine of this name: name an address of this one, or 0.0.0.0 or [::] for all";
    case LY_ERESOLVE:
        return "this name cannot be resolved now: name an address instead";
    default:
        return NULL;
    }
}

const char *ly__listen_why(const char *address, int error)
{
    bool is_path = strncmp(address, "unix:", 5) == 0;
    const char *text = is_path ? explain_path(address + 5, error) : explain_port(error);
    if (error == LY_EADDRESS)
        text = "it is no address: expected unix:PATH, unix:@NAME, tls://HOST[:PORT] or tcp://127.0.0.1:PORT";
    return text ? text : ly_error_text(error);
}

static int fail(const char *address, int error)
{
    fprintf(stderr, "%slanyard serve: cannot listen on %s: %s\n", ly__notify_error(), address,
            ly__listen_why(address, error));
    return error;
}

/* Replace a TCP address by its numeric form, once it is known to be loopback: what is checked is what is
 * bound. */
static int check_tcp(const char *address, bool insecure_loopback, char *ret_text)
{
    struct ly_address list[8];
    int n = ly_resolve(address, true, list, sizeof list / sizeof *list);
    if (n < 0)
        return fail(address, n);
    for (int i = 0; i < n; i++) {
        if (!ly_address_is_local(&list[i]))
            return refuse(
                address,
                "it can be reached from the network, where only TLS is served. Say tls:// for it; or, on this machine, "
                "use a Unix socket or tcp://127.0.0.1:PORT with --insecure-loopback");
    }
    if (!insecure_loopback)
        return refuse(
            address, "every user of this machine could run commands as you through it. Use a Unix socket, or "
                     "say --insecure-loopback if you want that");
    ly_address_format(&list[0], ret_text, LY_ADDRESS_TEXT);
    return 0;
}

/* Only streams with a name of our choice are served: what else the library can listen on would not have been
 * checked. */
static int check(const char *address, bool insecure_loopback, char *ret_text)
{
    struct ly_address a;
    if (strncmp(address, "tcp:", 4) == 0)
        return check_tcp(address, insecure_loopback, ret_text);
    int r = ly_address_parse(&a, address);
    if (r < 0)
        return fail(address, r);
    if (a.u.family != AF_UNIX || a.type != SOCK_STREAM || a.length <= sizeof a.u.family)
        return fail(address, LY_EADDRESS);
    if (!a.u.un.sun_path[0] && !insecure_loopback)
        return refuse(
            address,
            "an abstract name has no permissions, so every user of this machine could run commands as "
            "you through it. Use unix:PATH, or say --insecure-loopback if you want that");
    if (snprintf(ret_text, LY_ADDRESS_TEXT, "%s", address) >= LY_ADDRESS_TEXT)
        return fail(address, LY_EADDRESS);
    return 0;
}

static void report(struct ly_request *rq, const char *where, int error)
{
    char peer[LY_ADDRESS_TEXT];
    ly_address_format(&rq->peer, peer, sizeof peer);
    ly_log(LY_LOG_WARNING, "server", "request failed", LY_STR("where", where), LY_STR("peer", peer),
           LY_ERR(error));
}

static void report_pause(struct ly_server *server, int error)
{
    (void)server;
    ly_log(LY_LOG_WARNING, "server", "accepting paused", LY_ERR(error));
}

/* Remember which file is ours. */
static void note_file(struct ly__listener *l)
{
    struct ly_address bound;
    struct stat st;
    if (ly_server_address(l->server, &bound) < 0)
        return;
    ly_address_format(&bound, l->text, sizeof l->text);
    if (bound.u.family != AF_UNIX || !bound.u.un.sun_path[0])
        return;
    memcpy(l->path, bound.u.un.sun_path, sizeof bound.u.un.sun_path);
    if (stat(l->path, &st) < 0) {
        l->path[0] = 0;
        return;
    }
    l->device = st.st_dev;
    l->inode = st.st_ino;
}

int ly__listener_open(struct ly__listener *l, const char *address, const struct ly__serve_options *o,
                      struct ly__service *service)
{
    char text[LY_ADDRESS_TEXT];
    *l = (struct ly__listener){.ended_fd = -1};
    int r = check(address, o->insecure_loopback, text);
    if (r < 0)
        return r;
    r = ly_server_open(&l->server, &(struct ly_server_options){
                                       .address = text,
                                       .policy = LY_FIBERS,
                                       .handler = {.handle = ly__session_handle},
                                       .hooks = {.handle_error = report, .accept_paused = report_pause},
                                       .user = service,
                                       .listen = {.backlog = BACKLOG, .mode = 0600, .replace_stale = true},
                                       .reactor = o->reactor,
                                       .workers = o->workers,
                                       .stall_ms = STALL_MS,
                                       .no_delay = true,
                                       .drain_ms = LY__DRAIN_MS,
                                   });
    if (r < 0)
        return fail(address, r);
    note_file(l);
    return 0;
}

static void *serve(void *arg)
{
    static const uint64_t one = 1;
    struct ly__listener *l = arg;
    l->result = ly_serve_forever(l->server);
    while (write(l->ended_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    return NULL;
}

int ly__listener_start(struct ly__listener *l, int ended_fd)
{
    l->ended_fd = ended_fd;
    l->started = pthread_create(&l->thread, NULL, serve, l) == 0;
    return l->started ? 0 : -EAGAIN;
}

int ly__listener_close(struct ly__listener *l)
{
    struct stat st;
    if (l->started)
        pthread_join(l->thread, NULL);
    /* The file first: while the socket listens, nobody replaces it. */
    if (*l->path && stat(l->path, &st) == 0 && st.st_dev == l->device && st.st_ino == l->inode)
        unlink(l->path);
    ly_server_close(l->server);
    return l->result;
}
