/* SPDX-License-Identifier: MIT */
/* The fault injector itself: linked in, and preloaded into programs of the system. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "inject.h"
#include <cmocka.h>
#include <lanyard/buffer.h>

static const char *preload; /* path of the library to preload */

static int stop_faults(void **state)
{
    (void)state;
    ly_fault_disarm();
    return 0;
}

static void only_the_nth_call_fails(void **state)
{
    (void)state;
    char byte;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_int_equal(ly_fault_arm("read", 2, EINTR), 0);
    assert_int_equal(read(fd, &byte, 1), 1);
    errno = 0;
    assert_int_equal(read(fd, &byte, 1), -1);
    assert_int_equal(errno, EINTR);
    assert_int_equal(read(fd, &byte, 1), 1);
    assert_int_equal(ly_fault_count("read"), 3);
    assert_int_equal(ly_fault_hits(), 1);
    close(fd);
}

static void all_calls_from_the_nth_on_may_fail(void **state)
{
    (void)state;
    assert_int_equal(ly_fault_arm_from("open", 2, 0), 0);
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(open("/dev/zero", O_RDONLY | O_CLOEXEC), -1);
        assert_int_equal(errno, EMFILE);
    }
    close(fd);
}

static void a_failed_close_has_closed(void **state)
{
    (void)state;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    assert_int_equal(ly_fault_arm("close", 1, EIO), 0);
    assert_int_equal(close(fd), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    assert_int_equal(errno, EBADF);
}

static void raw_system_calls_fail_too(void **state)
{
    (void)state;
    assert_int_equal(ly_fault_arm("any-syscall", 1, 0), 0);
    assert_int_equal(syscall(SYS_gettid), gettid());
    assert_int_equal(syscall(SYS_pidfd_open, getpid(), 0), -1);
    assert_int_equal(errno, EMFILE);
    assert_int_equal(ly_fault_count("pidfd_open"), 1);
}

static void a_shortened_call_moves_one_byte_and_leaves_eventfds_alone(void **state)
{
    (void)state;
    char bytes[8];
    uint64_t count = 1;
    int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC), event = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(ly_fault_short("read"), 0);
    assert_int_equal(read(fd, bytes, sizeof bytes), 1);
    assert_int_equal(read(event, &count, sizeof count), sizeof count);
    assert_int_equal(ly_fault_short(NULL), 0);
    assert_int_equal(read(fd, bytes, sizeof bytes), sizeof bytes);
    assert_int_equal(ly_fault_short("reed"), -1);
    close(fd);
    close(event);
}

static void a_buffer_whose_allocation_fails_keeps_its_content(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_fault_arm("any-alloc", 2, 0), 0);
    int first = ly_buffer_append(&b, "abc", 3);
    int second = ly_buffer_printf(&b, "%300d", 7);
    int third = ly_buffer_printf(&b, "%300d", 7);
    ly_fault_disarm();
    assert_int_equal(first, 0);
    assert_int_equal(second, -ENOMEM);
    assert_int_equal(third, 0);
    assert_int_equal(b.length, 303);
    assert_memory_equal(ly_buffer_bytes(&b), "abc ", 4);
    ly_buffer_done(&b);
}

static void unknown_names_are_refused(void **state)
{
    (void)state;
    assert_int_equal(ly_fault_arm("reed", 1, 0), -1);
    assert_int_equal(ly_fault_arm("read", 0, 0), -1);
    assert_int_equal(ly_fault_count("reed"), 0);
}

/* Run "cat /dev/null" with the library preloaded. Returns its exit status; the report is stored. */
static int run_cat(const char *call, const char *nth, char report[256])
{
    char path[] = "/tmp/ly-inject-XXXXXX";
    int status, fd = mkostemp(path, O_CLOEXEC);
    assert_true(fd >= 0);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("LD_PRELOAD", preload, 1);
        setenv("LY_FAULT_CALL", call, 1);
        setenv("LY_FAULT_NTH", nth, 1);
        setenv("LY_FAULT_ERRNO", "ENXIO", 1);
        setenv("LY_FAULT_REPORT", path, 1);
        dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDERR_FILENO);
        execl("/bin/cat", "cat", "/dev/null", (char *)NULL);
        _exit(126);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ssize_t n = read(fd, report, 255);
    report[n > 0 ? n : 0] = 0;
    close(fd);
    unlink(path);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void a_preloaded_program_s_call_fails_and_is_reported(void **state)
{
    (void)state;
    char report[256];
    assert_int_equal(run_cat("read", "1", report), 1);
    assert_non_null(strstr(report, "call=read pid="));
    assert_non_null(strstr(report, " count=1 hits=1\n"));
    assert_int_equal(run_cat("read", "2", report), 0);
    assert_non_null(strstr(report, " count=1 hits=0\n"));
}

static void a_program_asked_for_an_unknown_fault_does_not_run(void **state)
{
    (void)state;
    char report[256];
    assert_int_equal(run_cat("reed", "1", report), 125);
    assert_int_equal(run_cat("read", "0", report), 125);
    assert_int_equal(run_cat("read", "1x", report), 125);
}

#define FAULT_TEST(name) cmocka_unit_test_teardown(name, stop_faults)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FAULT_TEST(only_the_nth_call_fails),
        FAULT_TEST(all_calls_from_the_nth_on_may_fail),
        FAULT_TEST(a_failed_close_has_closed),
        FAULT_TEST(raw_system_calls_fail_too),
        FAULT_TEST(a_shortened_call_moves_one_byte_and_leaves_eventfds_alone),
        FAULT_TEST(a_buffer_whose_allocation_fails_keeps_its_content),
        FAULT_TEST(unknown_names_are_refused),
        FAULT_TEST(a_preloaded_program_s_call_fails_and_is_reported),
        FAULT_TEST(a_program_asked_for_an_unknown_fault_does_not_run),
    };
    if (argc != 2) {
        fprintf(stderr, "usage: %s LIBRARY_TO_PRELOAD\n", argv[0]);
        return 2;
    }
    preload = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
