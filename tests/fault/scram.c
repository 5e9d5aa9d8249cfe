/* SPDX-License-Identifier: MIT */
/*
 * Logins without memory. The library that they use is started at the first one: without memory for that, the
 * next login starts it. And whatever fails in the middle ends that login alone.
 */
#include "auth/scram.h"
#include "inject.h"
#include <errno.h>
#include <lanyard/error.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Of a login's allocations: so many at its ends are all failed, and between them, where the many rounds of a
 * key's making are, one in STEP. */
#define EDGE 200
#define STEP 199

enum { FINE, NOT_MET, WRONG_ERROR, WRONG_LATER };

static const uint8_t binding[LY__SCRAM_BINDING] = "the channel";
static struct ly__scram_secret secret; /* of ann's password */

static int start(struct ly__scram_client **ret_client)
{
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

/* ---- a whole login ---- */

static int find(void *arg, const char *name, struct ly__scram_secret *ret_secret)
{
    (void)arg;
    *ret_secret = secret;
    return strcmp(name, "ann") == 0 ? 0 : LY_EDENIED;
}

/* Returns 1 if each has proved itself to the other, or a step's error. */
static int talk(struct ly__scram_client *c, struct ly__scram_server *s, struct ly_buffer *there,
                struct ly_buffer *back)
{
    int theirs = 0, r = 0;
    for (int step = 0; step < 3 && r == 0; step++) {
        ly_buffer_clear(there);
        r = ly__scram_client_step(c, ly_buffer_bytes(back), back->length, there);
        if (r != 0)
            return r > 0 && theirs != 1 ? WRONG_ERROR : r;
        ly_buffer_clear(back);
        theirs = ly__scram_server_step(s, ly_buffer_bytes(there), there->length, back);
        r = theirs < 0 ? theirs : 0;
    }
    return r;
}

static int log_in(void)
{
    struct ly__scram_client *c = NULL;
    struct ly__scram_server *s = NULL;
    struct ly_buffer there, back;
    ly_buffer_init(&there, 4096);
    ly_buffer_init(&back, 4096);
    int r = start(&c);
    if (r == 0)
        r = ly__scram_server_new(&s, binding, find, NULL);
    if (r == 0)
        r = talk(c, s, &there, &back);
    ly__scram_client_free(c);
    ly__scram_server_free(s);
    ly_buffer_done(&there);
    ly_buffer_done(&back);
    return r;
}

static int log_in_with_fault(unsigned long nth)
{
    if (log_in() != 1 || ly_fault_arm("any-alloc", nth, 0) < 0)
        return WRONG_ERROR;
    int r = log_in();
    unsigned long hits = ly_fault_hits();
    ly_fault_disarm();
    if (r == 0 || r > 1)
        return WRONG_ERROR;
    return log_in() != 1 ? WRONG_LATER : hits > 0 ? FINE : NOT_MET;
}

/* ---- both ---- */

/* Returns how it ended, in a process of its own: FINE, or what is wrong. */
static int try(int (*run)(unsigned long nth), unsigned long nth)
{
    int status = 0;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(run(nth));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) > NOT_MET)
        print_error("allocation %lu: status %x\n", nth, (unsigned)status);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= NOT_MET);
    return WEXITSTATUS(status);
}

static void a_first_login_without_memory_does_not_harm_the_next(void **state)
{
    (void)state;
    unsigned long nth = 1;
    while (try(start_with_fault, nth) == FINE)
        nth++;
    assert_true(nth > 20);
}

static void a_login_that_runs_out_of_memory_in_the_middle_harms_nothing_else(void **state)
{
    (void)state;
    memcpy(secret.salt, "salt and", 8);
    secret.iterations = LY__SCRAM_ITERATIONS_MIN;
    assert_int_equal(ly__scram_derive(&secret, "correct horse"), 0);
    assert_int_equal(log_in(), 1);
    assert_int_equal(ly_fault_arm("any-alloc", ULONG_MAX, 0), 0);
    int r = log_in();
    unsigned long n = ly_fault_count("any-alloc");
    ly_fault_disarm();
    assert_int_equal(r, 1);
    for (unsigned long nth = 1; nth <= n; nth += nth < EDGE || nth + EDGE > n ? 1 : STEP)
        assert_int_equal(try(log_in_with_fault, nth), FINE);
    assert_int_equal(try(log_in_with_fault, n + 1), NOT_MET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_login_without_memory_does_not_harm_the_next),
        cmocka_unit_test(a_login_that_runs_out_of_memory_in_the_middle_harms_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
