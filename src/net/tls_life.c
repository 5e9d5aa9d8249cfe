/* SPDX-License-Identifier: MIT */
/*
 * The life of a TLS connection: made by the first call that needs it, entered and left by each task, freed by
 * the last one to leave after its socket was closed.
 */
#include "net/tls.h"
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

static void free_conn(struct ly__tls_conn *c)
{
    ly__tls_record_free(c);
    SSL_free(c->ssl);
    ly__tls_kernel_free(c->kernel);
    ly__tls_bytes_free(&c->in);
    ly__tls_bytes_free(&c->out);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static struct ly__tls_conn *new_conn(const struct ly_tls *tls)
{
    struct ly__tls_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    pthread_mutex_init(&c->lock, NULL);
    c->users = 1; /* the socket */
    c->ssl = SSL_new(tls->ssl);
    if (!c->ssl || ly__tls_bio_attach(c) < 0) {
        ERR_clear_error();
        free_conn(c);
        return NULL;
    }
    if (tls->base.is_server)
        SSL_set_accept_state(c->ssl);
    else
        SSL_set_connect_state(c->ssl);
    return c;
}

/* Two tasks may come at once: the second one's is not needed. */
static struct ly__tls_conn *conn_of(struct ly__tls_sock *t)
{
    struct ly__tls_conn *c = atomic_load(&t->conn), *made;
    if (c)
        return c;
    made = new_conn(t->tls);
    if (made && atomic_compare_exchange_strong(&t->conn, &c, made))
        return made;
    if (made)
        free_conn(made);
    return c;
}

struct ly__tls_conn *ly__tls_enter(struct ly_sock *s, int *ret_error)
{
    *ret_error = -EBADF;
    if (s->io.fd < 0)
        return NULL;
    struct ly__tls_conn *c = conn_of(ly__tls_sock_of(s));
    *ret_error = -ENOMEM;
    if (!c)
        return NULL;
    pthread_mutex_lock(&c->lock);
    c->users++;
    if (ERR_peek_error())
        ERR_clear_error(); /* somebody else's, who did not look */
    return c;
}

void ly__tls_leave(struct ly__tls_conn *c)
{
    bool last = --c->users == 0;
    pthread_mutex_unlock(&c->lock);
    if (last)
        free_conn(c);
}

/* Name for SNI and for the check of the certificate; an address is none for SNI (RFC 6066, 3). */
static int set_name(struct ly__tls_conn *c, const struct ly_tls *tls, const char *name)
{
    X509_VERIFY_PARAM *p = SSL_get0_param(c->ssl);
    struct in6_addr any;
    if (!name)
        return tls->verifies ? -EINVAL : 0;
    if (inet_pton(AF_INET, name, &any) == 1 || inet_pton(AF_INET6, name, &any) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(p, name) ? 0 : -ENOMEM;
    /* SSL_set_tlsext_host_name, whose macro drops the const. */
    if (!SSL_ctrl(c->ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, (void *)(uintptr_t)name))
        return strlen(name) > TLSEXT_MAXLEN_host_name || !*name ? -EINVAL : -ENOMEM;
    return SSL_set1_host(c->ssl, name) ? 0 : -ENOMEM;
}

int ly__tls_begin(struct ly_sock *s, const char *name)
{
    int r;
    struct ly__tls_conn *c = ly__tls_enter(s, &r);
    if (!c)
        return r;
    r = set_name(c, ly__tls_sock_of(s)->tls, name);
    ERR_clear_error();
    ly__tls_leave(c);
    return r;
}
