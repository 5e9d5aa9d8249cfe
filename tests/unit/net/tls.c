/* SPDX-License-Identifier: MIT */
/* Contexts: options, trust, protocols; and addresses that lead to them. */
#include "tls_pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int open_and_close(const struct ly_tls_options *o)
{
    struct ly_tls *t = NULL;
    int r = ly_tls_open(&t, o);
    if (r < 0 && t)
        return -EPROTO; /* what is returned is untouched on failure */
    ly_tls_close(t);
    return r;
}

static int options_that_contradict_each_other_are_refused(void *arg)
{
    (void)arg;
    NEED_OK(open_and_close(SERVER()));
    NEED_OK(open_and_close(CLIENT(.verify = LY_TLS_VERIFY_NONE)));
    NEED_INT(open_and_close(&(struct ly_tls_options){.server = true}), -EINVAL);
    NEED_INT(open_and_close(SERVER(.key_file = "twice")), -EINVAL);
    NEED_INT(open_and_close(CLIENT(.certificate = leaf.pem)), -EINVAL);
    NEED_INT(open_and_close(CLIENT(.client_certificate = LY_TLS_ASK)), -EINVAL);
    NEED_INT(open_and_close(CLIENT(.verify = LY_TLS_VERIFY_NONE, .ca_file = root_file)), -EINVAL);
    NEED_INT(open_and_close(SERVER(.client_certificate = (enum ly_tls_client_certificate)3)), -EINVAL);
    NEED_INT(open_and_close(SERVER(.alpn = (const char *const[]){"", NULL})), -EINVAL);
    NEED_OK(open_and_close(SERVER(.alpn = (const char *const[]){NULL})));
    return 0;
}

static int what_is_wrong_with_a_certificate_is_told(void *arg)
{
    char why[LY_TLS_WHY] = "";
    (void)arg;
    struct ly_tls_options o = {
        .server = true, .certificate = leaf.pem, .key = stranger.key, .why = why, .why_size = sizeof why};
    NEED_INT(open_and_close(&o), LY_ETLS);
    NEED(strstr(why, "mismatch"));
    o.key = "no key";
    NEED_INT(open_and_close(&o), LY_ETLS);
    NEED(*why);
    o.certificate = "";
    NEED_INT(open_and_close(&o), LY_ETLS);
    o.certificate = NULL;
    o.certificate_file = "/nowhere/at/all.pem";
    NEED_INT(open_and_close(&o), -ENOENT);
    NEED(strncmp(why, "/nowhere/at/all.pem: ", 21) == 0 && strcmp(why + 21, ly_error_text(-ENOENT)) == 0);
    o = (struct ly_tls_options){.ca_file = "/nowhere/at/all.pem", .why = why, .why_size = sizeof why};
    *why = '\0';
    NEED_INT(open_and_close(&o), -ENOENT);
    NEED(strncmp(why, "/nowhere/at/all.pem: ", 21) == 0 && strcmp(why + 21, ly_error_text(-ENOENT)) == 0);
    return 0;
}

static int a_key_with_a_password_is_refused_without_asking(void *arg)
{
    static char text[2048];
    BIO *bio = BIO_new(BIO_s_mem());
    char password[] = "secret";
    (void)arg;
    PEM_write_bio_PrivateKey(bio, leaf.own, EVP_aes_128_cbc(), (unsigned char *)password, 6, NULL, NULL);
    certificate_text(text, sizeof text, bio);
    NEED(strstr(text, "ENCRYPTED"));
    NEED_INT(open_and_close(&(struct ly_tls_options){.server = true, .certificate = leaf.pem, .key = text}),
             LY_ETLS);
    return 0;
}

static int a_key_may_be_one_that_openssl_holds(void *arg)
{
    struct tls_pair p;
    (void)arg;
    NEED_OK(tls_up(&p,
                   &(struct ly_tls_options){.server = true, .certificate = leaf.pem, .key_object = leaf.own},
                   CLIENT(.ca_file = root_file), "localhost"));
    tls_free(&p);
    NEED_INT(open_and_close(SERVER(.key_object = leaf.own)), -EINVAL);
    NEED_INT(open_and_close(CLIENT(.key_object = leaf.own)), -EINVAL);
    NEED_INT(open_and_close(&(struct ly_tls_options){
                 .server = true, .certificate = leaf.pem, .key_object = stranger.own}),
             LY_ETLS);
    return 0;
}

static int certificate_and_key_may_be_files(void *arg)
{
    char name[] = "/tmp/lanyard-tls-own-XXXXXX";
    struct tls_pair p;
    int fd = mkstemp(name);
    (void)arg;
    NEED(fd >= 0);
    NEED(dprintf(fd, "%s%s%s", leaf.pem, root.pem, leaf.key) > 0);
    close(fd);
    NEED_OK(tls_up(&p, &(struct ly_tls_options){.server = true, .certificate_file = name, .key_file = name},
                   CLIENT(.ca_file = root_file), "localhost"));
    tls_free(&p);
    NEED_OK(unlink(name));
    return 0;
}

/* ---- trust ---- */

/* How the handshake ends for the client; the server's is left in *ret_server. */
static int shake(const struct ly_tls_options *server, const struct ly_tls_options *client, const char *name,
                 const char *why)
{
    struct tls_pair p;
    char text[LY_TLS_WHY], byte;
    NEED_OK(tls_open(&p, server, client, name));
    NEED_INT(ly_tls_why(p.client, text, sizeof text), 0);
    NEED_OK(tls_shake(&p));
    int r = p.client_result;
    if (r == 0 && p.server_result < 0)
        r = (int)ly_recv(p.client, &byte, 1); /* the server looks at the client's certificate afterwards */
    size_t n = ly_tls_why(p.client, text, sizeof text);
    if (why && (n == 0 || !strstr(text, why))) {
        fprintf(stderr, "\"%s\" says nothing of \"%s\"\n", text, why);
        return -EPROTO;
    }
    tls_free(&p);
    return r;
}

static int a_certificate_has_to_be_trusted_and_for_the_name(void *arg)
{
    struct certificate old;
    (void)arg;
    const struct ly_tls_options *trusting = CLIENT(.ca_file = root_file);
    NEED_OK(shake(SERVER(), trusting, "localhost", NULL));
    NEED_OK(shake(SERVER(), trusting, "127.0.0.1", NULL));
    NEED_OK(shake(SERVER(), trusting, "::1", NULL));
    NEED_INT(shake(SERVER(), trusting, "elsewhere.example", "mismatch"), LY_ETLS);
    NEED_INT(shake(SERVER(), trusting, "127.0.0.2", "mismatch"), LY_ETLS);
    struct ly_tls_options other = {.server = true, .certificate = stranger.pem, .key = stranger.key};
    NEED_INT(shake(&other, trusting, "localhost", "self-signed"), LY_ETLS);
    NEED_OK(shake(&other, CLIENT(.verify = LY_TLS_VERIFY_NONE), "elsewhere.example", NULL));
    certificate_make(&old, "DNS:localhost", &root, -1);
    other = (struct ly_tls_options){.server = true, .certificate = old.pem, .key = old.key};
    NEED_INT(shake(&other, trusting, "localhost", "expired"), LY_ETLS);
    certificate_free(&old);
    return 0;
}

static int a_name_is_needed_where_one_is_checked(void *arg)
{
    struct ly_tls *t;
    struct ly_sock *a, *b, *s;
    (void)arg;
    NEED_OK(ly_tls_open(&t, CLIENT(.ca_file = root_file)));
    NEED_OK(ly_socketpair(&a, &b));
    NEED_INT(ly_tls_wrap(&s, a, t, NULL), -EINVAL);
    NEED_INT(ly_tls_wrap(&s, a, t, ""), -EINVAL);
    NEED_OK(ly_sendall(a, "still ours", 10));
    ly_sock_close(b);
    NEED_OK(ly_tls_wrap(&s, a, t, "localhost"));
    NEED_INT(ly_tls_wrap(&a, s, t, "localhost"), -EINVAL);
    NEED_INT(ly_tls_wrap(&a, b, t, "localhost"), -EBADF);
    ly_sock_free(s);
    ly_sock_free(b);
    ly_tls_close(t);
    return 0;
}

static int certificates_of_clients_are_asked_for_as_told(void *arg)
{
    (void)arg;
    const struct ly_tls_options *without = CLIENT(.verify = LY_TLS_VERIFY_NONE),
                                *with = CLIENT(.verify = LY_TLS_VERIFY_NONE, .certificate = machine.pem,
                                               .key = machine.key);
    NEED_OK(
        shake(SERVER(.verify = LY_TLS_VERIFY_NONE, .client_certificate = LY_TLS_ASK), without, NULL, NULL));
    NEED_OK(shake(SERVER(.verify = LY_TLS_VERIFY_NONE, .client_certificate = LY_TLS_ASK), with, NULL, NULL));
    NEED_INT(shake(SERVER(.verify = LY_TLS_VERIFY_NONE, .client_certificate = LY_TLS_REQUIRE), without, NULL,
                   "certificate required"),
             LY_ETLS);
    NEED_OK(
        shake(SERVER(.verify = LY_TLS_VERIFY_NONE, .client_certificate = LY_TLS_REQUIRE), with, NULL, NULL));
    NEED_INT(shake(SERVER(.client_certificate = LY_TLS_REQUIRE, .ca_file = root_file), with, NULL, "alert"),
             LY_ETLS);
    return 0;
}

static int protocols_are_agreed_on(void *arg)
{
    static const char *const ours[] = {"lanyard/2", "lanyard/1", NULL},
                             *const theirs[] = {"lanyard/1", "h2", NULL}, *const others[] = {"h2", NULL};
    struct tls_pair p;
    char name[16];
    (void)arg;
    NEED_OK(tls_up(&p, SERVER(.alpn = ours), CLIENT(.verify = LY_TLS_VERIFY_NONE, .alpn = theirs), NULL));
    NEED_INT(ly_tls_alpn(p.client, name, sizeof name), 9);
    NEED(strcmp(name, "lanyard/1") == 0);
    NEED_INT(ly_tls_alpn(p.server, name, 5), 9);
    NEED(strcmp(name, "lany") == 0);
    tls_free(&p);
    NEED_OK(tls_up(&p, SERVER(.alpn = ours), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    NEED_INT(ly_tls_alpn(p.client, name, sizeof name), 0);
    tls_free(&p);
    NEED_INT(shake(SERVER(.alpn = ours), CLIENT(.verify = LY_TLS_VERIFY_NONE, .alpn = others), NULL,
                   "no application protocol"),
             LY_ETLS);
    return 0;
}

/* ---- addresses ---- */

static int greet(void *arg)
{
    struct ly_sock *listener = arg, *s;
    int r = ly_accept(listener, &s, NULL);
    if (r == 0) {
        r = ly_sendall(s, "hello", 5);
        ly_sock_free(s);
    }
    return r;
}

static int an_address_makes_listeners_and_connections_of_tls(void *arg)
{
    struct ly_tls *server, *client;
    struct ly_sock *l, *s;
    struct ly_address at;
    struct ly_scope *scope;
    char text[64], bytes[5];
    (void)arg;
    NEED_OK(ly_tls_open(&server, SERVER()));
    NEED_OK(ly_tls_open(&client, CLIENT(.ca_file = root_file)));
    NEED_INT(ly_listen(&l, "tls://127.0.0.1:0", NULL), -EINVAL);
    NEED_INT(ly_listen(&l, "tls://127.0.0.1:0", &(struct ly_listen_options){.tls = client}), -EINVAL);
    NEED_INT(ly_listen(&l, "tcp://127.0.0.1:0", &(struct ly_listen_options){.tls = server}), -EINVAL);
    NEED_OK(ly_listen(&l, "tls://127.0.0.1:0", &(struct ly_listen_options){.tls = server}));
    ly_tls_close(server); /* the listener has its own */
    NEED(ly_tls_is_on(l));
    NEED_OK(ly_sock_local(l, &at));
    snprintf(text, sizeof text, "tls://127.0.0.1:%d", ly_address_port(&at));
    NEED_INT(ly_connect(&s, text, NULL), -EINVAL);
    NEED_INT(ly_connect(&s, "tcp://127.0.0.1:1", &(struct ly_connect_options){.tls = client}), -EINVAL);
    for (int i = 0; i < 2; i++) {
        NEED_OK(ly_scope_open(&scope, NULL));
        NEED_OK(ly_go(scope, greet, l));
        NEED_OK(ly_connect(&s, text,
                           &(struct ly_connect_options){.tls = client, .tls_name = i ? "localhost" : NULL}));
        NEED(ly_tls_is_on(s));
        NEED_INT(ly_recvall(s, bytes, 5), 5);
        NEED_INT(ly_recv(s, bytes, 1), 0);
        NEED_OK(ly_scope_join(scope));
        ly_scope_close(scope);
        ly_sock_free(s);
    }
    ly_sock_free(l);
    ly_tls_close(client);
    ly_tls_close(NULL);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(options_that_contradict_each_other_are_refused),
        BODY(what_is_wrong_with_a_certificate_is_told),
        BODY(a_key_with_a_password_is_refused_without_asking),
        BODY(a_key_may_be_one_that_openssl_holds),
        BODY(certificate_and_key_may_be_files),
        BODY(a_certificate_has_to_be_trusted_and_for_the_name),
        BODY(a_name_is_needed_where_one_is_checked),
        BODY(certificates_of_clients_are_asked_for_as_told),
        BODY(protocols_are_agreed_on),
        BODY(an_address_makes_listeners_and_connections_of_tls),
    };
    make_certificates();
    int r = EVERYWHERE("net/tls", bodies);
    free_certificates();
    return r;
}
