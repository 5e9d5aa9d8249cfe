/* SPDX-License-Identifier: MIT */
/* Listening and accepting. */
#include "everywhere.h"
#include <dirent.h>
#include <fcntl.h>
#include <lanyard/socket.h>
#include <netinet/tcp.h>
#include <sys/file.h>
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

static int open_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

static int a_connection_is_accepted_over_each_transport(void *arg)
{
    char abstract[64];
    const char *const transports[] = {"tcp://127.0.0.1:0", "tcp://[::1]:0", abstract};
    (void)arg;
    snprintf(abstract, sizeof abstract, "unix:@lanyard-listen-%d", getpid());
    for (size_t i = 0; i < sizeof transports / sizeof *transports; i++) {
        struct ly_sock *l, *a, *b;
        struct ly_address peer, own;
        char text[LY_ADDRESS_TEXT], buf[8];
        int r = ly_listen(&l, transports[i], NULL);
        if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)
            continue; /* a machine without IPv6 */
        NEED_OK(r);
        NEED_OK(text_of(l, text));
        NEED_OK(ly_connect(&a, text, NULL));
        NEED_OK(ly_accept(l, &b, &peer));
        NEED_OK(ly_sock_local(a, &own));
        NEED(ly_address_equal(&peer, &own));
        NEED_INT(ly_sock_family(b), ly_sock_family(l));
        NEED_INT(ly_sock_type(b), SOCK_STREAM);
        NEED_OK(ly_sendall(a, "hello", 5));
        NEED_INT(ly_recv(b, buf, sizeof buf), 5);
        ly_sock_free(a);
        ly_sock_free(b);
        ly_sock_free(l);
    }
    return 0;
}

static int c76_the_backlog_is_128_unless_said_otherwise(void *arg)
{
    struct ly_sock *l;
    struct tcp_info info;
    socklen_t length = sizeof info;
    (void)arg;
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", NULL));
    NEED_OK(ly_sock_get_option(l, IPPROTO_TCP, TCP_INFO, &info, &length));
    NEED_INT(info.tcpi_sacked, 128); /* of a listener: its backlog */
    ly_sock_free(l);
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", &(struct ly_listen_options){.backlog = 7}));
    length = sizeof info;
    NEED_OK(ly_sock_get_option(l, IPPROTO_TCP, TCP_INFO, &info, &length));
    NEED_INT(info.tcpi_sacked, 7);
    NEED_OK(ly_sock_listen(l, -5));
    length = sizeof info;
    NEED_OK(ly_sock_get_option(l, IPPROTO_TCP, TCP_INFO, &info, &length));
    NEED_INT(info.tcpi_sacked, 0);
    ly_sock_free(l);
    NEED_OK(ly_socket(&l, AF_INET, SOCK_STREAM, 0));
    NEED_OK(ly_sock_listen(l, 1)); /* unbound: to a free port */
    struct ly_address a;
    NEED_OK(ly_sock_local(l, &a));
    NEED(ly_address_port(&a) > 0);
    ly_sock_free(l);
    return 0;
}

static int c77_what_does_not_listen_does_not_accept(void *arg)
{
    struct ly_sock *s, *ret = NULL;
    struct ly_address any;
    (void)arg;
    NEED_OK(ly_address_parse(&any, "tcp://127.0.0.1:0"));
    NEED_OK(ly_socket(&s, AF_INET, SOCK_STREAM, 0));
    NEED_INT(ly_accept(s, &ret, NULL), -EINVAL);
    NEED_OK(ly_sock_bind(s, &any));
    NEED_INT(ly_sock_bind(s, &any), -EINVAL);
    ly_sock_free(s);
    NEED_OK(ly_socket(&s, AF_INET, SOCK_DGRAM, 0));
    NEED_INT(ly_accept(s, &ret, NULL), -EOPNOTSUPP);
    NEED_INT(ly_sock_listen(s, 1), -EOPNOTSUPP);
    ly_sock_free(s);
    NEED(ret == NULL);
    return 0;
}

static int c84_c87_the_listeners_timeout_is_its_own(void *arg)
{
    struct ly_sock *l, *a, *b;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", NULL));
    NEED_OK(text_of(l, text));
    NEED_OK(ly_sock_set_timeout(l, 0));
    NEED_INT(ly_accept(l, &b, NULL), -EAGAIN);
    NEED_OK(ly_sock_set_timeout(l, 10));
    NEED_INT(ly_accept(l, &b, NULL), -ETIMEDOUT);
    NEED_OK(ly_connect(&a, text, NULL));
    NEED_OK(ly_accept(l, &b, NULL));
    NEED_INT(ly_sock_timeout(b), LY_FOREVER);
    ly_sock_free(a);
    ly_sock_free(b);
    ly_sock_free(l);
    return 0;
}

static int shut_it_down(void *arg)
{
    NEED_OK(ly_sleep(1));
    return ly_shutdown(arg, SHUT_RD);
}

static int c94_shutdown_wakes_who_waits_in_accept(void *arg)
{
    char abstract[64];
    const char *const transports[] = {"tcp://127.0.0.1:0", abstract};
    struct ly_sock *l, *b;
    struct ly_scope *scope;
    (void)arg;
    snprintf(abstract, sizeof abstract, "unix:@lanyard-listen-%d", getpid());
    for (int i = 0; i < 2; i++) {
        NEED_OK(ly_listen(&l, transports[i], NULL));
        NEED_OK(ly_scope_open(&scope, NULL));
        NEED_OK(ly_go(scope, shut_it_down, l));
        NEED_INT(ly_accept(l, &b, NULL), -EINVAL);
        ly_scope_close(scope);
        ly_sock_free(l);
    }
    return 0;
}

static int close_it(void *arg)
{
    NEED_OK(ly_sleep(1));
    ly_sock_close(arg);
    return 0;
}

static int closing_wakes_a_fiber_that_waits_in_accept(void *arg)
{
    struct ly_sock *l, *b;
    struct ly_scope *scope;
    (void)arg;
    if (strcmp(ly_reactor_name(), "thread") == 0)
        return 0; /* C94: only shutdown reaches into another thread */
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", NULL));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_go(scope, close_it, l));
    NEED_INT(ly_accept(l, &b, NULL), -EBADF);
    ly_scope_close(scope);
    ly_sock_free(l);
    return 0;
}

static int c136_a_failed_listener_leaves_nothing_open(void *arg)
{
    struct ly_sock *l, *second = NULL;
    char text[LY_ADDRESS_TEXT];
    int value = 0;
    (void)arg;
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", NULL));
    NEED_OK(ly_sock_get_int(l, SOL_SOCKET, SO_REUSEADDR, &value));
    NEED_INT(value, 1);
    NEED_OK(text_of(l, text));
    int before = open_descriptors();
    NEED_INT(ly_listen(&second, text, NULL), -EADDRINUSE);
    NEED_INT(ly_listen(&second, "unix:/no/such/directory/s", NULL), -ENOENT);
    NEED_INT(ly_listen(&second, "tcp://192.0.2.1:0", NULL), -EADDRNOTAVAIL);
    NEED_INT(ly_listen(&second, "nonsense", NULL), LY_EADDRESS);
    NEED_INT(open_descriptors(), before);
    NEED(second == NULL);
    ly_sock_free(l);
    return 0;
}

static int several_listeners_share_a_port_if_asked(void *arg)
{
    struct ly_sock *a, *b;
    char text[LY_ADDRESS_TEXT];
    const struct ly_listen_options o = {.reuse_port = true};
    (void)arg;
    NEED_OK(ly_listen(&a, "tcp://127.0.0.1:0", &o));
    NEED_OK(text_of(a, text));
    NEED_OK(ly_listen(&b, text, &o));
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int c137_an_empty_host_takes_clients_of_both_families(void *arg)
{
    struct ly_sock *l, *a, *b, *four;
    struct ly_address at, peer;
    char text[LY_ADDRESS_TEXT];
    (void)arg;
    NEED_OK(ly_listen(&l, "tcp://:0", NULL));
    NEED_OK(ly_sock_local(l, &at));
    snprintf(text, sizeof text, "tcp://127.0.0.1:%d", ly_address_port(&at));
    NEED_OK(ly_connect(&a, text, NULL));
    NEED_OK(ly_accept(l, &b, &peer));
    NEED(ly_address_is_local(&peer));
    ly_sock_free(a);
    ly_sock_free(b);
    ly_sock_free(l);
    if (at.u.family == AF_INET)
        return 0; /* a machine without IPv6 */
    ly_address_format(&peer, text, sizeof text);
    NEED(strncmp(text, "tcp://[::ffff:127.0.0.1]:", 25) == 0);

    NEED_OK(ly_listen(&l, "tcp://:0", &(struct ly_listen_options){.v6only = true}));
    NEED_OK(ly_sock_local(l, &at));
    snprintf(text, sizeof text, "tcp://127.0.0.1:%d", ly_address_port(&at));
    NEED_INT(ly_connect(&a, text, NULL), -ECONNREFUSED);
    NEED_OK(ly_listen(&four, text, NULL)); /* the port is free there */
    snprintf(text, sizeof text, "tcp://:%d", ly_address_port(&at));
    ly_sock_free(four);
    NEED_OK(ly_connect(&a, text, NULL));
    ly_sock_free(a);
    ly_sock_free(l);
    return 0;
}

static int c132_an_abstract_name_is_busy_while_bound_and_makes_no_file(void *arg)
{
    struct ly_sock *l, *second;
    char name[64];
    (void)arg;
    snprintf(name, sizeof name, "unix:@lanyard-%%00-%d", getpid());
    NEED_OK(ly_listen(&l, name, &(struct ly_listen_options){.mode = 0600, .replace_stale = true}));
    NEED_INT(ly_listen(&second, name, NULL), -EADDRINUSE);
    ly_sock_free(l);
    NEED_OK(ly_listen(&l, name, NULL));
    ly_sock_free(l);
    return 0;
}

/* ---- files of Unix sockets ---- */

struct place {
    char directory[40], path[64], text[80];
};

static int make_place(struct place *p)
{
    snprintf(p->directory, sizeof p->directory, "/tmp/lanyard-listen-XXXXXX");
    NEED(mkdtemp(p->directory));
    snprintf(p->path, sizeof p->path, "%s/s", p->directory);
    snprintf(p->text, sizeof p->text, "unix:%s", p->path);
    return 0;
}

static void remove_place(struct place *p)
{
    unlink(p->path);
    rmdir(p->directory);
}

static int the_file_has_the_mode_asked_for_whatever_the_umask(void *arg)
{
    static const mode_t modes[] = {0600, 0660, 0666, 0777, 0755};
    struct place p;
    struct stat st;
    struct ly_sock *l;
    (void)arg;
    NEED_OK(make_place(&p));
    for (mode_t mask = 0; mask <= 077; mask += 077) {
        mode_t old = umask(mask);
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
            NEED_OK(ly_listen(&l, p.text, &(struct ly_listen_options){.mode = (int)modes[i]}));
            NEED_OK(stat(p.path, &st));
            NEED_INT(st.st_mode & 07777, modes[i]);
            ly_sock_free(l);
            unlink(p.path);
        }
        NEED_OK(ly_listen(&l, p.text, NULL));
        NEED_OK(stat(p.path, &st));
        NEED_INT(st.st_mode & 07777, 0777 & ~mask);
        ly_sock_free(l);
        unlink(p.path);
        umask(old);
    }
    remove_place(&p);
    return 0;
}

static int a_stale_file_is_replaced_only_if_asked_and_nobody_listens(void *arg)
{
    struct place p;
    struct ly_sock *l, *second, *a;
    const struct ly_listen_options replace = {.replace_stale = true, .mode = 0600};
    (void)arg;
    NEED_OK(make_place(&p));
    NEED_OK(ly_listen(&l, p.text, &replace));
    NEED_INT(ly_listen(&second, p.text, &replace), -EADDRINUSE);
    NEED_OK(ly_connect(&a, p.text, NULL)); /* the one that lives was not harmed */
    ly_sock_free(a);
    ly_sock_free(l);
    NEED_INT(ly_connect(&a, p.text, NULL), -ECONNREFUSED);
    NEED_INT(ly_listen(&l, p.text, NULL), -EADDRINUSE);
    NEED_OK(ly_listen(&l, p.text, &replace));
    NEED_OK(ly_connect(&a, p.text, NULL));
    ly_sock_free(a);
    ly_sock_free(l);
    remove_place(&p);
    return 0;
}

static int a_listener_with_a_full_backlog_is_not_stale(void *arg)
{
    struct place p;
    struct ly_sock *l, *second, *a;
    const struct ly_listen_options replace = {.replace_stale = true};
    (void)arg;
    NEED_OK(make_place(&p));
    NEED_OK(ly_listen(&l, p.text, NULL));
    NEED_OK(ly_sock_listen(l, 0));
    NEED_OK(ly_connect(&a, p.text, NULL));
    NEED_INT(ly_listen(&second, p.text, &replace), -EADDRINUSE);
    ly_sock_free(a);
    ly_sock_free(l);
    remove_place(&p);
    return 0;
}

static int what_is_no_socket_is_never_removed(void *arg)
{
    struct place p;
    struct ly_sock *l;
    struct stat st;
    const struct ly_listen_options replace = {.replace_stale = true};
    (void)arg;
    NEED_OK(make_place(&p));
    FILE *f = fopen(p.path, "we");
    NEED(f);
    fclose(f);
    NEED_INT(ly_listen(&l, p.text, &replace), -EADDRINUSE);
    NEED_OK(lstat(p.path, &st));
    NEED(S_ISREG(st.st_mode));
    unlink(p.path);
    NEED_OK(symlink("/nowhere", p.path));
    NEED_INT(ly_listen(&l, p.text, &replace), -EADDRINUSE);
    NEED_OK(lstat(p.path, &st));
    remove_place(&p);
    return 0;
}

static int who_may_only_read_the_directory_keeps_nobody_from_listening_there(void *arg)
{
    struct place p;
    struct ly_sock *l;
    char lock[sizeof p.path + sizeof ".lock"];
    (void)arg;
    NEED_OK(make_place(&p));
    int held = open(p.directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    NEED(held >= 0);
    NEED_OK(flock(held, LOCK_EX));
    snprintf(lock, sizeof lock, "%s.lock", p.path);
    FILE *left = fopen(lock, "we"); /* by a starter that was killed */
    NEED(left);
    fclose(left);
    NEED_OK(ly_listen(&l, p.text, &(struct ly_listen_options){.replace_stale = true}));
    NEED(access(lock, F_OK) < 0);
    close(held);
    ly_sock_free(l);
    remove_place(&p);
    return 0;
}

struct starter {
    const char *text;
    struct ly_sock *sock;
};

static int start(void *arg)
{
    struct starter *s = arg;
    return ly_listen(&s->sock, s->text, &(struct ly_listen_options){.replace_stale = true});
}

static int of_many_starters_exactly_one_listens(void *arg)
{
    enum { STARTERS = 8 };
    struct place p;
    struct ly_sock *stale, *a;
    (void)arg;
    NEED_OK(make_place(&p));
    NEED_OK(ly_listen(&stale, p.text, NULL));
    ly_sock_free(stale);
    for (int round = 0; round < 20; round++) {
        struct starter s[STARTERS] = {{0}};
        struct ly_future *f[STARTERS];
        struct ly_scope *scope;
        int won = 0;
        NEED_OK(ly_scope_open(&scope, NULL));
        for (int i = 0; i < STARTERS; i++) {
            s[i].text = p.text;
            NEED_OK(ly_async(scope, &f[i], start, &s[i]));
        }
        for (int i = 0; i < STARTERS; i++) {
            int r = ly_await(f[i], NULL);
            NEED(r == 0 || r == -EADDRINUSE);
            won += r == 0;
        }
        ly_scope_close(scope);
        NEED_INT(won, 1);
        NEED_OK(ly_connect(&a, p.text, NULL)); /* and it is the one that the file leads to */
        ly_sock_free(a);
        for (int i = 0; i < STARTERS; i++)
            ly_sock_free(s[i].sock);
    }
    remove_place(&p);
    return 0;
}

static int c136_a_failure_says_at_which_address(void *arg)
{
    char text[LY_ADDRESS_TEXT], why[LY_LISTEN_WHY] = "", wanted[LY_LISTEN_WHY], cut[8];
    struct ly_listen_options o = {.why = why, .why_size = sizeof why};
    struct ly_sock *l, *more = NULL;
    (void)arg;
    NEED_OK(ly_listen(&l, "tcp://127.0.0.1:0", &o));
    NEED(*why == 0);
    NEED_OK(text_of(l, text));
    NEED_INT(ly_listen(&more, text, &o), -EADDRINUSE);
    snprintf(wanted, sizeof wanted, "listen on %s: EADDRINUSE (%s)", text, ly_error_text(-EADDRINUSE));
    NEED(strcmp(why, wanted) == 0);
    NEED_INT(ly_bind(&more, "nonsense", &o), LY_EADDRESS);
    NEED(strncmp(why, "read nonsense: LY_EADDRESS (", 28) == 0);
    o.why = cut;
    o.why_size = sizeof cut;
    NEED_INT(ly_bind(&more, text, &o), -EADDRINUSE);
    NEED(strcmp(cut, "bind to") == 0);
    NEED(!more);
    ly_sock_free(l);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(a_connection_is_accepted_over_each_transport),
        BODY(c76_the_backlog_is_128_unless_said_otherwise),
        BODY(c77_what_does_not_listen_does_not_accept),
        BODY(c84_c87_the_listeners_timeout_is_its_own),
        BODY(c94_shutdown_wakes_who_waits_in_accept),
        BODY(closing_wakes_a_fiber_that_waits_in_accept),
        BODY(c136_a_failed_listener_leaves_nothing_open),
        BODY(several_listeners_share_a_port_if_asked),
        BODY(c137_an_empty_host_takes_clients_of_both_families),
        BODY(c132_an_abstract_name_is_busy_while_bound_and_makes_no_file),
        BODY(the_file_has_the_mode_asked_for_whatever_the_umask),
        BODY(a_stale_file_is_replaced_only_if_asked_and_nobody_listens),
        BODY(a_listener_with_a_full_backlog_is_not_stale),
        BODY(what_is_no_socket_is_never_removed),
        BODY(who_may_only_read_the_directory_keeps_nobody_from_listening_there),
        BODY(of_many_starters_exactly_one_listens),
        BODY(c136_a_failure_says_at_which_address),
    };
    return EVERYWHERE("net/listen", bodies);
}
