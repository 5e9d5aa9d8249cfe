/* SPDX-License-Identifier: MIT */
#include "everywhere.h"
#include <lanyard/stream.h>

struct pair {
    struct ly_sock *peer;
    struct ly_stream *stream;
};

/* A stream with buffers of 16 bytes and the socket at its other end. */
static int open_pair(struct pair *p, int64_t timeout_ms)
{
    struct ly_sock *own;
    const struct ly_stream_options o = {.read_size = 16, .write_size = 16};
    NEED_OK(ly_socketpair(&own, &p->peer));
    NEED_OK(ly_sock_set_timeout(own, timeout_ms));
    NEED_OK(ly_sock_set_timeout(p->peer, 0));
    return ly_stream_open(&p->stream, own, &o);
}

static void close_pair(struct pair *p)
{
    ly_stream_close(p->stream);
    ly_sock_free(p->peer);
}

static int reads_come_from_the_buffer_first(void *arg)
{
    struct pair p;
    char buf[64];
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_sendall(p.peer, "0123456789", 10));
    NEED_INT(ly_stream_read(p.stream, buf, 4), 4);
    NEED_INT(ly_stream_buffered(p.stream), 6);
    NEED_INT(ly_stream_read(p.stream, buf, sizeof buf), 6);
    NEED(memcmp(buf, "456789", 6) == 0);
    NEED_OK(ly_shutdown(p.peer, SHUT_WR));
    NEED_INT(ly_stream_read(p.stream, buf, sizeof buf), 0);
    NEED_INT(ly_stream_read(p.stream, buf, 1), 0);
    close_pair(&p);
    return 0;
}

static int readall_of_any_size_gives_every_byte_in_order(void *arg)
{
    struct pair p;
    char sent[100], got[100];
    (void)arg;
    for (int i = 0; i < 100; i++)
        sent[i] = (char)i;
    for (size_t first = 0; first <= 40; first++) {
        NEED_OK(open_pair(&p, LY_FOREVER));
        NEED_OK(ly_sendall(p.peer, sent, sizeof sent));
        NEED_INT(ly_stream_readall(p.stream, got, first), (int)first);
        NEED_INT(ly_stream_readall(p.stream, got + first, 16), 16);
        NEED_INT(ly_stream_readall(p.stream, got + first + 16, 84 - first), (int)(84 - first));
        NEED(memcmp(sent, got, sizeof sent) == 0);
        close_pair(&p);
    }
    return 0;
}

static int readall_says_when_the_peer_ends_within_it(void *arg)
{
    struct pair p;
    char buf[64];
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_sendall(p.peer, "abc", 3));
    NEED_OK(ly_shutdown(p.peer, SHUT_WR));
    NEED_INT(ly_stream_readall(p.stream, buf, 4), LY_EEOF);
    NEED_INT(ly_stream_readall(p.stream, buf, 3), 3); /* what came is still there */
    NEED_INT(ly_stream_readall(p.stream, buf, 60), LY_EEOF);
    NEED_INT(ly_stream_readall(p.stream, buf, 0), 0);
    close_pair(&p);
    return 0;
}

static int a_timeout_loses_nothing_that_was_buffered(void *arg)
{
    struct pair p;
    char buf[8];
    (void)arg;
    NEED_OK(open_pair(&p, 5));
    NEED_OK(ly_sendall(p.peer, "abc", 3));
    NEED_INT(ly_stream_readall(p.stream, buf, 6), -ETIMEDOUT);
    NEED_OK(ly_sendall(p.peer, "def", 3));
    NEED_INT(ly_stream_readall(p.stream, buf, 6), 6);
    NEED(memcmp(buf, "abcdef", 6) == 0);
    close_pair(&p);
    return 0;
}

static int peek_shows_without_consuming(void *arg)
{
    struct pair p;
    const char *bytes;
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_sendall(p.peer, "0123456789abcdef", 16));
    NEED(ly_stream_peek(p.stream, 3, &bytes) >= 3);
    NEED(memcmp(bytes, "012", 3) == 0);
    ly_stream_consume(p.stream, 3);
    NEED_OK(ly_sendall(p.peer, "ghi", 3));
    NEED_INT(ly_stream_peek(p.stream, 16, &bytes), 16); /* has to move to make room */
    NEED(memcmp(bytes, "3456789abcdefghi", 16) == 0);
    NEED_INT(ly_stream_peek(p.stream, 17, &bytes), LY_ETOOBIG);
    ly_stream_consume(p.stream, 15);
    NEED_OK(ly_shutdown(p.peer, SHUT_WR));
    NEED_INT(ly_stream_peek(p.stream, 2, &bytes), LY_EEOF);
    NEED_INT(ly_stream_peek(p.stream, 1, &bytes), 1);
    ly_stream_consume(p.stream, 1);
    NEED_INT(ly_stream_peek(p.stream, 1, &bytes), 0);
    close_pair(&p);
    return 0;
}

static int read_until_stops_behind_the_delimiter(void *arg)
{
    struct pair p;
    char buf[32];
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_sendall(p.peer, "one\r\ntwo\rx\r\nrest", 16));
    NEED_INT(ly_stream_read_until(p.stream, buf, sizeof buf, "\r\n", 2), 5);
    NEED(memcmp(buf, "one\r\n", 5) == 0);
    NEED_INT(ly_stream_read_until(p.stream, buf, sizeof buf, "\r\n", 2), 7);
    NEED(memcmp(buf, "two\rx\r\n", 7) == 0);
    NEED_OK(ly_shutdown(p.peer, SHUT_WR));
    NEED_INT(ly_stream_read_until(p.stream, buf, sizeof buf, "\r\n", 2), 4);
    NEED_INT(ly_stream_read_until(p.stream, buf, sizeof buf, "\r\n", 2), 0);
    NEED_INT(ly_stream_read_until(p.stream, buf, sizeof buf, "", 0), -EINVAL);
    close_pair(&p);
    return 0;
}

static int a_delimiter_is_found_across_two_receives(void *arg)
{
    struct pair p;
    char buf[32];
    (void)arg;
    NEED_OK(open_pair(&p, 5));
    NEED_OK(ly_sendall(p.peer, "line\r", 5));
    NEED_INT(ly_stream_read_until(p.stream, buf, sizeof buf, "\r\n", 2), -ETIMEDOUT);
    NEED_OK(ly_sendall(p.peer, "\n", 1));
    NEED_INT(ly_stream_read_until(p.stream, buf, sizeof buf, "\r\n", 2), 6);
    close_pair(&p);
    return 0;
}

static int a_line_beyond_the_limit_is_refused_and_kept(void *arg)
{
    struct pair p;
    char buf[32];
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_sendall(p.peer, "0123456\n", 8));
    NEED_INT(ly_stream_read_until(p.stream, buf, 7, "\n", 1), LY_ETOOBIG);
    NEED_INT(ly_stream_read_until(p.stream, buf, 8, "\n", 1), 8);
    NEED_OK(ly_sendall(p.peer, "0123456789abcdef\n", 17));
    NEED_INT(ly_stream_read_until(p.stream, buf, 32, "\n", 1), LY_ETOOBIG);
    NEED_INT(ly_stream_buffered(p.stream), 16);
    close_pair(&p);
    return 0;
}

static int small_writes_wait_for_the_flush(void *arg)
{
    struct pair p;
    char buf[32];
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_stream_write(p.stream, "abc", 3));
    NEED_OK(ly_stream_write(p.stream, "def", 3));
    NEED_INT(ly_recv(p.peer, buf, sizeof buf), -EAGAIN);
    NEED_OK(ly_stream_flush(p.stream));
    NEED_INT(ly_recv(p.peer, buf, sizeof buf), 6);
    NEED(memcmp(buf, "abcdef", 6) == 0);
    NEED_OK(ly_stream_write(p.stream, "0123456789abcdef", 16)); /* full */
    NEED_INT(ly_recv(p.peer, buf, sizeof buf), 16);
    close_pair(&p);
    return 0;
}

static int a_large_write_keeps_its_place(void *arg)
{
    struct pair p;
    char buf[64];
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_stream_write(p.stream, "ab", 2));
    NEED_OK(ly_stream_write(p.stream, "0123456789abcdefghij", 20));
    NEED_OK(ly_stream_write(p.stream, "z", 1));
    NEED_OK(ly_stream_flush(p.stream));
    NEED_INT(ly_recv(p.peer, buf, sizeof buf), 23);
    NEED(memcmp(buf, "ab0123456789abcdefghijz", 23) == 0);
    close_pair(&p);
    return 0;
}

static int closing_flushes(void *arg)
{
    struct pair p;
    char buf[8];
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_stream_write(p.stream, "last", 4));
    ly_stream_close(p.stream);
    NEED_INT(ly_recv(p.peer, buf, sizeof buf), 4);
    NEED_INT(ly_recv(p.peer, buf, sizeof buf), 0);
    ly_sock_free(p.peer);
    return 0;
}

static int a_borrowed_socket_survives_its_stream(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_stream *s;
    char c;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    NEED_OK(ly_stream_open(&s, a, &(struct ly_stream_options){.borrow = true}));
    NEED(ly_stream_sock(s) == a);
    ly_stream_close(s);
    NEED_OK(ly_sendall(a, "x", 1));
    NEED_INT(ly_recv(b, &c, 1), 1);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int a_failed_write_stays_failed(void *arg)
{
    struct pair p;
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    ly_sock_close(p.peer);
    NEED_OK(ly_stream_write(p.stream, "abc", 3));
    NEED_INT(ly_stream_flush(p.stream), -EPIPE);
    NEED_INT(ly_stream_write(p.stream, "abc", 3), -EPIPE);
    NEED_INT(ly_stream_flush(p.stream), -EPIPE);
    close_pair(&p);
    return 0;
}

static int write_all(void *arg)
{
    struct ly_stream *s = arg;
    char piece[1000];
    for (int i = 0; i < 2000; i++) {
        memset(piece, 'a' + i % 26, sizeof piece);
        NEED_OK(ly_stream_write(s, piece, sizeof piece));
    }
    return ly_stream_flush(s);
}

static int two_tasks_use_the_two_directions_at_once(void *arg)
{
    struct pair p;
    struct ly_scope *scope;
    struct ly_future *writer;
    char piece[1000];
    (void)arg;
    NEED_OK(open_pair(&p, LY_FOREVER));
    NEED_OK(ly_sock_set_timeout(p.peer, LY_FOREVER));
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_sendall(p.peer, "other way", 9));
    NEED_OK(ly_async(scope, &writer, write_all, p.stream));
    NEED_INT(ly_stream_readall(p.stream, piece, 9), 9);
    for (int i = 0; i < 2000; i++) {
        NEED_INT(ly_recvall(p.peer, piece, sizeof piece), sizeof piece);
        NEED(piece[0] == 'a' + i % 26 && piece[999] == piece[0]);
    }
    NEED_OK(ly_await(writer, NULL));
    ly_scope_close(scope);
    close_pair(&p);
    return 0;
}

int main(void)
{
    static const struct everywhere_body bodies[] = {
        BODY(reads_come_from_the_buffer_first),
        BODY(readall_of_any_size_gives_every_byte_in_order),
        BODY(readall_says_when_the_peer_ends_within_it),
        BODY(a_timeout_loses_nothing_that_was_buffered),
        BODY(peek_shows_without_consuming),
        BODY(read_until_stops_behind_the_delimiter),
        BODY(a_delimiter_is_found_across_two_receives),
        BODY(a_line_beyond_the_limit_is_refused_and_kept),
        BODY(small_writes_wait_for_the_flush),
        BODY(a_large_write_keeps_its_place),
        BODY(closing_flushes),
        BODY(a_borrowed_socket_survives_its_stream),
        BODY(a_failed_write_stays_failed),
        BODY(two_tasks_use_the_two_directions_at_once),
    };
    return EVERYWHERE("net/stream", bodies);
}
