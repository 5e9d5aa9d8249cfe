/* SPDX-License-Identifier: MIT */
/* Part F: the socket object, its attributes and options. */
#include "places.h"
#include <netinet/in.h>
#include <netinet/tcp.h>

static int family(const struct place *p)
{
    return p->tcp ? AF_INET : AF_UNIX;
}

ROW(C65_S35_a_socket_waits_and_is_close_on_exec, BOTH)
{
    struct ly_sock *s;
    NEED(ly_socket(&s, family(p), SOCK_STREAM, 0) == 0);
    NEED(ly_sock_family(s) == family(p) && ly_sock_type(s) == SOCK_STREAM);
    NEED(ly_sock_timeout(s) == LY_FOREVER);
    NEED(fcntl(ly_sock_fileno(s), F_GETFD) & FD_CLOEXEC);
    ly_sock_free(s);
    return 0;
}

ROW(C66_S57_the_type_never_holds_flags, BOTH)
{
    struct ly_sock *s;
    NEED(ly_socket(&s, family(p), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) == 0);
    NEED(ly_sock_type(s) == SOCK_STREAM);
    NEED(ly_sock_timeout(s) == 0);
    NEED(ly_sock_set_timeout(s, 10) == 0 && ly_sock_type(s) == SOCK_STREAM);
    ly_sock_free(s);
    return 0;
}

ROW(C67_S56_after_close_every_call_says_EBADF, BOTH)
{
    char byte = 0;
    struct ly_address a;
    ly_sock_close(p->a);
    ly_sock_close(p->a);
    NEED(ly_sock_fileno(p->a) == -1);
    NEED(ly_recv(p->a, &byte, 1) == -EBADF);
    NEED(ly_send(p->a, &byte, 1) == -EBADF);
    NEED(ly_sendall(p->a, &byte, 1) == -EBADF);
    NEED(ly_shutdown(p->a, SHUT_WR) == -EBADF);
    NEED(ly_sock_local(p->a, &a) == -EBADF && ly_sock_peer(p->a, &a) == -EBADF);
    NEED(ly_sock_set_int(p->a, SOL_SOCKET, SO_KEEPALIVE, 1) == -EBADF);
    ly_sock_close(p->listener);
    struct ly_sock *more;
    NEED(ly_accept(p->listener, &more, NULL) == -EBADF);
    return 0;
}

ROW(C68_S56_detach_gives_the_descriptor_away_open, BOTH)
{
    char byte = 0;
    int fd = ly_sock_detach(p->a);
    NEED(fd >= 0 && ly_sock_fileno(p->a) == -1);
    NEED(ly_sock_detach(p->a) == -EBADF);
    NEED(write(fd, "x", 1) == 1);
    NEED(ly_recv(p->b, &byte, 1) == 1 && byte == 'x');
    close(fd);
    return 0;
}

ROW(C69_S51_an_unbound_socket_has_the_empty_address, BOTH)
{
    struct ly_sock *s;
    struct ly_address a;
    NEED(ly_socket(&s, family(p), SOCK_STREAM, 0) == 0);
    NEED(ly_sock_local(s, &a) == 0);
    if (p->tcp)
        NEED(a.u.in.sin_addr.s_addr == 0 && ly_address_port(&a) == 0);
    else
        NEED(a.length == 0);
    NEED(ly_sock_peer(s, &a) == -ENOTCONN);
    ly_sock_free(s);
    return 0;
}

ROW(C71_options_take_numbers_and_bytes, BOTH)
{
    struct linger set = {1, 7}, got;
    socklen_t length = sizeof got;
    int on = 0;
    NEED(ly_sock_set_int(p->a, SOL_SOCKET, SO_KEEPALIVE, 1) == 0);
    NEED(ly_sock_get_int(p->a, SOL_SOCKET, SO_KEEPALIVE, &on) == 0 && on == 1);
    NEED(ly_sock_set_option(p->a, SOL_SOCKET, SO_LINGER, &set, sizeof set) == 0);
    NEED(ly_sock_get_option(p->a, SOL_SOCKET, SO_LINGER, &got, &length) == 0);
    NEED(length == sizeof got && got.l_onoff == 1 && got.l_linger == 7);
    set.l_onoff = 0;
    NEED(ly_sock_set_option(p->a, SOL_SOCKET, SO_LINGER, &set, sizeof set) == 0);
    return 0;
}

ROW(C72_getting_an_option_says_what_was_filled, BOTH)
{
    char value[1024];
    socklen_t length = 100;
    NEED(ly_sock_get_option(p->a, SOL_SOCKET, SO_LINGER, value, &length) == 0);
    NEED(length == sizeof(struct linger));
    length = 0;
    NEED(ly_sock_get_option(p->a, SOL_SOCKET, SO_LINGER, value, &length) == -EINVAL);
    length = 1025;
    NEED(ly_sock_get_option(p->a, SOL_SOCKET, SO_LINGER, value, &length) == -EINVAL);
    return 0;
}

ROW(C73_unknown_options_are_refused_and_buffers_doubled, BOTH)
{
    int value = 0;
    NEED(ly_sock_set_int(p->a, SOL_SOCKET, 0x7fff, 1) == -ENOPROTOOPT);
    NEED(ly_sock_get_int(p->a, SOL_SOCKET, 0x7fff, &value) == -ENOPROTOOPT);
    NEED(ly_sock_set_int(p->a, SOL_SOCKET, SO_RCVBUF, 8192) == 0);
    NEED(ly_sock_get_int(p->a, SOL_SOCKET, SO_RCVBUF, &value) == 0 && value == 16384);
    return 0;
}

ROW(C73_reading_the_pending_error_clears_it, TCP)
{
    struct linger at_once = {1, 0};
    struct pollfd wait = {.fd = ly_sock_fileno(p->a), .events = POLLIN};
    int error = 0;
    NEED(ly_sock_set_option(p->b, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
    ly_sock_close(p->b);
    NEED(poll(&wait, 1, 20000) == 1);
    NEED(ly_sock_get_int(p->a, SOL_SOCKET, SO_ERROR, &error) == 0 && error == ECONNRESET);
    NEED(ly_sock_get_int(p->a, SOL_SOCKET, SO_ERROR, &error) == 0 && error == 0);
    return 0;
}

ROW(S52_each_level_takes_numbers_and_bytes, TCP)
{
    static const struct {
        int level, name;
    } options[] = {{SOL_SOCKET, SO_KEEPALIVE}, {IPPROTO_TCP, TCP_NODELAY}, {IPPROTO_IP, IP_TTL}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const int level = options[i].level, name = options[i].name, one = 1;
        int value = -1;
        socklen_t length = sizeof value;
        NEED(ly_sock_set_int(p->a, level, name, 1) == 0);
        NEED(ly_sock_get_int(p->a, level, name, &value) == 0 && value == 1);
        NEED(ly_sock_set_option(p->a, level, name, &one, sizeof one) == 0);
        NEED(ly_sock_get_option(p->a, level, name, &value, &length) == 0);
        NEED(length == sizeof value && value == 1);
    }
    NEED(ly_option_find("IP_TTL")->option == IP_TTL);
    return 0;
}

ROW(C70_S18_S57_a_socket_is_described_as_python_does, TCP)
{
    struct ly_address l, r;
    char text[LY_SOCK_TEXT], wanted[LY_SOCK_TEXT];
    NEED(ly_sock_local(p->a, &l) == 0 && ly_sock_peer(p->a, &r) == 0);
    snprintf(wanted, sizeof wanted,
             "<socket fd=%d, family=AF_INET, type=SOCK_STREAM, proto=6, laddr=('127.0.0.1', %d), "
             "raddr=('127.0.0.1', %d)>",
             ly_sock_fileno(p->a), ly_address_port(&l), ly_address_port(&r));
    NEED(ly_sock_describe(p->a, text, sizeof text) == strlen(wanted) && strcmp(text, wanted) == 0);
    return 0;
}

ROW(C74_parts_beyond_their_ranges_are_refused, TCP)
{
    struct ly_address a;
    NEED(ly_address_make(&a, SOCK_STREAM, "::1", 65536) == LY_EADDRESS);
    NEED(ly_address_make(&a, SOCK_STREAM, "::1", -1) == LY_EADDRESS);
    NEED(ly_address_make(&a, SOCK_STREAM, "::1", 65535) == 0);
    NEED(ly_address_set_flow(&a, 1048576, 0) == LY_EADDRESS && ly_address_set_flow(&a, -1, 0) == LY_EADDRESS);
    NEED(ly_address_set_flow(&a, 1048575, 0) == 0);
    return 0;
}

ROW(C75_S38_hosts_have_their_special_names, TCP)
{
    static const char *const at[] = {"tcp://:0", "tcp://0.0.0.0:0", "tcp://127.0.0.1:0",
                                     "udp://<broadcast>:0"};
    struct ly_sock *s;
    struct ly_address a;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        NEED(ly_bind(&s, at[i], NULL) == 0);
        NEED(ly_sock_local(s, &a) == 0 && ly_address_port(&a) > 0);
        ly_sock_free(s);
    }
    NEED(ly_address_parse(&a, "udp://<broadcast>:9") == 0 && a.u.in.sin_addr.s_addr == INADDR_NONE);
    return 0;
}

ROW(C75_an_empty_host_to_send_to_is_this_machine, TCP)
{
    struct ly_sock *to, *from;
    struct ly_address list[1];
    char text[64], byte;
    NEED(ly_bind(&to, "udp://:0", NULL) == 0 && ly_sock_local(to, &list[0]) == 0);
    snprintf(text, sizeof text, "udp://:%d", ly_address_port(&list[0]));
    NEED(ly_resolve(text, false, list, 1) == 1);
    NEED(ly_socket(&from, list[0].u.family, SOCK_DGRAM, 0) == 0);
    NEED(ly_sendto(from, "x", 1, 0, &list[0]) == 1);
    NEED(ly_recv(to, &byte, 1) == 1);
    ly_sock_free(from);
    ly_sock_free(to);
    return 0;
}

ROW(C75_a_name_that_does_not_resolve_has_an_error_of_its_own, TCP)
{
    struct ly_sock *s;
    int r = ly_connect(&s, "tcp://no-such-host.invalid:80", NULL); /* RFC 6761, 6.4 */
    NEED(r == LY_ENONAME || r == LY_ERESOLVE);
    return 0;
}

ROW(S61_the_system_caps_the_backlog, TCP)
{
    struct ly_sock *s;
    struct ly_tcp_info info;
    char text[16] = "";
    int fd = open("/proc/sys/net/core/somaxconn", O_RDONLY | O_CLOEXEC);
    NEED(read(fd, text, sizeof text - 1) > 0);
    close(fd);
    unsigned most = (unsigned)strtoul(text, NULL, 10);
    NEED(ly_listen(&s, "tcp://127.0.0.1:0", &(struct ly_listen_options){.backlog = SOMAXCONN}) == 0);
    NEED(ly_tcp_info(s, &info) == 0 && info.backlog == (most < SOMAXCONN ? most : SOMAXCONN));
    NEED(ly_sock_listen(s, 1 << 30) == 0);
    NEED(ly_tcp_info(s, &info) == 0 && info.backlog == most);
    ly_sock_free(s);
    return 0;
}

ROW(C74_ports_beyond_65535_are_refused, TCP)
{
    struct ly_sock *s = NULL;
    NEED(ly_listen(&s, "tcp://127.0.0.1:65536", NULL) == LY_EADDRESS);
    NEED(ly_listen(&s, "tcp://127.0.0.1:-1", NULL) == LY_EADDRESS);
    NEED(ly_connect(&s, "tcp://127.0.0.1:70000", NULL) == LY_EADDRESS);
    return 0;
}

ROW(C75_S38_an_empty_host_is_any_address, TCP)
{
    struct ly_sock *listener, *s, *taken;
    struct ly_address a;
    char address[64];
    NEED(ly_listen(&listener, "tcp://:0", NULL) == 0);
    NEED(ly_sock_local(listener, &a) == 0);
    snprintf(address, sizeof address, "tcp://127.0.0.1:%d", ly_address_port(&a));
    NEED(ly_connect(&s, address, NULL) == 0);
    NEED(ly_accept(listener, &taken, NULL) == 0);
    ly_sock_free(taken);
    ly_sock_free(s);
    ly_sock_free(listener);
    return 0;
}

ROW(C76_S39_listen_defaults_to_128_and_takes_negative_as_0, TCP)
{
    struct tcp_info info;
    socklen_t length = sizeof info;
    struct ly_sock *s;
    NEED(ly_sock_get_option(p->listener, IPPROTO_TCP, TCP_INFO, &info, &length) == 0);
    NEED(info.tcpi_sacked == 128); /* of a listener: the backlog */
    NEED(ly_socket(&s, AF_INET, SOCK_STREAM, 0) == 0);
    NEED(ly_sock_listen(s, -5) == 0); /* unbound: a free port */
    struct ly_address a;
    NEED(ly_sock_local(s, &a) == 0 && ly_address_port(&a) > 0);
    length = sizeof info;
    NEED(ly_sock_get_option(s, IPPROTO_TCP, TCP_INFO, &info, &length) == 0 && info.tcpi_sacked == 0);
    ly_sock_free(s);
    return 0;
}

ROW(C77_what_cannot_be_bound_or_accepted_says_EINVAL, BOTH)
{
    struct ly_address a;
    struct ly_sock *more, *udp;
    NEED(ly_address_parse(&a, p->address) == 0);
    NEED(ly_sock_bind(p->listener, &a) == -EINVAL);
    NEED(ly_accept(p->a, &more, NULL) == -EINVAL);
    NEED(ly_socket(&udp, family(p), SOCK_DGRAM, 0) == 0);
    NEED(ly_sock_listen(udp, 1) == -EOPNOTSUPP);
    NEED(ly_accept(udp, &more, NULL) == -EOPNOTSUPP);
    ly_sock_free(udp);
    return 0;
}

ROW(C78_a_copy_shares_the_connection, BOTH)
{
    struct ly_sock *copy;
    char byte;
    NEED(ly_sock_set_timeout(p->a, 20000) == 0 && ly_sock_set_inheritable(p->a, true) == 0);
    NEED(ly_sock_dup(p->a, &copy) == 0);
    NEED(ly_sock_timeout(copy) == 20000);
    NEED(fcntl(ly_sock_fileno(copy), F_GETFD) & FD_CLOEXEC);
    ly_sock_close(p->a);
    NEED(ly_recv_flags(p->b, &byte, 1, MSG_DONTWAIT) == -EAGAIN);
    NEED(ly_sendall(copy, "x", 1) == 0);
    NEED(ly_recv(p->b, &byte, 1) == 1);
    ly_sock_free(copy);
    NEED(ly_recv(p->b, &byte, 1) == 0);
    return 0;
}

/* Whether a program that is started now has the descriptor. */
static bool is_inherited(int fd)
{
    char command[64];
    snprintf(command, sizeof command, "test -e /proc/self/fd/%d", fd);
    return system(command) == 0;
}

ROW(C79_inheritance_can_be_asked_for, BOTH)
{
    int fd = ly_sock_fileno(p->a), given = 0;
    NEED(!is_inherited(fd) && ly_sock_inheritable(p->a) == 0);
    NEED(ly_sock_set_inheritable(p->a, true) == 0);
    NEED(is_inherited(fd) && ly_sock_inheritable(p->a) == 1);
    NEED(ly_sock_set_inheritable(p->a, false) == 0 && !is_inherited(fd));
    if (p->tcp)
        return 0;
    char byte;
    size_t count = 1;
    NEED(ly_send_fds(p->a, "x", 1, &fd, 1) == 1);
    NEED(ly_recv_fds(p->b, &byte, 1, &given, &count, NULL) == 1 && count == 1);
    NEED(!is_inherited(given)); /* close-on-exec like the others, unlike Python's */
    NEED(ly_fd_set_inheritable(given, true) == 0 && is_inherited(given));
    close(given);
    return 0;
}

ROW(C79_no_socket_is_inherited_over_exec, BOTH)
{
    struct ly_sock *x, *y;
    NEED(ly_socketpair(&x, &y) == 0);
    struct ly_sock *all[] = {p->listener, p->a, p->b, x, y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        NEED(fcntl(ly_sock_fileno(all[i]), F_GETFD) & FD_CLOEXEC);
    ly_sock_free(x);
    ly_sock_free(y);
    return 0;
}

ROW(C80_a_descriptor_tells_what_it_is, BOTH)
{
    struct ly_sock *s = NULL;
    int ends[2];
    NEED(ly_sock_from_fd(&s, dup(ly_sock_fileno(p->a))) == 0);
    NEED(ly_sock_family(s) == family(p) && ly_sock_type(s) == SOCK_STREAM);
    NEED(ly_sock_proto(s) == (p->tcp ? IPPROTO_TCP : 0));
    ly_sock_free(s);
    NEED(pipe(ends) == 0);
    NEED(ly_sock_from_fd(&s, ends[0]) == -ENOTSOCK);
    close(ends[0]);
    close(ends[1]);
    NEED(ly_sock_from_fd(&s, ends[0]) == -EBADF);
    NEED(ly_sock_from_fd(&s, -1) == -EINVAL);
    return 0;
}

PLACES_MAIN(
    RUN(C65_S35_a_socket_waits_and_is_close_on_exec), RUN(C66_S57_the_type_never_holds_flags),
    RUN(C67_S56_after_close_every_call_says_EBADF), RUN(C68_S56_detach_gives_the_descriptor_away_open),
    RUN(C69_S51_an_unbound_socket_has_the_empty_address), RUN(C71_options_take_numbers_and_bytes),
    RUN(C72_getting_an_option_says_what_was_filled), RUN(C73_unknown_options_are_refused_and_buffers_doubled),
    RUN(C73_reading_the_pending_error_clears_it), RUN(C74_ports_beyond_65535_are_refused),
    RUN(C75_S38_an_empty_host_is_any_address), RUN(C76_S39_listen_defaults_to_128_and_takes_negative_as_0),
    RUN(C77_what_cannot_be_bound_or_accepted_says_EINVAL), RUN(C78_a_copy_shares_the_connection),
    RUN(C79_no_socket_is_inherited_over_exec), RUN(C79_inheritance_can_be_asked_for),
    RUN(S52_each_level_takes_numbers_and_bytes), RUN(C70_S18_S57_a_socket_is_described_as_python_does),
    RUN(C74_parts_beyond_their_ranges_are_refused), RUN(C75_S38_hosts_have_their_special_names),
    RUN(C75_an_empty_host_to_send_to_is_this_machine),
    RUN(C75_a_name_that_does_not_resolve_has_an_error_of_its_own), RUN(S61_the_system_caps_the_backlog),
    RUN(C80_a_descriptor_tells_what_it_is))
