/* SPDX-License-Identifier: MIT */
/* Files over sockets with each of their calls failing once, and byte by byte, in threads and on each reactor.
 */
#include "places.h"

#define LINES 300

static const struct ly_file_options kinds[] = {
    {.buffering = 512}, {.buffering = 512, .encoding = "gbk", .newline = "\r\n"}, {.unbuffered = true}};
static const struct ly_file_options *kind; /* of the sweep that runs */

static const char *mode(void)
{
    return kind->unbuffered ? "rwb" : "rw";
}

static int write_lines(struct ly_file *f)
{
    ssize_t r = 0;
    for (int i = 0; i < LINES && r >= 0; i++)
        r = ly_file_printf(f, "line %d \xe4\xbd\xa0\n", i);
    return r < 0 ? (int)r : ly_file_flush(f);
}

/* Tell the other side, even when that is the call that fails. */
static void end_talk(struct ly_sock *s, int how)
{
    if (ly_shutdown(s, how) < 0)
        ly_shutdown(s, how);
}

static int speak(void *sock)
{
    struct ly_file *f;
    int r = ly_makefile(&f, sock, mode(), kind);
    if (r == 0) {
        r = write_lines(f);
        int closed = ly_file_close(f);
        r = r < 0 ? r : closed;
    }
    end_talk(sock, SHUT_WR);
    return r;
}

/* Lines in all the ways in which they are read; each is whole and the right one. */
static int read_lines(struct ly_file *f)
{
    char buf[64], wanted[64];
    const char *line = buf;
    for (int i = 0; i < LINES; i++) {
        int n = snprintf(wanted, sizeof wanted, "line %d \xe4\xbd\xa0\n", i);
        ssize_t r = i % 3 == 0 && !kind->unbuffered ? ly_file_line(f, &line)
                    : i % 3 == 1                    ? ly_file_read_until(f, buf, sizeof buf, "\n", 1)
                                                    : ly_file_readline(f, buf, sizeof buf, LY_FILE_ALL);
        if (r <= 0)
            return r < 0 ? (int)r : LY_EEOF;
        if (r != n || memcmp(i % 3 == 0 && !kind->unbuffered ? line : buf, wanted, (size_t)n) != 0)
            return -EPROTO;
    }
    return (int)ly_file_read(f, buf, sizeof buf, 1); /* 0: the end */
}

static int hear(void *sock)
{
    struct ly_file *f;
    struct ly_file_options o = *kind;
    o.newline = NULL; /* any, to "\n" */
    int r = ly_makefile(&f, sock, mode(), &o);
    if (r < 0)
        return r;
    ly_sock_close(sock); /* waits for the file */
    r = read_lines(f);
    if (r < 0)
        end_talk(sock, SHUT_RDWR); /* the other side stops as well */
    ly_file_close(f);
    return r;
}

static int both(struct ly_scope *scope, struct ly_sock *from, struct ly_sock *to)
{
    struct ly_future *f;
    int r = ly_async(scope, &f, speak, from);
    if (r < 0)
        return r;
    int heard = hear(to);
    ly_sock_close(to);
    r = ly_await(f, NULL);
    return heard < 0 && heard != LY_EEOF ? heard : r < 0 ? r : heard; /* the cause, not what it led to */
}

static int converse(void *arg)
{
    (void)arg;
    return over_pair(both);
}

static void files_survive_each_failure(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        kind = &kinds[i];
        sweep_places("files", converse);
    }
}

static void files_survive_calls_of_one_byte(void **state)
{
    static const char *const calls[] = {"send", "sendmsg", "recv"};
    (void)state;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
            kind = &kinds[k];
            in_places_with_short(calls[i], converse, NULL);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_survive_each_failure),
        cmocka_unit_test(files_survive_calls_of_one_byte),
    };
    return cmocka_run_group_tests_name("fault/file", tests, NULL, sweep_summary);
}
