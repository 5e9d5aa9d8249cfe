/* SPDX-License-Identifier: MIT */
/* Challenges and logins with each of their calls failing once: an error is an error, and never a way in. */
#include "places.h"
#include <lanyard/challenge.h>

static char path[] = "/tmp/lanyard-fault-login-XXXXXX";

struct exchange {
    struct ly_sock *near, *far;
    struct ly_challenge asked, answered;
};

/* Tell the other side, even when that is the call that fails. */
static void end_talk(struct ly_sock *s)
{
    if (ly_shutdown(s, SHUT_RDWR) < 0)
        ly_shutdown(s, SHUT_RDWR);
}

static int answer(void *arg)
{
    struct exchange *e = arg;
    int r = ly_challenge_answer(e->far, &e->answered);
    end_talk(e->far);
    return r;
}

static int ask(struct exchange *e)
{
    struct ly_scope *scope;
    int r = ly_scope_open(&scope, NULL);
    if (r < 0)
        return r;
    r = ly_go(scope, answer, e);
    if (r == 0) {
        r = ly_challenge_ask(e->near, &e->asked);
        end_talk(e->near);
    }
    ly_scope_close(scope);
    return r;
}

static int exchange(enum ly_challenge_kind kind, const char *other_key)
{
    struct exchange e = {.asked = {.kind = kind, .key = "key", .key_length = 3},
                         .answered = {.kind = kind, .key = other_key, .key_length = 3}};
    int r = ly_socketpair(&e.near, &e.far);
    if (r < 0)
        return r;
    r = ask(&e);
    ly_sock_free(e.near);
    ly_sock_free(e.far);
    return r;
}

static int let_in(void *arg)
{
    (void)arg;
    int r = exchange(LY_CHALLENGE_HMAC_SHA256, "key");
    if (r == 1)
        r = exchange(LY_CHALLENGE_MD5_HEX, "key");
    return r == 1 ? 0 : r;
}

static int keep_out(void *arg)
{
    (void)arg;
    int r = exchange(LY_CHALLENGE_HMAC_SHA256, "kez");
    SWEEP_EXPECT(r != 1);
    if (r == 0)
        r = exchange(LY_CHALLENGE_MD5_HEX, "kez");
    SWEEP_EXPECT(r != 1);
    return r;
}

static int log_in(void *arg)
{
    (void)arg;
    int r = ly_login_check(path, "ada", "wrong");
    SWEEP_EXPECT(r != LY_LOGIN_RIGHT);
    if (r >= 0)
        r = ly_login_check(path, "nobody", "right");
    SWEEP_EXPECT(r != LY_LOGIN_RIGHT);
    if (r >= 0)
        r = ly_login_check(path, "ada", "right");
    return r < 0 ? r : 0;
}

static void who_knows_the_key_survives_each_failure(void **state)
{
    (void)state;
    sweep_places("the right key", let_in);
}

static void who_does_not_is_let_in_by_none(void **state)
{
    (void)state;
    sweep_places("a wrong key", keep_out);
}

static void logins_survive_each_failure_and_none_lets_in(void **state)
{
    (void)state;
    sweep_places("logins", log_in);
}

static int write_file(void **state)
{
    struct ly_buffer b;
    (void)state;
    ly_buffer_init(&b, 1000);
    int fd = mkstemp(path);
    int r = ly_login_line(&b, "ada", "right");
    bool written = fd >= 0 && r == 0 && write(fd, ly_buffer_bytes(&b), b.length) == (ssize_t)b.length;
    ly_buffer_done(&b);
    return written && close(fd) == 0 ? 0 : -1;
}

static int remove_file(void **state)
{
    unlink(path);
    return sweep_summary(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_knows_the_key_survives_each_failure),
        cmocka_unit_test(who_does_not_is_let_in_by_none),
        cmocka_unit_test(logins_survive_each_failure_and_none_lets_in),
    };
    return cmocka_run_group_tests_name("fault/challenge", tests, write_file, remove_file);
}
