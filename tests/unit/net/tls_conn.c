/* SPDX-License-Identifier: MIT */
/* TLS sockets: the calls of socket.h, stream.h and file.h on them. */
#include "tls_pair.h"

#include "net/tls.h"
#include <fcntl.h>
#include <lanyard/channel.h>
#include <lanyard/file.h>
#include <lanyard/stream.h>
#include <sys/socket.h>
#include <unistd.h>

#define MUCH 3000000

/* ---- bytes ---- */

static int bytes_arrive_as_they_were_sent(void *arg)
{
    struct tls_pair p;
    char buf[64];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_INT(ly_send(p.client, "abcdef", 6), 6);
    NEED_INT(ly_recv(p.server, buf, 0), 0);
    NEED_INT(ly_recv(p.server, buf, 4), 4);
    NEED(memcmp(buf, "abcd", 4) == 0);
    NEED_INT(ly_recv(p.server, buf, sizeof buf), 2);
    NEED(memcmp(buf, "ef", 2) == 0);
    NEED_OK(ly_sendall(p.server, "back", 4));
    NEED_INT(ly_recvall(p.client, buf, 4), 4);
    NEED(memcmp(buf, "back", 4) == 0);
    NEED_INT(ly_send(p.client, "", 0), 0);
    tls_free(&p);
    return 0;
}

struct talk {
    struct ly_sock *sock;
    char *bytes;
};

static int send_much(void *arg)
{
    struct talk *t = arg;
    return ly_sendall(t->sock, t->bytes, MUCH);
}

static int much_goes_in_both_directions_at_once(void *arg)
{
    struct tls_pair p;
    struct ly_scope *s;
    static char bytes[MUCH], got[MUCH];
    (void)arg;
    for (int i = 0; i < MUCH; i++)
        bytes[i] = (char)(i * 31 + i / 251);
    NEED_OK(tls_any(&p));
    for (int i = 0; i < 2; i++) {
        struct talk up = {p.client, bytes}, down = {p.server, bytes};
        NEED_OK(ly_scope_open(&s, NULL));
        NEED_OK(ly_go(s, send_much, &up));
        if (i == 1)
            NEED_OK(ly_go(s, send_much, &down));
        NEED_INT(ly_recvall(p.server, got, MUCH), MUCH);
        NEED(memcmp(got, bytes, MUCH) == 0);
        if (i == 1) {
            NEED_INT(ly_recvall(p.client, got, MUCH), MUCH);
            NEED(memcmp(got, bytes, MUCH) == 0);
        }
        NEED_OK(ly_scope_join(s));
        ly_scope_close(s);
    }
    tls_free(&p);
    return 0;
}

static int send_pieces(void *arg)
{
    struct talk *t = arg;
    struct iovec pieces[5];
    size_t cuts[6] = {0, 3, 3, 40, 100000, 100001};
    for (int i = 0; i < 5; i++)
        pieces[i] = (struct iovec){t->bytes + cuts[i], cuts[i + 1] - cuts[i]};
    return ly_sendallv(t->sock, pieces, 5, 0);
}

static int pieces_of_any_size_are_sent_in_order(void *arg)
{
    struct tls_pair p;
    struct ly_scope *s;
    enum { TOTAL = 100001 };
    static char bytes[TOTAL], got[TOTAL];
    (void)arg;
    for (int i = 0; i < TOTAL; i++)
        bytes[i] = (char)(i * 7);
    NEED_OK(tls_any(&p));
    struct talk t = {p.server, bytes};
    NEED_OK(ly_scope_open(&s, NULL));
    NEED_OK(ly_go(s, send_pieces, &t));
    NEED_INT(ly_recvall(p.client, got, TOTAL), TOTAL);
    NEED(memcmp(got, bytes, TOTAL) == 0);
    NEED_OK(ly_scope_join(s));
    ly_scope_close(s);
    tls_free(&p);
    return 0;
}

static int flags_that_have_a_meaning_have_it(void *arg)
{
    struct tls_pair p;
    char buf[8];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_INT(ly_recv_flags(p.server, buf, 8, MSG_DONTWAIT), -EAGAIN);
    NEED_OK(ly_sendall(p.client, "peep", 4));
    NEED_INT(ly_recv_flags(p.server, buf, 8, MSG_PEEK), 4);
    NEED(memcmp(buf, "peep", 4) == 0);
    NEED_INT(ly_tls_pending(p.server), 4);
    NEED_INT(ly_recv_flags(p.server, buf, 2, MSG_WAITALL), 2);
    NEED_INT(ly_recvfrom(p.server, buf, 8, 0, NULL), 2);
    NEED_INT(ly_tls_pending(p.server), 0);
    NEED_INT(ly_recv_flags(p.server, buf, 8, MSG_OOB), -EOPNOTSUPP);
    NEED_INT(ly_send_flags(p.server, buf, 8, MSG_OOB), -EOPNOTSUPP);
    tls_free(&p);
    return 0;
}

static int messages_carry_bytes_alone(void *arg)
{
    struct tls_pair p;
    char buf[8] = "", more[8] = "", control[64];
    struct iovec pieces[2] = {{buf, 3}, {more, 3}};
    struct ly_sock_message m = {.iov = pieces, .iov_count = 2};
    struct ly_address nowhere = {0};
    struct ly_sock *copy;
    int fd = 0;
    (void)arg;
    NEED_OK(tls_any(&p));
    memcpy(buf, "abcdef", 6);
    NEED_INT(ly_sendmsg(p.client, &m, 0), 6);
    NEED_INT(ly_recvmsg(p.server, &m, 0), 3);
    NEED_INT(ly_recv(p.server, more, 8), 3);
    NEED_INT(ly_send_fds(p.client, "x", 1, &fd, 1), -EOPNOTSUPP);
    m.control = control;
    m.control_length = sizeof control;
    NEED_INT(ly_sendmsg(p.client, &m, 0), -EOPNOTSUPP);
    NEED_INT(ly_sendto(p.client, "x", 1, 0, &nowhere), -EOPNOTSUPP);
    NEED_INT(ly_sock_dup(p.client, &copy), -EOPNOTSUPP);
    NEED_INT(ly_sock_detach(p.client), -EOPNOTSUPP);
    tls_free(&p);
    return 0;
}

/* ---- what is built on sockets ---- */

static int streams_and_lent_buffers_work_on_it(void *arg)
{
    struct tls_pair p;
    struct ly_stream *out, *in;
    const char *seen;
    void *lent;
    char line[32];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(ly_stream_open(&out, p.client, &(struct ly_stream_options){.borrow = true}));
    NEED_OK(ly_stream_open(&in, p.server, &(struct ly_stream_options){.borrow = true}));
    NEED_OK(ly_stream_write(out, "one\ntwo\nth", 10));
    NEED_OK(ly_stream_flush(out));
    NEED_INT(ly_stream_peek(in, 1, &seen), 10);
    NEED_INT(ly_stream_read_until(in, line, sizeof line, "\n", 1), 4);
    NEED_INT(ly_stream_readall(in, line, 6), 6);
    NEED_OK(ly_sendall(p.server, "lend me", 7));
    NEED_INT(ly_recv_lent(p.client, 4, &lent), 4);
    NEED(memcmp(lent, "lend", 4) == 0);
    ly_lent_return(lent);
    NEED_INT(ly_recv_lent(p.client, 40, &lent), 3);
    ly_lent_return(lent);
    ly_stream_close(out);
    ly_stream_close(in);
    tls_free(&p);
    return 0;
}

static int files_over_it_read_lines(void *arg)
{
    struct tls_pair p;
    struct ly_file *in, *out;
    char line[32];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(ly_makefile(&out, p.server, "w", NULL));
    NEED_OK(ly_makefile(&in, p.client, "r", NULL));
    NEED_INT(ly_file_write(out, "first\nsecond\n", 13), 13);
    NEED_OK(ly_file_close(out));
    NEED_INT(ly_file_readline(in, line, sizeof line, sizeof line), 6);
    NEED(memcmp(line, "first\n", 6) == 0);
    NEED_OK(ly_file_close(in));
    tls_free(&p);
    return 0;
}

static char file_bytes[MUCH];

static int send_file(void *arg)
{
    struct ly_sock *s = arg;
    FILE *f = tmpfile();
    if (!f || fwrite(file_bytes, 1, MUCH, f) != MUCH || fflush(f) != 0)
        return -EIO;
    int64_t sent = ly_sendfile(s, fileno(f), 5, 0);
    fclose(f);
    return sent == MUCH - 5 ? 0 : -EPROTO;
}

static int a_file_is_sent(void *arg)
{
    struct tls_pair p;
    struct ly_scope *s;
    static char got[MUCH];
    (void)arg;
    for (int i = 0; i < MUCH; i++)
        file_bytes[i] = (char)(i * 13 + i / 1000);
    NEED_OK(tls_any(&p));
    NEED_OK(ly_scope_open(&s, NULL));
    NEED_OK(ly_go(s, send_file, p.server));
    NEED_INT(ly_recvall(p.client, got, MUCH - 5), MUCH - 5);
    NEED(memcmp(got, file_bytes + 5, MUCH - 5) == 0);
    NEED_OK(ly_scope_join(s));
    ly_scope_close(s);
    tls_free(&p);
    return 0;
}

/* ---- time ---- */

static int a_time_out_loses_and_doubles_nothing(void *arg)
{
    struct tls_pair p;
    static char block[50000], got[50000];
    char byte;
    size_t sent = 0, came = 0;
    ssize_t r;
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(ly_sock_set_timeout(p.server, 5));
    NEED_INT(ly_recv(p.server, &byte, 1), -ETIMEDOUT);
    NEED_OK(ly_sock_set_timeout(p.server, 0));
    NEED_INT(ly_recv(p.server, &byte, 1), -EAGAIN);
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i % 249);
    /* As much as goes without anybody reading, and then all of it, in whatever bits. */
    for (int ms = 0; ms < 4; ms += 3) {
        NEED_OK(ly_sock_set_timeout(p.client, ms));
        while ((r = ly_send(p.client, block, sizeof block)) == (ssize_t)sizeof block)
            sent += (size_t)r;
        NEED(r > 0 || r == (ms ? -ETIMEDOUT : -EAGAIN));
        sent += r > 0 ? (size_t)r : 0;
        while (came < sent) {
            r = ly_recv(p.server, got, sizeof got);
            if (r == -EAGAIN) {
                NEED_INT(ly_send(p.client, block + sent % sizeof block, 1), 1); /* what waits goes along */
                sent++;
                continue;
            }
            NEED(r > 0);
            for (ssize_t i = 0; i < r; i++, came++)
                NEED(ms > 0 || got[i] == block[came % sizeof block]);
        }
    }
    tls_free(&p);
    return 0;
}

static int sendall_is_bounded_by_the_time_out(void *arg)
{
    struct tls_pair p;
    static char block[4000000];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(ly_sock_set_timeout(p.client, 20));
    int64_t start = ly_now();
    NEED_INT(ly_sendall(p.client, block, sizeof block), -ETIMEDOUT);
    NEED(ly_now() - start >= 20 * INT64_C(1000000));
    tls_free(&p);
    return 0;
}

static int a_wait_that_a_scope_ends_leaves_the_connection_usable(void *arg)
{
    struct tls_pair p;
    struct ly_scope *s;
    char byte = 0;
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(ly_scope_open(&s, &(struct ly_scope_options){.deadline = ly_deadline(5)}));
    NEED_INT(ly_recv(p.server, &byte, 1), -ETIMEDOUT);
    ly_scope_cancel(s);
    NEED_INT(ly_recv(p.server, &byte, 1), -ECANCELED);
    NEED_INT(ly_sendall(p.server, "x", 1), -ECANCELED);
    ly_scope_close(s);
    NEED_OK(ly_sendall(p.client, "x", 1));
    NEED_INT(ly_recv(p.server, &byte, 1), 1);
    NEED_INT(byte, 'x');
    tls_free(&p);
    return 0;
}

/* ---- ends ---- */

static int shutting_down_is_an_orderly_end(void *arg)
{
    struct tls_pair p;
    char buf[16];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(ly_sendall(p.client, "last", 4));
    NEED_OK(ly_shutdown(p.client, SHUT_WR));
    NEED_INT(ly_send(p.client, "more", 4), -EPIPE);
    NEED_INT(ly_recv(p.server, buf, sizeof buf), 4);
    NEED_INT(ly_recv(p.server, buf, sizeof buf), 0);
    NEED_INT(ly_recv(p.server, buf, sizeof buf), 0);
    NEED_OK(ly_sendall(p.server, "answer", 6)); /* the other half is still open */
    ly_sock_close(p.server);
    NEED_INT(ly_recvall(p.client, buf, 6), 6);
    NEED_INT(ly_recv(p.client, buf, sizeof buf), 0);
    NEED_INT(ly_recv(p.server, buf, 1), -EBADF);
    tls_free(&p);
    return 0;
}

static int a_cut_is_told_from_an_end(void *arg)
{
    struct tls_pair p;
    char buf[16];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(ly_sendall(p.client, "half", 4));
    NEED_OK(shutdown(ly_sock_fileno(p.client), SHUT_WR)); /* behind TLS's back */
    NEED_INT(ly_recv(p.server, buf, sizeof buf), 4);
    NEED_INT(ly_recv(p.server, buf, sizeof buf), LY_ECUT);
    NEED_INT(ly_recvall(p.server, buf, 1), LY_ECUT);
    tls_free(&p);
    return 0;
}

static int shutting_down_for_receiving_ends_it(void *arg)
{
    struct tls_pair p;
    char buf[16];
    (void)arg;
    NEED_OK(tls_any(&p));
    NEED_OK(ly_shutdown(p.server, SHUT_RD));
    NEED_INT(ly_recv(p.server, buf, sizeof buf), 0);
    NEED_OK(ly_sendall(p.server, "x", 1));
    NEED_INT(ly_recv(p.client, buf, sizeof buf), 1);
    tls_free(&p);
    return 0;
}

static int close_it(void *arg)
{
    ly_sock_close(arg);
    return 0;
}

static int closing_wakes_fibers_that_wait(void *arg)
{
    struct tls_pair p;
    struct ly_scope *s;
    char byte;
    (void)arg;
    if (strcmp(ly_reactor_name(), "thread") == 0)
        return 0; /* threads are woken by shutdown alone */
    NEED_OK(tls_any(&p));
    NEED_OK(ly_scope_open(&s, NULL));
    NEED_OK(ly_go(s, close_it, p.server));
    NEED_INT(ly_recv(p.server, &byte, 1), -EBADF);
    NEED_OK(ly_scope_join(s));
    ly_scope_close(s);
    NEED_INT(ly_recv(p.client, &byte, 1), 0);
    tls_free(&p);
    return 0;
}

/* While the server waits. */
static int look_at_buffers(void *arg)
{
    const struct tls_pair *p = arg;
    const struct ly__tls_conn *c = atomic_load(&ly__tls_sock_of(p->server)->conn);
    NEED(!c->in.at);
    NEED(!c->out.at);
    return ly_sendall(p->client, "x", 1);
}

static int who_waits_holds_no_buffer_however_much_came_before(void *arg)
{
    static char bytes[MUCH], got[MUCH];
    struct tls_pair p;
    struct ly_scope *s;
    (void)arg;
    if (strcmp(ly_reactor_name(), "thread") == 0)
        return 0; /* a look at one that waits needs a loop that both are in */
    NEED_OK(tls_any(&p));
    struct talk up = {p.client, bytes};
    NEED_OK(ly_scope_open(&s, NULL));
    NEED_OK(ly_go(s, send_much, &up));
    NEED_INT(ly_recvall(p.server, got, MUCH), MUCH);
    NEED_OK(ly_scope_join(s));
    NEED_OK(ly_go(s, look_at_buffers, &p));
    NEED_INT(ly_recv(p.server, got, 1), 1);
    NEED_OK(ly_scope_join(s));
    ly_scope_close(s);
    tls_free(&p);
    return 0;
}

static int sending_to_nobody_is_an_error_and_no_signal(void *arg)
{
    struct tls_pair p;
    int r = 0;
    (void)arg;
    NEED_OK(tls_any(&p));
    ly_sock_close(p.server);
    for (int i = 0; i < 100 && r == 0; i++)
        r = ly_sendall(p.client, "x", 1);
    NEED(r == -EPIPE || r == -ECONNRESET);
    tls_free(&p);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(bytes_arrive_as_they_were_sent),
        BODY(much_goes_in_both_directions_at_once),
        BODY(pieces_of_any_size_are_sent_in_order),
        BODY(flags_that_have_a_meaning_have_it),
        BODY(messages_carry_bytes_alone),
        BODY(streams_and_lent_buffers_work_on_it),
        BODY(files_over_it_read_lines),
        BODY(a_file_is_sent),
        BODY(a_time_out_loses_and_doubles_nothing),
        BODY(sendall_is_bounded_by_the_time_out),
        BODY(a_wait_that_a_scope_ends_leaves_the_connection_usable),
        BODY(shutting_down_is_an_orderly_end),
        BODY(a_cut_is_told_from_an_end),
        BODY(shutting_down_for_receiving_ends_it),
        BODY(closing_wakes_fibers_that_wait),
        BODY(who_waits_holds_no_buffer_however_much_came_before),
        BODY(sending_to_nobody_is_an_error_and_no_signal),
    };
    make_certificates();
    int r = EVERYWHERE("net/tls_conn", bodies);
    free_certificates();
    return r;
}
