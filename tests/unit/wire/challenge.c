/* SPDX-License-Identifier: MIT */
/* Reference answers are hashlib.md5 and hmac.new of Python for the tutorials' key and ten bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <lanyard/challenge.h>
#include <lanyard/fiber.h>

#define KEY "天王盖地虎"

static struct ly_challenge kind_with(enum ly_challenge_kind kind, const char *key)
{
    return (struct ly_challenge){.kind = kind, .key = key, .key_length = strlen(key)};
}

static void check_answer(enum ly_challenge_kind kind, const char *digits, size_t length)
{
    struct ly_challenge c = kind_with(kind, KEY);
    unsigned char answer[LY_CHALLENGE_ANSWER_MAX];
    char text[2 * LY_CHALLENGE_ANSWER_MAX + 1];
    assert_int_equal(ly_challenge_digest(&c, "0123456789", 10, answer), length);
    ly_hex(text, answer, length);
    assert_string_equal(text, digits);
}

static void S29_S30_answers_are_those_of_the_tutorials_programs(void **state)
{
    (void)state;
    check_answer(LY_CHALLENGE_HMAC_MD5, "1f774a990b2268fa4d9b317326b547e2", 16);
    check_answer(LY_CHALLENGE_HMAC_SHA256, "07e199d3d24137d549e49605975033df861f8f389f2a732a63de9b4cf064de26",
                 32);
    struct ly_challenge c = kind_with(LY_CHALLENGE_MD5_HEX, KEY);
    unsigned char answer[LY_CHALLENGE_ANSWER_MAX];
    assert_int_equal(ly_challenge_digest(&c, "0123456789", 10, answer), 32);
    assert_memory_equal(answer, "fb565aca93a3c601fac2d71a5c6feaa2", 32);
}

/* ---- both sides over a pair of sockets ---- */

struct exchange {
    struct ly_sock *near, *far;
    struct ly_challenge asked, answered;
    int result; /* of the one who asks */
};

static int answer_task(void *arg)
{
    struct exchange *e = arg;
    return ly_challenge_answer(e->far, &e->answered);
}

static int exchange_task(void *arg)
{
    struct exchange *e = arg;
    struct ly_scope *scope;
    struct ly_future *answering;
    assert_int_equal(ly_socketpair(&e->near, &e->far), 0);
    assert_int_equal(ly_scope_open(&scope, NULL), 0);
    assert_int_equal(ly_async(scope, &answering, answer_task, e), 0);
    e->result = ly_challenge_ask(e->near, &e->asked);
    assert_int_equal(ly_await(answering, NULL), 0);
    ly_scope_close(scope);
    ly_sock_free(e->near);
    ly_sock_free(e->far);
    return 0;
}

static int exchange(enum ly_challenge_kind kind, size_t length, const char *key, const char *other)
{
    struct exchange e = {.asked = kind_with(kind, key), .answered = kind_with(kind, other)};
    e.asked.length = e.answered.length = length;
    assert_int_equal(ly_run(exchange_task, &e, NULL), 0);
    int in_fibers = e.result;
    assert_int_equal(exchange_task(&e), 0);
    assert_int_equal(e.result, in_fibers);
    return e.result;
}

static void the_right_key_is_told_from_a_wrong_one(void **state)
{
    (void)state;
    for (int kind = LY_CHALLENGE_HMAC_SHA256; kind <= LY_CHALLENGE_MD5_HEX; kind++) {
        for (size_t length = 0; length <= LY_CHALLENGE_MAX; length += 32) {
            assert_int_equal(exchange((enum ly_challenge_kind)kind, length, KEY, KEY), 1);
            assert_int_equal(exchange((enum ly_challenge_kind)kind, length, KEY, "小鸡炖蘑菇"), 0);
            assert_int_equal(exchange((enum ly_challenge_kind)kind, length, KEY, ""), 0);
        }
    }
}

static void a_challenge_is_never_the_same_twice_and_as_long_as_was_said(void **state)
{
    (void)state;
    struct ly_challenge c = kind_with(LY_CHALLENGE_MD5_HEX, KEY);
    unsigned char seen[2][10];
    for (int i = 0; i < 2; i++) {
        struct ly_sock *near, *far;
        assert_int_equal(ly_socketpair(&near, &far), 0);
        assert_int_equal(ly_sendall(far, "00000000000000000000000000000000", 32), 0);
        assert_int_equal(ly_challenge_ask(near, &c), 0);
        ly_sock_free(near);
        assert_int_equal(ly_recvall(far, seen[i], 10), 10);
        assert_int_equal(ly_recv(far, &(char){0}, 1), 0);
        ly_sock_free(far);
    }
    assert_memory_not_equal(seen[0], seen[1], 10);
}

static void one_wrong_byte_of_an_answer_is_a_wrong_answer(void **state)
{
    (void)state;
    struct ly_challenge c = kind_with(LY_CHALLENGE_HMAC_SHA256, KEY);
    unsigned char challenge[32], answer[LY_CHALLENGE_ANSWER_MAX];
    struct ly_sock *near, *far;
    assert_int_equal(ly_socketpair(&near, &far), 0);
    assert_int_equal(ly_sendall(near, memset(challenge, 7, 32), 32), 0);
    assert_int_equal(ly_challenge_answer(far, &c), 0);
    assert_int_equal(ly_recvall(near, answer, 32), 32);
    unsigned char right[LY_CHALLENGE_ANSWER_MAX];
    assert_int_equal(ly_challenge_digest(&c, challenge, 32, right), 32);
    assert_true(ly_equal_secret(answer, right, 32));
    for (int i = 0; i < 32; i++) {
        right[i] ^= 1;
        assert_false(ly_equal_secret(answer, right, 32));
        right[i] ^= 1;
    }
    ly_sock_free(near);
    ly_sock_free(far);
}

static void a_peer_that_leaves_and_one_that_says_nothing_are_errors(void **state)
{
    (void)state;
    struct ly_challenge c = kind_with(LY_CHALLENGE_HMAC_SHA256, KEY);
    struct ly_sock *near, *far;
    assert_int_equal(ly_socketpair(&near, &far), 0);
    assert_int_equal(ly_sock_set_timeout(near, 1), 0);
    assert_int_equal(ly_challenge_ask(near, &c), -ETIMEDOUT);
    assert_int_equal(ly_challenge_answer(near, &c), -ETIMEDOUT);
    assert_int_equal(ly_sendall(far, "half", 4), 0);
    assert_int_equal(ly_shutdown(far, SHUT_WR), 0);
    assert_int_equal(ly_challenge_ask(near, &c), LY_EEOF);
    ly_sock_free(far);
    ly_sock_free(near);
}

static void a_kind_or_a_length_that_is_none_is_refused_before_anything_is_sent(void **state)
{
    (void)state;
    struct ly_challenge long_one = kind_with(LY_CHALLENGE_HMAC_SHA256, KEY);
    struct ly_challenge odd = kind_with((enum ly_challenge_kind)7, KEY);
    unsigned char answer[LY_CHALLENGE_ANSWER_MAX];
    struct ly_sock *near, *far;
    long_one.length = LY_CHALLENGE_MAX + 1;
    assert_int_equal(ly_socketpair(&near, &far), 0);
    assert_int_equal(ly_challenge_ask(near, &long_one), -EINVAL);
    assert_int_equal(ly_challenge_answer(near, &long_one), -EINVAL);
    assert_int_equal(ly_challenge_ask(near, &odd), -EINVAL);
    assert_int_equal(ly_challenge_digest(&odd, "", 0, answer), -EINVAL);
    ly_sock_free(near);
    assert_int_equal(ly_recv(far, answer, 1), 0);
    ly_sock_free(far);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(S29_S30_answers_are_those_of_the_tutorials_programs),
        cmocka_unit_test(the_right_key_is_told_from_a_wrong_one),
        cmocka_unit_test(a_challenge_is_never_the_same_twice_and_as_long_as_was_said),
        cmocka_unit_test(one_wrong_byte_of_an_answer_is_a_wrong_answer),
        cmocka_unit_test(a_peer_that_leaves_and_one_that_says_nothing_are_errors),
        cmocka_unit_test(a_kind_or_a_length_that_is_none_is_refused_before_anything_is_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
