/* SPDX-License-Identifier: MIT */
/* Streams and frames with each of their calls failing once, and byte by byte, in threads and on each reactor.
 */
#include "places.h"

static char blob[40000]; /* longer than the buffers of a stream */

static int write_all(struct ly_stream *s)
{
    struct ly_buffer head;
    ly_buffer_init(&head, LY_FRAME_HEADER_MAX + 4);
    int r = ly_stream_write(s, "a line\n", 7);
    if (r == 0)
        r = ly_frame_begin(&head);
    if (r == 0)
        r = ly_json_put_string(&head, "cmd", "put");
    if (r == 0)
        r = ly_frame_end(&head, sizeof blob);
    if (r == 0)
        r = ly_frame_send(s, &head, blob, sizeof blob);
    if (r == 0)
        r = ly_frame_send(s, &head, blob, sizeof blob);
    if (r == 0)
        r = ly_stream_flush(s);
    ly_buffer_done(&head);
    return r;
}

/* Tell the other side, even when that is the call that fails. */
static void end_talk(struct ly_sock *s, int how)
{
    if (ly_shutdown(s, how) < 0)
        ly_shutdown(s, how);
}

/* Send it all and the end; the socket stays with the caller. */
static int speak(void *sock)
{
    struct ly_stream *s;
    int r = ly_stream_open(&s, sock, &(struct ly_stream_options){.borrow = true, .write_size = 4096});
    if (r == 0) {
        r = write_all(s);
        ly_stream_close(s);
    }
    end_talk(sock, SHUT_WR);
    return r;
}

static int expect_frame(struct ly_stream *s)
{
    struct ly_frame frame;
    int r = ly_frame_recv(s, &frame);
    if (r <= 0)
        return r < 0 ? r : LY_EEOF;
    return ly_json_equal(ly_json_get(frame.header, "cmd"), "put") && frame.size == sizeof blob ? 0 : -EPROTO;
}

static int read_all(struct ly_stream *s)
{
    static _Thread_local char body[sizeof blob];
    char line[16];
    struct ly_frame frame;
    ssize_t n = ly_stream_read_until(s, line, sizeof line, "\n", 1);
    if (n != 7)
        return n < 0 ? (int)n : LY_EEOF;
    int r = expect_frame(s);
    if (r == 0) {
        n = ly_stream_readall(s, body, sizeof body);
        r = n < 0 ? (int)n : memcmp(body, blob, sizeof blob) == 0 ? 0 : -EPROTO;
    }
    if (r == 0)
        r = expect_frame(s);
    if (r == 0)
        r = ly_frame_skip(s, sizeof blob);
    return r < 0 ? r : ly_frame_recv(s, &frame); /* 0: the end */
}

static int listen_to(struct ly_sock *sock)
{
    struct ly_stream *s;
    int r = ly_stream_open(&s, sock,
                           &(struct ly_stream_options){.borrow = true, .read_size = LY_FRAME_HEADER_MAX + 4});
    if (r < 0)
        return r;
    r = read_all(s);
    ly_stream_close(s);
    return r;
}

/* The one that stops first has the other one stop as well. */
static int hear(struct ly_scope *scope, struct ly_sock *from, struct ly_sock *to)
{
    struct ly_future *f;
    int r = ly_async(scope, &f, speak, from);
    if (r < 0)
        return r;
    int heard = listen_to(to);
    end_talk(to, SHUT_RDWR);
    ly_sock_close(to);
    r = ly_await(f, NULL);
    return r < 0 ? r : heard;
}

static int converse(void *arg)
{
    (void)arg;
    return over_pair(hear);
}

static void frames_over_streams_survive_each_failure(void **state)
{
    (void)state;
    sweep_places("frames", converse);
}

static void frames_survive_sends_of_one_byte(void **state)
{
    static const char *const calls[] = {"send", "sendmsg"};
    (void)state;
    for (size_t i = 0; i < 2; i++)
        in_places_with_short(calls[i], converse, NULL);
}

static void frames_survive_receives_of_one_byte(void **state)
{
    (void)state;
    in_places_with_short("recv", converse, NULL);
}

static int fill_blob(void **state)
{
    (void)state;
    fill_pattern(blob, sizeof blob);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_over_streams_survive_each_failure),
        cmocka_unit_test(frames_survive_sends_of_one_byte),
        cmocka_unit_test(frames_survive_receives_of_one_byte),
    };
    return cmocka_run_group_tests_name("fault/stream", tests, fill_blob, sweep_summary);
}
