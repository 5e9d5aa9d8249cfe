/* SPDX-License-Identifier: MIT */
#include "everywhere.h"

#include <errno.h>
#include <lanyard/socket.h>
#include <string.h>

static int say(void *arg)
{
    return ly_sendall(arg, "hello", 5);
}

static int a_buffer_is_lent_while_it_holds_bytes(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_scope *s;
    void *bytes = NULL, *again = NULL;
    (void)arg;
    NEED(ly_socketpair(&a, &b) == 0);
    NEED(ly_recv_lent(b, 0, &bytes) == -EINVAL);
    NEED(ly_recv_lent(b, LY_LENT_MAX + 1, &bytes) == -EINVAL);
    NEED(ly_sock_set_timeout(b, 0) == 0 && ly_recv_lent(b, 10, &bytes) == -EAGAIN);
    NEED(ly_sock_set_timeout(b, 5) == 0 && ly_recv_lent(b, 10, &bytes) == -ETIMEDOUT);
    NEED(ly_sock_set_timeout(b, LY_FOREVER) == 0);
    NEED(bytes == NULL);
    for (int i = 0; i < 3; i++) {
        NEED(ly_scope_open(&s, NULL) == 0);
        NEED(ly_go(s, say, a) == 0);
        NEED(ly_recv_lent(b, 3, &bytes) == 3 && memcmp(bytes, "hel", 3) == 0);
        NEED(ly_recv_lent(b, LY_LENT_MAX, &again) == 2 && memcmp(again, "lo", 2) == 0);
        NEED(memcmp(bytes, "hel", 3) == 0); /* what is lent stays lent until it is returned */
        ly_lent_return(bytes);
        ly_lent_return(again);
        NEED(ly_scope_join(s) == 0);
        ly_scope_close(s);
    }
    ly_sock_close(a);
    NEED(ly_recv_lent(b, 10, &bytes) == 0);
    ly_lent_return(NULL);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(a_buffer_is_lent_while_it_holds_bytes),
    };
    return EVERYWHERE("net/lent", bodies);
}
