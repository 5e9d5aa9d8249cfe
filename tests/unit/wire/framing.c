/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include <errno.h>
#include <lanyard/framing.h>
#include <lanyard/socket.h>
#include <string.h>

#define BYTES(text) text, sizeof(text) - 1

/* A framing, a body, and the message as other programs write it. */
static const struct example {
    struct ly_framing f;
    const char *body;
    size_t body_length;
    const char *message;
    size_t length;
} examples[] = {
    {{.kind = LY_FRAMING_BINARY, .width = 1}, BYTES("hello"), BYTES("\x05hello")},
    {{.kind = LY_FRAMING_BINARY, .width = 2, .order = LY_ORDER_BIG}, BYTES("hello"), BYTES("\0\x05hello")},
    {{.kind = LY_FRAMING_BINARY, .width = 4, .order = LY_ORDER_LITTLE, .is_signed = true},
     BYTES("hello"),
     BYTES("\x05\0\0\0hello")},
    {{.kind = LY_FRAMING_BINARY, .width = 8, .order = LY_ORDER_BIG}, BYTES(""), BYTES("\0\0\0\0\0\0\0\0")},
    {{.kind = LY_FRAMING_BINARY, .width = 2, .order = LY_ORDER_BIG, .adjust = -2},
     BYTES("hi"),
     BYTES("\0\x04hi")},
    {{.kind = LY_FRAMING_BINARY, .width = 2, .order = LY_ORDER_BIG, .before = 1, .behind = 2},
     BYTES("hi"),
     BYTES("\0\0\x02\0\0hi")},
    {{.kind = LY_FRAMING_VARINT}, BYTES("hi"), BYTES("\x02hi")},
    {{.kind = LY_FRAMING_VARINT, .adjust = -298}, BYTES("hi"), BYTES("\xac\x02hi")},
    {{.kind = LY_FRAMING_BER}, BYTES("hi"), BYTES("\x02hi")},
    {{.kind = LY_FRAMING_BER, .adjust = -298}, BYTES("hi"), BYTES("\x82\x01\x2chi")},
    {{.kind = LY_FRAMING_DECIMAL}, BYTES("hello, world"), BYTES("12\nhello, world")},
    {{.kind = LY_FRAMING_DECIMAL, .delimiter = ":", .tail = ","},
     BYTES("hello world!"),
     BYTES("12:hello world!,")},
    {{.kind = LY_FRAMING_DECIMAL, .delimiter = ":", .tail = ","}, BYTES(""), BYTES("0:,")},
    {{.kind = LY_FRAMING_DELIMITER}, BYTES("a line"), BYTES("a line\n")},
    {{.kind = LY_FRAMING_DELIMITER, .delimiter = "\r\n"}, BYTES("a\rline\n"), BYTES("a\rline\n\r\n")},
    {{.kind = LY_FRAMING_DELIMITER, .delimiter = "", .delimiter_length = 1}, BYTES("C"), BYTES("C\0")},
    {{.kind = LY_FRAMING_FIXED, .size = 3}, BYTES("abc"), BYTES("abc")},
};

#define EXAMPLES (sizeof examples / sizeof *examples)

static void S72_S75_messages_are_written_as_other_programs_do(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *e = &examples[i];
        struct ly_buffer b;
        ly_buffer_init(&b, 100);
        assert_int_equal(ly_framing_check(&e->f), 0);
        assert_int_equal(ly_framing_append(&e->f, &b, e->body, e->body_length), 0);
        assert_int_equal(b.length, e->length);
        assert_memory_equal(ly_buffer_bytes(&b), e->message, e->length);
        ly_buffer_done(&b);
    }
}

static void S67_S72_S75_messages_are_found_however_their_bytes_arrive(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *e = &examples[i];
        char bytes[64];
        size_t searched = 0, need = 0;
        struct ly_message m;
        memcpy(bytes, e->message, e->length);
        memcpy(bytes + e->length, "next", 4);
        for (size_t n = 0; n < e->length; n++) {
            assert_int_equal(ly_framing_decode(&e->f, bytes, n, &m, &need, &searched), 0);
            assert_true(need > n && need <= e->length);
        }
        assert_int_equal(ly_framing_decode(&e->f, bytes, e->length + 4, &m, NULL, &searched), (int)e->length);
        assert_int_equal(ly_framing_decode(&e->f, bytes, e->length + 4, &m, NULL, NULL), (int)e->length);
        assert_int_equal(m.body_length, e->body_length);
        assert_memory_equal(m.body, e->body, e->body_length);
        assert_ptr_equal(m.head, bytes);
    }
}

static void S72_lengths_that_are_none_are_refused(void **state)
{
    static const struct {
        struct ly_framing f;
        const char *bytes;
        size_t n;
        int error;
    } bad[] = {
        {{.kind = LY_FRAMING_BINARY, .width = 4, .order = LY_ORDER_LITTLE, .is_signed = true},
         BYTES("\xff\xff\xff\xff"),
         LY_EFRAME},
        {{.kind = LY_FRAMING_BINARY, .width = 4, .order = LY_ORDER_LITTLE},
         BYTES("\xff\xff\xff\xff"),
         LY_ETOOBIG},
        {{.kind = LY_FRAMING_BINARY, .width = 8}, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff"), LY_ETOOBIG},
        {{.kind = LY_FRAMING_BINARY, .width = 2, .adjust = -2}, BYTES("\1\0"), LY_EFRAME},
        {{.kind = LY_FRAMING_BINARY, .width = 1, .max = 4}, BYTES("\5"), LY_ETOOBIG},
        {{.kind = LY_FRAMING_VARINT}, BYTES("\x80\0"), LY_EFRAME},
        {{.kind = LY_FRAMING_VARINT}, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"), LY_EFRAME},
        {{.kind = LY_FRAMING_VARINT}, BYTES("\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), LY_ETOOBIG},
        {{.kind = LY_FRAMING_BER}, BYTES("\x80"), LY_EFRAME},
        {{.kind = LY_FRAMING_BER}, BYTES("\x81\x05"), LY_EFRAME},
        {{.kind = LY_FRAMING_BER}, BYTES("\x82\0\x90"), LY_EFRAME},
        {{.kind = LY_FRAMING_BER}, BYTES("\x89"), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES("x"), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES("\n"), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES("-1"), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES("+1"), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES(" 1"), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES("05"), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES("1 "), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES("1234567890123456789"), LY_EFRAME},
        {{.kind = LY_FRAMING_DECIMAL}, BYTES("123456789012345678\n"), LY_ETOOBIG},
        {{.kind = LY_FRAMING_DECIMAL, .delimiter = ":", .tail = ","}, BYTES("1:a;"), LY_EFRAME},
        {{.kind = LY_FRAMING_DELIMITER, .max = 4}, BYTES("12345\n"), LY_ETOOBIG},
    };
    struct ly_message m;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ly_framing_check(&bad[i].f), 0);
        assert_int_equal(ly_framing_decode(&bad[i].f, bad[i].bytes, bad[i].n, &m, NULL, NULL), bad[i].error);
    }
}

static void S75_the_longest_body_is_taken_and_no_longer_one(void **state)
{
    struct ly_message m;
    struct ly_framing line = {.kind = LY_FRAMING_DELIMITER, .delimiter = "\r\n", .max = 4};
    (void)state;
    assert_int_equal(ly_framing_decode(&line, "1234\r\n", 6, &m, NULL, NULL), 6);
    assert_int_equal(ly_framing_decode(&line, "1234\r", 5, &m, NULL, NULL), 0);
    assert_int_equal(ly_framing_decode(&line, "12345\r", 6, &m, NULL, NULL), LY_ETOOBIG);
}

static void bodies_that_cannot_be_sent_are_refused(void **state)
{
    static char big[300];
    struct ly_framing byte = {.kind = LY_FRAMING_BINARY, .width = 1}, line = {.kind = LY_FRAMING_DELIMITER},
                      small = {.kind = LY_FRAMING_VARINT, .max = 2},
                      three = {.kind = LY_FRAMING_FIXED, .size = 3},
                      more = {.kind = LY_FRAMING_BINARY, .width = 1, .adjust = 2};
    struct ly_buffer b;
    (void)state;
    ly_buffer_init(&b, 10);
    assert_int_equal(ly_framing_append(&byte, &b, big, 256), LY_ETOOBIG);
    byte.is_signed = true;
    assert_int_equal(ly_framing_append(&byte, &b, big, 128), LY_ETOOBIG);
    assert_int_equal(ly_framing_append(&line, &b, "a\nb", 3), LY_EFRAME);
    assert_int_equal(ly_framing_append(&small, &b, "abc", 3), LY_ETOOBIG);
    assert_int_equal(ly_framing_append(&three, &b, "ab", 2), LY_EFRAME);
    assert_int_equal(ly_framing_append(&more, &b, "a", 1), LY_EFRAME);
    assert_int_equal(ly_framing_append(&byte, &b, big, 10), LY_ETOOBIG);
    assert_int_equal(b.length, 0);
    ly_buffer_done(&b);
}

static void framings_that_make_no_sense_are_refused(void **state)
{
    static const struct ly_framing bad[] = {
        {.kind = 6},
        {.kind = LY_FRAMING_BINARY},
        {.kind = LY_FRAMING_BINARY, .width = 3},
        {.kind = LY_FRAMING_BINARY, .width = 4, .order = 3},
        {.kind = LY_FRAMING_BINARY, .width = 4, .before = 60},
        {.kind = LY_FRAMING_BINARY, .width = 4, .behind = SIZE_MAX},
        {.kind = LY_FRAMING_BINARY, .width = 4, .adjust = INT64_MIN},
        {.kind = LY_FRAMING_BINARY, .width = 4, .max = SIZE_MAX},
        {.kind = LY_FRAMING_DECIMAL, .delimiter = "0"},
        {.kind = LY_FRAMING_DELIMITER, .delimiter = ""},
        {.kind = LY_FRAMING_DELIMITER, .delimiter = "12345678901234567"},
        {.kind = LY_FRAMING_DELIMITER, .before = 1},
        {.kind = LY_FRAMING_DELIMITER, .tail = "12345678901234567"},
        {.kind = LY_FRAMING_FIXED},
        {.kind = LY_FRAMING_FIXED, .size = 3, .max = 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ly_framing_check(&bad[i]), -EINVAL);
}

static void messages_go_over_a_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < EXAMPLES; i++) {
        const struct example *e = &examples[i];
        struct ly_sock *a, *b;
        struct ly_stream *from, *to;
        struct ly_message m;
        assert_int_equal(ly_socketpair(&a, &b), 0);
        assert_int_equal(ly_stream_open(&from, a, NULL), 0);
        assert_int_equal(ly_stream_open(&to, b, NULL), 0);
        for (int k = 0; k < 3; k++)
            assert_int_equal(ly_message_send(from, &e->f, e->body, e->body_length), 0);
        assert_int_equal(ly_stream_write(from, e->message, e->length - 1), 0);
        ly_stream_close(from);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(ly_message_recv(to, &e->f, &m), 1);
            assert_int_equal(m.body_length, e->body_length);
            assert_memory_equal(m.body, e->body, e->body_length);
        }
        assert_int_equal(ly_message_recv(to, &e->f, &m), e->length > 1 ? LY_EEOF : 0);
        ly_stream_close(to);
    }
}

static void a_message_longer_than_the_streams_buffer_is_too_big(void **state)
{
    struct ly_framing f = {.kind = LY_FRAMING_BINARY, .width = 4, .order = LY_ORDER_BIG};
    struct ly_sock *a, *b;
    struct ly_stream *to;
    struct ly_message m;
    (void)state;
    assert_int_equal(ly_socketpair(&a, &b), 0);
    assert_int_equal(ly_stream_open(&to, b, &(struct ly_stream_options){.read_size = 100}), 0);
    assert_int_equal(ly_sendall(a, "\0\0\0\x61", 4), 0);
    assert_int_equal(ly_message_recv(to, &f, &m), LY_ETOOBIG);
    ly_stream_close(to);
    ly_sock_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(S72_S75_messages_are_written_as_other_programs_do),
        cmocka_unit_test(S67_S72_S75_messages_are_found_however_their_bytes_arrive),
        cmocka_unit_test(S72_lengths_that_are_none_are_refused),
        cmocka_unit_test(S75_the_longest_body_is_taken_and_no_longer_one),
        cmocka_unit_test(bodies_that_cannot_be_sent_are_refused),
        cmocka_unit_test(framings_that_make_no_sense_are_refused),
        cmocka_unit_test(messages_go_over_a_stream),
        cmocka_unit_test(a_message_longer_than_the_streams_buffer_is_too_big),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
