/* SPDX-License-Identifier: MIT */
/* What is known of a TLS connection: the peer's key, the exporter, sessions that are resumed. */
#include "tls_pair.h"

#include <sys/wait.h>

static int the_peers_key_is_its_identity(void *arg)
{
    struct tls_pair p;
    uint8_t key[32];
    (void)arg;
    NEED_OK(tls_up(&p, SERVER(.verify = LY_TLS_VERIFY_NONE, .client_certificate = LY_TLS_ASK),
                   CLIENT(.verify = LY_TLS_VERIFY_NONE, .certificate = machine.pem, .key = machine.key),
                   NULL));
    NEED_OK(ly_tls_peer_key(p.client, key));
    NEED(memcmp(key, leaf.identity, 32) == 0);
    NEED_OK(ly_tls_peer_key(p.server, key));
    NEED(memcmp(key, machine.identity, 32) == 0);
    tls_free(&p);
    NEED_OK(tls_any(&p));
    NEED_INT(ly_tls_peer_key(p.server, key), -ENOENT);
    tls_free(&p);
    return 0;
}

static int both_ends_export_the_same_and_no_other_connection_does(void *arg)
{
    static const char label[] = "EXPORTER-Channel-Binding";
    struct tls_pair p, q;
    uint8_t a[32], b[32], c[32], d[32];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(tls_any(&q));
    NEED_OK(ly_tls_export(p.client, label, a, sizeof a));
    NEED_OK(ly_tls_export(p.server, label, b, sizeof b));
    NEED_OK(ly_tls_export(q.client, label, c, sizeof c));
    NEED_OK(ly_tls_export(p.client, "EXPORTER-Other", d, sizeof d));
    NEED(memcmp(a, b, 32) == 0);
    NEED(memcmp(a, c, 32) != 0 && memcmp(a, d, 32) != 0);
    tls_free(&p);
    tls_free(&q);
    return 0;
}

static int nothing_is_known_before_the_handshake_or_without_tls(void *arg)
{
    struct tls_pair p;
    struct ly_sock *a, *b;
    uint8_t key[32];
    char text[8];
    (void)arg;
    NEED_OK(tls_open(&p, SERVER(), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    NEED_INT(ly_tls_peer_key(p.client, key), -ENOTCONN);
    NEED_INT(ly_tls_export(p.server, "EXPORTER-x", key, 32), -ENOTCONN);
    NEED_INT(ly_tls_is_resumed(p.client), -ENOTCONN);
    NEED_INT(ly_tls_session(p.client, key, 32), -ENOTCONN);
    NEED(!ly_tls_version(p.client) && !ly_tls_cipher(p.client));
    NEED_OK(tls_shake(&p));
    NEED(strcmp(ly_tls_version(p.client), "TLSv1.3") == 0);
    NEED(strncmp(ly_tls_cipher(p.client), "TLS_", 4) == 0);
    tls_free(&p);
    NEED_OK(ly_socketpair(&a, &b));
    NEED(!ly_tls_is_on(a));
    NEED_INT(ly_tls_handshake(a), -EINVAL);
    NEED_INT(ly_tls_peer_key(a, key), -EINVAL);
    NEED_INT(ly_tls_set_session(a, key, 32), -EINVAL);
    NEED_INT(ly_tls_pending(a), 0);
    NEED_INT(ly_tls_why(a, text, sizeof text), 0);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

/* ---- sessions ---- */

struct session {
    char bytes[LY_TLS_SESSION_MAX];
    ssize_t length;
};

/* A connection within the contexts of p that resumes the session, if there is one, and keeps the next. */
static int visit(struct tls_pair *p, struct session *session, int *ret_resumed)
{
    struct ly_sock *a, *b;
    uint8_t key[32];
    char byte;
    ly_sock_free(p->server);
    ly_sock_free(p->client);
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_tls_wrap(&p->server, a, p->server_context, NULL));
    NEED_OK(ly_tls_wrap(&p->client, b, p->client_context, "localhost"));
    if (session->length > 0)
        NEED_OK(ly_tls_set_session(p->client, session->bytes, (size_t)session->length));
    NEED_OK(tls_shake(p));
    NEED_OK(p->client_result);
    NEED_OK(p->server_result);
    NEED_OK(ly_sendall(p->server, "x", 1));
    NEED_INT(ly_recv(p->client, &byte, 1), 1);
    *ret_resumed = ly_tls_is_resumed(p->client);
    NEED_INT(ly_tls_is_resumed(p->server), *ret_resumed);
    NEED_OK(ly_tls_peer_key(p->client, key));
    NEED(memcmp(key, leaf.identity, 32) == 0);
    session->length = ly_tls_session(p->client, session->bytes, sizeof session->bytes);
    return 0;
}

static int a_session_is_resumed_and_keeps_both_keys(void *arg)
{
    struct tls_pair p;
    static struct session s, before;
    uint8_t key[32];
    int resumed;
    (void)arg;
    s.length = 0;
    NEED_OK(tls_open(&p, SERVER(.verify = LY_TLS_VERIFY_NONE, .client_certificate = LY_TLS_REQUIRE),
                     CLIENT(.ca_file = root_file, .certificate = machine.pem, .key = machine.key),
                     "localhost"));
    NEED_OK(visit(&p, &s, &resumed));
    NEED_INT(resumed, 0);
    NEED(s.length > 0);
    NEED_INT(ly_tls_session(p.client, key, 4), LY_ETOOBIG);
    NEED_INT(ly_tls_session(p.server, s.bytes, sizeof s.bytes), -ENOENT);
    NEED_INT(ly_tls_set_session(p.client, s.bytes, (size_t)s.length), -EISCONN);
    for (int i = 0; i < 3; i++) {
        before = s;
        NEED_OK(visit(&p, &s, &resumed));
        NEED_INT(resumed, 1);
        NEED(s.length != before.length ||
             memcmp(s.bytes, before.bytes, (size_t)s.length) != 0); /* a new ticket */
        NEED_OK(ly_tls_peer_key(p.server, key));
        NEED(memcmp(key, machine.identity, 32) == 0);
    }
    tls_free(&p);
    return 0;
}

static int a_session_that_is_not_wanted_gives_a_full_handshake(void *arg)
{
    struct tls_pair p, q;
    static struct session s;
    int resumed;
    (void)arg;
    s.length = 0;
    NEED_OK(tls_open(&p, SERVER(), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    NEED_OK(visit(&p, &s, &resumed));
    NEED(s.length > 0);
    NEED_OK(tls_open(&q, SERVER(), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    NEED_OK(visit(&q, &s, &resumed)); /* another context has other keys */
    NEED_INT(resumed, 0);
    NEED_INT(ly_tls_set_session(q.server, s.bytes, (size_t)s.length), -EINVAL);
    tls_free(&q);
    NEED_OK(tls_open(&q, SERVER(), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    NEED_INT(ly_tls_set_session(q.client, "rubbish", 7), -EINVAL);
    NEED_INT(ly_tls_set_session(q.client, s.bytes, (size_t)s.length - 1), -EINVAL);
    tls_free(&q);
    tls_free(&p);
    return 0;
}

static int without_tickets_there_is_no_session(void *arg)
{
    struct tls_pair p;
    static struct session s;
    int resumed;
    (void)arg;
    s.length = 0;
    NEED_OK(tls_open(&p, SERVER(.no_tickets = true), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    NEED_OK(visit(&p, &s, &resumed));
    NEED_INT(s.length, -ENOENT);
    tls_free(&p);
    return 0;
}

/* ---- across processes ---- */

static int a_forked_process_takes_tickets_of_its_parent(void *arg)
{
    struct tls_pair p;
    static struct session s;
    int resumed, status;
    (void)arg;
    if (strcmp(ly_reactor_name(), "thread") != 0)
        return 0; /* a loop is not forked */
    s.length = 0;
    NEED_OK(tls_open(&p, SERVER(), CLIENT(.verify = LY_TLS_VERIFY_NONE), NULL));
    NEED_OK(visit(&p, &s, &resumed));
    pid_t child = fork();
    if (child == 0) {
        int r = visit(&p, &s, &resumed);
        _exit(r == 0 && resumed == 1 ? 0 : 1);
    }
    NEED_INT(waitpid(child, &status, 0), child);
    NEED_INT(status, 0);
    tls_free(&p);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(the_peers_key_is_its_identity),
        BODY(both_ends_export_the_same_and_no_other_connection_does),
        BODY(nothing_is_known_before_the_handshake_or_without_tls),
        BODY(a_session_is_resumed_and_keeps_both_keys),
        BODY(a_session_that_is_not_wanted_gives_a_full_handshake),
        BODY(without_tickets_there_is_no_session),
        BODY(a_forked_process_takes_tickets_of_its_parent),
    };
    make_certificates();
    int r = EVERYWHERE("net/tls_peer", bodies);
    free_certificates();
    return r;
}
