/* SPDX-License-Identifier: MIT */
#include "everywhere.h"
#include "resolver.h"
#include <lanyard/socket.h>
#include <unistd.h>

static int listener_on(struct ly_sock **ret_listener, const char *at, char text[LY_ADDRESS_TEXT])
{
    struct ly_address a;
    NEED_OK(ly_listen(ret_listener, at, NULL));
    NEED_OK(ly_sock_local(*ret_listener, &a));
    ly_address_format(&a, text, LY_ADDRESS_TEXT);
    return 0;
}

/* An address on which nobody listens. */
static int deserted(char text[LY_ADDRESS_TEXT])
{
    struct ly_sock *l;
    NEED_OK(listener_on(&l, "tcp://127.0.0.1:0", text));
    ly_sock_free(l);
    return 0;
}

/* A listener that takes no further connection. */
static int full_listener(struct ly_sock **ret_listener, struct ly_sock **ret_filler, const char *at,
                         char *text)
{
    NEED_OK(listener_on(ret_listener, at, text));
    NEED_OK(ly_sock_listen(*ret_listener, 0));
    return ly_connect(ret_filler, text, NULL);
}

static int the_system_s_refusals_are_passed_on(void *arg)
{
    struct ly_sock *s = NULL;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    NEED_OK(deserted(text));
    NEED_INT(ly_connect(&s, text, NULL), -ECONNREFUSED);
    NEED_INT(ly_connect(&s, "unix:/no/such/socket", NULL), -ENOENT);
    NEED_INT(ly_connect(&s, "unix:@lanyard-nobody-listens-here", NULL), -ECONNREFUSED);
    NEED_INT(ly_connect(&s, "tcp://127.0.0.1", NULL), LY_EADDRESS);
    NEED(s == NULL);
    return 0;
}

static int c85_a_connect_without_waiting_tells_later(void *arg)
{
    struct ly_sock *l, *s, *b;
    struct ly_address to;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    NEED_OK(listener_on(&l, "tcp://127.0.0.1:0", text));
    NEED_OK(ly_address_parse(&to, text));
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    NEED_INT(ly_sock_connect(s, &to), -EINPROGRESS);
    NEED_OK(ly_accept(l, &b, NULL));
    NEED_OK(ly_sock_connect(s, &to));
    NEED_INT(ly_sock_connect(s, &to), -EISCONN);
    ly_sock_free(s);
    ly_sock_free(b);
    ly_sock_free(l);
    return 0;
}

static int a_socket_used_before_it_is_connected_still_waits_for_the_outcome(void *arg)
{
    struct ly_sock *l, *s, *filler;
    struct ly_address to;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    NEED_OK(full_listener(&l, &filler, "tcp://127.0.0.1:0", text));
    NEED_OK(ly_address_parse(&to, text));
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM, 0));
    NEED_OK(ly_sock_set_timeout(s, 10));
    NEED_INT(ly_sock_connect(s, &to), -ETIMEDOUT);
    NEED_INT(ly_sock_connect(s, &to), -ETIMEDOUT); /* still under way */
    NEED_OK(ly_sock_set_timeout(s, 0));
    NEED_INT(ly_sock_connect(s, &to), -EINPROGRESS);
    ly_sock_free(s);
    ly_sock_free(filler);
    ly_sock_free(l);
    return 0;
}

static int the_timeout_of_the_options_is_the_sockets_afterwards(void *arg)
{
    struct ly_sock *l, *s, *filler, *late;
    char text[LY_ADDRESS_TEXT];
    const struct ly_connect_options o = {.timeout_ms = 20};
    (void)arg;
    NEED_OK(full_listener(&l, &filler, "tcp://127.0.0.1:0", text));
    int64_t start = ly_now();
    NEED_INT(ly_connect(&late, text, &o), -ETIMEDOUT);
    NEED(ly_now() - start >= 20 * 1000000);
    NEED_OK(ly_accept(l, &s, NULL));
    ly_sock_free(s);
    NEED_INT(ly_sock_timeout(filler), LY_FOREVER);
    NEED_OK(ly_connect(&s, text, &(struct ly_connect_options){.timeout_ms = 5000}));
    NEED_INT(ly_sock_timeout(s), 5000);
    ly_sock_free(s);
    ly_sock_free(filler);
    ly_sock_free(l);
    return 0;
}

static int accept_two(void *arg)
{
    struct ly_sock *b;
    NEED_OK(ly_sleep(3));
    for (int i = 0; i < 2; i++) {
        NEED_OK(ly_accept(arg, &b, NULL));
        ly_sock_free(b);
    }
    return 0;
}

static int a_full_unix_backlog_is_waited_for(void *arg)
{
    struct ly_sock *l, *s, *filler;
    struct ly_scope *scope;
    struct ly_address to;
    char name[64], text[LY_ADDRESS_TEXT];
    (void)arg;
    snprintf(name, sizeof name, "unix:@lanyard-connect-%d", getpid());
    NEED_OK(full_listener(&l, &filler, name, text));
    NEED_OK(ly_address_parse(&to, text));
    NEED_OK(ly_socket(&s, AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    NEED_INT(ly_sock_connect(s, &to), -EAGAIN);
    NEED_OK(ly_sock_set_timeout(s, 10));
    int64_t start = ly_now();
    NEED_INT(ly_sock_connect(s, &to), -ETIMEDOUT);
    NEED(ly_now() - start >= 10 * 1000000);
    NEED_OK(ly_sock_set_timeout(s, LY_FOREVER));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_go(scope, accept_two, l));
    NEED_OK(ly_sock_connect(s, &to));
    NEED_OK(ly_scope_join(scope));
    ly_scope_close(scope);
    ly_sock_free(s);
    ly_sock_free(filler);
    ly_sock_free(l);
    return 0;
}

struct connecting {
    char to[LY_ADDRESS_TEXT];
    int result;
};

static int connect_to(void *arg)
{
    struct connecting *c = arg;
    struct ly_sock *s;
    c->result = ly_connect(&s, c->to, NULL);
    return 0;
}

static int a_cancelled_connect_ends(void *arg)
{
    struct ly_sock *l, *filler;
    struct ly_scope *around, *scope;
    struct connecting c = {.result = 1};
    (void)arg;
    NEED_OK(full_listener(&l, &filler, "tcp://127.0.0.1:0", c.to));
    NEED_OK(ly_scope_open(&around, NULL));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_go(scope, connect_to, &c));
    NEED_OK(ly_sleep(1));
    ly_scope_cancel(scope);
    ly_scope_close(scope); /* waits for it */
    NEED_INT(c.result, -ECANCELED);
    ly_scope_close(around);
    ly_sock_free(filler);
    ly_sock_free(l);
    return 0;
}

static int the_source_address_is_the_one_asked_for(void *arg)
{
    struct ly_sock *l, *s, *b;
    struct ly_address peer;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    NEED_OK(listener_on(&l, "tcp://127.0.0.1:0", text));
    NEED_OK(ly_connect(&s, text, &(struct ly_connect_options){.source = "tcp://127.0.0.9:0"}));
    NEED_OK(ly_accept(l, &b, &peer));
    ly_address_format(&peer, text, sizeof text);
    NEED(strncmp(text, "tcp://127.0.0.9:", 16) == 0);
    ly_sock_free(s);
    ly_sock_free(b);
    NEED_OK(ly_sock_local(l, &peer));
    ly_address_format(&peer, text, sizeof text);
    NEED_INT(ly_connect(&s, text, &(struct ly_connect_options){.source = "tcp://[::1]:0"}), -EAFNOSUPPORT);
    NEED_INT(ly_connect(&s, text, &(struct ly_connect_options){.source = "tcp://192.0.2.1:0"}),
             -EADDRNOTAVAIL);
    ly_sock_free(l);
    return 0;
}

static int c138_each_address_of_a_name_is_tried_in_order(void *arg)
{
    static const char *const hosts[] = {"127.0.0.7", "127.0.0.8", "127.0.0.1", NULL};
    struct ly_sock *l, *s;
    struct ly_address at, peer;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    resolver_answers(hosts);
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", NULL));
    NEED_OK(ly_sock_local(l, &at));
    snprintf(text, sizeof text, "tcp://three.example:%d", ly_address_port(&at));
    NEED_OK(ly_connect(&s, text, NULL));
    NEED_OK(ly_sock_peer(s, &peer));
    NEED(ly_address_equal(&peer, &at));
    ly_sock_free(s);
    ly_sock_free(l);
    NEED_INT(ly_connect(&s, text, NULL), -ECONNREFUSED); /* the last one's error */
    return 0;
}

static int a_connected_datagram_socket_talks_with_one_peer(void *arg)
{
    char text[LY_ADDRESS_TEXT], buf[8];
    struct ly_sock *server, *client, *other;
    struct ly_address a, from;
    (void)arg;
    NEED_OK(ly_bind(&server, "udp://127.0.0.1:0", NULL));
    NEED_OK(ly_sock_local(server, &a));
    ly_address_format(&a, text, sizeof text);
    NEED_OK(ly_connect(&client, text, NULL));
    NEED_INT(ly_send(client, "hi", 2), 2);
    NEED_INT(ly_recvfrom(server, buf, sizeof buf, 0, &from), 2);
    NEED_OK(ly_bind(&other, "udp://127.0.0.1:0", NULL));
    NEED_INT(ly_sendto(other, "no", 2, 0, &from), 2);
    NEED_INT(ly_sendto(server, "yes", 3, 0, &from), 3);
    NEED_INT(ly_recv(client, buf, sizeof buf), 3);
    ly_sock_free(other);
    ly_sock_free(client);
    ly_sock_free(server);
    return 0;
}

static int the_source_is_of_the_same_scheme(void *arg)
{
    struct ly_sock *s;
    (void)arg;
    NEED_INT(ly_connect(&s, "udp://127.0.0.1:9", &(struct ly_connect_options){.source = "tcp://127.0.0.1:0"}),
             -EPROTOTYPE);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(the_system_s_refusals_are_passed_on),
        BODY(c85_a_connect_without_waiting_tells_later),
        BODY(a_socket_used_before_it_is_connected_still_waits_for_the_outcome),
        BODY(the_timeout_of_the_options_is_the_sockets_afterwards),
        BODY(a_full_unix_backlog_is_waited_for),
        BODY(a_cancelled_connect_ends),
        BODY(the_source_address_is_the_one_asked_for),
        BODY(c138_each_address_of_a_name_is_tried_in_order),
        BODY(a_connected_datagram_socket_talks_with_one_peer),
        BODY(the_source_is_of_the_same_scheme),
    };
    return EVERYWHERE("net/connect", bodies);
}
