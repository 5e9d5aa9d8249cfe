/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <lanyard/fiber.h>

#include "fiber/context.h"
#include "fiber/stack.h"

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_DISABLE_ERROR_REPORTING
#endif

static struct ly__context here, there;
static void *stack_in_use;

static size_t describe(void *low, char *buf, size_t cap)
{
    const char *name = low == stack_in_use ? "fiber 7 (upload from 192.0.2.1)" : "another stack";
    size_t n = strlen(name);

    memcpy(buf, name, n < cap ? n : cap);
    return n;
}

static int recurse(int depth)
{
    volatile char block[500];

    block[depth % 500] = 1;
    return depth == 0 ? 0 : recurse(depth - 1) + block[depth % 500];
}

static void overflow(void *arg)
{
    ly__context_arrived(&there);
    *(volatile int *)arg = recurse(10000000);
    _exit(0);
}

/* ---- what the child processes do ---- */

static void overflow_a_stack(void)
{
    struct ly__stack_pool p;
    int sink;

    ly__stacks_init(&p, 0);
    ly__context_of_thread(&here);
    char *low = stack_in_use = ly__stack_get(&p);
    ly__context_make(&there, low, p.size, low + p.size, overflow, &sink);
    ly__context_switch(&here, &there);
}

static void *watch_and_overflow(void *arg)
{
    (void)arg;
    ly__overflow_watch(describe);
    overflow_a_stack();
    return NULL;
}

static void overflow_in_the_first_thread(void)
{
    watch_and_overflow(NULL);
}

static void overflow_in_another_thread(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, watch_and_overflow, NULL);
    pthread_join(thread, NULL);
}

static void overflow_without_a_name(void)
{
    ly__overflow_watch(NULL);
    overflow_a_stack();
}

static int overflow_by_name(void *arg)
{
    ly_set_name(arg);
    return recurse(10000000);
}

static void overflow_in_a_loop(void)
{
    char name[] = "upload\033[31m";

    ly_run(overflow_by_name, name, NULL);
}

static void exit_42(int sig)
{
    (void)sig;
    _exit(42);
}

static void exit_43(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    _exit(info->si_addr == (void *)16 ? 43 : 1);
}

static void access_nothing(void)
{
    volatile char *volatile nothing =
        (volatile char *)16; /* aligned as a sanitizer wants it, mapped nowhere */

    *nothing = 1;
}

static void fault_elsewhere_with_a_handler(void)
{
    signal(SIGSEGV, exit_42);
    ly__overflow_watch(describe);
    access_nothing();
}

static void fault_elsewhere_with_an_informed_handler(void)
{
    struct sigaction a = {.sa_sigaction = exit_43, .sa_flags = SA_SIGINFO};

    sigaction(SIGSEGV, &a, NULL);
    ly__overflow_watch(describe);
    access_nothing();
}

static void fault_elsewhere_without_a_handler(void)
{
    ly__overflow_watch(describe);
    access_nothing();
}

static void be_sent_the_signal(void)
{
    ly__overflow_watch(describe);
    kill(getpid(), SIGBUS);
}

static void be_sent_the_signal_ignored(void)
{
    signal(SIGSEGV, SIG_IGN);
    ly__overflow_watch(describe);
    raise(SIGSEGV);
    _exit(44);
}

/* Run it in a child; gives what it wrote to standard error and its wait status. */
static int run(void (*what)(void), char *output, size_t cap)
{
    int ends[2], status;
    size_t length = 0;
    ssize_t n;

    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        VALGRIND_DISABLE_ERROR_REPORTING; /* the faults are on purpose */
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        signal(SIGSEGV, SIG_DFL); /* not a sanitizer's */
        signal(SIGBUS, SIG_DFL);
        dup2(ends[1], STDERR_FILENO);
        what();
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], output + length, cap - 1 - length)) > 0)
        length += (size_t)n;
    close(ends[0]);
    output[length] = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void expect_report(void (*what)(void), const char *name)
{
    char output[8192];
    int status = run(what, output, sizeof output);

    if (!strstr(output, name))
        fail_msg("the report is: %s", output);
    assert_non_null(strstr(output, "lanyard: stack overflow in "));
    assert_non_null(strstr(output, " KiB, the access was at 0x"));
    assert_int_equal(output[strlen(output) - 1], '\n');
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void an_overflow_is_reported_by_name_and_ends_the_process(void **state)
{
    (void)state;
    expect_report(overflow_in_the_first_thread,
                  "stack overflow in fiber 7 (upload from 192.0.2.1): its stack has ");
}

static void an_overflow_of_a_loops_fiber_gives_its_number_and_printable_name(void **state)
{
    (void)state;
    expect_report(overflow_in_a_loop, "stack overflow in fiber 1 \"upload?[31m\": its stack has ");
}

static void an_overflow_is_reported_from_any_thread(void **state)
{
    (void)state;
    expect_report(overflow_in_another_thread,
                  "stack overflow in fiber 7 (upload from 192.0.2.1): its stack has ");
}

static void an_overflow_is_reported_when_nobody_knows_the_name(void **state)
{
    (void)state;
    expect_report(overflow_without_a_name, "stack overflow in an unknown fiber: ");
}

static void other_faults_go_to_the_handler_that_was_there(void **state)
{
    (void)state;
    char output[8192];
    int status = run(fault_elsewhere_with_a_handler, output, sizeof output);

    assert_string_equal(output, "");
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    status = run(fault_elsewhere_with_an_informed_handler, output, sizeof output);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 43);
}

static void other_faults_end_the_process_where_there_was_no_handler(void **state)
{
    (void)state;
    char output[8192];
    int status = run(fault_elsewhere_without_a_handler, output, sizeof output);

    assert_null(strstr(output, "stack overflow"));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static void a_signal_that_was_sent_keeps_its_meaning(void **state)
{
    (void)state;
    char output[8192];
    int status = run(be_sent_the_signal, output, sizeof output);

    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGBUS);
    status = run(be_sent_the_signal_ignored, output, sizeof output);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 44);
}

static void *watch_twice_and_undo(void *arg)
{
    stack_t before, during, after;

    sigaltstack(NULL, &before);
    *(int *)arg = ly__overflow_watch(describe);
    if (*(int *)arg == 0)
        *(int *)arg = ly__overflow_watch(describe);
    sigaltstack(NULL, &during);
    ly__overflow_unwatch();
    ly__overflow_unwatch();
    sigaltstack(NULL, &after);
    if (during.ss_flags & SS_DISABLE || before.ss_flags != after.ss_flags)
        *(int *)arg = -EIO;
    return NULL;
}

static void a_thread_gets_an_alternate_stack_and_gives_it_back(void **state)
{
    (void)state;
    pthread_t thread;
    int r = -1;

    assert_int_equal(pthread_create(&thread, NULL, watch_twice_and_undo, &r), 0);
    pthread_join(thread, NULL);
    assert_int_equal(r, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_overflow_is_reported_by_name_and_ends_the_process),
        cmocka_unit_test(an_overflow_of_a_loops_fiber_gives_its_number_and_printable_name),
        cmocka_unit_test(an_overflow_is_reported_from_any_thread),
        cmocka_unit_test(an_overflow_is_reported_when_nobody_knows_the_name),
        cmocka_unit_test(other_faults_go_to_the_handler_that_was_there),
        cmocka_unit_test(other_faults_end_the_process_where_there_was_no_handler),
        cmocka_unit_test(a_signal_that_was_sent_keeps_its_meaning),
        cmocka_unit_test(a_thread_gets_an_alternate_stack_and_gives_it_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
