/* SPDX-License-Identifier: MIT */
/*
 * A worker asks for a command, and a call of the supervisor's fails in that: the worker is told, or has the
 * command with all its pipes, and goes on. No command runs that no worker knows.
 */
#include "../unit/daemon/supervised.h"
#include "daemon/become.h"
#include "inject.h"

static struct supervised s;

/* The next answer, behind the ends of earlier commands. */
static int hear_answer(void)
{
    do {
        if (hear(&s) <= 0)
            return LY_EEOF;
    } while (number_in(&s, "ended") > 0);
    return 0;
}

/* Returns what the answer says, or LY_EEOF: the worker was ended. */
static int start(unsigned long session, const char *call, unsigned long nth)
{
    int r = say(
        &s, "{\"ask\":%lu,\"do\":\"start\",\"session\":%lu,\"argv\":[\"true\"],\"env\":{},\"stdin\":true}",
        nth, session);
    if (r == 0)
        r = ly_fault_arm(call, nth, 0);
    if (r == 0)
        r = hear_answer();
    ly_fault_disarm();
    return r < 0 ? r : (int)number_in(&s, "result");
}

static int each_call(const char *call)
{
    CHECK(supervise(&s) == 0);
    unsigned long session = (unsigned long)connect_session(&s, LY__LOGGED_IN), hits = 1, failures_seen = 0;
    for (unsigned long nth = 1; hits > 0; nth++) {
        int r = start(session, call, nth);
        hits = ly_fault_hits();
        failures_seen += hits;
        CHECK(r == 0 ? number_in(&s, "child") > 0 : r != LY_EEOF && number_in(&s, "child") < 0);
        if (r == 0)
            CHECK(say(&s, "{\"do\":\"free\",\"child\":%ld}", (long)number_in(&s, "child")) == 0);
        while (s.decider.commands.running > 0)
            CHECK(ly_sleep(1) == 0);
    }
    CHECK(failures_seen > 0 && !*s.monitor.offence);
    return unsupervise(&s);
}

static int descriptors(void *arg)
{
    (void)arg;
    return each_call("fcntl");
}

static void a_command_whose_pipes_cannot_be_given_away_is_ended_and_its_worker_goes_on(void **state)
{
    (void)state;
    assert_int_equal(in_loop(descriptors), 0);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], LY__BECOME_ARGUMENT) == 0) /* as the program itself does */
        return ly__become(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_command_whose_pipes_cannot_be_given_away_is_ended_and_its_worker_goes_on),
    };
    return cmocka_run_group_tests(tests, open_books, close_books);
}
