/* SPDX-License-Identifier: MIT */
#include "auth/state.h"
#include "folder.h"
#include <errno.h>
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

static int read_whole(const char *name, mode_t forbidden, size_t max, char *ret, size_t cap)
{
    struct ly__state s;
    struct ly_buffer b;
    ly_buffer_init(&b, max);
    int r = ly__state_open(&s, folder, false);
    if (r == 0)
        r = ly__state_read(&s, name, forbidden, &b);
    if (r == 0)
        (void)snprintf(ret, cap, "%.*s", (int)b.length, b.length ? ly_buffer_bytes(&b) : "");
    ly_buffer_done(&b);
    ly__state_close(&s);
    return r;
}

static void a_file_reads_as_it_was_written(void **state)
{
    (void)state;
    struct ly__state s;
    struct stat st;
    char text[64] = "";
    assert_int_equal(ly__state_open(&s, folder, true), 0);
    assert_int_equal(ly__state_write(&s, "a", "first", 5, false), 0);
    assert_int_equal(ly__state_write(&s, "a", "second", 6, false), -EEXIST);
    assert_int_equal(read_whole("a", 077, 5, text, sizeof text), 0);
    assert_string_equal(text, "first");
    assert_int_equal(ly__state_write(&s, "a", "second", 6, true), 0);
    assert_int_equal(read_whole("a", 077, 64, text, sizeof text), 0);
    assert_string_equal(text, "second");
    assert_int_equal(stat(in_folder("a"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_not_equal(access(in_folder("a.new"), F_OK), 0);
    ly__state_close(&s);
}

static void an_empty_file_is_read(void **state)
{
    (void)state;
    char text[64] = "x";
    assert_int_equal(write_file("a", "", 0600), 0);
    assert_int_equal(read_whole("a", 077, 64, text, sizeof text), 0);
    assert_string_equal(text, "");
}

static void what_a_crash_left_is_in_nobodys_way(void **state)
{
    (void)state;
    struct ly__state s;
    char text[64] = "";
    assert_int_equal(write_file("a.new", "half of a secr", 0644), 0);
    assert_int_equal(ly__state_open(&s, folder, true), 0);
    assert_int_equal(ly__state_write(&s, "a", "whole", 5, false), 0);
    ly__state_close(&s);
    assert_int_equal(read_whole("a", 077, 64, text, sizeof text), 0);
    assert_string_equal(text, "whole");
}

static void a_file_that_is_open_to_others_is_refused(void **state)
{
    (void)state;
    char text[64] = "";
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0610};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        assert_int_equal(write_file("a", "x", modes[i]), 0);
        assert_int_equal(read_whole("a", LY__STATE_SECRET, 64, text, sizeof text), -EPERM);
    }
    assert_int_equal(write_file("a", "x", 0644), 0);
    assert_int_equal(read_whole("a", LY__STATE_TRUSTED, 64, text, sizeof text), 0);
    assert_int_equal(write_file("a", "x", 0664), 0);
    assert_int_equal(read_whole("a", LY__STATE_TRUSTED, 64, text, sizeof text), -EPERM);
}

static void a_file_of_somebody_else_is_refused(void **state)
{
    (void)state;
    char text[64] = "";
    if (geteuid() != 0)
        skip();
    assert_int_equal(write_file("a", "x", 0600), 0);
    assert_int_equal(chown(in_folder("a"), 1, 1), 0);
    assert_int_equal(read_whole("a", 0, 64, text, sizeof text), -EPERM);
}

static void what_is_no_file_is_refused_without_waiting(void **state)
{
    (void)state;
    char text[64] = "";
    assert_int_equal(mkfifo(in_folder("a"), 0600), 0);
    assert_int_equal(read_whole("a", 077, 64, text, sizeof text), -EPERM);
    assert_int_equal(read_whole("b", 077, 64, text, sizeof text), -ENOENT);
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    char text[64] = "";
    assert_int_equal(write_file("a", "12345", 0600), 0);
    assert_int_equal(read_whole("a", 077, 4, text, sizeof text), LY_ETOOBIG);
    assert_int_equal(read_whole("a", 077, 5, text, sizeof text), 0);
}

static void a_directory_that_is_missing_is_told(void **state)
{
    (void)state;
    struct ly__state s;
    assert_int_equal(ly__state_open(&s, in_folder("none"), true), -ENOENT);
    assert_int_equal(s.dir, -1);
    assert_int_equal(s.lock, -1);
}

/* The child reads, adds one and writes, many times, as the parent does: nothing is lost. */
static void count(int times)
{
    for (int i = 0; i < times; i++) {
        struct ly__state s;
        struct ly_buffer b;
        char text[32] = "0";
        ly_buffer_init(&b, 32);
        if (ly__state_open(&s, folder, true) < 0)
            _exit(1);
        if (ly__state_read(&s, "n", 077, &b) == 0)
            (void)snprintf(text, sizeof text, "%.*s", (int)b.length, ly_buffer_bytes(&b));
        int n = snprintf(text, sizeof text, "%ld", strtol(text, NULL, 10) + 1);
        if (ly__state_write(&s, "n", text, (size_t)n, true) < 0)
            _exit(1);
        ly_buffer_done(&b);
        ly__state_close(&s);
    }
}

static void the_lock_keeps_changes_of_two_processes_apart(void **state)
{
    (void)state;
    char text[32];
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        count(50);
        _exit(0);
    }
    count(50);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_string_equal(read_file("n", text, sizeof text), "100");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_file_reads_as_it_was_written),
        IN_FOLDER(an_empty_file_is_read),
        IN_FOLDER(what_a_crash_left_is_in_nobodys_way),
        IN_FOLDER(a_file_that_is_open_to_others_is_refused),
        IN_FOLDER(a_file_of_somebody_else_is_refused),
        IN_FOLDER(what_is_no_file_is_refused_without_waiting),
        IN_FOLDER(a_file_beyond_the_limit_is_refused),
        IN_FOLDER(a_directory_that_is_missing_is_told),
        IN_FOLDER(the_lock_keeps_changes_of_two_processes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
