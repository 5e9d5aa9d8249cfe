/* SPDX-License-Identifier: MIT */
/* Pairs of TLS sockets over socket pairs, for the tests of TLS. */
#ifndef LY_TESTS_TLS_PAIR_H
#define LY_TESTS_TLS_PAIR_H

#include "pairs.h"

#include "../../certificates.h"
#include <lanyard/tls.h>
#include <unistd.h>

/* A root, a certificate of its for localhost, a stranger's, and a client's. */
static struct certificate root, leaf, stranger, machine;
static char root_file[] = "/tmp/lanyard-tls-root-XXXXXX";

static inline void make_certificates(void)
{
    certificate_make(&root, NULL, NULL, 30);
    certificate_make(&leaf, "DNS:localhost,IP:127.0.0.1,IP:::1", &root, 30);
    certificate_make(&stranger, "DNS:localhost", NULL, 30);
    certificate_make(&machine, "DNS:machine", NULL, 30);
    int fd = mkstemp(root_file);
    if (fd < 0 || write(fd, root.pem, strlen(root.pem)) != (ssize_t)strlen(root.pem))
        abort();
    close(fd);
}

static inline void free_certificates(void)
{
    certificate_free(&root);
    certificate_free(&leaf);
    certificate_free(&stranger);
    certificate_free(&machine);
    unlink(root_file);
}

struct tls_pair {
    struct ly_tls *server_context, *client_context;
    struct ly_sock *server, *client;
    int server_result, client_result; /* of the handshake */
};

#define SERVER(...) \
    (&(struct ly_tls_options){.server = true, .certificate = leaf.pem, .key = leaf.key, __VA_ARGS__})
#define CLIENT(...) (&(struct ly_tls_options){__VA_ARGS__})

/* The two ends, without a handshake. name: whom the client asks for. */
static inline int tls_open(struct tls_pair *p, const struct ly_tls_options *server,
                           const struct ly_tls_options *client, const char *name)
{
    struct ly_sock *a, *b;
    *p = (struct tls_pair){.server_result = 1};
    NEED_OK(ly_tls_open(&p->server_context, server));
    NEED_OK(ly_tls_open(&p->client_context, client));
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_tls_wrap(&p->server, a, p->server_context, NULL));
    NEED_OK(ly_tls_wrap(&p->client, b, p->client_context, name));
    return 0;
}

static inline int tls_shake_server(void *pair)
{
    struct tls_pair *p = pair;
    p->server_result = ly_tls_handshake(p->server);
    return 0;
}

/* The handshake of both ends; how it ended is in the results. */
static inline int tls_shake(struct tls_pair *p)
{
    struct ly_scope *s;
    NEED_OK(ly_scope_open(&s, NULL));
    NEED_OK(ly_go(s, tls_shake_server, p));
    p->client_result = ly_tls_handshake(p->client);
    if (p->client_result < 0)
        ly_shutdown(p->client, SHUT_RDWR);
    NEED_OK(ly_scope_join(s));
    ly_scope_close(s);
    return 0;
}

static inline int tls_up(struct tls_pair *p, const struct ly_tls_options *server,
                         const struct ly_tls_options *client, const char *name)
{
    NEED_OK(tls_open(p, server, client, name));
    NEED_OK(tls_shake(p));
    NEED_OK(p->server_result);
    NEED_OK(p->client_result);
    return 0;
}

/* A pair whose ends trust anybody. */
static inline int tls_any(struct tls_pair *p)
{
    return tls_up(p, SERVER(), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL);
}

static inline void tls_free(struct tls_pair *p)
{
    ly_sock_free(p->server);
    ly_sock_free(p->client);
    ly_tls_close(p->server_context);
    ly_tls_close(p->client_context);
}

#endif
