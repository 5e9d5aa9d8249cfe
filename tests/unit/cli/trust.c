/* SPDX-License-Identifier: MIT */
/* ly__trust in a child with a terminal of its own, or none: what it answers, says, asks, and remembers. */
#include "cli/trust.h"
#include "../auth/folder.h"
#include "auth/known.h"
#include <errno.h>
#include <lanyard/error.h>
#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#define A "00000-00000-00000-00000-00000-00000-00000-00001"
#define B "00000-00000-00000-00000-00000-00000-00000-00002"
#define PATIENCE_MS 60000

/* What the child came to. */
enum { TRUSTED = 10, REFUSED = 11, FAILED = 12 };

static char said[8192]; /* by the last child, on its terminal or on standard error */

static int status_of(int r)
{
    return r == 0 ? TRUSTED : r == LY_EPEER ? REFUSED : FAILED;
}

static int trust(const char *host, const char *id, bool accept_new)
{
    struct ly__peer peer;
    const struct ly__trust t = {.command = "test", .directory = folder, .accept_new = accept_new};
    return ly__peer_parse(&peer, host, strlen(host)) < 0 ? -EINVAL : ly__trust(&t, &peer, id);
}

/* Read until the text is there, or the end. Returns whether it is. */
static bool read_until(int fd, const char *text)
{
    size_t n = strlen(said);
    while (!text || !strstr(said, text)) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&p, 1, PATIENCE_MS) == 1 ? read(fd, said + n, sizeof said - 1 - n) : -1;
        if (got <= 0) /* EIO: the terminal's other side is closed */
            return false;
        n += (size_t)got;
        said[n] = 0;
    }
    return true;
}

static int wait_for(pid_t child)
{
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Without a terminal; standard error is a pipe. */
static int trust_unasked(const char *host, const char *id, bool accept_new)
{
    int ends[2];
    said[0] = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)setsid(); /* whoever runs the tests may have a terminal */
        (void)dup2(ends[1], STDERR_FILENO);
        _exit(status_of(trust(host, id, accept_new)));
    }
    (void)close(ends[1]);
    (void)read_until(ends[0], NULL);
    (void)close(ends[0]);
    return wait_for(child);
}

/* On a terminal, with standard input and output elsewhere. answers are typed one after another, each when the
 * question has been asked again. */
static int trust_asked(const char *host, const char *id, const char *const *answers)
{
    int terminal;
    said[0] = 0;
    pid_t child = forkpty(&terminal, NULL, NULL, NULL);
    assert_true(child >= 0);
    if (child == 0) {
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0)
            _exit(FAILED);
        _exit(status_of(trust(host, id, false)));
    }
    for (; *answers; answers++) {
        assert_true(read_until(terminal, "(yes/no) "));
        *strstr(said, "(yes/no) ") = '*'; /* so that the next question is another one */
        assert_int_equal(write(terminal, *answers, strlen(*answers)), strlen(*answers));
    }
    (void)read_until(terminal, NULL);
    int status = wait_for(child);
    (void)close(terminal);
    return status;
}

static int find(const char *name, const char *id)
{
    return ly__known_find(folder, name, id, NULL);
}

#define ANSWERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void yes_on_the_terminal_remembers_a_stranger(void **state)
{
    (void)state;
    assert_int_equal(trust_asked("alice@DB", A, ANSWERS("yes\n")), TRUSTED);
    assert_non_null(strstr(said, A));
    assert_non_null(strstr(said, "db:7433 is not known here"));
    assert_int_equal(find("db:7433", A), LY__KNOWN_SAME);
    assert_int_equal(trust_unasked("db", A, false), TRUSTED);
    assert_string_equal(said, "");
}

static void no_on_the_terminal_remembers_nothing(void **state)
{
    (void)state;
    assert_int_equal(trust_asked("db", A, ANSWERS("no\n")), REFUSED);
    assert_non_null(strstr(said, "is not trusted"));
    assert_int_equal(find("db:7433", A), LY__KNOWN_NOT);
}

static void anything_else_is_asked_again(void **state)
{
    (void)state;
    assert_int_equal(trust_asked("db", A, ANSWERS("\n", "y\n", "YES\n", "yesyesyesyesyesyesyes\n", "yes\n")),
                     TRUSTED);
    assert_int_equal(trust_asked("web", A, ANSWERS("maybe\n", "no\n")), REFUSED);
}

static void the_end_of_the_input_is_a_no(void **state)
{
    (void)state;
    assert_int_equal(trust_asked("db", A, ANSWERS("\4")), REFUSED);
    assert_int_equal(find("db:7433", A), LY__KNOWN_NOT);
}

static void without_a_terminal_a_stranger_is_refused_with_the_command(void **state)
{
    (void)state;
    assert_int_equal(trust_unasked("db", A, false), REFUSED);
    assert_non_null(strstr(said, "lanyard known accept db:7433#" A "\n"));
    assert_int_equal(trust_unasked("[::1]:9", A, false), REFUSED);
    assert_non_null(strstr(said, "lanyard known accept '[::1]:9#" A "'\n"));
    assert_int_equal(find("db:7433", A), LY__KNOWN_NOT);
}

static void a_stranger_may_be_accepted_without_a_question(void **state)
{
    (void)state;
    assert_int_equal(trust_unasked("db", A, true), TRUSTED);
    assert_non_null(strstr(said, "db:7433 is remembered as " A));
    assert_int_equal(find("db:7433", A), LY__KNOWN_SAME);
}

static void a_changed_key_is_refused_whatever_is_said(void **state)
{
    (void)state;
    assert_int_equal(ly__known_remember(folder, "db:7433", A), 0);
    assert_int_equal(trust_unasked("db", B, true), REFUSED); /* --accept-new is for strangers */
    assert_non_null(strstr(said, "remembered: " A "\n"));
    assert_non_null(strstr(said, "now:        " B "\n"));
    assert_non_null(strstr(said, "lanyard known accept db:7433#" B "\n"));
    assert_int_equal(trust_asked("db", B, (const char *const[]){NULL}), REFUSED); /* and nobody is asked */
    assert_null(strstr(said, "(yes/no)"));
    assert_int_equal(find("db:7433", A), LY__KNOWN_SAME);
}

static void a_line_that_cannot_be_read_is_no_stranger(void **state)
{
    (void)state;
    assert_int_equal(write_file(LY__KNOWN_FILE, "db damaged\n", 0600), 0);
    assert_int_equal(trust_unasked("db", A, true), REFUSED);
    assert_non_null(strstr(said, "(cannot be read)"));
}

static void an_announced_key_takes_the_place_of_the_old_one(void **state)
{
    (void)state;
    assert_int_equal(write_file(LY__KNOWN_FILE, "db:7433 " A " " B "\n", 0600), 0);
    assert_int_equal(trust_unasked("db", B, false), TRUSTED);
    assert_non_null(strstr(said, "had announced: " B));
    assert_int_equal(trust_unasked("db", B, false), TRUSTED);
    assert_string_equal(said, "");
    assert_int_equal(trust_unasked("db", A, false), REFUSED);
}

static void an_identity_in_the_hosts_name_decides_alone(void **state)
{
    (void)state;
    assert_int_equal(ly__known_remember(folder, "db:7433", A), 0);
    assert_int_equal(trust_unasked("db#" B, B, false), TRUSTED);
    assert_int_equal(trust_unasked("db#" B, A, true), REFUSED);
    assert_non_null(strstr(said, "named: " B "\n"));
    assert_non_null(strstr(said, "is:    " A "\n"));
    assert_int_equal(find("db:7433", A), LY__KNOWN_SAME);
    assert_int_equal(trust_unasked("web#" B, B, true), TRUSTED);
    assert_int_equal(find("web:7433", B), LY__KNOWN_NOT);
}

static void a_file_that_is_not_believed_is_no_permission(void **state)
{
    (void)state;
    assert_int_equal(write_file(LY__KNOWN_FILE, "db:7433 " A "\n", 0666), 0);
    assert_int_equal(trust_unasked("db", A, true), FAILED);
    assert_non_null(strstr(said, "not believed"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(yes_on_the_terminal_remembers_a_stranger),
        IN_FOLDER(no_on_the_terminal_remembers_nothing),
        IN_FOLDER(anything_else_is_asked_again),
        IN_FOLDER(the_end_of_the_input_is_a_no),
        IN_FOLDER(without_a_terminal_a_stranger_is_refused_with_the_command),
        IN_FOLDER(a_stranger_may_be_accepted_without_a_question),
        IN_FOLDER(a_changed_key_is_refused_whatever_is_said),
        IN_FOLDER(a_line_that_cannot_be_read_is_no_stranger),
        IN_FOLDER(an_announced_key_takes_the_place_of_the_old_one),
        IN_FOLDER(an_identity_in_the_hosts_name_decides_alone),
        IN_FOLDER(a_file_that_is_not_believed_is_no_permission),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
