/* SPDX-License-Identifier: MIT */
/* TLS with each allocation and each call failing once, OpenSSL's own included, in threads and in loops. */
#include "places.h"

#include "../certificates.h"

static struct certificate own;
static struct ly_tls *server_tls, *client_tls;

/* ---- contexts ---- */

static int open_server(struct ly_tls **ret_tls)
{
    static const char *const protocols[] = {"lanyard/1", NULL};
    return ly_tls_open(ret_tls, &(struct ly_tls_options){.server = true,
                                                         .certificate = own.pem,
                                                         .key = own.key,
                                                         .verify = LY_TLS_VERIFY_NONE,
                                                         .client_certificate = LY_TLS_ASK,
                                                         .alpn = protocols});
}

static int open_client(struct ly_tls **ret_tls)
{
    return ly_tls_open(ret_tls, &(struct ly_tls_options){
                                    .certificate = own.pem, .key = own.key, .verify = LY_TLS_VERIFY_NONE});
}

static int open_both(void *arg)
{
    struct ly_tls *server = NULL, *client = NULL;
    (void)arg;
    int r = open_server(&server);
    if (r == 0)
        r = open_client(&client);
    ly_tls_close(server);
    ly_tls_close(client);
    return r;
}

static void contexts_survive_each_failure(void **state)
{
    (void)state;
    sweep("contexts", open_both, NULL);
}

/* ---- conversations ---- */

/* Whatever ends one side ends the other: its socket is shut down. */
static int answer(void *arg)
{
    struct ly_sock *s = arg;
    char buf[16];
    uint8_t key[32];
    int r = (int)ly_recvall(s, buf, 8);
    if (r > 0)
        r = ly_tls_peer_key(s, key);
    if (r == 0)
        r = ly_sendall(s, buf, 8);
    ly_shutdown(s, SHUT_RDWR);
    return r;
}

static int ask(struct ly_sock *s)
{
    char buf[16];
    static char words[] = "one two ";
    struct iovec pieces[] = {{.iov_base = words, .iov_len = 4}, {.iov_base = words + 4, .iov_len = 4}};
    static char session[LY_TLS_SESSION_MAX];
    int r = ly_sendallv(s, pieces, 2, 0);
    if (r == 0)
        r = (int)ly_recvall(s, buf, 8);
    if (r > 0)
        r = (int)ly_tls_session(s, session, sizeof session);
    return r < 0 ? r : 0;
}

static int talk(struct ly_sock *server, struct ly_sock *client)
{
    struct ly_scope *scope;
    int r = ly_scope_open(&scope, NULL);
    if (r < 0)
        return r;
    r = ly_go(scope, answer, server);
    if (r == 0)
        r = ask(client);
    ly_shutdown(client, SHUT_RDWR);
    int joined = ly_scope_join(scope);
    ly_scope_close(scope);
    return r < 0 ? r : joined;
}

static int converse(void *arg)
{
    struct ly_sock *a, *b, *server = NULL, *client = NULL;
    (void)arg;
    int r = ly_socketpair(&a, &b);
    if (r < 0)
        return r;
    r = ly_tls_wrap(&server, a, server_tls, NULL);
    if (r < 0)
        ly_sock_free(a);
    int w = ly_tls_wrap(&client, b, client_tls, "localhost");
    if (w < 0)
        ly_sock_free(b);
    r = r < 0 ? r : w;
    if (r == 0)
        r = talk(server, client);
    ly_sock_free(server);
    ly_sock_free(client);
    return r;
}

static void conversations_in_threads_survive_each_failure(void **state)
{
    (void)state;
    sweep_place("conversation", &places[0], converse);
}

static void conversations_in_loops_survive_each_failure(void **state)
{
    (void)state;
    for (size_t i = 1; i < PLACES; i++)
        sweep_place("conversation", &places[i], converse);
}

static void sends_and_receives_of_one_byte_lose_none(void **state)
{
    static const char *const calls[] = {"send", "recv"};
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (size_t p = 0; p < PLACES; p++) {
            assert_int_equal(ly_fault_short(calls[i]), 0);
            int r = run_at(&places[p], converse, NULL);
            ly_fault_short(NULL);
            assert_int_equal(r, 0);
        }
}

/* ---- by their addresses ---- */

/* A client with a deadline for each call, as programs have it. What it connects to is not accepted. */
static int reach(void *arg)
{
    struct ly_sock *listener = NULL, *client = NULL;
    struct ly_address a;
    char text[LY_ADDRESS_TEXT], address[LY_ADDRESS_TEXT + 8];
    (void)arg;
    int r = ly_listen(&listener, "tls://127.0.0.1:0", &(struct ly_listen_options){.tls = server_tls});
    if (r == 0)
        r = ly_sock_local(listener, &a);
    if (r == 0) {
        ly_address_format(&a, text, sizeof text);
        snprintf(address, sizeof address, "tls%s", strchr(text, ':'));
        r = ly_connect(&client, address, &(struct ly_connect_options){.tls = client_tls, .timeout_ms = 5000});
    }
    ly_sock_free(client);
    ly_sock_free(listener);
    return r;
}

static void listening_and_connecting_survive_each_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < PLACES; i++)
        sweep_place("listening and connecting", &places[i], reach);
}

static int prepare(void **state)
{
    (void)state;
    certificate_make(&own, "DNS:localhost", NULL, 30);
    return open_server(&server_tls) < 0 || open_client(&client_tls) < 0;
}

static int finish(void **state)
{
    ly_tls_close(server_tls);
    ly_tls_close(client_tls);
    certificate_free(&own);
    return sweep_summary(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts_survive_each_failure),
        cmocka_unit_test(conversations_in_threads_survive_each_failure),
        cmocka_unit_test(conversations_in_loops_survive_each_failure),
        cmocka_unit_test(sends_and_receives_of_one_byte_lose_none),
        cmocka_unit_test(listening_and_connecting_survive_each_failure),
    };
    return cmocka_run_group_tests(tests, prepare, finish);
}
