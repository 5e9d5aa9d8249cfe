/* SPDX-License-Identifier: MIT */
/* Part A: the life of a server; and C48, what is particular to Unix sockets. */
#include "matrix.h"
#include <netinet/tcp.h>
#include <sys/stat.h>

static const struct ly_server_options echoing = {.handler.handle = echo};

static int try_open(const struct cell *c, struct ly_server **ret, struct ly_server_options o)
{
    struct ly_server_options filled = for_cell(c, o);
    return ly_server_open(ret, &filled);
}

/* The server's address as text. */
static const char *text_of(const struct ly_server *s)
{
    static char text[LY_ADDRESS_TEXT];
    struct ly_address a;
    assert_int_equal(ly_server_address(s, &a), 0);
    ly_address_format(&a, text, sizeof text);
    return text;
}

ROW(C1_the_address_is_the_bound_one, ALL)
{
    struct ly_server *s = open_server(c, echoing);
    struct ly_address a;
    assert_int_equal(ly_server_address(s, &a), 0);
    assert_int_not_equal(ly_address_port(&a), 0);
    ly_sock_free(dial(s));
    ly_server_close(s);
}

ROW(C2_binding_and_listening_come_by_hand, ALL)
{
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = echo, .no_bind = true});
    struct ly_address a;
    int listens = 1;
    socklen_t length = sizeof listens;
    assert_true(ly_server_fileno(s) >= 0);
    assert_int_equal(getsockopt(ly_server_fileno(s), SOL_SOCKET, SO_ACCEPTCONN, &listens, &length), 0);
    assert_int_equal(listens, 0);
    assert_int_equal(ly_server_address(s, &a), 0);
    assert_true(ly_address_port(&a) <= 0);
    assert_int_equal(ly_server_bind(s), 0);
    assert_int_equal(ly_server_address(s, &a), 0);
    assert_true(a.u.family == AF_UNIX || ly_address_port(&a) > 0);
    assert_int_equal(ly_server_activate(s), 0);
    struct ly_sock *client = dial(s);
    say(client, "a");
    assert_int_equal(ly_shutdown(client, SHUT_WR), 0);
    assert_int_equal(ly_handle_request(s), 1);
    expect(client, "a");
    ly_sock_free(client);
    ly_server_close(s);
}

ROW(C3_a_thousand_failing_servers_leak_no_descriptor, ALL)
{
    struct ly_server *first = open_server(c, echoing), *s = NULL;
    struct ly_server_options taken = echoing;
    taken.address = text_of(first);
    int before = open_descriptors();
    for (int i = 0; i < 1024; i++)
        assert_int_equal(try_open(c, &s, taken), -EADDRINUSE);
    assert_int_equal(open_descriptors(), before);
    assert_null(s);
    ly_server_close(first);
}

static int answer_once(struct ly_request *rq)
{
    char byte;
    ssize_t n = ly_recv(rq->sock, &byte, 1);
    return n > 0 ? ly_sendall(rq->sock, &byte, 1) : (int)n;
}

/* Leave a connection in TIME_WAIT that the server closed first. */
static void close_first(struct ly_server *s)
{
    struct ly_sock *client = dial(s);
    say(client, "x");
    assert_int_equal(ly_handle_request(s), 1);
    expect(client, "x");
    expect_end(client);
    ly_sock_free(client);
    ly_server_close(s);
}

/* Open a server again at the address of one that closed its connection first. */
static int reopen(const struct cell *c, struct ly_server_options o)
{
    struct ly_server *s = open_server(c, o);
    o.address = text_of(s);
    close_first(s);
    int r = try_open(c, &s, o);
    if (r == 0)
        ly_server_close(s);
    return r;
}

/* Whether this system still keeps ended connections; with too many of them it forgets each at once. */
static bool keeps_ended_connections(void)
{
    char line[256];
    int kept = 0, most = 0;
    FILE *f = fopen("/proc/net/sockstat", "re");
    while (f && fgets(line, sizeof line, f)) {
        const char *tw = strncmp(line, "TCP:", 4) == 0 ? strstr(line, " tw ") : NULL;
        kept = tw ? (int)strtol(tw + 4, NULL, 10) : kept;
    }
    if (f)
        fclose(f);
    f = fopen("/proc/sys/net/ipv4/tcp_max_tw_buckets", "re");
    if (f && fgets(line, sizeof line, f))
        most = (int)strtol(line, NULL, 10);
    if (f)
        fclose(f);
    return kept + 100 < most;
}

ROW(C4_a_port_is_free_again_at_once_unless_reuse_addr_is_off, ALL | TCP_ONLY)
{
    struct ly_server_options o = {.handler.handle = answer_once};
    assert_int_equal(reopen(c, o), 0);
    o.listen.no_reuse_addr = true;
    if (keeps_ended_connections())
        assert_int_equal(reopen(c, o), -EADDRINUSE);
}

ROW(C5_reuse_port_lets_two_servers_hold_one_port, ALL | TCP_ONLY)
{
    struct ly_server_options o = {.handler.handle = echo, .listen.reuse_port = true};
    struct ly_server *one = open_server(c, o), *two = NULL;
    o.address = text_of(one);
    assert_int_equal(try_open(c, &two, o), 0);
    ly_server_close(two);
    o.listen.reuse_port = false;
    assert_int_equal(try_open(c, &two, o), -EADDRINUSE);
    ly_server_close(one);
}

ROW(C6_the_backlog_is_the_one_asked_for, ALL | TCP_ONLY)
{
    struct ly_server *s =
        open_server(c, (struct ly_server_options){.handler.handle = echo, .listen.backlog = 5});
    struct tcp_info info;
    socklen_t length = sizeof info;
    assert_int_equal(getsockopt(ly_server_fileno(s), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
    assert_int_equal(info.tcpi_sacked, 5); /* of a listener: the backlog */
    ly_server_close(s);
}

ROW(C7_the_server_can_be_polled, ALL)
{
    struct ly_server *s = open_server(c, echoing);
    struct pollfd p = {.fd = ly_server_fileno(s), .events = POLLIN};
    assert_int_equal(poll(&p, 1, 0), 0);
    struct ly_sock *client = dial(s);
    assert_int_equal(poll(&p, 1, 20000), 1);
    ly_sock_free(client);
    ly_server_close(s);
}

ROW(C8_closing_right_after_opening_is_fine, ALL)
{
    int before = open_descriptors();
    ly_server_close(open_server(c, echoing));
    ly_server_close(NULL);
    assert_int_equal(open_descriptors(), before);
}

ROW(C9_closing_ends_the_listening, ALL)
{
    struct ly_server *s = open_server(c, echoing);
    struct ly_sock *client = NULL;
    char address[LY_ADDRESS_TEXT];
    snprintf(address, sizeof address, "%s", text_of(s));
    ly_server_close(s);
    assert_int_equal(ly_connect(&client, address, NULL), -ECONNREFUSED);
}

/* ---- Unix sockets ---- */

static int tell_peer(struct ly_request *rq)
{
    notes->number[0] = rq->peer.length;
    return answer_once(rq);
}

ROW(C48_a_unix_socket_is_a_file_that_stays, ALL | UNIX_ONLY)
{
    char folder[] = "/tmp/lanyard-conformance-XXXXXX", address[64];
    struct stat st;
    struct ly_server *s = NULL;
    assert_non_null(mkdtemp(folder));
    snprintf(address, sizeof address, "unix:%s/s", folder);
    struct ly_server_options o = {.address = address, .handler.handle = tell_peer, .listen.mode = 0600};
    notes->number[0] = -1;
    close_first(open_server(c, o));
    if (c->policy != LY_FORKING) /* else it is the child that counts, and shares the notes */
        assert_int_equal(notes->number[0], 0);
    assert_int_equal(stat(address + 5, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(try_open(c, &s, o), -EADDRINUSE);
    o.listen.replace_stale = true;
    assert_int_equal(try_open(c, &s, o), 0);
    ly_server_close(s);
    assert_int_equal(unlink(address + 5), 0);
    assert_int_equal(rmdir(folder), 0);
}

ROW(C64_every_policy_serves_every_transport, ALL)
{
    struct served s;
    serve(&s, open_server(c, echoing));
    for (int i = 0; i < 20; i++)
        exchange(s.server, "many words", "many words");
    end_server(&s);
}

MATRIX_MAIN(RUN(C1_the_address_is_the_bound_one), RUN(C2_binding_and_listening_come_by_hand),
            RUN(C3_a_thousand_failing_servers_leak_no_descriptor),
            RUN(C4_a_port_is_free_again_at_once_unless_reuse_addr_is_off),
            RUN(C5_reuse_port_lets_two_servers_hold_one_port), RUN(C6_the_backlog_is_the_one_asked_for),
            RUN(C7_the_server_can_be_polled), RUN(C8_closing_right_after_opening_is_fine),
            RUN(C9_closing_ends_the_listening), RUN(C48_a_unix_socket_is_a_file_that_stays),
            RUN(C64_every_policy_serves_every_transport))
