/* SPDX-License-Identifier: MIT */
/* Sockets: copies, inheritance, time-outs, pairs. Numbers are those of the conformance table. */
#include "net/pairs.h"
#include <fcntl.h>

static int c78_a_copy_has_the_timeout_and_is_not_inherited(void *arg)
{
    struct ly_sock *a, *b, *copy;
    char c;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_sock_set_timeout(a, 77));
    NEED_OK(ly_sock_set_inheritable(a, true));
    NEED_OK(ly_sock_dup(a, &copy));
    NEED_INT(ly_sock_timeout(copy), 77);
    NEED_INT(ly_sock_inheritable(a), 1);
    NEED_INT(ly_sock_inheritable(copy), 0);
    NEED_INT(ly_sock_type(copy), SOCK_STREAM);
    ly_sock_close(a);
    NEED_INT(ly_sock_dup(a, &copy), -EBADF);
    NEED_INT(ly_sock_inheritable(a), -EBADF);
    NEED_INT(ly_sock_set_inheritable(a, true), -EBADF);
    NEED_INT(ly_recv_flags(b, &c, 1, MSG_DONTWAIT), -EAGAIN);
    ly_sock_free(copy);
    NEED_INT(ly_recv(b, &c, 1), 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c81_blocking_is_a_timeout(void *arg)
{
    struct ly_sock *a, *b;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    ly_sock_set_blocking(a, false);
    NEED(!ly_sock_blocking(a) && ly_sock_timeout(a) == 0);
    ly_sock_set_blocking(a, true);
    NEED(ly_sock_blocking(a) && ly_sock_timeout(a) == LY_FOREVER);
    NEED_OK(ly_sock_set_timeout(a, 5));
    NEED(ly_sock_blocking(a));
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c88_the_default_timeout_is_of_sockets_made_afterwards(void *arg)
{
    struct ly_sock *before, *s, *x, *y;
    (void)arg;
    NEED_OK(ly_socket(&before, AF_INET, SOCK_STREAM, 0));
    NEED_INT(ly_default_timeout(), LY_FOREVER);
    NEED_INT(ly_set_default_timeout(-2), -EINVAL);
    NEED_INT(ly_set_default_timeout((INT64_C(1) << 53) + 1), -EINVAL);
    NEED_OK(ly_set_default_timeout(1234));
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM, 0));
    NEED_OK(tcp_pair(&x, &y));
    int64_t made = ly_sock_timeout(s), connected = ly_sock_timeout(x), accepted = ly_sock_timeout(y);
    NEED_OK(ly_set_default_timeout(LY_FOREVER));
    NEED(made == 1234 && connected == 1234 && accepted == 1234);
    NEED_INT(ly_sock_timeout(before), LY_FOREVER);
    ly_sock_free(before);
    ly_sock_free(s);
    ly_sock_free(x);
    ly_sock_free(y);
    return 0;
}

static int pairs_are_of_the_type_asked_for(void *arg)
{
    struct ly_sock *a, *b;
    (void)arg;
    NEED_OK(ly_socketpair_of(&a, &b, AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    NEED_INT(ly_sock_type(a), SOCK_DGRAM);
    NEED_INT(ly_sock_timeout(b), 0);
    NEED_INT(fcntl(ly_sock_fileno(b), F_GETFD), FD_CLOEXEC);
    ly_sock_free(a);
    ly_sock_free(b);
    NEED_INT(ly_socketpair_of(&a, &b, AF_INET, SOCK_STREAM, 0), -EOPNOTSUPP);
    return 0;
}

static int addresses_longer_than_any_are_refused(void *arg)
{
    struct ly_sock *s;
    struct ly_address a = {.length = sizeof a.u + 1, .u.family = AF_UNIX};
    struct iovec piece = {NULL, 0};
    (void)arg;
    NEED_OK(ly_socket(&s, AF_UNIX, SOCK_DGRAM, 0));
    NEED_INT(ly_sock_bind(s, &a), -EINVAL);
    NEED_INT(ly_sock_connect(s, &a), -EINVAL);
    NEED_INT(ly_sendto(s, "", 0, 0, &a), -EINVAL);
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1, .address = &a};
    NEED_INT(ly_sendmsg(s, &m, 0), -EINVAL);
    ly_sock_free(s);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(c78_a_copy_has_the_timeout_and_is_not_inherited),
        BODY(c81_blocking_is_a_timeout),
        BODY(c88_the_default_timeout_is_of_sockets_made_afterwards),
        BODY(pairs_are_of_the_type_asked_for),
        BODY(addresses_longer_than_any_are_refused),
    };
    return EVERYWHERE("net/sock_attributes", bodies);
}
