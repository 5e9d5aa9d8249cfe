/* SPDX-License-Identifier: MIT */
/* Sockets: their life and their attributes. */
#include "net/sock.h"
#include "net/address.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPTION_MAX 1024 /* bytes of the longest getsockopt(2) */
#define TYPE_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

_Atomic int64_t ly__default_timeout = LY_FOREVER;

static int result(int r)
{
    return r < 0 ? -errno : r;
}

/* ---- life ---- */

int ly__fd_prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -errno;
    if (!(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    return result(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

int ly_fd_set_inheritable(int fd, bool inheritable)
{
    return result(fcntl(fd, F_SETFD, inheritable ? 0 : FD_CLOEXEC));
}

int ly__sock_wrap(struct ly_sock **ret_sock, int fd, int family, int type, int proto)
{
    struct ly_sock *s = malloc(sizeof *s);
    if (!s)
        return -ENOMEM;
    ly__sock_init(s, fd, family, type, proto);
    *ret_sock = s;
    return 0;
}

int ly__sock_wrap_tls(struct ly_sock **ret_sock, int fd, int family, int type, int proto, struct ly_tls *tls)
{
    if (!tls)
        return ly__sock_wrap(ret_sock, fd, family, type, proto);
    struct ly__tls_sock *t = malloc(sizeof *t);
    if (!t)
        return -ENOMEM;
    ly__sock_init(&t->sock, fd, family, type, proto);
    ly__sock_secure(&t->sock, ly__tls_ref(tls));
    *ret_sock = &t->sock;
    return 0;
}

int ly__sock_upgrade(struct ly_sock **sock, struct ly_tls *tls)
{
    struct ly_sock *s = *sock;
    int r = ly__sock_wrap_tls(sock, s->io.fd, s->family, s->type, s->proto, tls);
    if (r == 0)
        ly__io_release(&s->io);
    ly_sock_free(s);
    return r;
}

int ly_socket(struct ly_sock **ret_sock, int family, int type, int proto)
{
    struct ly_sock *s;
    int fd = socket(family, type | TYPE_FLAGS, proto);
    if (fd < 0)
        return -errno;
    /* Protocol 0 asks for the usual one; which that is, the kernel knows now. */
    socklen_t length = sizeof proto;
    getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &proto, &length);
    int r = ly__sock_wrap(&s, fd, family, type & ~TYPE_FLAGS, proto);
    if (r < 0) {
        close(fd);
        return r;
    }
    if (type & SOCK_NONBLOCK)
        s->timeout_ms = 0;
    *ret_sock = s;
    return 0;
}

int ly_sock_from_fd(struct ly_sock **ret_sock, int fd)
{
    int is[3];
    static const int names[3] = {SO_DOMAIN, SO_TYPE, SO_PROTOCOL};

    if (fd < 0)
        return -EINVAL;
    for (int i = 0; i < 3; i++) {
        socklen_t length = sizeof is[i];
        if (getsockopt(fd, SOL_SOCKET, names[i], &is[i], &length) < 0)
            return -errno;
    }
    int r = ly__fd_prepare(fd);
    return r < 0 ? r : ly__sock_wrap(ret_sock, fd, is[0], is[1], is[2]);
}

int ly_socketpair_of(struct ly_sock **ret_a, struct ly_sock **ret_b, int family, int type, int proto)
{
    int fd[2], plain = type & ~TYPE_FLAGS;
    struct ly_sock *a = NULL, *b = NULL;

    if (socketpair(family, type | TYPE_FLAGS, proto, fd) < 0)
        return -errno;
    int r = ly__sock_wrap(&a, fd[0], family, plain, proto);
    if (r == 0)
        r = ly__sock_wrap(&b, fd[1], family, plain, proto);
    if (r < 0) {
        free(a);
        close(fd[0]);
        close(fd[1]);
        return r;
    }
    if (type & SOCK_NONBLOCK)
        a->timeout_ms = b->timeout_ms = 0;
    *ret_a = a;
    *ret_b = b;
    return 0;
}

int ly_socketpair(struct ly_sock **ret_a, struct ly_sock **ret_b)
{
    return ly_socketpair_of(ret_a, ret_b, AF_UNIX, SOCK_STREAM, 0);
}

int ly__sock_hold(struct ly_sock *s)
{
    uint8_t now = atomic_load(&s->files);
    if (s->io.fd < 0)
        return -EBADF;
    do {
        if ((now & LY__SOCK_FILES) == LY__SOCK_FILES)
            return -EMFILE;
    } while (!atomic_compare_exchange_weak(&s->files, &now, (uint8_t)(now + 1)));
    return 0;
}

void ly__sock_end(struct ly_sock *s)
{
    if (s->is_tls)
        ly__tls_ops_of(s)->close(s);
    ly__io_close(&s->io);
}

static void free_sock(struct ly_sock *s)
{
    if (s->is_tls) {
        struct ly__tls_sock *t = ly__tls_sock_of(s);
        ly__tls_unref(t->tls);
        free(t);
    } else {
        free(s);
    }
}

/* The last one to let go does what was asked for: the mask says what that was. */
LY__HOT static void let_go(struct ly_sock *s, uint8_t asked)
{
    if (asked & (LY__SOCK_CLOSED | LY__SOCK_FREED))
        ly__sock_end(s);
    if (asked & LY__SOCK_FREED)
        free_sock(s);
}

void ly__sock_release(struct ly_sock *s)
{
    uint8_t left = (uint8_t)(atomic_fetch_sub(&s->files, 1) - 1);
    if (!(left & LY__SOCK_FILES))
        let_go(s, left);
}

LY__HOT static void ask_for(struct ly_sock *s, uint8_t what)
{
    if (!(atomic_fetch_or(&s->files, what) & LY__SOCK_FILES))
        let_go(s, what);
}

int ly_sock_dup(const struct ly_sock *s, struct ly_sock **ret_copy)
{
    if (s->is_tls)
        return s->io.fd < 0 ? -EBADF : -EOPNOTSUPP; /* the state of its records is one object's */
    int fd = fcntl(s->io.fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int r = ly__sock_wrap(ret_copy, fd, s->family, s->type, s->proto);
    if (r < 0) {
        close(fd);
        return r;
    }
    (*ret_copy)->timeout_ms = s->timeout_ms;
    return 0;
}

LY__HOT void ly_sock_close(struct ly_sock *s)
{
    ask_for(s, LY__SOCK_CLOSED);
}

void ly_sock_free(struct ly_sock *s)
{
    if (s)
        ask_for(s, LY__SOCK_FREED);
}

int ly_sock_detach(struct ly_sock *s)
{
    if (s->is_tls && s->io.fd >= 0)
        return -EOPNOTSUPP;
    int fd = ly__io_release(&s->io);
    if (fd < 0)
        return -EBADF;
    /* Whoever gets it expects the descriptor to wait as the socket did. */
    int flags = fcntl(fd, F_GETFL);
    if (s->timeout_ms == LY_FOREVER && flags >= 0)
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    return fd;
}

int ly_sock_fileno(const struct ly_sock *s)
{
    return s->io.fd;
}

/* ---- attributes ---- */

static bool is_timeout(int64_t ms)
{
    return ms >= LY_FOREVER && ms <= INT64_C(1) << 53;
}

int ly_sock_set_timeout(struct ly_sock *s, int64_t ms)
{
    if (!is_timeout(ms))
        return -EINVAL;
    s->timeout_ms = ms;
    return 0;
}

void ly_sock_set_blocking(struct ly_sock *s, bool blocking)
{
    s->timeout_ms = blocking ? LY_FOREVER : 0;
}

bool ly_sock_blocking(const struct ly_sock *s)
{
    return s->timeout_ms != 0;
}

int ly_set_default_timeout(int64_t ms)
{
    if (!is_timeout(ms))
        return -EINVAL;
    atomic_store(&ly__default_timeout, ms);
    return 0;
}

int64_t ly_default_timeout(void)
{
    return atomic_load(&ly__default_timeout);
}

int ly_sock_set_inheritable(struct ly_sock *s, bool inheritable)
{
    return ly_fd_set_inheritable(s->io.fd, inheritable);
}

int ly_sock_inheritable(const struct ly_sock *s)
{
    int flags = fcntl(s->io.fd, F_GETFD);
    return flags < 0 ? -errno : !(flags & FD_CLOEXEC);
}

int64_t ly_sock_timeout(const struct ly_sock *s)
{
    return s->timeout_ms;
}

int ly_sock_set_int(struct ly_sock *s, int level, int name, int value)
{
    return ly_sock_set_option(s, level, name, &value, sizeof value);
}

int ly_sock_set_option(struct ly_sock *s, int level, int name, const void *value, socklen_t length)
{
    return result(setsockopt(s->io.fd, level, name, value, length));
}

int ly_sock_get_int(const struct ly_sock *s, int level, int name, int *ret_value)
{
    int value = 0;
    socklen_t length = sizeof value;
    int r = ly_sock_get_option(s, level, name, &value, &length);
    if (r == 0)
        *ret_value = value;
    return r;
}

int ly_sock_get_option(const struct ly_sock *s, int level, int name, void *value, socklen_t *length)
{
    if (*length < 1 || *length > OPTION_MAX)
        return -EINVAL;
    return result(getsockopt(s->io.fd, level, name, value, length));
}

static int ask_address(const struct ly_sock *s, struct ly_address *ret,
                       int (*ask)(int, struct sockaddr *, socklen_t *))
{
    struct ly_address a = {0};
    socklen_t length = sizeof a.u;
    if (ask(s->io.fd, &a.u.any, &length) < 0)
        return -errno;
    ly__address_set_length(&a, length, s->type);
    *ret = a;
    return 0;
}

/* The C library's prototypes take a transparent union in place of struct sockaddr. */
static int ask_local(int fd, struct sockaddr *a, socklen_t *length)
{
    return getsockname(fd, a, length);
}

static int ask_peer(int fd, struct sockaddr *a, socklen_t *length)
{
    return getpeername(fd, a, length);
}

int ly_sock_local(const struct ly_sock *s, struct ly_address *ret_address)
{
    return ask_address(s, ret_address, ask_local);
}

int ly_sock_peer(const struct ly_sock *s, struct ly_address *ret_address)
{
    return ask_address(s, ret_address, ask_peer);
}

int ly_sock_family(const struct ly_sock *s)
{
    return s->family;
}

int ly_sock_type(const struct ly_sock *s)
{
    return s->type;
}

int ly_sock_proto(const struct ly_sock *s)
{
    return s->proto;
}

/* ---- TLS ---- */

struct ly_tls *ly__tls_ref(struct ly_tls *tls)
{
    atomic_fetch_add_explicit(&ly__tls_base_of(tls)->references, 1, memory_order_relaxed);
    return tls;
}

void ly__tls_unref(struct ly_tls *tls)
{
    if (tls && atomic_fetch_sub(&ly__tls_base_of(tls)->references, 1) == 1)
        ly__tls_base_of(tls)->ops->free_context(tls);
}

int ly__tls_fits(const char *address, const struct ly_tls *tls, bool is_server)
{
    bool wants = strncmp(address, LY__TLS_SCHEME, strlen(LY__TLS_SCHEME)) == 0;
    if (!tls)
        return wants ? -EINVAL : 0;
    return wants && ly__tls_base_of(tls)->is_server == is_server ? 0 : -EINVAL;
}

int ly__sock_poll(struct ly_sock *s, int64_t deadline)
{
    char byte;
    if (!s->is_tls)
        return ly__io_poll(&s->io, LY__IN, deadline);
    ssize_t r = ly__tls_ops_of(s)->recv(s, &byte, 1, MSG_PEEK, deadline);
    return r < 0 ? (int)r : 0;
}

/* ---- SIGPIPE ---- */

static void ignore_sigpipe(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

void ly__sigpipe_ignore(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, ignore_sigpipe);
}
