/* SPDX-License-Identifier: MIT */
/* The reference line is tutorial 004's own; the other is of Python's hashlib.md5 for the password 123. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <lanyard/challenge.h>
#include <lanyard/fiber.h>

#define REFERENCE "旭哥 | 7d79a61dd0bd94a3df2f765ac12fe492"
#define LINE "旭哥 | d3add3a5a2ecf5dd2fab4f2e4b907f54"
#define OTHER "00112233445566778899aAbBcCdDeEfF"

static bool find(const char *text, const char *name)
{
    unsigned char digest[16];
    return ly_login_find(text, strlen(text), name, digest);
}

static void S32_the_tutorials_line_is_found_and_read(void **state)
{
    (void)state;
    unsigned char digest[16];
    char digits[33];
    assert_true(ly_login_find(REFERENCE, strlen(REFERENCE), "旭哥", digest));
    ly_hex(digits, digest, 16);
    assert_string_equal(digits, "7d79a61dd0bd94a3df2f765ac12fe492");
}

static void blanks_and_line_ends_of_all_kinds_do_not_count(void **state)
{
    (void)state;
    assert_true(find("\t ada|" OTHER, "ada"));
    assert_true(find("x\n\n  ada \t | \t" OTHER " \r\nbob | " OTHER "\r\n", "ada"));
    assert_true(find("ada | " OTHER "\r\nbob | " OTHER, "bob"));
    assert_true(find("ada lovelace | " OTHER "\n", "ada lovelace"));
}

static void a_name_is_a_whole_name(void **state)
{
    (void)state;
    assert_false(find("ada | " OTHER "\n", "ad"));
    assert_false(find("ada | " OTHER "\n", "adab"));
    assert_false(find("ada | " OTHER "\n", "Ada"));
    assert_false(find("ada | " OTHER "\n", ""));
    assert_false(find(" | " OTHER "\n", ""));
    assert_false(find("ada | " OTHER "\n", "ada | " OTHER));
    assert_false(find("", "ada"));
}

static void lines_that_are_none_are_passed_over(void **state)
{
    (void)state;
    assert_true(
        find("ada\nada | \nada | 123\nada | " OTHER "0\nada | g" OTHER "\n|\n||\nada | " OTHER "\n", "ada"));
    assert_false(find("ada | 00112233445566778899aabbccddeef-\n", "ada"));
    assert_false(find("ada | " OTHER " x\n", "ada"));
}

static void the_first_of_a_names_lines_counts(void **state)
{
    (void)state;
    static const char text[] = "ada | " OTHER "\nada | ffffffffffffffffffffffffffffffff\n";
    unsigned char digest[16];
    assert_true(ly_login_find(text, strlen(text), "ada", digest));
    assert_int_equal(digest[0], 0);
}

static void S113_a_line_is_written_as_the_tutorials_file_has_it(void **state)
{
    (void)state;
    struct ly_buffer b;
    ly_buffer_init(&b, 1000);
    assert_int_equal(ly_login_line(&b, "旭哥", "123"), 0);
    assert_string_equal(ly_buffer_string(&b), LINE "\n");
    ly_buffer_done(&b);
}

static void names_that_could_not_be_read_back_are_not_written(void **state)
{
    (void)state;
    static const char *const bad[] = {"", " ada", "ada ", "a|b", "a\nb", "\tada", "ada\r"};
    char longest[LY_LOGIN_NAME_MAX + 2];
    struct ly_buffer b;
    ly_buffer_init(&b, 1000);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(ly_login_line(&b, bad[i], "x"), -EINVAL);
    memset(longest, 'n', sizeof longest);
    longest[LY_LOGIN_NAME_MAX + 1] = '\0';
    assert_int_equal(ly_login_line(&b, longest, "x"), -EINVAL);
    assert_int_equal(b.length, 0);
    longest[LY_LOGIN_NAME_MAX] = '\0';
    assert_int_equal(ly_login_line(&b, longest, "x"), 0);
    ly_buffer_done(&b);
}

/* ---- files ---- */

static char path[] = "/tmp/lanyard-login-XXXXXX";

static int write_file(void **state)
{
    static const char text[] = LINE "\nada | " OTHER "\n";
    (void)state;
    int fd = mkstemp(path);
    bool written = fd >= 0 && write(fd, text, sizeof text - 1) == sizeof text - 1;
    return written && close(fd) == 0 ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static int check_all(void *unused)
{
    (void)unused;
    assert_int_equal(ly_login_check(path, "旭哥", "123"), LY_LOGIN_RIGHT);
    assert_int_equal(ly_login_check(path, "旭哥", "1234"), LY_LOGIN_WRONG);
    assert_int_equal(ly_login_check(path, "旭哥", ""), LY_LOGIN_WRONG);
    assert_int_equal(ly_login_check(path, "ada", OTHER), LY_LOGIN_WRONG);
    assert_int_equal(ly_login_check(path, "nobody", "123"), LY_LOGIN_UNKNOWN);
    assert_int_equal(ly_login_check(path, "", ""), LY_LOGIN_UNKNOWN);
    assert_int_equal(ly_login_check("/nonexistent/info", "ada", ""), -ENOENT);
    assert_int_equal(ly_login_check("/tmp", "ada", ""), -EISDIR);
    return 0;
}

static void a_user_of_a_file_is_right_wrong_or_unknown_in_a_fiber_and_a_thread(void **state)
{
    (void)state;
    check_all(NULL);
    assert_int_equal(ly_run(check_all, NULL, NULL), 0);
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, LY_LOGIN_FILE_MAX + 1), 0);
    assert_int_equal(ly_login_check(path, "旭哥", "123"), LY_ETOOBIG);
    assert_int_equal(truncate(path, LY_LOGIN_FILE_MAX), 0);
    assert_int_equal(ly_login_check(path, "旭哥", "123"), LY_LOGIN_RIGHT);
    assert_int_equal(truncate(path, st.st_size), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(S32_the_tutorials_line_is_found_and_read),
        cmocka_unit_test(blanks_and_line_ends_of_all_kinds_do_not_count),
        cmocka_unit_test(a_name_is_a_whole_name),
        cmocka_unit_test(lines_that_are_none_are_passed_over),
        cmocka_unit_test(the_first_of_a_names_lines_counts),
        cmocka_unit_test(S113_a_line_is_written_as_the_tutorials_file_has_it),
        cmocka_unit_test(names_that_could_not_be_read_back_are_not_written),
        cmocka_unit_test(a_user_of_a_file_is_right_wrong_or_unknown_in_a_fiber_and_a_thread),
        cmocka_unit_test(a_file_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, write_file, remove_file);
}
