/* SPDX-License-Identifier: MIT */
/*
 * Listening.
 *
 * Permissions of a Unix socket's file. bind(2) makes the file with the mode of the socket's own inode minus
 * the umask, so fchmod(2) on the socket before bind makes it with at most the bits asked for: there is no
 * moment at which more people could connect, and the umask, which belongs to the whole process, stays
 * alone. What the umask took away is given back after bind, to the very inode that was made and before
 * listen(2).
 *
 * Stale files. The file of a dead server stays; connecting to it is refused. Between finding that out and
 * binding, another starter may have done the same, and its new socket would be unlinked. So the whole of it,
 * up to listen (a bound socket that does not listen yet refuses too), is done under a lock. That is a file
 * beside the socket's, which nobody else can open, and which goes before the lock does; who gets the lock of
 * a file that has gone begins anew. A lock on the directory would need no file, but everybody who may read
 * the directory, as /run, could hold it. A lock that somebody holds for longer than LOCK_WAIT_MS is reported
 * as -EADDRINUSE.
 */
#include "net/address.h"
#include "net/sock.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADDRESSES_MAX 16
#define LOCK_WAIT_MS 1000
#define LOCK_SUFFIX ".lock"
#define MODE_BITS 0777

int ly_sock_bind(struct ly_sock *s, const struct ly_address *address)
{
    if (address->length > sizeof address->u)
        return -EINVAL;
    return bind(s->io.fd, &address->u.any, address->length) < 0 ? -errno : 0;
}

int ly_sock_listen(struct ly_sock *s, int backlog)
{
    return listen(s->io.fd, backlog < 0 ? 0 : backlog) < 0 ? -errno : 0;
}

/* ---- Unix sockets' files ---- */

/* The file's path; NULL for an abstract name. */
static const char *path_of(const struct ly_address *a)
{
    return a->u.family == AF_UNIX && a->u.un.sun_path[0] ? a->u.un.sun_path : NULL;
}

/* Set the mode of the file that was just bound, if it is still what was bound. */
static int widen(const char *path, mode_t mode)
{
    struct stat st;
    char self[32];
    int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int r = fstat(fd, &st) < 0 ? -errno : 0;
    if (r == 0 && !S_ISSOCK(st.st_mode))
        r = -EADDRINUSE;
    if (r == 0 && (st.st_mode & MODE_BITS) != mode) {
        snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        r = chmod(self, mode) < 0 ? -errno : 0;
    }
    close(fd);
    return r;
}

static int bind_with_mode(struct ly_sock *s, const struct ly_address *address, int mode)
{
    const char *path = path_of(address);
    if (!path || mode == 0)
        return ly_sock_bind(s, address);
    if (fchmod(s->io.fd, (mode_t)mode & MODE_BITS) < 0)
        return -errno;
    int r = ly_sock_bind(s, address);
    if (r < 0)
        return r;
    r = widen(path, (mode_t)mode & MODE_BITS);
    if (r < 0)
        unlink(path);
    return r;
}

struct lock {
    int fd;
    char name[sizeof((struct sockaddr_un *)0)->sun_path + sizeof LOCK_SUFFIX];
};

static int wait_for_lock(int fd, int64_t deadline)
{
    int r = 0;
    while (r == 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
        r = errno == EINTR         ? 0
            : errno != EWOULDBLOCK ? -errno
            : ly_now() >= deadline ? -EADDRINUSE
                                   : ly_sleep(1);
    }
    return r;
}

/* Whether the lock's file is still there: who had it before has removed it. */
static bool is_there(const struct lock *l)
{
    struct stat st, named;
    return fstat(l->fd, &st) == 0 && lstat(l->name, &named) == 0 && st.st_dev == named.st_dev &&
           st.st_ino == named.st_ino;
}

static int take_lock(struct lock *l, const char *path)
{
    int64_t deadline = ly_deadline(LOCK_WAIT_MS);
    (void)snprintf(l->name, sizeof l->name, "%s" LOCK_SUFFIX, path);
    do {
        l->fd = open(l->name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (l->fd < 0)
            return -errno;
        int r = wait_for_lock(l->fd, deadline);
        if (r == 0 && is_there(l))
            return 0;
        close(l->fd);
        if (r < 0)
            return r;
    } while (ly_now() < deadline);
    return -EADDRINUSE;
}

static void release_lock(const struct lock *l)
{
    (void)unlink(l->name);
    close(l->fd);
}

/* Remove a socket's file on which nobody listens. Returns 0, -EADDRINUSE (somebody does, or it is no
 * socket), or -errno. */
static int remove_stale(const struct ly_address *address)
{
    struct stat st;
    const char *path = path_of(address);

    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(st.st_mode))
        return -EADDRINUSE;
    int fd = socket(AF_UNIX, ly__address_type(address) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r = connect(fd, &address->u.any, address->length) < 0 ? -errno : 0;
    close(fd);
    if (r != -ECONNREFUSED)
        return -EADDRINUSE;
    return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

/* ---- one listener ---- */

static int set_options(struct ly_sock *s, const struct ly_listen_options *o)
{
    int r = 0;
    if (s->family == AF_UNIX)
        return 0;
    /* With SO_REUSEADDR any other socket of this user could take a datagram socket's port away. */
    if (!o->no_reuse_addr && s->type == SOCK_STREAM)
        r = ly_sock_set_int(s, SOL_SOCKET, SO_REUSEADDR, 1);
    if (r == 0 && o->reuse_port)
        r = ly_sock_set_int(s, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r == 0 && s->family == AF_INET6)
        r = ly_sock_set_int(s, IPPROTO_IPV6, IPV6_V6ONLY, o->v6only);
    return r;
}

int ly__sock_bind_for(struct ly_sock *s, const struct ly_address *address, const struct ly_listen_options *o)
{
    int r = set_options(s, o);
    return r < 0 ? r : bind_with_mode(s, address, o->mode);
}

static int bind_and_listen(struct ly_sock *s, const struct ly_address *address,
                           const struct ly_listen_options *o, bool listens)
{
    int r = ly__sock_bind_for(s, address, o);
    if (r < 0 || !listens || s->type == SOCK_DGRAM)
        return r;
    r = ly_sock_listen(s, o->backlog == 0 ? LY__BACKLOG : o->backlog);
    if (r < 0 && path_of(address))
        unlink(path_of(address));
    return r;
}

static int start(struct ly_sock *s, const struct ly_address *address, const struct ly_listen_options *o,
                 bool listens)
{
    if (!o->replace_stale || !path_of(address))
        return bind_and_listen(s, address, o, listens);
    struct lock lock;
    int r = take_lock(&lock, path_of(address));
    if (r < 0)
        return r;
    r = remove_stale(address);
    if (r == 0)
        r = bind_and_listen(s, address, o, listens);
    release_lock(&lock);
    return r;
}

static int make(struct ly_sock **ret_sock, const struct ly_address *address,
                const struct ly_listen_options *o, bool listens)
{
    struct ly_sock *s;
    int r = ly_socket(&s, address->u.family, ly__address_type(address), 0);
    if (r == 0 && o->tls)
        r = ly__sock_upgrade(&s, o->tls);
    if (r < 0)
        return r;
    r = start(s, address, o, listens);
    if (r < 0) {
        ly_sock_free(s);
        return r;
    }
    *ret_sock = s;
    return 0;
}

/* Tell what failed, if the caller wants to know: at an address, or in reading it. */
static void tell(const struct ly_listen_options *o, const char *what, const char *address, int error)
{
    if (o->why)
        snprintf(o->why, o->why_size, "%s %s: %s (%s)", what, address, ly_error_name(error),
                 ly_error_text(error));
}

static int make_first(struct ly_sock **ret_sock, const struct ly_address *list, int n,
                      const struct ly_listen_options *o, bool listens)
{
    char text[LY_ADDRESS_TEXT];
    int r = 0;
    for (int i = 0; i < n; i++) {
        r = make(ret_sock, &list[i], o, listens);
        if (r == 0)
            break;
        ly_address_format(&list[i], text, sizeof text);
        tell(o, listens ? "listen on" : "bind to", text, r);
        /* The next address only where this one cannot exist here: a machine without IPv6, for example. */
        if (r != -EAFNOSUPPORT && r != -EADDRNOTAVAIL)
            break;
    }
    return r;
}

static int make_by_name(struct ly_sock **ret_sock, const char *address,
                        const struct ly_listen_options *options, bool listens)
{
    static const struct ly_listen_options defaults = {0};
    const struct ly_listen_options *o = options ? options : &defaults;
    struct ly_address list[ADDRESSES_MAX];
    int r = ly__tls_fits(address, o->tls, true);
    int n = r < 0 ? r : ly_resolve(address, true, list, ADDRESSES_MAX);
    if (n < 0) {
        tell(o, "read", address, n);
        return n;
    }
    return make_first(ret_sock, list, n, o, listens);
}

int ly_listen(struct ly_sock **ret_sock, const char *address, const struct ly_listen_options *options)
{
    return make_by_name(ret_sock, address, options, true);
}

int ly_bind(struct ly_sock **ret_sock, const char *address, const struct ly_listen_options *options)
{
    return make_by_name(ret_sock, address, options, false);
}
