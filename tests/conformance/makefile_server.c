/* SPDX-License-Identifier: MIT */
/* Files over the connections of a server: text and line handlers under each policy. */
#include "matrix.h"

#define STREAMS (ALL | TCP_ONLY | UNIX_ONLY) /* files are over stream sockets */

/* As Python's StreamRequestHandler: reads are buffered, writes are not. */
static int answer_lines(struct ly_request *rq)
{
    struct ly_file *rfile, *wfile;
    const char *line;
    ssize_t n, r = ly_makefile(&rfile, rq->sock, "rb", NULL);
    if (r < 0)
        return (int)r;
    r = ly_makefile(&wfile, rq->sock, "wb", &(struct ly_file_options){.unbuffered = true});
    if (r < 0)
        return (int)r;
    while ((n = ly_file_line(rfile, &line)) > 0 && r >= 0) {
        r = ly_file_write(wfile, "> ", 2);
        r = r < 0 ? r : ly_file_write(wfile, line, (size_t)n);
    }
    ly_file_close(wfile);
    ly_file_close(rfile);
    return (int)(r < 0 ? r : n);
}

ROW(S98_C38_lines_are_answered_at_once, STREAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler = {.handle = answer_lines}}));
    struct ly_sock *client = dial(s.server);
    say(client, "one\ntw");
    expect(client, "> one\n");
    say(client, "o\n");
    expect(client, "> two\n");
    hang_up(client);
    exchange(s.server, "three\nrest", "> three\n> rest");
    end_server(&s);
}

static int hold_the_answer(struct ly_request *rq)
{
    struct ly_file *file;
    char byte;
    int r = ly_makefile(&file, rq->sock, "rw", NULL);
    if (r < 0)
        return r;
    rq->state = file;
    r = (int)ly_file_read(file, &byte, 1, 1);
    return r < 0 ? r : (int)ly_file_write(file, "held", 4);
}

static int flush_the_answer(struct ly_request *rq)
{
    ly_file_close(rq->state); /* its failure is nobody's: the client has gone */
    return 0;
}

static void count_failure(struct ly_request *rq, const char *where, int error)
{
    (void)rq;
    (void)where;
    count(error == LY_EDECODE ? 0 : 1);
}

ROW(S98_C39_what_a_handler_holds_goes_out_when_it_finishes, STREAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){
                                 .handler = {.handle = hold_the_answer, .finish = flush_the_answer},
                                 .hooks = {.handle_error = count_failure}}));
    exchange(s.server, "?", "held");
    exchange(s.server, "?", "held");
    end_server(&s);
    assert_int_equal(counted(1), 0);
}

#define CHARACTERS 10

/* The tutorial's: ten characters or the end, and the answer in one flush. */
static int return_message(struct ly_request *rq)
{
    struct ly_file *file;
    char text[4 * CHARACTERS];
    int r = ly_makefile(&file, rq->sock, "rw", NULL);
    if (r < 0)
        return r;
    ssize_t n = ly_file_read(file, text, sizeof text, CHARACTERS);
    if (n >= 0)
        n = ly_file_printf(file, "Return your msg:%.*s", (int)n, text);
    r = ly_file_close(file);
    return n < 0 ? (int)n : r;
}

ROW(S16_ten_characters_or_the_end_are_answered, STREAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler = {.handle = return_message}}));
    exchange(s.server, "0123456789", "Return your msg:0123456789");
    exchange(s.server, "ab\r\ncd\r", "Return your msg:ab\ncd\n");
    exchange(s.server, "\xe4\xbd\xa0\xe5\xa5\xbd", "Return your msg:\xe4\xbd\xa0\xe5\xa5\xbd");
    exchange(s.server, "", "Return your msg:");
    end_server(&s);
}

/* Each line of GBK comes back. */
static int answer_gbk(struct ly_request *rq)
{
    struct ly_file *file;
    const char *line;
    ssize_t n, r = ly_makefile(&file, rq->sock, "rw", &(struct ly_file_options){.encoding = "gbk"});
    if (r < 0)
        return (int)r;
    while ((n = ly_file_line(file, &line)) > 0 && r >= 0)
        r = ly_file_printf(file, "%zd bytes of UTF-8: %.*s", n, (int)n, line);
    int closed = ly_file_close(file);
    return (int)(n < 0 ? n : r < 0 ? r : closed);
}

ROW(S24_S122_S50_text_that_does_not_decode_ends_its_connection_only, STREAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler = {.handle = answer_gbk},
                                                        .hooks = {.handle_error = count_failure}}));
    exchange(s.server, "dir\r\n", "4 bytes of UTF-8: dir\n");
    exchange(s.server, "ok\n\xff\n", "3 bytes of UTF-8: ok\n");
    exchange(s.server, "\xc4\xe3\n\xc4", "4 bytes of UTF-8: \xc4\xe3\n"); /* a cut character */
    exchange(s.server, "\xc4\xe3\xba\xc3\n", "7 bytes of UTF-8: \xc4\xe3\xba\xc3\n");
    end_server(&s);
    assert_int_equal(counted(0), 2);
    assert_int_equal(counted(1), 0);
}

/* Closes the connection, and goes on with the file that is open over it. */
static int close_the_socket_first(struct ly_request *rq)
{
    struct ly_file *file;
    char text[8];
    int r = ly_makefile(&file, rq->sock, "rw", NULL);
    if (r < 0)
        return r;
    ly_sock_close(rq->sock);
    ssize_t n = ly_file_readline(file, text, sizeof text, LY_FILE_ALL);
    if (n > 0)
        n = ly_file_write(file, text, (size_t)n);
    r = ly_file_close(file);
    count(ly_sock_fileno(rq->sock) < 0 ? 2 : 3);
    return n < 0 ? (int)n : r;
}

ROW(C117_a_handler_may_close_the_socket_before_the_file, STREAMS)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler = {.handle = close_the_socket_first}}));
    exchange(s.server, "line\n", "line\n");
    exchange(s.server, "more\n", "more\n");
    end_server(&s);
    assert_int_equal(counted(2), 2);
    assert_int_equal(counted(3), 0);
}

MATRIX_MAIN(RUN(S24_S122_S50_text_that_does_not_decode_ends_its_connection_only),
            RUN(S98_C38_lines_are_answered_at_once),
            RUN(S98_C39_what_a_handler_holds_goes_out_when_it_finishes),
            RUN(S16_ten_characters_or_the_end_are_answered),
            RUN(C117_a_handler_may_close_the_socket_before_the_file))
