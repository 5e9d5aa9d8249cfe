/* SPDX-License-Identifier: MIT */
/* Part I: files over sockets. What is of text alone is in makefile_text.c. */
#include "places.h"
#include <signal.h>
#include <sys/time.h>

#define OPEN(file, sock, ...) NEED(ly_makefile(&(file), sock, __VA_ARGS__) == 0)
#define SAY(sock, text) NEED(ly_sendall(sock, text, strlen(text)) == 0)
#define HEAR(sock, text)                                                   \
    do {                                                                   \
        char heard_[64] = "";                                              \
        NEED(ly_recvall(sock, heard_, strlen(text)) == (int)strlen(text)); \
        NEED(memcmp(heard_, text, strlen(text)) == 0);                     \
    } while (0)
/* What a read gave is this text. */
#define GAVE(result, text) NEED((result) == (ssize_t)strlen(text) && memcmp(buf, text, strlen(text)) == 0)

static const struct ly_file_options unbuffered = {.unbuffered = true};

/* Nothing is there for the socket to receive. */
static bool is_empty(struct ly_sock *s)
{
    char byte;
    return ly_recv_flags(s, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == -EAGAIN;
}

ROW(C113_modes_are_r_w_and_b_and_text_is_buffered, BOTH)
{
    static const struct {
        const char *mode, *is;
    } good[] = {{"r", "r"},   {"", "r"},    {"w", "w"},   {"rw", "rw"},   {"wr", "rw"},  {"b", "rb"},
                {"rb", "rb"}, {"br", "rb"}, {"wb", "wb"}, {"rwb", "rwb"}, {"bwr", "rwb"}};
    static const char *const bad[] = {"a", "+", "rt", "U", "r ", "rw+", "B"};
    struct ly_file *f = NULL;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        OPEN(f, p->a, good[i].mode, NULL);
        NEED(strcmp(ly_file_mode(f), good[i].is) == 0);
        NEED(ly_file_sock(f) == p->a && ly_file_fileno(f) == ly_sock_fileno(p->a));
        NEED(ly_file_close(f) == 0);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        NEED(ly_makefile(&f, p->a, bad[i], NULL) == -EINVAL);
    NEED(ly_makefile(&f, p->a, "r", &unbuffered) == -EINVAL);
    OPEN(f, p->a, "rb", &unbuffered);
    NEED(ly_file_write(f, "x", 1) == -EBADF && ly_file_flush(f) == -EBADF);
    ly_file_close(f);
    OPEN(f, p->a, "w", NULL);
    char byte;
    NEED(ly_file_read(f, &byte, 1, 1) == -EBADF && ly_file_readline(f, &byte, 1, 1) == -EBADF);
    ly_file_close(f);
    return 0;
}

ROW(C113_the_default_buffer_is_of_8192_bytes, BOTH)
{
    static const char much[10000];
    static char got[sizeof much];
    struct ly_file *f;
    OPEN(f, p->a, "rwb", NULL);
    NEED(ly_sendall(p->b, much, sizeof much) == 0);
    NEED(arrived(p->a, sizeof much));
    NEED(ly_file_read(f, got, 1, 1) == 1 && ly_file_buffered(f) == 8191);
    NEED(ly_file_write(f, much, 8192) == 8192 && is_empty(p->b));
    NEED(ly_file_write(f, much, 1) == 1);
    NEED(ly_recvall(p->b, got, 8193) == 8193);
    return ly_file_close(f);
}

ROW(C114_readline_gives_lines_and_at_the_end_the_rest, BOTH)
{
    char buf[64];
    struct ly_file *f;
    for (int text = 0; text < 2; text++) {
        OPEN(f, p->a, text ? "r" : "rb", NULL);
        SAY(p->b, "one\n\ntwo\nlonger than that\nrest");
        if (text)
            ly_shutdown(p->b, SHUT_WR);
        GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "one\n");
        GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "\n");
        GAVE(ly_file_readline(f, buf, sizeof buf, 4), "two\n");
        GAVE(ly_file_readline(f, buf, sizeof buf, 6), "longer");
        GAVE(ly_file_readline(f, buf, 5, LY_FILE_ALL), " than");
        NEED(ly_file_readline(f, buf, sizeof buf, 0) == 0);
        GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), " that\n");
        GAVE(ly_file_readline(f, buf, 4, LY_FILE_ALL), "rest");
        if (text)
            NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == 0);
        NEED(ly_file_close(f) == 0);
    }
    return 0;
}

ROW(C114_readline_gives_the_rest_without_an_end_and_then_nothing, BOTH)
{
    char buf[64];
    const char *line;
    struct ly_file *f;
    OPEN(f, p->a, "rb", NULL);
    SAY(p->b, "a\nrest");
    ly_shutdown(p->b, SHUT_WR);
    NEED(ly_file_line(f, &line) == 2 && memcmp(line, "a\n", 2) == 0);
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "rest");
    NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == 0 && ly_file_line(f, &line) == 0);
    return ly_file_close(f);
}

struct dripping {
    struct ly_sock *sock;
    const char *bytes;
    size_t n;
    bool end;
};

static int drip(void *arg)
{
    struct dripping *d = arg;
    for (size_t i = 0; i < d->n; i++) {
        ly_sendall(d->sock, d->bytes + i, 1);
        ly_sleep(1);
    }
    return d->end ? ly_shutdown(d->sock, SHUT_WR) : 0;
}

ROW(C114_read_waits_for_as_much_as_was_asked_for_or_the_end, BOTH)
{
    char buf[64];
    struct ly_file *f;
    struct dripping d = {p->b, "0123456789rest", 14, true};
    struct ly_scope *scope;
    OPEN(f, p->a, "rb", NULL);
    NEED(ly_scope_open(&scope, NULL) == 0 && ly_go(scope, drip, &d) == 0);
    ssize_t first = ly_file_read(f, buf, sizeof buf, 10);
    ssize_t rest = ly_file_read(f, buf + 10, sizeof buf - 10, 50);
    ssize_t end = ly_file_read(f, buf + 20, 1, 1);
    ly_scope_join(scope);
    ly_scope_close(scope);
    NEED(first == 10 && rest == 4 && end == 0 && memcmp(buf, "0123456789rest", 14) == 0);
    return ly_file_close(f);
}

ROW(C114_readall_gives_all_up_to_the_end_and_no_more_than_its_limit, BOTH)
{
    struct ly_file *f;
    struct ly_buffer all;
    OPEN(f, p->a, "rb", NULL);
    ly_buffer_init(&all, 5);
    SAY(p->b, "0123456789");
    ly_shutdown(p->b, SHUT_WR);
    NEED(ly_file_readall(f, &all) == LY_ETOOBIG && all.length == 5);
    ly_buffer_clear(&all);
    NEED(ly_file_readall(f, &all) == 0 && all.length == 5 && memcmp(ly_buffer_bytes(&all), "56789", 5) == 0);
    ly_buffer_clear(&all);
    NEED(ly_file_readall(f, &all) == 0 && all.length == 0);
    ly_buffer_done(&all);
    return ly_file_close(f);
}

ROW(C115_what_is_read_ahead_is_seen_by_nobody_else, BOTH)
{
    char buf[64];
    struct ly_file *f, *other;
    OPEN(f, p->a, "rb", NULL);
    OPEN(other, p->a, "rb", NULL);
    SAY(p->b, "one\ntwo\n");
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "one\n");
    NEED(ly_file_buffered(f) == 4 && is_empty(p->a));
    SAY(p->b, "three\n");
    GAVE(ly_file_readline(other, buf, sizeof buf, LY_FILE_ALL), "three\n");
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "two\n");
    ly_file_close(other);
    return ly_file_close(f);
}

ROW(C115_without_a_buffer_nothing_is_read_ahead, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, p->a, "rb", &unbuffered);
    SAY(p->b, "one\ntwo\nthree");
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "one\n");
    NEED(ly_file_buffered(f) == 0);
    GAVE(ly_recv(p->a, buf, 2), "tw");
    GAVE(ly_file_read(f, buf, sizeof buf, 2), "o\n");
    GAVE(ly_file_readline(f, buf, sizeof buf, 2), "th");
    GAVE(ly_file_read_until(f, buf, sizeof buf, "e", 1), "re");
    GAVE(ly_file_read(f, buf, sizeof buf, 10), "e"); /* one receive, as of a raw file */
    return ly_file_close(f);
}

ROW(C116_writes_go_out_on_flush_when_the_buffer_is_full_and_on_close, BOTH)
{
    struct ly_file *f;
    OPEN(f, p->a, "wb", &(struct ly_file_options){.buffering = 8});
    NEED(ly_file_write(f, "abc", 3) == 3 && is_empty(p->b));
    NEED(ly_file_flush(f) == 0);
    HEAR(p->b, "abc");
    NEED(ly_file_write(f, "01234567", 8) == 8 && is_empty(p->b));
    NEED(ly_file_write(f, "89", 2) == 2);
    HEAR(p->b, "0123456789");
    NEED(ly_file_write(f, "last", 4) == 4 && is_empty(p->b));
    NEED(ly_file_close(f) == 0);
    HEAR(p->b, "last");
    return 0;
}

ROW(C117_closing_a_file_leaves_the_socket_open, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, p->a, "rw", NULL);
    NEED(ly_file_close(f) == 0);
    SAY(p->a, "there");
    HEAR(p->b, "there");
    OPEN(f, p->a, "r", NULL);
    SAY(p->b, "again\n");
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "again\n");
    return ly_file_close(f);
}

ROW(C117_a_closed_socket_goes_on_until_its_last_file_is_closed, BOTH)
{
    char buf[64];
    struct ly_file *reads, *writes, *late;
    OPEN(reads, p->a, "r", NULL);
    OPEN(writes, p->a, "w", NULL);
    ly_sock_close(p->a);
    NEED(ly_sock_fileno(p->a) >= 0 && ly_file_fileno(reads) >= 0);
    SAY(p->a, "object\n"); /* the object itself works until then, too */
    HEAR(p->b, "object\n");
    SAY(p->b, "file\n");
    GAVE(ly_file_readline(reads, buf, sizeof buf, LY_FILE_ALL), "file\n");
    NEED(ly_file_close(reads) == 0);
    OPEN(late, p->a, "w", NULL);
    NEED(ly_file_write(writes, "answer", 6) == 6 && ly_file_close(writes) == 0);
    HEAR(p->b, "answer");
    NEED(ly_sock_fileno(p->a) >= 0);
    NEED(ly_file_close(late) == 0);
    NEED(ly_sock_fileno(p->a) == -1 && ly_recv(p->a, buf, 1) == -EBADF);
    NEED(ly_recv(p->b, buf, 1) == 0);
    NEED(ly_makefile(&late, p->a, "r", NULL) == -EBADF);
    return 0;
}

ROW(C117_a_freed_socket_lives_as_long_as_its_files, BOTH)
{
    struct ly_file *f;
    char byte;
    OPEN(f, p->a, "w", NULL);
    ly_sock_free(p->a);
    p->a = NULL;
    NEED(ly_file_write(f, "bye", 3) == 3 && ly_file_close(f) == 0);
    HEAR(p->b, "bye");
    NEED(ly_recv(p->b, &byte, 1) == 0);
    return 0;
}

ROW(C118_after_a_timeout_a_file_is_not_readable_for_good, BOTH)
{
    char buf[64];
    const char *line;
    struct ly_buffer all;
    for (int i = 0; i < 3; i++) {
        struct ly_file *f, *other;
        OPEN(f, p->a, i == 1 ? "rw" : "rwb", i == 2 ? &unbuffered : NULL);
        ly_sock_set_timeout(p->a, 5);
        SAY(p->b, "part");
        NEED(arrived(p->a, 4));
        NEED(ly_file_read(f, buf, sizeof buf, i == 2 ? 4 : 10) == (i == 2 ? 4 : -ETIMEDOUT));
        if (i == 2)
            NEED(ly_file_read(f, buf, sizeof buf, 10) == -ETIMEDOUT);
        SAY(p->b, "rest\n");
        ly_buffer_init(&all, 100);
        NEED(ly_file_read(f, buf, sizeof buf, 1) == LY_EUNREADABLE);
        NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == LY_EUNREADABLE);
        NEED(ly_file_line(f, &line) == LY_EUNREADABLE && ly_file_readall(f, &all) == LY_EUNREADABLE);
        NEED(ly_file_read_until(f, buf, sizeof buf, "\n", 1) == LY_EUNREADABLE);
        NEED(ly_file_write(f, "out", 3) == 3 && ly_file_flush(f) == 0); /* the other direction is as before */
        HEAR(p->b, "out");
        OPEN(other, p->a, "rb", NULL);
        GAVE(ly_file_readline(other, buf, sizeof buf, LY_FILE_ALL), "rest\n");
        ly_file_close(other);
        NEED(ly_file_close(f) == 0);
    }
    return 0;
}

ROW(C119_nothing_yet_is_told_from_the_end_and_loses_nothing, BOTH)
{
    char buf[64];
    const char *line;
    for (int text = 0; text < 2; text++) {
        struct ly_file *f;
        ly_sock_set_timeout(p->a, 0);
        OPEN(f, p->a, text ? "r" : "rb", NULL);
        NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == -EAGAIN);
        NEED(ly_file_read(f, buf, sizeof buf, 5) == -EAGAIN && ly_file_read1(f, buf, 5) == -EAGAIN);
        SAY(p->b, "par");
        NEED(arrived(p->a, 3));
        NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == -EAGAIN);
        NEED(ly_file_line(f, &line) == -EAGAIN);
        NEED(ly_file_read_until(f, buf, sizeof buf, "t", 1) == -EAGAIN);
        SAY(p->b, "tial\nmore");
        NEED(arrived(p->a, 9));
        GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "partial\n");
        GAVE(ly_file_read(f, buf, sizeof buf, 10), "more"); /* what there is */
        NEED(ly_file_read(f, buf, sizeof buf, 10) == -EAGAIN);
        if (text) {
            ly_shutdown(p->b, SHUT_WR);
            ly_sock_set_timeout(p->a, LY_FOREVER);
            NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == 0);
            NEED(ly_file_read(f, buf, sizeof buf, 10) == 0);
        }
        NEED(ly_file_close(f) == 0);
    }
    return 0;
}

ROW(C119_without_a_buffer_nothing_yet_is_told_from_the_end_too, BOTH)
{
    char buf[64];
    struct ly_file *f;
    ly_sock_set_timeout(p->a, 0);
    OPEN(f, p->a, "rb", &unbuffered);
    NEED(ly_file_read(f, buf, sizeof buf, 5) == -EAGAIN);
    NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == -EAGAIN);
    SAY(p->b, "par");
    NEED(arrived(p->a, 3));
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "par");
    NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == -EAGAIN);
    ly_shutdown(p->b, SHUT_WR);
    ly_sock_set_timeout(p->a, LY_FOREVER);
    NEED(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL) == 0);
    return ly_file_close(f);
}

ROW(C119_a_write_that_has_to_wait_says_what_it_took, UNIX)
{
    struct ly_file *f;
    OPEN(f, p->a, "wb", &(struct ly_file_options){.buffering = 4});
    ly_sock_set_timeout(p->a, 0);
    size_t full = stuff(p->a);
    NEED(ly_file_write(f, "0123456789", 10) == 4);
    NEED(ly_file_write(f, "456789", 6) == -EAGAIN && ly_file_flush(f) == -EAGAIN);
    while (full > 0) {
        static char drain[65536];
        ssize_t n = ly_recv(p->b, drain, full < sizeof drain ? full : sizeof drain);
        NEED(n > 0);
        full -= (size_t)n;
    }
    ly_sock_set_timeout(p->a, LY_FOREVER);
    NEED(ly_file_write(f, "456789", 6) == 6 && ly_file_close(f) == 0);
    HEAR(p->b, "0123456789");
    return 0;
}

ROW(C120_reading_and_writing_do_not_disturb_each_other, BOTH)
{
    char buf[64];
    struct ly_file *f;
    OPEN(f, p->a, "rwb", NULL);
    SAY(p->b, "one\ntwo\nthree\n");
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "one\n");
    NEED(ly_file_write(f, "uno\n", 4) == 4);
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "two\n");
    NEED(is_empty(p->b) && ly_file_write(f, "due\n", 4) == 4 && ly_file_flush(f) == 0);
    GAVE(ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL), "three\n");
    HEAR(p->b, "uno\ndue\n");
    return ly_file_close(f);
}

static int write_much(void *arg)
{
    struct ly_file *f = arg;
    for (int i = 0; i < 20000; i++) {
        ssize_t r = ly_file_printf(f, "line %d\n", i);
        if (r < 0)
            return (int)r;
    }
    return ly_file_flush(f);
}

static int give_back(void *arg)
{
    static char buf[65536];
    struct ly_sock *s = arg;
    ssize_t n;
    while ((n = ly_recv(s, buf, sizeof buf)) > 0)
        if (ly_sendall(s, buf, (size_t)n) < 0)
            break;
    return (int)n;
}

ROW(C120_two_tasks_use_the_two_directions_at_once, BOTH)
{
    struct ly_file *f;
    struct ly_scope *scope;
    const char *line;
    OPEN(f, p->a, "rw", NULL);
    NEED(ly_scope_open(&scope, NULL) == 0);
    NEED(ly_go(scope, write_much, f) == 0 && ly_go(scope, give_back, p->b) == 0);
    for (int i = 0; i < 20000; i++) {
        char wanted[32];
        int n = snprintf(wanted, sizeof wanted, "line %d\n", i);
        NEED(ly_file_line(f, &line) == n && memcmp(line, wanted, (size_t)n) == 0);
    }
    ly_shutdown(p->a, SHUT_WR);
    NEED(ly_scope_join(scope) == 0);
    ly_scope_close(scope);
    return ly_file_close(f);
}

struct sending {
    struct ly_file *file;
    ssize_t result;
};

#define MUCH ((size_t)4000000)

static int send_much(void *arg)
{
    static const char much[MUCH];
    struct sending *s = arg;
    s->result = ly_file_write(s->file, much, MUCH);
    return ly_shutdown(ly_file_sock(s->file), SHUT_WR);
}

ROW(C38_an_unbuffered_write_sends_everything, BOTH)
{
    static char buf[65536];
    struct sending s = {NULL, 0};
    struct ly_scope *scope;
    size_t got = 0;
    ssize_t n;
    OPEN(s.file, p->a, "wb", &unbuffered);
    NEED(ly_file_write(s.file, "now", 3) == 3);
    HEAR(p->b, "now");
    NEED(ly_scope_open(&scope, NULL) == 0 && ly_go(scope, send_much, &s) == 0);
    while ((n = ly_recv(p->b, buf, sizeof buf)) > 0)
        got += (size_t)n;
    ly_scope_join(scope);
    ly_scope_close(scope);
    NEED(got == MUCH && s.result == (ssize_t)MUCH);
    return ly_file_close(s.file);
}

static void ignore_alarm(int number)
{
    (void)number;
}

ROW(C38_signals_do_not_cut_an_unbuffered_write, BOTH)
{
    static char buf[65536];
    const struct sigaction interrupt = {.sa_handler = ignore_alarm}; /* without SA_RESTART */
    struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    struct sending s = {NULL, 0};
    struct ly_scope *scope;
    size_t got = 0;
    ssize_t n;
    OPEN(s.file, p->a, "wb", &unbuffered);
    NEED(sigaction(SIGALRM, &interrupt, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
    NEED(ly_scope_open(&scope, NULL) == 0 && ly_go(scope, send_much, &s) == 0);
    while ((n = ly_recv(p->b, buf, sizeof buf)) > 0)
        got += (size_t)n;
    ly_scope_join(scope);
    ly_scope_close(scope);
    NEED(setitimer(ITIMER_REAL, &never, NULL) == 0 && signal(SIGALRM, SIG_DFL) != SIG_ERR);
    NEED(got == MUCH && s.result == (ssize_t)MUCH);
    return ly_file_close(s.file);
}

ROW(C39_what_is_held_goes_out_on_close_and_its_failure_ends_nothing, BOTH)
{
    struct ly_file *f;
    char byte;
    OPEN(f, p->a, "wb", &(struct ly_file_options){.buffering = 100});
    NEED(ly_file_write(f, "held", 4) == 4 && is_empty(p->b));
    NEED(ly_file_close(f) == 0);
    HEAR(p->b, "held");
    OPEN(f, p->a, "wb", NULL);
    NEED(ly_file_write(f, "too late", 8) == 8);
    ly_shutdown(p->a, SHUT_WR);
    NEED(ly_file_close(f) == -EPIPE); /* told, and closed all the same */
    SAY(p->b, "x");
    NEED(ly_recv(p->a, &byte, 1) == 1 && byte == 'x');
    return 0;
}

PLACES_MAIN(RUN(C113_modes_are_r_w_and_b_and_text_is_buffered), RUN(C113_the_default_buffer_is_of_8192_bytes),
            RUN(C114_readline_gives_lines_and_at_the_end_the_rest),
            RUN(C114_readline_gives_the_rest_without_an_end_and_then_nothing),
            RUN(C114_read_waits_for_as_much_as_was_asked_for_or_the_end),
            RUN(C114_readall_gives_all_up_to_the_end_and_no_more_than_its_limit),
            RUN(C115_what_is_read_ahead_is_seen_by_nobody_else),
            RUN(C115_without_a_buffer_nothing_is_read_ahead),
            RUN(C116_writes_go_out_on_flush_when_the_buffer_is_full_and_on_close),
            RUN(C117_closing_a_file_leaves_the_socket_open),
            RUN(C117_a_closed_socket_goes_on_until_its_last_file_is_closed),
            RUN(C117_a_freed_socket_lives_as_long_as_its_files),
            RUN(C118_after_a_timeout_a_file_is_not_readable_for_good),
            RUN(C119_nothing_yet_is_told_from_the_end_and_loses_nothing),
            RUN(C119_without_a_buffer_nothing_yet_is_told_from_the_end_too),
            RUN(C119_a_write_that_has_to_wait_says_what_it_took),
            RUN(C120_reading_and_writing_do_not_disturb_each_other),
            RUN(C120_two_tasks_use_the_two_directions_at_once), RUN(C38_an_unbuffered_write_sends_everything),
            RUN(C38_signals_do_not_cut_an_unbuffered_write),
            RUN(C39_what_is_held_goes_out_on_close_and_its_failure_ends_nothing))
