/* SPDX-License-Identifier: MIT */
/* The library that logins use is started at the first one: without memory for that, the next login starts it.
 */
#include "auth/scram.h"
#include "inject.h"
#include <errno.h>
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { FINE, NOT_MET, WRONG_ERROR, WRONG_LATER };

static int start(struct ly__scram_client **ret_client)
{
    static const uint8_t binding[LY__SCRAM_BINDING];
    return ly__scram_client_new(ret_client, "ann", "correct horse", binding);
}

/* In a process of its own, since the library stays. */
static int start_with_fault(unsigned long nth)
{
    struct ly__scram_client *first = NULL, *second = NULL;
    if (ly_fault_arm("any-alloc", nth, 0) < 0)
        return WRONG_ERROR;
    int r = start(&first);
    unsigned long hits = ly_fault_hits();
    ly_fault_disarm();
    if (r < 0 && r != -ENOMEM && r != LY_EDECODE) /* libidn cannot tell them apart */
        return WRONG_ERROR;
    if (r == 0)
        ly__scram_client_free(first);
    if (start(&second) < 0)
        return WRONG_LATER;
    ly__scram_client_free(second);
    return hits > 0 ? FINE : NOT_MET;
}

static void a_first_login_without_memory_does_not_harm_the_next(void **state)
{
    unsigned long nth = 0;
    int status = 0;
    (void)state;
    while (WIFEXITED(status) && WEXITSTATUS(status) == FINE) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        nth++;
        if (pid == 0)
            _exit(start_with_fault(nth));
        assert_int_equal(waitpid(pid, &status, 0), pid);
    }
    assert_int_equal(status, NOT_MET << 8);
    assert_true(nth > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_login_without_memory_does_not_harm_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
