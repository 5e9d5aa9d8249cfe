/* SPDX-License-Identifier: MIT */
/* Part B: ly_handle_request, ly_serve_forever, ly_server_shutdown, and what becomes of errors. */
#include "matrix.h"

ROW(C10_handle_request_serves_exactly_one, ALL)
{
    struct ly_server *s = open_server(c, (struct ly_server_options){.handler.handle = echo});
    struct ly_sock *one = dial(s), *two = dial(s);
    say(one, "a");
    say(two, "b");
    assert_int_equal(ly_shutdown(one, SHUT_WR), 0);
    assert_int_equal(ly_shutdown(two, SHUT_WR), 0);
    assert_int_equal(ly_handle_request(s), 1);
    expect(one, "a");
    expect_end(one);
    char byte;
    assert_int_equal(ly_recv_flags(two, &byte, 1, MSG_DONTWAIT), -EAGAIN);
    assert_int_equal(ly_handle_request(s), 1);
    expect(two, "b");
    ly_sock_free(one);
    ly_sock_free(two);
    ly_server_close(s);
}

ROW(C17_shutdown_from_another_thread_ends_serve_forever, ALL)
{
    struct served s;
    serve(&s, open_server(c, (struct ly_server_options){.handler.handle = echo}));
    exchange(s.server, "hello", "hello");
    end_server(&s);
}

MATRIX_MAIN(RUN(C10_handle_request_serves_exactly_one),
            RUN(C17_shutdown_from_another_thread_ends_serve_forever))
