/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/frame.h>
#include <lanyard/socket.h>

#define PING "\x18\0\0\0{\"cmd\": \"ping\", \"id\": 1}"
#define BODY "\x0b\0\0\0{\"size\": 5}"

/* A stream that reads what far sends. */
struct pair {
    struct ly_stream *near;
    struct ly_sock *far;
};

static struct pair open_pair(void)
{
    struct pair p;
    struct ly_sock *sock;
    assert_int_equal(ly_socketpair(&sock, &p.far), 0);
    ly_sock_set_timeout(sock, 0); /* nothing here may wait */
    assert_int_equal(ly_stream_open(&p.near, sock, NULL), 0);
    return p;
}

static void close_pair(struct pair *p)
{
    ly_stream_close(p->near);
    ly_sock_free(p->far);
}

static void give(struct pair *p, const char *bytes, size_t n)
{
    assert_int_equal(ly_sendall(p->far, bytes, n), 0);
}

static void a_frame_is_received_although_its_bytes_come_one_by_one(void **state)
{
    (void)state;
    struct pair p = open_pair();
    struct ly_frame frame;
    for (size_t i = 0; i < sizeof PING - 1; i++) {
        assert_int_equal(ly_frame_recv(p.near, &frame), -EAGAIN);
        give(&p, &PING[i], 1);
    }
    assert_int_equal(ly_frame_recv(p.near, &frame), 1);
    assert_true(ly_json_equal(ly_json_get(frame.header, "cmd"), "ping"));
    assert_int_equal(ly_stream_buffered(p.near), 0);
    close_pair(&p);
}

static void frames_that_come_together_are_told_apart_with_their_bodies(void **state)
{
    (void)state;
    struct pair p = open_pair();
    struct ly_frame frame;
    char body[5];
    static const char three[] = BODY "hello" PING BODY "world";
    give(&p, three, sizeof three - 1);
    assert_int_equal(ly_frame_recv(p.near, &frame), 1);
    assert_int_equal(frame.size, 5);
    assert_int_equal(ly_stream_readall(p.near, body, 5), 5);
    assert_memory_equal(body, "hello", 5);
    assert_int_equal(ly_frame_recv(p.near, &frame), 1);
    assert_int_equal(frame.size, 0);
    assert_int_equal(ly_frame_recv(p.near, &frame), 1);
    assert_int_equal(ly_frame_skip(p.near, frame.size), 0);
    assert_int_equal(ly_frame_recv(p.near, &frame), -EAGAIN);
    close_pair(&p);
}

static void the_end_is_orderly_between_frames_and_an_error_within_one(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof PING - 1; n++) {
        struct pair p = open_pair();
        struct ly_frame frame;
        give(&p, PING, n);
        ly_sock_close(p.far);
        assert_int_equal(ly_frame_recv(p.near, &frame), n == 0 ? 0 : LY_EEOF);
        close_pair(&p);
    }
}

static void a_body_cut_short_is_noticed_when_it_is_skipped(void **state)
{
    (void)state;
    struct pair p = open_pair();
    struct ly_frame frame;
    give(&p, BODY "hel", sizeof BODY - 1 + 3);
    ly_sock_close(p.far);
    assert_int_equal(ly_frame_recv(p.near, &frame), 1);
    assert_int_equal(ly_frame_skip(p.near, frame.size), LY_EEOF);
    close_pair(&p);
}

static void bad_lengths_are_refused_before_the_header_has_come(void **state)
{
    (void)state;
    static const struct {
        char bytes[5];
        int error;
    } rows[] = {{"\xff\xff\xff\xff", LY_ETOOBIG}, {"\x01\0\x01\0", LY_ETOOBIG}, {"\x01\0\0\0", LY_EFRAME}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct pair p = open_pair();
        struct ly_frame frame;
        give(&p, rows[i].bytes, 4);
        assert_int_equal(ly_frame_recv(p.near, &frame), rows[i].error);
        close_pair(&p);
    }
}

static void a_sent_frame_is_received_as_it_was(void **state)
{
    (void)state;
    struct ly_sock *a, *b;
    struct ly_stream *from, *to;
    struct ly_frame frame;
    struct ly_buffer head;
    int64_t id = 0;
    char body[7];
    struct ly_stream_options options = {.read_size = LY_FRAME_HEADER_MAX + 4};
    assert_int_equal(ly_socketpair(&a, &b), 0);
    assert_int_equal(ly_stream_open(&from, a, NULL), 0);
    assert_int_equal(ly_stream_open(&to, b, &options), 0);
    ly_buffer_init(&head, 1000);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(ly_frame_begin(&head), 0);
        assert_int_equal(ly_json_put_int(&head, "id", i), 0);
        assert_int_equal(ly_frame_end(&head, i == 2 ? 0 : 7), 0);
        assert_int_equal(ly_frame_send(from, &head, i == 1 ? "content" : NULL, i == 1 ? 7 : 0), 0);
    }
    assert_int_equal(ly_stream_write(from, "CONTENT", 7), 0); /* the third one's body, by the caller's hand */
    ly_stream_close(from);
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(ly_frame_recv(to, &frame), 1);
        assert_int_equal(ly_json_int(ly_json_get(frame.header, "id"), &id), 0);
        assert_int_equal(id, i);
        assert_int_equal(frame.size, i == 2 ? 0 : 7);
        assert_int_equal(ly_stream_readall(to, body, (size_t)frame.size), frame.size);
        if (frame.size > 0)
            assert_memory_equal(body, i == 1 ? "content" : "CONTENT", 7);
    }
    assert_int_equal(ly_frame_recv(to, &frame), 0);
    ly_stream_close(to);
    ly_buffer_done(&head);
}

static void the_largest_header_fits_a_stream_of_its_size(void **state)
{
    (void)state;
    struct pair p = open_pair();
    struct ly_frame frame;
    char *head = malloc(LY_FRAME_HEADER_MAX + 4);
    assert_non_null(head);
    memset(head, ' ', LY_FRAME_HEADER_MAX + 4);
    memcpy(head, "\0\0\x01\0{}", 6);
    give(&p, head, LY_FRAME_HEADER_MAX + 4);
    assert_int_equal(ly_frame_recv(p.near, &frame), 1);
    assert_int_equal(frame.header.length, 2);
    free(head);
    close_pair(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frame_is_received_although_its_bytes_come_one_by_one),
        cmocka_unit_test(frames_that_come_together_are_told_apart_with_their_bodies),
        cmocka_unit_test(the_end_is_orderly_between_frames_and_an_error_within_one),
        cmocka_unit_test(a_body_cut_short_is_noticed_when_it_is_skipped),
        cmocka_unit_test(bad_lengths_are_refused_before_the_header_has_come),
        cmocka_unit_test(a_sent_frame_is_received_as_it_was),
        cmocka_unit_test(the_largest_header_fits_a_stream_of_its_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
