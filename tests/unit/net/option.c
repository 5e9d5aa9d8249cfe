/* SPDX-License-Identifier: MIT */
/* What a socket tells of itself: options by name, TCP's state, a line for people. */
#include "net/pairs.h"
#include <lanyard/option.h>
#include <netinet/tcp.h>
#include <sys/time.h>

static int options_are_found_by_their_names(void *arg)
{
    const struct ly_option *o = ly_option_find("SO_REUSEADDR");
    (void)arg;
    NEED(o && o->level == SOL_SOCKET && o->option == SO_REUSEADDR && o->kind == LY_OPTION_FLAG);
    o = ly_option_find("TCP_NODELAY");
    NEED(o && o->level == IPPROTO_TCP && o->option == TCP_NODELAY && o->kind == LY_OPTION_FLAG);
    o = ly_option_find("IPV6_V6ONLY");
    NEED(o && o->level == IPPROTO_IPV6 && o->option == IPV6_V6ONLY);
    NEED(ly_option_find("IP_TTL") && ly_option_find("UDP_CORK") && ly_option_find("SO_LINGER"));
    NEED(!ly_option_find("SO_NOSUCH") && !ly_option_find("") && !ly_option_find("SO_REUSEADDR "));
    return 0;
}

static int the_table_has_each_name_once(void *arg)
{
    const struct ly_option *o;
    size_t n = 0;
    (void)arg;
    for (; (o = ly_option_at(n)); n++)
        NEED(ly_option_find(o->name) == o);
    NEED(n > 100);
    NEED(!ly_option_at(n) && !ly_option_at(SIZE_MAX));
    return 0;
}

/* The length that the kernel fills for an option that it can be asked for; 0: it cannot. */
static socklen_t filled(const struct ly_sock *s, const struct ly_option *o)
{
    char value[1024];
    socklen_t length = sizeof value;
    return ly_sock_get_option(s, o->level, o->option, value, &length) == 0 ? length : 0;
}

static bool fits(const struct ly_option *o, socklen_t n)
{
    switch (o->kind) {
    case LY_OPTION_FLAG:
    case LY_OPTION_INT:
        return n == sizeof(int) || n == 1 || n == 8; /* a few of IPPROTO_IP's are bytes or wide */
    case LY_OPTION_LINGER:
        return n == sizeof(struct linger);
    case LY_OPTION_TIMEVAL:
        return n == sizeof(struct timeval);
    case LY_OPTION_TEXT:
    case LY_OPTION_BYTES:
        return true;
    }
    return false;
}

static int the_kernel_agrees_with_each_options_kind(void *arg)
{
    struct ly_sock *tcp, *udp;
    const struct ly_option *o;
    int asked = 0;
    (void)arg;
    NEED_OK(ly_socket(&tcp, AF_INET6, SOCK_STREAM, 0));
    NEED_OK(ly_socket(&udp, AF_INET6, SOCK_DGRAM, 0));
    for (size_t i = 0; (o = ly_option_at(i)); i++) {
        socklen_t n = filled(tcp, o);
        if (n == 0)
            n = filled(udp, o);
        asked += n > 0;
        if (n > 0 && !fits(o, n)) {
            fprintf(stderr, "%s fills %u bytes\n", o->name, n);
            return -EPROTO;
        }
    }
    NEED(asked > 80);
    ly_sock_free(tcp);
    ly_sock_free(udp);
    return 0;
}

static int state_of(const struct ly_sock *s, const char *wanted)
{
    struct ly_tcp_info info;
    int r = ly_tcp_info(s, &info);
    if (r < 0)
        return r;
    if (strcmp(ly_tcp_state_name(info.state), wanted) == 0)
        return 0;
    fprintf(stderr, "%s, not %s\n", ly_tcp_state_name(info.state), wanted);
    return -EPROTO;
}

static int a_tcp_socket_tells_its_state(void *arg)
{
    struct ly_sock *l, *a, *b, *u;
    struct ly_tcp_info info;
    struct ly_address at;
    char byte;
    (void)arg;
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", &(struct ly_listen_options){.backlog = 7}));
    NEED_OK(state_of(l, "LISTEN"));
    NEED_OK(ly_socket(&a, AF_INET, SOCK_STREAM, 0));
    NEED_OK(state_of(a, "CLOSED"));
    NEED_OK(ly_sock_local(l, &at));
    NEED_OK(ly_sock_connect(a, &at)); /* the handshake needs no accept */
    NEED_OK(state_of(a, "ESTABLISHED"));
    NEED_OK(ly_tcp_info(l, &info));
    NEED(info.queued == 1 && info.backlog == 7);
    NEED_OK(ly_accept(l, &b, NULL));
    NEED_OK(ly_sendall(a, "x", 1));
    NEED_INT(ly_recv(b, &byte, 1), 1);
    NEED_OK(ly_tcp_info(b, &info));
    NEED(info.bytes_received == 1 && info.send_mss > 0 && info.path_mtu > 0);
    NEED_OK(ly_shutdown(a, SHUT_WR));
    NEED_INT(ly_recv(b, &byte, 1), 0);
    NEED_OK(state_of(b, "CLOSE-WAIT"));
    ly_sock_close(b);
    NEED_INT(ly_recv(a, &byte, 1), 0);
    NEED_INT(ly_tcp_info(b, &info), -EBADF);
    NEED_OK(ly_socket(&u, AF_UNIX, SOCK_STREAM, 0));
    NEED_INT(ly_tcp_info(u, &info), -EOPNOTSUPP);
    NEED(strcmp(ly_tcp_state_name(0), "UNKNOWN") == 0 && strcmp(ly_tcp_state_name(99), "UNKNOWN") == 0);
    NEED(strcmp(ly_tcp_state_name(TCP_CLOSING), "CLOSING") == 0);
    ly_sock_free(a);
    ly_sock_free(b);
    ly_sock_free(l);
    ly_sock_free(u);
    return 0;
}

static int described_as(const struct ly_sock *s, const char *wanted)
{
    char text[LY_SOCK_TEXT];
    size_t n = ly_sock_describe(s, text, sizeof text);
    if (n != strlen(text) || strcmp(text, wanted) != 0) {
        fprintf(stderr, "%s, not %s\n", text, wanted);
        return -EPROTO;
    }
    return 0;
}

static int c70_a_socket_is_described_as_python_does(void *arg)
{
    struct ly_sock *a, *b, *u;
    struct ly_address l, r;
    char wanted[LY_SOCK_TEXT];
    (void)arg;
    NEED_OK(tcp_pair(&a, &b));
    NEED_OK(ly_sock_local(a, &l));
    NEED_OK(ly_sock_peer(a, &r));
    snprintf(wanted, sizeof wanted,
             "<socket fd=%d, family=AF_INET, type=SOCK_STREAM, proto=6, laddr=('127.0.0.1', %d), "
             "raddr=('127.0.0.1', %d)>",
             ly_sock_fileno(a), ly_address_port(&l), ly_address_port(&r));
    NEED_OK(described_as(a, wanted));
    NEED_INT(ly_sock_describe(a, wanted, 8), ly_sock_describe(a, NULL, 0));
    NEED(strcmp(wanted, "<socket") == 0);
    ly_sock_close(a);
    NEED_OK(described_as(a, "<socket [closed] fd=-1, family=AF_INET, type=SOCK_STREAM, proto=6>"));
    ly_sock_free(a);
    ly_sock_free(b);
    NEED_OK(ly_bind(&u, "unix-dgram:", NULL));
    NEED_OK(ly_sock_local(u, &l));
    char host[LY_ADDRESS_TEXT];
    ly_address_host(&l, host, sizeof host);
    snprintf(wanted, sizeof wanted, "<socket fd=%d, family=AF_UNIX, type=SOCK_DGRAM, proto=0, laddr='%s'>",
             ly_sock_fileno(u), host);
    NEED_OK(described_as(u, wanted));
    ly_sock_free(u);
    NEED_OK(ly_socket(&u, AF_INET6, SOCK_DGRAM, 0));
    snprintf(wanted, sizeof wanted,
             "<socket fd=%d, family=AF_INET6, type=SOCK_DGRAM, proto=17, laddr=('::', 0, 0, 0)>",
             ly_sock_fileno(u));
    NEED_OK(described_as(u, wanted));
    ly_sock_free(u);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(options_are_found_by_their_names),         BODY(the_table_has_each_name_once),
        BODY(the_kernel_agrees_with_each_options_kind), BODY(a_tcp_socket_tells_its_state),
        BODY(c70_a_socket_is_described_as_python_does),
    };
    return EVERYWHERE("net/option", bodies);
}
