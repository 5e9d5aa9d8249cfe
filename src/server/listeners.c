/* SPDX-License-Identifier: MIT */
/*
 * The sockets that a server takes connections or datagrams from: one, or one for each worker. Workers have
 * their own by SO_REUSEPORT where the kernel can spread what arrives (TCP, UDP), so that no two of them ever
 * wait for the same socket. Where it cannot, one acceptor hands out connections; datagrams are received by
 * all workers from one socket, each through a descriptor of its own, as a loop knows a socket by that.
 */
#include "net/address.h"
#include "server/inherit.h"
#include "server/server.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INHERITED_MOST 256 /* as many as there may be workers */

static bool workers_listen(const struct ly_server *s)
{
    return s->workers > 1 && !s->options.distribute && s->wanted.u.family != AF_UNIX;
}

static int count_listeners(struct ly_server *s, int n)
{
    s->listeners = 0;
    s->listener = calloc((size_t)n, sizeof *s->listener);
    return s->listener ? 0 : -ENOMEM;
}

static int note_address(struct ly_server *s)
{
    s->datagrams = ly_sock_type(s->listener[0]) == SOCK_DGRAM;
    return ly_sock_local(s->listener[0], &s->address);
}

static int duplicate(struct ly_sock **ret_sock, const struct ly_sock *sock)
{
    int fd = fcntl(sock->io.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = ly__sock_wrap(ret_sock, fd, sock->family, sock->type, sock->proto);
    if (r < 0)
        close(fd);
    return r;
}

/* Workers that have to share a datagram socket. */
static int share_among_workers(struct ly_server *s)
{
    int r = 0;
    while (r == 0 && s->datagrams && s->listener[0] && s->listeners < s->workers) {
        r = duplicate(&s->listener[s->listeners], s->listener[0]);
        s->listeners += r == 0;
    }
    return r;
}

/* ---- in one step ---- */

/* One listener after the other: the first finds out what the others bind to. */
static int open_all(struct ly_server *s)
{
    char text[LY_ADDRESS_TEXT];
    const char *address = s->options.address;
    struct ly_listen_options o = s->options.listen;
    o.tls = s->tls;
    int r = ly_address_parse(&s->wanted, address);
    if (r < 0 && r != LY_ENONAME) /* names are the Internet's: ly_listen resolves them */
        return r;
    int n = workers_listen(s) ? s->workers : 1;
    r = count_listeners(s, s->workers);

    o.reuse_port = o.reuse_port || n > 1;
    while (r == 0 && s->listeners < n) {
        r = ly_listen(&s->listener[s->listeners], address, &o);
        if (r < 0)
            break;
        if (s->listeners++ == 0)
            r = note_address(s);
        ly_address_format(&s->address, text, sizeof text);
        if (s->tls)
            memcpy(text, LY__TLS_SCHEME, strlen(LY__TLS_SCHEME)); /* over "tcp://" */
        address = text;
    }
    return r < 0 ? r : share_among_workers(s);
}

static int add_listener(struct ly_server *s, struct ly_sock *sock)
{
    size_t n = (size_t)s->listeners + 1;
    struct ly_sock **more = realloc((void *)s->listener, n * sizeof *more);
    if (!more) {
        ly_sock_free(sock);
        return -ENOMEM;
    }
    s->listener = more;
    s->listener[s->listeners++] = sock;
    return 0;
}

static int take_over(struct ly_server *s, struct ly_sock *listener)
{
    int accepts = 0, type = ly_sock_type(listener);
    struct ly_address address;
    int r = ly_sock_get_int(listener, SOL_SOCKET, SO_ACCEPTCONN, &accepts);
    if (r == 0 && type != SOCK_DGRAM && (!accepts || (type != SOCK_STREAM && type != SOCK_SEQPACKET)))
        r = -EINVAL;
    if (r == 0)
        r = ly_sock_local(listener, &address);
    if (r == 0)
        r = count_listeners(s, s->workers);
    if (r < 0)
        return r;
    s->listener[0] = listener;
    s->listeners = 1;
    note_address(s);
    r = share_among_workers(s);
    if (r < 0)
        s->listener[0] = NULL; /* the caller's still */
    return r;
}

/* All that were handed over with one address; each gets a worker, so that none is forgotten. */
static int inherit(struct ly_server *s)
{
    const char *name = s->options.address + strlen(LY__INHERITED);
    struct ly_sock *first, *more;
    int r = ly_listener_inherit(&first, *name ? name : NULL);
    if (r < 0)
        return r;
    r = s->tls && first->type != SOCK_STREAM ? -EINVAL : take_over(s, first);
    if (r < 0) {
        ly_sock_free(first);
        return r;
    }
    while (r == 0 && s->listeners < INHERITED_MOST) {
        r = ly__listener_inherit_like(&more, &s->address);
        if (r == 0)
            r = add_listener(s, more);
    }
    if (s->listeners > 1 && s->policy == &ly__fibers_policy)
        s->workers = s->listeners;
    return r == -ENOENT ? 0 : r;
}

/* ---- step by step ---- */

/* The socket alone, neither bound nor listening; more of them are made at bind. */
static int create(struct ly_server *s)
{
    int r = ly_resolve(s->options.address, true, &s->wanted, 1);
    if (r < 0)
        return r;
    r = count_listeners(s, s->workers);
    if (r == 0)
        r = ly_socket(&s->listener[0], s->wanted.u.family, s->wanted.type, 0);
    s->listeners = r == 0;
    s->datagrams = s->wanted.type == SOCK_DGRAM;
    return r;
}

static int bind_one(struct ly_server *s, struct ly_sock *sock, const struct ly_address *address)
{
    struct ly_listen_options o = s->options.listen;
    o.reuse_port = o.reuse_port || workers_listen(s);
    return ly__sock_bind_for(sock, address, &o);
}

int ly_server_bind(struct ly_server *s)
{
    int n = workers_listen(s) ? s->workers : 1;
    int r = bind_one(s, s->listener[0], &s->wanted);
    if (r == 0)
        r = note_address(s);
    while (r == 0 && s->listeners < n) {
        struct ly_sock *more;
        r = ly_socket(&more, s->wanted.u.family, s->wanted.type, 0);
        if (r < 0)
            break;
        s->listener[s->listeners++] = more;
        r = bind_one(s, more, &s->address);
    }
    return r < 0 ? r : share_among_workers(s);
}

int ly_server_activate(struct ly_server *s)
{
    int r = 0, backlog = s->options.listen.backlog;
    for (int i = 0; i < s->listeners && r == 0 && !s->datagrams; i++)
        r = ly_sock_listen(s->listener[i], backlog == 0 ? LY__BACKLOG : backlog);
    return r < 0 ? r : note_address(s);
}

/* ---- for server.c ---- */

static int open_as_told(struct ly_server *s, const struct ly_server_options *o)
{
    if (o->listener)
        return take_over(s, o->listener);
    if (strncmp(o->address, LY__INHERITED, strlen(LY__INHERITED)) == 0)
        return o->no_bind ? -EINVAL : inherit(s);
    return o->no_bind ? create(s) : open_all(s);
}

/* A listener that is given may be one whose connections are TLS streams anyway. */
static struct ly_tls *context_of(const struct ly_server_options *o)
{
    if (o->tls || !o->listener || !o->listener->is_tls)
        return o->tls;
    return ly__tls_sock_of(o->listener)->tls;
}

int ly__listeners_open(struct ly_server *s, const struct ly_server_options *o)
{
    struct ly_tls *tls = context_of(o);
    if (tls && o->listener && o->listener->type != SOCK_STREAM)
        return -EINVAL;
    if (tls)
        s->tls = ly__tls_ref(tls);
    return open_as_told(s, o);
}

void ly__listeners_close(struct ly_server *s)
{
    for (int i = 0; i < s->listeners; i++)
        ly_sock_free(s->listener[i]);
    free((void *)s->listener);
    s->listener = NULL;
    s->listeners = 0;
}
