/* SPDX-License-Identifier: MIT */
/* Sockets of every type bound by an address's text. */
#include "everywhere.h"
#include <lanyard/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int text_of(struct ly_sock *s, char text[LY_ADDRESS_TEXT])
{
    struct ly_address a;
    int r = ly_sock_local(s, &a);
    if (r == 0)
        ly_address_format(&a, text, LY_ADDRESS_TEXT);
    return r;
}

static int a_datagram_socket_is_bound_by_either_call(void *arg)
{
    static const char *const at[] = {"udp://127.0.0.1:0", "udp://[::1]:0", "unix-dgram:"};
    char text[LY_ADDRESS_TEXT], buf[8];
    struct ly_address from, to;
    (void)arg;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        struct ly_sock *a, *b;
        NEED_OK(ly_bind(&a, at[i], NULL));
        NEED_OK(ly_listen(&b, at[i], NULL));
        NEED_INT(ly_sock_type(a), SOCK_DGRAM);
        NEED_OK(text_of(b, text));
        NEED(strncmp(text, at[i], 6) == 0);
        NEED_OK(ly_sock_local(b, &to));
        NEED_INT(ly_sendto(a, "hey", 3, 0, &to), 3);
        NEED_INT(ly_recvfrom(b, buf, sizeof buf, 0, &from), 3);
        NEED_INT(from.type, SOCK_DGRAM);
        NEED_OK(ly_sock_local(a, &to));
        NEED(ly_address_equal(&from, &to));
        ly_sock_free(a);
        ly_sock_free(b);
    }
    return 0;
}

static int a_datagram_port_is_not_shared_unless_asked(void *arg)
{
    char text[LY_ADDRESS_TEXT];
    struct ly_listen_options share = {.reuse_port = true};
    struct ly_sock *a, *b;
    (void)arg;
    NEED_OK(ly_bind(&a, "udp://127.0.0.1:0", NULL));
    NEED_OK(text_of(a, text));
    NEED_INT(ly_bind(&b, text, NULL), -EADDRINUSE);
    NEED_INT(ly_bind(&b, text, &share), -EADDRINUSE);
    ly_sock_free(a);
    NEED_OK(ly_bind(&a, text, &share));
    NEED_OK(ly_bind(&b, text, &share));
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int binding_alone_takes_no_connections_yet(void *arg)
{
    char text[LY_ADDRESS_TEXT];
    struct ly_sock *l, *s;
    (void)arg;
    NEED_OK(ly_bind(&l, "tcp://127.0.0.1:0", NULL));
    NEED_OK(text_of(l, text));
    NEED_INT(ly_connect(&s, text, NULL), -ECONNREFUSED);
    NEED_OK(ly_sock_listen(l, 1));
    NEED_OK(ly_connect(&s, text, NULL));
    ly_sock_free(s);
    ly_sock_free(l);
    return 0;
}

static int seqpacket_connections_keep_borders(void *arg)
{
    char text[LY_ADDRESS_TEXT], buf[8];
    struct ly_sock *l, *a, *b;
    struct ly_address peer;
    (void)arg;
    NEED_OK(ly_listen(&l, "unix-seqpacket:", NULL));
    NEED_OK(text_of(l, text));
    NEED(strncmp(text, "unix-seqpacket:@", 16) == 0);
    NEED_OK(ly_connect(&a, text, &(struct ly_connect_options){.source = "unix-seqpacket:"}));
    NEED_OK(ly_accept(l, &b, &peer));
    NEED_INT(peer.type, SOCK_SEQPACKET);
    NEED_INT(ly_sock_type(b), SOCK_SEQPACKET);
    NEED_OK(ly_sendall(a, "one", 3));
    NEED_OK(ly_sendall(a, "two", 3));
    NEED_INT(ly_recv(b, buf, sizeof buf), 3);
    NEED_INT(ly_recv(b, buf, 2), 2); /* what does not fit is lost */
    ly_sock_close(a);
    NEED_INT(ly_recv(b, buf, sizeof buf), 0);
    ly_sock_free(a);
    ly_sock_free(b);
    ly_sock_free(l);
    return 0;
}

static int a_datagram_sockets_file_is_replaced_when_it_is_deserted(void *arg)
{
    char directory[] = "/tmp/lanyard-bind-XXXXXX", text[64], stream[64];
    struct ly_listen_options o = {.replace_stale = true, .mode = 0620};
    struct ly_sock *a, *b;
    struct stat st;
    (void)arg;
    NEED(mkdtemp(directory));
    snprintf(text, sizeof text, "unix-dgram:%s/s", directory);
    snprintf(stream, sizeof stream, "unix:%s/s", directory);
    NEED_OK(ly_bind(&a, text, &o));
    NEED_OK(stat(stream + strlen("unix:"), &st));
    NEED_INT(st.st_mode & 0777, 0620);
    NEED_INT(ly_bind(&b, text, &o), -EADDRINUSE); /* it is in use, by datagrams or else */
    NEED_INT(ly_listen(&b, stream, &o), -EADDRINUSE);
    ly_sock_free(a);
    NEED_INT(ly_bind(&b, text, NULL), -EADDRINUSE); /* only if asked for */
    NEED_OK(ly_bind(&b, text, &o));
    ly_sock_free(b);
    NEED_OK(unlink(stream + strlen("unix:")));
    NEED_OK(rmdir(directory));
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(a_datagram_socket_is_bound_by_either_call),
        BODY(a_datagram_port_is_not_shared_unless_asked),
        BODY(binding_alone_takes_no_connections_yet),
        BODY(seqpacket_connections_keep_borders),
        BODY(a_datagram_sockets_file_is_replaced_when_it_is_deserted),
    };
    return EVERYWHERE("net/bind", bodies);
}
