/* SPDX-License-Identifier: MIT */
/* Part K: Unix sockets, IPv6, making listeners and connections by name. */
#include "../unit/net/resolver.h"
#include "places.h"
#include <sys/stat.h>

/* ---- Unix names ---- */

/* A directory for a row's socket files, and a name in it. */
struct files {
    char directory[32], name[160];
};

static int make_directory(struct place *p, struct files *f)
{
    snprintf(f->directory, sizeof f->directory, "/tmp/lanyard-names-XXXXXX");
    NEED(mkdtemp(f->directory));
    snprintf(f->name, sizeof f->name, "unix:%s/s", f->directory);
    return 0;
}

static int remove_directory(struct files *f)
{
    unlink(f->name + strlen("unix:"));
    return rmdir(f->directory) < 0 ? -errno : 0;
}

ROW(C131_S107_a_path_of_107_bytes_is_the_longest, UNIX)
{
    struct files f;
    struct ly_sock *s = NULL;
    NEED(make_directory(p, &f) == 0);
    size_t n = strlen("unix:") + 107, at = strlen(f.name);
    memset(f.name + at, 'x', n - at);
    f.name[n] = 0;
    NEED(ly_listen(&s, f.name, NULL) == 0);
    struct stat st;
    NEED(lstat(f.name + strlen("unix:"), &st) == 0 && S_ISSOCK(st.st_mode));
    ly_sock_free(s);
    NEED(remove_directory(&f) == 0);
    f.name[n] = 'x';
    f.name[n + 1] = 0;
    NEED(ly_listen(&s, f.name, NULL) == LY_EADDRESS && ly_connect(&s, f.name, NULL) == LY_EADDRESS);
    return 0;
}

ROW(C131_S108_a_missing_path_and_a_deserted_one_are_told_apart, UNIX)
{
    struct files f;
    struct ly_sock *l, *s;
    struct ly_listen_options replace = {.replace_stale = true};
    NEED(make_directory(p, &f) == 0);
    NEED(ly_connect(&s, f.name, NULL) == -ENOENT);
    NEED(ly_listen(&l, f.name, NULL) == 0);
    NEED(ly_connect(&s, f.name, NULL) == 0);
    ly_sock_free(s);
    NEED(ly_listen(&s, f.name, &replace) == -EADDRINUSE); /* somebody listens */
    ly_sock_free(l);
    NEED(ly_connect(&s, f.name, NULL) == -ECONNREFUSED);
    NEED(ly_listen(&l, f.name, NULL) == -EADDRINUSE); /* the file is still there */
    NEED(ly_listen(&l, f.name, &replace) == 0);
    ly_sock_free(l);
    return remove_directory(&f);
}

ROW(C132_abstract_names_hold_zero_bytes_and_leave_no_file, UNIX)
{
    struct ly_sock *s, *more;
    struct ly_address a;
    char wanted[64], text[LY_ADDRESS_TEXT];
    snprintf(wanted, sizeof wanted, "unix:@lanyard-%d%%00zero%%00", (int)getpid());
    NEED(ly_listen(&s, wanted, NULL) == 0);
    NEED(ly_sock_local(s, &a) == 0);
    ly_address_format(&a, text, sizeof text);
    NEED(strcmp(text, wanted) == 0);
    NEED(ly_listen(&more, wanted, NULL) == -EADDRINUSE);
    ly_sock_free(s);
    NEED(ly_listen(&s, wanted, NULL) == 0);
    ly_sock_free(s);
    return 0;
}

ROW(C132_an_abstract_name_fills_108_bytes_with_its_zero, UNIX)
{
    struct ly_sock *s;
    struct ly_address a;
    char name[128];
    snprintf(name, sizeof name, "unix:@%0*d", 107, (int)getpid());
    NEED(ly_listen(&s, name, NULL) == 0 && ly_sock_local(s, &a) == 0);
    NEED(a.length == offsetof(struct sockaddr_un, sun_path) + 108);
    ly_sock_free(s);
    snprintf(name, sizeof name, "unix:@%0*d", 108, (int)getpid());
    NEED(ly_listen(&s, name, NULL) == LY_EADDRESS);
    return 0;
}

ROW(C133_no_name_gets_one_of_five_hexadecimal_digits, UNIX)
{
    static const char *const at[] = {"unix:", "unix-dgram:", "unix-seqpacket:"};
    for (size_t i = 0; i < 3; i++) {
        struct ly_sock *s;
        struct ly_address a;
        char text[LY_ADDRESS_TEXT];
        NEED(ly_bind(&s, at[i], NULL) == 0 && ly_sock_local(s, &a) == 0);
        ly_address_host(&a, text, sizeof text);
        NEED(text[0] == '@' && strlen(text) == 6 && strspn(text + 1, "0123456789abcdef") == 5);
        ly_sock_free(s);
    }
    return 0;
}

ROW(C134_a_pair_is_connected, UNIX)
{
    struct ly_sock *a, *b;
    char byte;
    NEED(ly_socketpair(&a, &b) == 0);
    NEED(ly_sock_family(a) == AF_UNIX && ly_sock_type(a) == SOCK_STREAM);
    NEED(ly_sendall(a, "x", 1) == 0 && ly_recv(b, &byte, 1) == 1);
    NEED(ly_sendall(b, "y", 1) == 0 && ly_recv(a, &byte, 1) == 1 && byte == 'y');
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

ROW(C135_several_descriptors_go_with_one_message, UNIX)
{
    int ends[2], got[2], flags = -1;
    size_t count = 2;
    char buf[8], byte = 0;
    NEED(pipe2(ends, O_CLOEXEC) == 0);
    NEED(ly_send_fds(p->a, "two", 3, ends, 2) == 3);
    NEED(ly_recv_fds(p->b, buf, sizeof buf, got, &count, &flags) == 3 && count == 2 && flags == 0);
    NEED(write(got[1], "!", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == '!');
    for (int i = 0; i < 2; i++) {
        close(ends[i]);
        close(got[i]);
    }
    return 0;
}

static int open_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 1024; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

ROW(C135_descriptors_that_nobody_asked_for_are_closed, UNIX)
{
    int fds[3] = {0, 0, 0}, got[1], flags = 0, before = open_descriptors();
    size_t count = 1;
    char buf[8];
    NEED(ly_send_fds(p->a, "one", 3, fds, 3) == 3);
    NEED(ly_recv(p->b, buf, sizeof buf) == 3);
    NEED(open_descriptors() == before);
    NEED(ly_send_fds(p->a, "two", 3, fds, 3) == 3);
    NEED(ly_recv_fds(p->b, buf, sizeof buf, got, &count, &flags) == 3);
    NEED(count == 1 && flags & MSG_CTRUNC);
    close(got[0]);
    NEED(open_descriptors() == before);
    return 0;
}

/* ---- listeners ---- */

static int port_of(const struct ly_sock *s)
{
    struct ly_address a;
    return ly_sock_local(s, &a) == 0 ? ly_address_port(&a) : -1;
}

/* Connect to a port of 127.0.0.1. */
static int dial_ipv4(struct ly_sock **ret, int port)
{
    char text[64];
    snprintf(text, sizeof text, "tcp://127.0.0.1:%d", port);
    return ly_connect(ret, text, NULL);
}

ROW(C136_S53_a_port_is_usable_again_at_once, TCP)
{
    struct ly_sock *s;
    int on = 0;
    char byte;
    NEED(ly_sock_get_int(p->listener, SOL_SOCKET, SO_REUSEADDR, &on) == 0 && on == 1);
    ly_sock_close(p->b); /* this side first: it keeps the port in TIME-WAIT */
    NEED(ly_recv(p->a, &byte, 1) == 0);
    ly_sock_close(p->a);
    ly_sock_close(p->listener);
    NEED(ly_listen(&s, p->address, &(struct ly_listen_options){.no_reuse_addr = true}) == -EADDRINUSE);
    NEED(ly_listen(&s, p->address, NULL) == 0);
    ly_sock_free(s);
    return 0;
}

ROW(C136_a_failure_names_the_address_and_leaves_nothing_open, BOTH)
{
    char why[LY_LISTEN_WHY] = "";
    struct ly_listen_options o = {.why = why, .why_size = sizeof why};
    struct ly_sock *s = NULL;
    int before = open_descriptors();
    for (int i = 0; i < 1100; i++)
        NEED(ly_listen(&s, p->address, &o) == -EADDRINUSE);
    NEED(!s && open_descriptors() == before);
    NEED(strstr(why, p->address) && strstr(why, "EADDRINUSE"));
    return 0;
}

ROW(C137_S125_a_listener_of_IPv6_alone_leaves_the_port_to_IPv4, TCP)
{
    struct ly_sock *six = NULL, *four = NULL, *s;
    char text[64];
    int port = 0, r = -EADDRINUSE;
    for (int i = 0; i < 100 && r == -EADDRINUSE; i++) { /* until a port is free in both families */
        ly_sock_free(four);
        NEED(ly_listen(&four, "tcp://0.0.0.0:0", NULL) == 0);
        port = port_of(four);
        snprintf(text, sizeof text, "tcp://[::]:%d", port);
        r = ly_listen(&six, text, &(struct ly_listen_options){.v6only = true});
    }
    NEED(r == 0);
    NEED(dial_ipv4(&s, port) == 0);
    ly_sock_free(s);
    ly_sock_free(four);
    NEED(dial_ipv4(&s, port) == -ECONNREFUSED);
    ly_sock_free(six);
    return 0;
}

ROW(C137_S125_a_dual_listener_sees_IPv4_clients_as_mapped, TCP)
{
    struct ly_sock *l, *s, *c;
    struct ly_address peer;
    char host[LY_ADDRESS_TEXT];
    NEED(ly_listen(&l, "tcp://:0", NULL) == 0 && ly_sock_family(l) == AF_INET6);
    NEED(dial_ipv4(&s, port_of(l)) == 0);
    NEED(ly_accept(l, &c, &peer) == 0);
    ly_address_host(&peer, host, sizeof host);
    NEED(strcmp(host, "::ffff:127.0.0.1") == 0);
    ly_sock_free(s);
    ly_sock_free(c);
    ly_sock_free(l);
    return 0;
}

/* ---- connections ---- */

/* Connect to a name that has these addresses. */
static int dial_name(struct ly_sock **ret, const char *const *hosts, int port, const char *source)
{
    char text[64];
    resolver_answers(hosts);
    snprintf(text, sizeof text, "tcp://many.example:%d", port);
    return ly_connect(ret, text, &(struct ly_connect_options){.timeout_ms = 5000, .source = source});
}

ROW(C138_all_addresses_of_a_name_are_tried_in_order, TCP)
{
    static const char *const hosts[] = {"127.0.0.7", "127.0.0.8", "127.0.0.1", NULL};
    static const char *const both[] = {"127.0.0.1", "127.0.0.7", NULL};
    struct ly_sock *s;
    struct ly_address a;
    char host[LY_ADDRESS_TEXT];
    int port = port_of(p->listener), before = open_descriptors();
    NEED(dial_name(&s, hosts, port, NULL) == 0);
    NEED(open_descriptors() == before + 1); /* those that failed are closed */
    NEED(ly_sock_peer(s, &a) == 0);
    ly_address_host(&a, host, sizeof host);
    NEED(strcmp(host, "127.0.0.1") == 0 && ly_sock_timeout(s) == 5000);
    ly_sock_free(s);
    NEED(dial_name(&s, both, port, "tcp://127.0.0.5:0") == 0);
    NEED(ly_sock_local(s, &a) == 0);
    ly_address_host(&a, host, sizeof host);
    NEED(strcmp(host, "127.0.0.5") == 0);
    ly_sock_free(s);
    ly_sock_close(p->listener);
    NEED(dial_name(&s, hosts, port, NULL) == -ECONNREFUSED); /* the last one's error */
    return 0;
}

ROW(C139_malformed_numbers_are_refused, TCP)
{
    static const char *const bad[] = {"0.0.0.",     "300.0.0.0", "1.2.3.4.5", "127.1",
                                      "0x7f000001", "1.2.3.4.",  ":::1",      "1::2::3",
                                      "::1.2.3",    "fe80::g",   "12345::",   "1:2:3:4:5:6:7"};
    struct ly_address a;
    int asked = resolver_asked();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        NEED(ly_address_make(&a, SOCK_STREAM, bad[i], 1) == LY_EADDRESS);
    NEED(ly_address_make(&a, SOCK_STREAM, "127.0.0.1", 65536) == LY_EADDRESS);
    NEED(resolver_asked() == asked);
    return 0;
}

ROW(S124_addresses_networks_and_services, TCP)
{
    struct ly_address a, network;
    int prefix;
    char name[16];
    NEED(ly_address_parse(&a, "tcp://127.0.0.1:80") == 0 && ly_address_is_local(&a));
    NEED(ly_network_parse(&network, &prefix, "127.0.0.0/255.0.0.0") == 0 && prefix == 8);
    NEED(ly_address_in_network(&a, &network, prefix));
    NEED(ly_service_port("http", "tcp") == 80 && ly_service_port("ftp", "tcp") == 21);
    NEED(ly_service_name(25, "tcp", name, sizeof name) == 4 && strcmp(name, "smtp") == 0);
    return 0;
}

PLACES_MAIN(RUN(C131_S107_a_path_of_107_bytes_is_the_longest),
            RUN(C131_S108_a_missing_path_and_a_deserted_one_are_told_apart),
            RUN(C132_abstract_names_hold_zero_bytes_and_leave_no_file),
            RUN(C132_an_abstract_name_fills_108_bytes_with_its_zero),
            RUN(C133_no_name_gets_one_of_five_hexadecimal_digits), RUN(C134_a_pair_is_connected),
            RUN(C135_several_descriptors_go_with_one_message),
            RUN(C135_descriptors_that_nobody_asked_for_are_closed),
            RUN(C136_S53_a_port_is_usable_again_at_once),
            RUN(C136_a_failure_names_the_address_and_leaves_nothing_open),
            RUN(C137_S125_a_listener_of_IPv6_alone_leaves_the_port_to_IPv4),
            RUN(C137_S125_a_dual_listener_sees_IPv4_clients_as_mapped),
            RUN(C138_all_addresses_of_a_name_are_tried_in_order), RUN(C139_malformed_numbers_are_refused),
            RUN(S124_addresses_networks_and_services))
