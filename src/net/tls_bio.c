/* SPDX-License-Identifier: MIT */
/*
 * What OpenSSL reads from and writes to: the connection's own buffers. It never makes a system call, so no
 * task waits and no fiber switches inside it; what it wrote leaves in one send for several records, and what
 * one receive gave serves several.
 */
#include "net/tls.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX ((size_t)1 << 20) /* answers that a peer can provoke without ever reading one */

void ly__tls_bytes_free(struct ly__tls_bytes *b)
{
    free(b->at);
    *b = (struct ly__tls_bytes){0};
}

/* Room for n more bytes. */
static bool make_room(struct ly__tls_bytes *b, size_t n)
{
    if (b->size - b->end >= n && b->at)
        return true;
    if (b->at && b->start > 0) {
        memmove(b->at, b->at + b->start, b->end - b->start);
        b->end -= b->start;
        b->start = 0;
    }
    size_t size = b->size ? b->size : LY__TLS_WRAPPED; /* a handshake, or a short message, needs no more */
    while (size - b->end < n)
        size *= 2;
    if (b->at && size == b->size)
        return true;
    unsigned char *more = realloc(b->at, size);
    if (!more)
        return false;
    b->at = more;
    b->size = size;
    return true;
}

int ly__tls_bytes_reserve(struct ly__tls_bytes *b, size_t n)
{
    return make_room(b, n) ? 0 : -ENOMEM;
}

/* ---- OpenSSL's side ---- */

static int give(BIO *bio, char *buf, int n)
{
    struct ly__tls_conn *c = BIO_get_data(bio);
    struct ly__tls_bytes *in = &c->in;
    size_t have = in->end - in->start;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (have == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    if (have > (size_t)n)
        have = (size_t)n;
    memcpy(buf, in->at + in->start, have);
    in->start += have;
    return (int)have;
}

static int take(BIO *bio, const char *buf, int n)
{
    struct ly__tls_conn *c = BIO_get_data(bio);
    struct ly__tls_bytes *out = &c->out;

    BIO_clear_retry_flags(bio);
    if (n <= 0)
        return 0;
    if (ly__tls_kernel_is_on(c->kernel))
        return n; /* made for a number that is taken; tls_kernel.c has seen what it is */
    if (c->out_error)
        return n; /* nobody will get it; what the peer has said before is still to be read */
    if (out->end - out->start > OUT_MAX || !make_room(out, (size_t)n))
        return -1;
    memcpy(out->at + out->end, buf, (size_t)n);
    out->end += (size_t)n;
    return n;
}

static long control(BIO *bio, int what, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return what == BIO_CTRL_FLUSH; /* when to send is decided outside */
}

static BIO_METHOD *method;

static void make_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lanyard");
    if (m && BIO_meth_set_read(m, give) && BIO_meth_set_write(m, take) && BIO_meth_set_ctrl(m, control))
        method = m;
    else
        BIO_meth_free(m);
}

int ly__tls_bio_attach(struct ly__tls_conn *c)
{
    static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&once); /* no pthread_once: what fails for want of memory is tried again */
    if (!method)
        make_method();
    pthread_mutex_unlock(&once);
    BIO *bio = method ? BIO_new(method) : NULL;
    if (!bio)
        return -ENOMEM;
    BIO_set_data(bio, c);
    BIO_set_init(bio, 1);
    SSL_set_bio(c->ssl, bio, bio);
    return 0;
}
