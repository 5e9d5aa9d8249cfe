/* SPDX-License-Identifier: MIT */
#include "everywhere.h"
#include <lanyard/file.h>
#include <sys/socket.h>

#define NI "\xe4\xbd\xa0"

struct pair {
    struct ly_sock *own, *peer;
    struct ly_file *file;
};

static int open_pair(struct pair *p, const char *mode, const struct ly_file_options *o)
{
    NEED_OK(ly_socketpair(&p->own, &p->peer));
    NEED_OK(ly_sock_set_timeout(p->peer, 0));
    return ly_makefile(&p->file, p->own, mode, o);
}

static void close_pair(struct pair *p)
{
    ly_file_close(p->file);
    ly_sock_free(p->own);
    ly_sock_free(p->peer);
}

/* What the peer has got is this. */
static bool heard(struct pair *p, const char *text)
{
    char buf[256];
    ssize_t n = ly_recv(p->peer, buf, sizeof buf);
    return n == (ssize_t)strlen(text) ? memcmp(buf, text, (size_t)n) == 0 : n == -EAGAIN && !*text;
}

static int options_that_do_not_fit_are_refused(void *arg)
{
    static const struct {
        const char *mode;
        struct ly_file_options o;
    } bad[] = {
        {"r", {.unbuffered = true}},        {"rb", {.unbuffered = true, .buffering = 1}},
        {"rb", {.encoding = "utf-8"}},      {"rb", {.newline = ""}},
        {"rb", {.errors = LY_TEXT_IGNORE}}, {"r", {.errors = (enum ly_text_errors)3}},
        {"r", {.newline = "\n\n"}},         {"r", {.buffering = ((size_t)1 << 30) + 1}},
        {"r", {.line_max = SIZE_MAX}},      {"x", {.encoding = NULL}},
    };
    struct ly_sock *a, *b;
    struct ly_file *f = NULL;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        NEED_INT(ly_makefile(&f, a, bad[i].mode, &bad[i].o), -EINVAL);
    NEED(f == NULL);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int datagram_sockets_have_no_files(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_file *f;
    (void)arg;
    NEED_OK(ly_socketpair_of(&a, &b, AF_UNIX, SOCK_SEQPACKET, 0));
    NEED_INT(ly_makefile(&f, a, "rb", NULL), -EOPNOTSUPP);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int sixty_three_files_are_open_at_most(void *arg)
{
    struct ly_sock *a, *b;
    struct ly_file *f[63], *more;
    (void)arg;
    NEED_OK(ly_socketpair(&a, &b));
    for (size_t i = 0; i < 63; i++)
        NEED_OK(ly_makefile(&f[i], a, "rb", NULL));
    NEED_INT(ly_makefile(&more, a, "rb", NULL), -EMFILE);
    ly_file_close(f[0]);
    NEED_OK(ly_makefile(&f[0], a, "rb", NULL));
    ly_sock_close(a);
    for (size_t i = 0; i < 63; i++) {
        NEED(ly_sock_fileno(a) >= 0);
        ly_file_close(f[i]);
    }
    NEED_INT(ly_sock_fileno(a), -1);
    ly_sock_free(a);
    ly_sock_free(b);
    return 0;
}

static int a_lent_line_lies_in_the_buffer_until_the_next_read(void *arg)
{
    struct pair p;
    const char *one, *two;
    (void)arg;
    for (int text = 0; text < 2; text++) {
        NEED_OK(open_pair(&p, text ? "r" : "rb", NULL));
        NEED_OK(ly_sendall(p.peer, "one\ntwo\nrest", 12));
        NEED_INT(ly_file_line(p.file, &one), 4);
        NEED(memcmp(one, "one\n", 4) == 0);
        NEED_INT(ly_file_line(p.file, &two), 4);
        NEED(two == one + 4 && memcmp(two, "two\n", 4) == 0);
        NEED_OK(ly_shutdown(p.peer, SHUT_WR));
        NEED_INT(ly_file_line(p.file, &one), 4);
        NEED(memcmp(one, "rest", 4) == 0);
        NEED_INT(ly_file_line(p.file, &one), 0);
        close_pair(&p);
    }
    return 0;
}

static int a_line_beyond_line_max_is_refused_and_stays(void *arg)
{
    static const struct ly_file_options small = {.buffering = 4, .line_max = 10};
    struct pair p;
    const char *line;
    char buf[64];
    (void)arg;
    for (int text = 0; text < 2; text++) {
        NEED_OK(open_pair(&p, text ? "r" : "rb", &small));
        NEED_OK(ly_sendall(p.peer, "123456789\n1234567890\n12345" NI "89\n", 33));
        NEED_INT(ly_file_line(p.file, &line), 10);
        NEED_INT(ly_file_line(p.file, &line), LY_ETOOBIG);
        NEED_INT(ly_file_line(p.file, &line), LY_ETOOBIG);
        NEED_INT(ly_file_readline(p.file, buf, sizeof buf, LY_FILE_ALL), 11);
        NEED(memcmp(buf, "1234567890\n", 11) == 0);
        NEED_INT(ly_file_line(p.file, &line), LY_ETOOBIG);
        NEED_INT(ly_file_readline(p.file, buf, sizeof buf, 4), 4);
        NEED_INT(ly_file_line(p.file, &line), 7);
        NEED(memcmp(line, "5" NI "89\n", 7) == 0);
        close_pair(&p);
    }
    return 0;
}

static int the_last_line_may_be_as_long_as_line_max(void *arg)
{
    struct pair p;
    const char *line;
    (void)arg;
    NEED_OK(open_pair(&p, "r", &(struct ly_file_options){.line_max = 10}));
    NEED_OK(ly_sendall(p.peer, "0123456789", 10));
    NEED_OK(ly_shutdown(p.peer, SHUT_WR));
    NEED_INT(ly_file_line(p.file, &line), 10);
    NEED_INT(ly_file_line(p.file, &line), 0);
    close_pair(&p);
    return 0;
}

/* Bytes of a pattern, sent while the test reads. */
struct sender {
    struct ly_sock *sock;
    size_t n;
};

static char pattern(size_t i)
{
    return (char)('a' + i % 23);
}

static int send_pattern(void *arg)
{
    struct sender *s = arg;
    char block[1000];
    for (size_t i = 0; i < s->n; i += sizeof block) {
        for (size_t k = 0; k < sizeof block; k++)
            block[k] = pattern(i + k);
        NEED_OK(ly_sendall(s->sock, block, s->n - i < sizeof block ? s->n - i : sizeof block));
    }
    return ly_shutdown(s->sock, SHUT_WR);
}

static int lines_longer_than_the_buffer_come_whole(void *arg)
{
    enum { LONG = 100000 };
    struct pair p;
    struct sender s;
    struct ly_scope *scope;
    const char *line;
    (void)arg;
    NEED_OK(open_pair(&p, "r", &(struct ly_file_options){.buffering = 100, .line_max = LONG}));
    NEED_OK(ly_sock_set_timeout(p.peer, LY_FOREVER));
    s = (struct sender){p.peer, LONG};
    NEED_OK(ly_scope_open(&scope, NULL));
    NEED_OK(ly_go(scope, send_pattern, &s));
    NEED_INT(ly_file_line(p.file, &line), LONG);
    for (size_t i = 0; i < LONG; i++)
        NEED(line[i] == pattern(i));
    NEED_OK(ly_scope_join(scope));
    ly_scope_close(scope);
    close_pair(&p);
    return 0;
}

static int large_reads_of_bytes_give_them_in_order(void *arg)
{
    enum { MANY = 300000 };
    static char got[MANY];
    static const struct ly_file_options unbuffered = {.unbuffered = true}, small = {.buffering = 1000};
    (void)arg;
    for (int i = 0; i < 2; i++) {
        struct pair p;
        struct sender s;
        struct ly_scope *scope;
        size_t done = 0;
        NEED_OK(open_pair(&p, "rb", i ? &unbuffered : &small));
        NEED_OK(ly_sock_set_timeout(p.peer, LY_FOREVER));
        s = (struct sender){p.peer, MANY};
        NEED_OK(ly_scope_open(&scope, NULL));
        NEED_OK(ly_go(scope, send_pattern, &s));
        for (size_t n = 1; done < MANY; n = n * 3 % 70001 + 1) {
            ssize_t r = ly_file_read(p.file, got + done, MANY - done, n);
            NEED(r > 0 && (i || r == (ssize_t)n || done + (size_t)r == MANY));
            done += (size_t)r;
        }
        for (size_t k = 0; k < MANY; k++)
            NEED(got[k] == pattern(k));
        NEED_INT(ly_file_read(p.file, got, 1, 1), 0);
        NEED_OK(ly_scope_join(scope));
        ly_scope_close(scope);
        close_pair(&p);
    }
    return 0;
}

static int read_until_stops_behind_the_delimiter(void *arg)
{
    char buf[16];
    struct pair p;
    (void)arg;
    for (int kind = 0; kind < 3; kind++) {
        const struct ly_file_options o = {.unbuffered = kind == 2, .buffering = kind == 2 ? 0 : 4};
        NEED_OK(open_pair(&p, kind ? "rb" : "r", &o));
        NEED_OK(ly_sendall(p.peer, "a--b-->--", 9));
        NEED_INT(ly_file_read_until(p.file, buf, sizeof buf, "-->", 3), 7);
        NEED(memcmp(buf, "a--b-->", 7) == 0);
        NEED_INT(ly_file_read_until(p.file, buf, sizeof buf, "-", 0), -EINVAL);
        NEED_INT(ly_file_read_until(p.file, buf, 2, "-->", 3), -EINVAL);
        NEED_OK(ly_shutdown(p.peer, SHUT_WR));
        NEED_INT(ly_file_read_until(p.file, buf, sizeof buf, "-->", 3), 2);
        NEED_INT(ly_file_read_until(p.file, buf, sizeof buf, "-->", 3), 0);
        close_pair(&p);
    }
    return 0;
}

static int read_until_refuses_what_is_too_long(void *arg)
{
    char buf[8];
    struct pair p;
    (void)arg;
    NEED_OK(open_pair(&p, "rb", &(struct ly_file_options){.buffering = 2}));
    NEED_OK(ly_sendall(p.peer, "01234567;rest;", 14));
    NEED_INT(ly_file_read_until(p.file, buf, sizeof buf, ";", 1), LY_ETOOBIG);
    NEED_INT(ly_file_read(p.file, buf, sizeof buf, 8), 8); /* nothing was consumed */
    NEED_INT(ly_file_read_until(p.file, buf, sizeof buf, ";", 1), 1);
    NEED_INT(ly_file_read_until(p.file, buf, 5, ";", 1), 5);
    close_pair(&p);
    return 0;
}

static int readall_never_cuts_a_character(void *arg)
{
    struct pair p;
    struct ly_buffer b;
    (void)arg;
    NEED_OK(open_pair(&p, "r", NULL));
    NEED_OK(ly_sendall(p.peer, NI NI NI, 9));
    NEED_OK(ly_shutdown(p.peer, SHUT_WR));
    ly_buffer_init(&b, 7);
    NEED_INT(ly_file_readall(p.file, &b), LY_ETOOBIG);
    NEED_INT(b.length, 6);
    ly_buffer_clear(&b);
    NEED_OK(ly_file_readall(p.file, &b));
    NEED_INT(b.length, 3);
    ly_buffer_done(&b);
    close_pair(&p);
    return 0;
}

static int readall_without_a_buffer_keeps_to_its_limit(void *arg)
{
    struct pair p;
    struct ly_buffer b;
    (void)arg;
    NEED_OK(open_pair(&p, "rb", &(struct ly_file_options){.unbuffered = true}));
    NEED_OK(ly_sendall(p.peer, "01234567", 8));
    NEED_OK(ly_shutdown(p.peer, SHUT_WR));
    ly_buffer_init(&b, 5);
    NEED_INT(ly_file_readall(p.file, &b), LY_ETOOBIG);
    NEED_INT(b.length, 5);
    ly_buffer_clear(&b);
    NEED_OK(ly_file_readall(p.file, &b));
    NEED_INT(b.length, 3);
    ly_buffer_done(&b);
    close_pair(&p);
    return 0;
}

static int read1_gives_what_is_there(void *arg)
{
    char buf[8192];
    struct pair p;
    (void)arg;
    for (int kind = 0; kind < 3; kind++) {
        NEED_OK(open_pair(&p, kind ? "rb" : "r", &(struct ly_file_options){.unbuffered = kind == 2}));
        NEED_OK(ly_sendall(p.peer, "abcdef", 6));
        NEED_INT(ly_file_read1(p.file, buf, 4), 4);
        NEED_INT(ly_file_read1(p.file, buf, sizeof buf), 2);
        NEED_INT(ly_file_read1(p.file, buf, 0), 0);
        close_pair(&p);
    }
    return 0;
}

static int a_write_larger_than_the_buffer_goes_out_behind_what_was_gathered(void *arg)
{
    struct pair p;
    (void)arg;
    NEED_OK(open_pair(&p, "w", &(struct ly_file_options){.buffering = 64}));
    NEED_INT(ly_file_write(p.file, "first ", 6), 6);
    NEED(heard(&p, ""));
    char text[101];
    memset(text, 'x', 100);
    text[100] = 0;
    NEED_INT(ly_file_write(p.file, text, 100), 100);
    char all[107];
    snprintf(all, sizeof all, "first %s", text);
    NEED(heard(&p, all));
    close_pair(&p);
    return 0;
}

static int printf_writes_and_has_a_limit(void *arg)
{
    struct pair p;
    (void)arg;
    NEED_OK(open_pair(&p, "w", NULL));
    NEED_INT(ly_file_printf(p.file, "%d %s\n", 7, NI), 6);
    NEED_INT(ly_file_printf(p.file, "%*d", (1 << 20) + 1, 7), LY_ETOOBIG);
    NEED_OK(ly_file_flush(p.file));
    NEED(heard(&p, "7 " NI "\n"));
    close_pair(&p);
    return 0;
}

/* Fill what the connection can hold. Returns the bytes. */
static size_t stuff(struct ly_sock *s)
{
    static const char block[65536];
    size_t n = 0;
    ssize_t r;
    while ((r = ly_send(s, block, sizeof block)) > 0)
        n += (size_t)r;
    return n;
}

static int text_that_cannot_go_is_taken_in_whole_characters(void *arg)
{
    static const char *const encodings[] = {NULL, "gbk"};
    char text[3 * 100];
    (void)arg;
    for (size_t i = 0; i < sizeof text; i += 3)
        memcpy(text + i, NI, 3);
    for (size_t k = 0; k < 2; k++) {
        struct pair p;
        char got[400];
        NEED_OK(open_pair(&p, "w", &(struct ly_file_options){.buffering = 100, .encoding = encodings[k]}));
        NEED_OK(ly_sock_set_timeout(p.own, 0));
        size_t full = stuff(p.own), done = 0;
        ssize_t r = ly_file_write(p.file, text, sizeof text);
        NEED(r > 0 && r < (ssize_t)sizeof text && r % 3 == 0);
        done = (size_t)r;
        NEED_INT(ly_file_write(p.file, text, sizeof text - done), -EAGAIN);
        while (full > 0) {
            static char drain[65536];
            r = ly_recv(p.peer, drain, full < sizeof drain ? full : sizeof drain);
            NEED(r > 0);
            full -= (size_t)r;
        }
        NEED_OK(ly_sock_set_timeout(p.own, LY_FOREVER));
        NEED_INT(ly_file_write(p.file, text, sizeof text - done), sizeof text - done);
        NEED_OK(ly_file_flush(p.file));
        size_t wanted = k ? 200 : 300;
        NEED_INT(ly_recvall(p.peer, got, wanted), wanted);
        NEED(memcmp(got, k ? "\xc4\xe3\xc4\xe3" : NI, k ? 4 : 3) == 0);
        close_pair(&p);
    }
    return 0;
}

static int a_file_of_a_detached_socket_says_so(void *arg)
{
    struct pair p;
    char byte;
    (void)arg;
    NEED_OK(open_pair(&p, "rw", NULL));
    int fd = ly_sock_detach(p.own);
    NEED(fd >= 0);
    NEED_INT(ly_file_read(p.file, &byte, 1, 1), -EBADF);
    NEED_INT(ly_file_write(p.file, "x", 1), 1);
    NEED_INT(ly_file_flush(p.file), -EBADF);
    NEED_INT(ly_file_fileno(p.file), -1);
    close_pair(&p);
    struct ly_sock *again;
    NEED_OK(ly_sock_from_fd(&again, fd));
    ly_sock_free(again);
    return 0;
}

static int a_line_that_comes_byte_by_byte_is_found(void *arg)
{
    static const char *const newlines[] = {NULL, "", "\n", "\r", "\r\n"};
    static const char raw[] = "ab\rcd\r\nef\n\rgh\r\n";
    (void)arg;
    for (size_t k = 0; k < 5; k++) {
        struct pair p;
        char got[sizeof raw] = "";
        const char *line;
        size_t done = 0;
        ssize_t r;
        NEED_OK(open_pair(&p, "r", &(struct ly_file_options){.newline = newlines[k]}));
        NEED_OK(ly_sock_set_timeout(p.own, 0));
        for (size_t i = 0; i < sizeof raw - 1; i++) {
            NEED_OK(ly_sendall(p.peer, raw + i, 1));
            while ((r = ly_file_line(p.file, &line)) > 0) {
                memcpy(got + done, line, (size_t)r);
                done += (size_t)r;
                got[done - 1] = '|'; /* where a line ended */
            }
            NEED_INT(r, -EAGAIN);
        }
        static const char *const wanted[] = {"ab|cd|ef||gh|", "ab|cd\r|ef||gh\r|", "ab\rcd\r|ef|\rgh\r|",
                                             "ab|cd|\nef\n|gh|", "ab\rcd\r|ef\n\rgh\r|"};
        NEED(strcmp(got, wanted[k]) == 0);
        close_pair(&p);
    }
    return 0;
}

static int nothing_is_held_that_was_not_received(void *arg)
{
    struct pair p;
    (void)arg;
    NEED_OK(open_pair(&p, "r", NULL));
    NEED_INT(ly_file_buffered(p.file), 0);
    NEED_OK(ly_sendall(p.peer, "ab\xe4\xbd", 4));
    char buf[2];
    NEED_INT(ly_file_read(p.file, buf, 1, 1), 1);
    NEED_INT(ly_file_buffered(p.file), 3); /* the cut character's bytes, too */
    close_pair(&p);
    return 0;
}

static const struct everywhere_body bodies[] = {
    BODY(options_that_do_not_fit_are_refused),
    BODY(datagram_sockets_have_no_files),
    BODY(sixty_three_files_are_open_at_most),
    BODY(a_lent_line_lies_in_the_buffer_until_the_next_read),
    BODY(a_line_beyond_line_max_is_refused_and_stays),
    BODY(the_last_line_may_be_as_long_as_line_max),
    BODY(lines_longer_than_the_buffer_come_whole),
    BODY(large_reads_of_bytes_give_them_in_order),
    BODY(read_until_stops_behind_the_delimiter),
    BODY(read_until_refuses_what_is_too_long),
    BODY(readall_never_cuts_a_character),
    BODY(readall_without_a_buffer_keeps_to_its_limit),
    BODY(read1_gives_what_is_there),
    BODY(a_write_larger_than_the_buffer_goes_out_behind_what_was_gathered),
    BODY(printf_writes_and_has_a_limit),
    BODY(text_that_cannot_go_is_taken_in_whole_characters),
    BODY(a_file_of_a_detached_socket_says_so),
    BODY(a_line_that_comes_byte_by_byte_is_found),
    BODY(nothing_is_held_that_was_not_received),
};

int main(void)
{
    return EVERYWHERE("net/file", bodies);
}
