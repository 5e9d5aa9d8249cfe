/* SPDX-License-Identifier: MIT */
/*
 * Buffers that are lent to receivers.
 *
 * A loop keeps a few, and lends the one that came back last: with many connections that echo, or answer at
 * once, all of them receive into the same memory, which never leaves the caches, and none holds any while it
 * waits. A buffer that is free keeps the pointer to the next one in its first bytes. Threads ask malloc each
 * time.
 */
#include "net/sock.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define KEPT_MAX 16 /* a loop keeps so many free ones at most */

static void *take(struct ly__loop *l)
{
    void *bytes = l ? l->lent : NULL;
    if (!bytes)
        return malloc(LY_LENT_MAX);
    memcpy(&l->lent, bytes, sizeof l->lent);
    l->lent_count--;
    return bytes;
}

void ly_lent_return(void *bytes)
{
    struct ly__loop *l = ly__loop_here;
    if (!bytes)
        return;
    if (!l || l->lent_count == KEPT_MAX) {
        free(bytes);
        return;
    }
    memcpy(bytes, &l->lent, sizeof l->lent);
    l->lent = bytes;
    l->lent_count++;
}

static ssize_t receive(struct ly_sock *s, void **ret_bytes, size_t n)
{
    void *bytes = take(ly__loop_here);
    if (!bytes)
        return -ENOMEM;
    ssize_t r = ly__sock_recv(s, bytes, n, 0, LY__NOWAIT);
    if (r > 0)
        *ret_bytes = bytes;
    else
        ly_lent_return(bytes);
    return r;
}

static inline int await(struct ly_sock *s, int64_t deadline)
{
    if (__builtin_expect(s->is_tls, 0))
        return ly__sock_poll(s, deadline);
    return ly__io_is_ready(&s->io, LY__IN) ? 0 : ly__io_wait(&s->io, LY__IN, deadline);
}

ssize_t ly_recv_lent(struct ly_sock *s, size_t n, void **ret_bytes)
{
    int64_t deadline = ly__sock_deadline(s);
    ssize_t r = -EAGAIN;

    if (n < 1 || n > LY_LENT_MAX)
        return -EINVAL;
    do {
        int w = deadline == LY__NOWAIT ? 0 : await(s, deadline);
        if (w < 0)
            return w;
        r = receive(s, ret_bytes, n);
    } while (r == -EAGAIN && deadline != LY__NOWAIT);
    return r;
}
