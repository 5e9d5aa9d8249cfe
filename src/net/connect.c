/* SPDX-License-Identifier: MIT */
/*
 * Connecting.
 *
 * The call is begun once and never started again (POSIX leaves open what a second connect does after EINTR):
 * after EINPROGRESS or EINTR the socket becomes writable when the attempt is over, and SO_ERROR tells how it
 * ended. A wake-up without a cause is told from success by asking for the peer.
 *
 * A Unix stream socket has no attempt in progress: the kernel answers at once, with EAGAIN where the
 * listener's backlog is full, and offers nothing to wait for. A blocking connect(2) would sleep in the
 * kernel; this one asks again after a pause, which grows to 64 ms.
 */
#include "net/address.h"
#include "net/sock.h"
#include <errno.h>
#include <lanyard/fiber.h>
#include <stdio.h>
#include <string.h>

#define ADDRESSES_MAX 16 /* of one name */
#define PAUSE_MAX_MS 64

static int pending_error(const struct ly_sock *s)
{
    int error = 0;
    int r = ly_sock_get_int(s, SOL_SOCKET, SO_ERROR, &error);
    return r < 0 ? r : -error;
}

static int wait_for_outcome(struct ly_sock *s, int64_t deadline)
{
    struct ly_address peer;
    for (;;) {
        int r = ly__io_wait(&s->io, LY__OUT, deadline);
        if (r < 0)
            return r == -EAGAIN ? -EINPROGRESS : r;
        r = pending_error(s);
        if (r < 0)
            return r;
        r = ly_sock_peer(s, &peer);
        if (r != -ENOTCONN)
            return r;
    }
}

/* Let the listener take a connection out of its full backlog. Returns 0 to try again. */
static int pause_for_backlog(int64_t *pause_ms, int64_t deadline)
{
    int64_t now = ly_now();
    if (now >= deadline)
        return -ETIMEDOUT;
    int64_t left = (deadline - now) / 1000000 + 1;
    int r = ly_sleep(left < *pause_ms ? left : *pause_ms);
    *pause_ms = *pause_ms < PAUSE_MAX_MS ? *pause_ms * 2 : PAUSE_MAX_MS;
    return r;
}

static int connect_by(struct ly_sock *s, const struct ly_address *address, int64_t deadline)
{
    int64_t pause_ms = 1;
    int r = ly_cancelled();
    while (r == 0) {
        if (connect(s->io.fd, &address->u.any, address->length) == 0)
            return 0;
        if (errno == EINPROGRESS || errno == EINTR)
            return wait_for_outcome(s, deadline);
        if (errno == EALREADY)
            return deadline == LY__NOWAIT ? -EINPROGRESS : wait_for_outcome(s, deadline);
        if (errno != EAGAIN || s->family != AF_UNIX || deadline == LY__NOWAIT)
            return -errno;
        r = pause_for_backlog(&pause_ms, deadline);
    }
    return r;
}

int ly_sock_connect(struct ly_sock *s, const struct ly_address *address)
{
    if (address->length > sizeof address->u)
        return -EINVAL;
    int r = connect_by(s, address, ly__sock_deadline(s));
    /* The first connect(2) after a connection has come about says 0 again; only then -EISCONN is said. */
    if (r == 0 && connect(s->io.fd, &address->u.any, address->length) < 0)
        return 0;
    return r;
}

/* ---- by name ---- */

static int bind_source(struct ly_sock *s, const char *source)
{
    struct ly_address list[ADDRESSES_MAX];
    int n = ly_resolve(source, true, list, ADDRESSES_MAX);
    if (n < 0)
        return n;
    if (list[0].type != s->type)
        return -EPROTOTYPE;
    for (int i = 0; i < n; i++) {
        if (list[i].u.family == s->family)
            return ly_sock_bind(s, &list[i]);
    }
    return -EAFNOSUPPORT;
}

static int make(struct ly_sock **ret_sock, const struct ly_address *address, struct ly_tls *tls)
{
    int r = ly_socket(ret_sock, address->u.family, ly__address_type(address), 0);
    return r == 0 && tls ? ly__sock_upgrade(ret_sock, tls) : r;
}

static int try_address(struct ly_sock **ret_sock, const struct ly_address *address, const char *name,
                       const struct ly_connect_options *o)
{
    struct ly_sock *s;
    int r = make(&s, address, o ? o->tls : NULL);
    if (r < 0)
        return r; /* and there is no socket any more */
    if (o && o->timeout_ms != 0)
        r = ly_sock_set_timeout(s, o->timeout_ms);
    if (r == 0 && o && o->source)
        r = bind_source(s, o->source);
    if (r == 0)
        r = ly_sock_connect(s, address);
    if (r == 0 && s->is_tls)
        r = ly__tls_ops_of(s)->begin(s, name);
    if (r < 0) {
        ly_sock_free(s);
        return r;
    }
    *ret_sock = s;
    return 0;
}

/* Whether the next address is worth a try: not when it is the caller who ended this one. */
static bool goes_on(int error)
{
    return error != -ECANCELED && error != -ENOMEM && error != -EMFILE && error != -ENFILE &&
           (error != -ETIMEDOUT || ly_cancelled() == 0);
}

/* The host in a "tls://" address that has been read, without brackets; an empty one is this machine. NULL for
 * other addresses. */
static const char *host_of(const char *address, char host[LY__HOST_MAX + 1])
{
    size_t prefix = strlen(LY__TLS_SCHEME);
    const char *colon = strrchr(address, ':');
    if (strncmp(address, LY__TLS_SCHEME, prefix) != 0 || !colon || colon < address + prefix)
        return NULL;
    bool in_brackets = address[prefix] == '[';
    size_t n = (size_t)(colon - address) - prefix;
    snprintf(host, LY__HOST_MAX + 1, "%.*s", (int)(n - 2 * in_brackets), address + prefix + in_brackets);
    return *host ? host : "localhost";
}

int ly_connect(struct ly_sock **ret_sock, const char *address, const struct ly_connect_options *options)
{
    struct ly_address list[ADDRESSES_MAX];
    char host[LY__HOST_MAX + 1];
    int r = ly__tls_fits(address, options ? options->tls : NULL, false);
    int n = r < 0 ? r : ly_resolve(address, false, list, ADDRESSES_MAX);
    const char *name = options && options->tls_name ? options->tls_name : host_of(address, host);
    r = n;
    for (int i = 0; i < n; i++) {
        r = try_address(ret_sock, &list[i], name, options);
        if (r == 0 || !goes_on(r))
            break;
    }
    return r;
}
