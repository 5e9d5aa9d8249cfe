/* SPDX-License-Identifier: MIT */
/* Sockets with each of their calls failing once, over TCP and Unix sockets, in threads and on each reactor.
 */
#include "places.h"
#include <netinet/tcp.h>
#include <sys/stat.h>

static char directory[] = "/tmp/lanyard-fault-net-XXXXXX";
static char path[64], file[64];
static char unix_address[80];

/* ---- the scenarios ---- */

/* Each kind of sending with its kind of receiving. */
static int talk(struct ly_sock *from, struct ly_sock *to)
{
    char buf[64];
    void *lent;
    static char words[] = "one two ";
    struct iovec pieces[] = {{.iov_base = words, .iov_len = 4}, {.iov_base = words + 4, .iov_len = 4}};
    int r = ly_sendall(from, "zero", 4);
    if (r == 0)
        r = (int)ly_recvall(to, buf, 4);
    if (r >= 0)
        r = ly_sendallv(from, pieces, 2, 0);
    if (r == 0)
        r = (int)ly_recvfrom(to, buf, sizeof buf, 0, NULL);
    if (r >= 0)
        r = (int)ly_send(from, "three", 5);
    if (r >= 0)
        r = (int)ly_recv_lent(to, 5, &lent);
    if (r > 0)
        ly_lent_return(lent);
    return r < 0 ? r : 0;
}

static int send_file(struct ly_sock *from, struct ly_sock *to)
{
    char buf[64];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int64_t sent = ly_sendfile(from, fd, 0, 0);
    close(fd);
    return sent < 0 ? (int)sent : (int)ly_recvall(to, buf, (size_t)sent);
}

/* A file that sendfile(2) does not send is read and sent. */
static int send_pipe(struct ly_sock *from, struct ly_sock *to)
{
    char buf[64];
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -errno;
    ssize_t n;
    do
        n = write(ends[1], "piped", 5);
    while (n < 0 && errno == EINTR);
    int error = errno;
    close(ends[1]);
    int64_t sent = n < 0 ? -error : ly_sendfile(from, ends[0], 0, 0);
    close(ends[0]);
    return sent < 0 ? (int)sent : (int)ly_recvall(to, buf, (size_t)sent);
}

static int exchange(struct ly_sock *from, struct ly_sock *to)
{
    char byte;
    int r = talk(from, to);
    if (r == 0)
        r = talk(to, from);
    if (r == 0)
        r = send_file(from, to);
    if (r >= 0)
        r = send_pipe(from, to);
    if (r >= 0)
        r = ly_shutdown(from, SHUT_WR);
    return r < 0 ? r : (int)ly_recv(to, &byte, 1);
}

/* Small pieces at once: 40 ms of waiting for an acknowledgement would be most of a run. */
static int hurry(struct ly_sock *s)
{
    return ly_sock_family(s) == AF_UNIX ? 0 : ly_sock_set_int(s, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* The text of the address that a listener got. */
static int address_of(const struct ly_sock *listener, char *text, size_t cap)
{
    struct ly_address a;
    int r = ly_sock_local(listener, &a);
    return r < 0 ? r : (int)ly_address_format(&a, text, cap) < 0 ? -EPROTO : 0;
}

static int converse(void *address)
{
    struct ly_sock *listener = NULL, *client = NULL, *server = NULL;
    struct ly_address peer;
    char text[LY_ADDRESS_TEXT];
    const struct ly_listen_options listening = {.mode = 0600, .replace_stale = true};
    const struct ly_connect_options connecting = {.timeout_ms = 5000};
    int r = ly_listen(&listener, address, &listening);
    if (r == 0)
        r = ly_sock_set_timeout(listener, 5000);
    if (r == 0)
        r = address_of(listener, text, sizeof text);
    if (r == 0)
        r = ly_connect(&client, text, &connecting);
    if (r == 0)
        r = ly_accept(listener, &server, &peer);
    if (r == 0)
        r = hurry(client);
    if (r == 0)
        r = hurry(server);
    if (r == 0)
        r = exchange(client, server);
    ly_sock_free(listener);
    ly_sock_free(client);
    ly_sock_free(server);
    return r < 0 ? r : 0;
}

static void connections_survive_each_failure(void **state)
{
    static const char *const addresses[] = {"tcp://127.0.0.1:0", "tcp://[::1]:0", unix_address};
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        for (size_t p = 0; p < PLACES; p++)
            sweep_place_with(addresses[i], &places[p], converse, (void *)(uintptr_t)addresses[i]);
}

static int converse_by_name(void *arg)
{
    (void)arg;
    return converse((void *)(uintptr_t) "tcp://localhost:0");
}

/* The resolver reads files and asks for memory of its own; its errors are its own, too. */
static void names_survive_each_failure(void **state)
{
    (void)state;
    sweep_place("by name", &places[0], converse_by_name);
    sweep_place("by name", &places[1], converse_by_name);
}

static int wrap_descriptors(void *arg)
{
    struct ly_sock *a, *b, *again = NULL;
    (void)arg;
    int r = ly_socketpair(&a, &b);
    if (r < 0)
        return r;
    int fd = ly_sock_detach(a);
    r = fd < 0 ? fd : ly_sock_from_fd(&again, fd);
    if (r < 0 && fd >= 0)
        close(fd); /* not taken */
    if (r == 0)
        r = talk(again, b);
    ly_sock_free(a);
    ly_sock_free(b);
    ly_sock_free(again);
    return r;
}

static void wrapped_descriptors_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("wrapped descriptors", wrap_descriptors);
}

/* Pass a copy of one end through the other; what has arrived is closed again. */
static int pass_descriptor(void *arg)
{
    struct ly_sock *a, *b, *copy = NULL;
    int fd, got = -1, flags;
    size_t count = 1;
    char byte;
    (void)arg;
    int r = ly_socketpair_of(&a, &b, AF_UNIX, SOCK_SEQPACKET, 0);
    if (r < 0)
        return r;
    r = ly_sock_dup(a, &copy);
    if (r == 0) {
        fd = ly_sock_fileno(copy);
        r = (int)ly_send_fds(a, "x", 1, &fd, 1);
    }
    if (r == 1)
        r = (int)ly_recv_fds(b, &byte, 1, &got, &count, &flags);
    if (r == 1 && count == 1)
        close(got);
    ly_sock_free(a);
    ly_sock_free(b);
    ly_sock_free(copy);
    return r < 0 ? r : r == 1 && count == 1 ? 0 : -EPROTO;
}

static void passed_descriptors_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("passed descriptors", pass_descriptor);
}

static int post(struct ly_sock *from, struct ly_sock *to)
{
    struct ly_address at;
    char buf[8];
    struct iovec piece = {.iov_base = buf, .iov_len = sizeof buf};
    struct ly_sock_message m = {.iov = &piece, .iov_count = 1};
    int r = ly_sock_local(to, &at);
    if (r == 0)
        r = ly_sock_set_timeout(to, 5000);
    if (r == 0)
        r = (int)ly_sendto(from, "packet", 6, 0, &at);
    return r < 0 ? r : (int)ly_recvmsg(to, &m, 0);
}

static int post_datagram(void *address)
{
    struct ly_sock *from = NULL, *to = NULL;
    int r = ly_bind(&from, address, NULL);
    if (r == 0)
        r = ly_bind(&to, address, NULL);
    if (r == 0)
        r = post(from, to);
    ly_sock_free(from);
    ly_sock_free(to);
    return r < 0 ? r : r == 6 ? 0 : -EPROTO;
}

static void datagrams_survive_each_failure(void **state)
{
    static const char *const addresses[] = {"udp://127.0.0.1:0", "unix-dgram:"};
    (void)state;
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++)
        for (size_t p = 0; p < PLACES; p++)
            sweep_place_with(addresses[i], &places[p], post_datagram, (void *)(uintptr_t)addresses[i]);
}

/* ---- short transfers ---- */

static void calls_that_move_one_byte_lose_none(void **state)
{
    static const char *const calls[] = {"send", "sendmsg", "sendfile", "read", "write", "pread"};
    static const char *const addresses[] = {"tcp://127.0.0.1:0", unix_address};
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        for (size_t a = 0; a < 2; a++)
            in_places_with_short(calls[i], converse, (void *)(uintptr_t)addresses[a]);
}

/* ---- files of Unix sockets ---- */

static void a_listener_that_failed_leaves_no_file(void **state)
{
    static const char *const calls[] = {"listen", "setsockopt", "fchmod", "bind",
                                        "malloc", "open",       "fstat",  "chmod"};
    struct stat st;
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct ly_sock *l = NULL;
        unlink(path);
        assert_int_equal(ly_fault_arm(calls[i], 1, 0), 0);
        int r = ly_listen(&l, unix_address, &(struct ly_listen_options){.mode = 0600});
        unsigned long hits = ly_fault_hits();
        ly_fault_disarm();
        assert_int_equal(r<0, hits> 0);
        assert_int_equal(stat(path, &st) == 0, r == 0);
        ly_sock_free(l);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/s", directory);
    snprintf(file, sizeof file, "%s/file", directory);
    snprintf(unix_address, sizeof unix_address, "unix:%s", path);
    FILE *f = fopen(file, "we");
    return f && fputs("some content", f) >= 0 && fclose(f) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    unlink(path);
    unlink(file);
    rmdir(directory);
    return sweep_summary(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_survive_each_failure),
        cmocka_unit_test(names_survive_each_failure),
        cmocka_unit_test(wrapped_descriptors_survive_each_failure),
        cmocka_unit_test(passed_descriptors_survive_each_failure),
        cmocka_unit_test(datagrams_survive_each_failure),
        cmocka_unit_test(calls_that_move_one_byte_lose_none),
        cmocka_unit_test(a_listener_that_failed_leaves_no_file),
    };
    return cmocka_run_group_tests_name("fault/net", tests, set_up, tear_down);
}
