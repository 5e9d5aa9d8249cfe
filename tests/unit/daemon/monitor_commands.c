/* SPDX-License-Identifier: MIT */
/* Commands that a worker has started by its supervisor: signals, the end, what is left. */
#include "daemon/become.h"
#include "supervised.h"
#include <signal.h>

static struct supervised s;

static int start(const char *argv, int64_t *ret_child, int64_t *ret_pid)
{
    unsigned long n = (unsigned long)connect_session(&s, LY__LOGGED_IN);
    CHECK(say(&s, "{\"ask\":1,\"do\":\"start\",\"session\":%lu,\"argv\":%s,\"env\":{},\"stdin\":false}", n,
              argv) == 0);
    do { /* the end of an earlier one may come first */
        CHECK(hear(&s) > 0);
    } while (number_in(&s, "ended") > 0);
    CHECK(number_in(&s, "answer") == 1 && number_in(&s, "result") == 0);
    *ret_child = number_in(&s, "child");
    *ret_pid = number_in(&s, "pid");
    CHECK(*ret_child > 0 && *ret_pid > 0);
    return 0;
}

static int killed(void *arg)
{
    int64_t child, pid;
    (void)arg;
    CHECK(supervise(&s) == 0);
    CHECK(start("[\"sleep\",\"600\"]", &child, &pid) == 0);
    CHECK(say(&s, "{\"do\":\"kill\",\"child\":%ld,\"signal\":15}", (long)child) == 0);
    CHECK(hear(&s) > 0 && number_in(&s, "ended") == child && number_in(&s, "status") == SIGTERM);
    CHECK(kill((pid_t)pid, 0) == 0); /* its number is kept until it is freed, so that it names nothing else */
    CHECK(say(&s, "{\"do\":\"kill\",\"child\":%ld,\"signal\":15}", (long)child) == 0);
    CHECK(say(&s, "{\"do\":\"free\",\"child\":%ld}", (long)child) == 0);
    while (kill((pid_t)pid, 0) == 0)
        CHECK(ly_sleep(1) == 0);
    CHECK(say(&s, "{\"do\":\"kill\",\"child\":%ld,\"signal\":15}", (long)child) == 0);
    CHECK(await_refusal(&s) == LY_EREFUSED);
    return 0;
}

static void a_command_is_signalled_until_it_is_freed_and_never_again(void **state)
{
    (void)state;
    assert_int_equal(in_loop(killed), 0);
}

static int bad_signals(void *arg)
{
    int64_t child, pid;
    (void)arg;
    for (int signal = -1; signal <= 65; signal += 66) {
        CHECK(supervise(&s) == 0);
        CHECK(start("[\"sleep\",\"600\"]", &child, &pid) == 0);
        CHECK(say(&s, "{\"do\":\"kill\",\"child\":%ld,\"signal\":%d}", (long)child, signal) == 0);
        CHECK(await_refusal(&s) == LY_EREFUSED);
        CHECK(kill((pid_t)pid, 0) < 0); /* it went with its worker */
    }
    return 0;
}

static void a_signal_that_is_none_ends_the_worker_and_its_commands(void **state)
{
    (void)state;
    assert_int_equal(in_loop(bad_signals), 0);
}

static int freed_at_once(void *arg)
{
    (void)arg;
    CHECK(supervise(&s) == 0);
    for (int i = 0; i < 20; i++) {
        int64_t child, pid;
        CHECK(start("[\"true\"]", &child, &pid) == 0);
        CHECK(say(&s, "{\"do\":\"kill\",\"child\":%ld,\"signal\":9}", (long)child) == 0);
        CHECK(say(&s, "{\"do\":\"free\",\"child\":%ld}", (long)child) == 0);
        while (kill((pid_t)pid, 0) == 0)
            CHECK(ly_sleep(1) == 0);
    }
    CHECK(s.decider.commands.running == 0);
    CHECK(unsupervise(&s) == 0);
    return 0;
}

static void commands_that_are_freed_while_they_end_leave_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_loop(freed_at_once), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], LY__BECOME_ARGUMENT) == 0) /* as the program itself does */
        return ly__become(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_is_signalled_until_it_is_freed_and_never_again),
        cmocka_unit_test(a_signal_that_is_none_ends_the_worker_and_its_commands),
        cmocka_unit_test(commands_that_are_freed_while_they_end_leave_nothing),
    };
    return cmocka_run_group_tests(tests, open_books, close_books);
}
