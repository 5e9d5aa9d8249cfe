/* SPDX-License-Identifier: MIT */
#include "daemon/become.h"
#include "daemon/account.h"
#include "tasks.h"
#include <errno.h>
#include <lanyard/error.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE_MS 20000

static char output[8192]; /* of the last command, with its errors */

/* Run a command to its end. Returns its exit status, 128 + its signal, or what starting has returned. */
static int run(const struct ly__launch *l, const struct ly__become *b)
{
    struct ly__child *c;
    const char *where;
    int status = 0;
    size_t n = 0;
    int r = ly__become_start(&c, &where, l, b);
    if (r < 0)
        return r;
    struct ly_pipe *const pipes[] = {c->out, c->err};
    for (size_t i = 0; i < 2; i++) {
        ssize_t got;
        while (n < sizeof output - 1 && (got = ly_pipe_read(pipes[i], output + n, sizeof output - 1 - n)) > 0)
            n += (size_t)got;
    }
    output[n] = 0;
    r = c->calls->wait(c, &status, PATIENCE_MS);
    c->calls->free(c);
    return r < 0 ? r : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_shell(const char *line, const char *account, const char *const *own, const char *cwd)
{
    static const char *const env[] = {"SERVER=1", "SHARED=server", NULL}, *const none[] = {NULL};
    const char *const argv[] = {"/bin/sh", "-c", line, NULL};
    return run(&(struct ly__launch){.argv = argv, .env = own ? own : none, .cwd = cwd},
               &(struct ly__become){.account = account, .root_fd = -1, .home = "/", .env = env});
}

static const char *my_name(void)
{
    const struct passwd *me = getpwuid(geteuid());
    return me ? me->pw_name : "";
}

static int without_account(void *arg)
{
    (void)arg;
    int r = run_shell("id -u; echo $SERVER", "", NULL, NULL);
    if (geteuid() == 0) {
        CHECK(r == LY_EROLE); /* not even though it could */
        return 0;
    }
    CHECK(r == 0 && strtoul(output, NULL, 10) == geteuid() && strstr(output, "\n1\n"));
    return 0;
}

static void without_an_account_nothing_runs_as_root(void **state)
{
    (void)state;
    assert_int_equal(in_loop(without_account), 0);
}

static int unknown_account(void *arg)
{
    static const char *const names[] = {"nobody-has-this-name", "-x", "a:b", "a/b", "a b", "root\nroot"};
    (void)arg;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        int r = run_shell("true", names[i], NULL, NULL);
        CHECK(r == -ENOENT || r == LY_ENAME);
    }
    return 0;
}

static void an_account_that_is_none_runs_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_loop(unknown_account), 0);
}

static int foreign_account(void *arg)
{
    (void)arg;
    CHECK(run_shell("true", "root", NULL, NULL) == -EPERM);
    return 0;
}

static int foreign_account_in_a_process(void)
{
    return setgid(65534) == 0 && setuid(65534) == 0 && in_loop(foreign_account) == 0 ? 0 : 1;
}

static void who_is_not_root_becomes_nobody_else(void **state)
{
    (void)state;
    int status;
    if (geteuid() != 0) {
        assert_int_equal(in_loop(foreign_account), 0);
        return;
    }
    pid_t pid = fork();
    if (pid == 0)
        _exit(foreign_account_in_a_process());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int clean_environment(void *arg)
{
    static const char *const own[] = {"MINE=a b", "SHARED=mine", "EMPTY=", "LD_PRELOAD=/nonexistent", NULL};
    char line[256];
    (void)arg;
    CHECK(setenv("SECRET_OF_THE_SERVER", "1", 1) == 0);
    CHECK(run_shell("unset LD_PRELOAD; env", my_name(), own, NULL) == 0);
    CHECK(strstr(output, "MINE=a b\n") && strstr(output, "SHARED=mine\n") && strstr(output, "EMPTY=\n"));
    CHECK(strstr(output, "SERVER=1\n") && !strstr(output, "SECRET_OF_THE_SERVER"));
    CHECK(!strstr(output, "=server"));
    if (geteuid() == 0) {
        snprintf(line, sizeof line, "USER=%s\n", my_name());
        CHECK(strstr(output, line) && strstr(output, "HOME=") && strstr(output, "PATH="));
    }
    return 0;
}

static void variables_are_the_commands_the_accounts_and_the_servers_in_that_order(void **state)
{
    (void)state;
    assert_int_equal(in_loop(clean_environment), 0);
}

static int becomes_nobody(void *arg)
{
    (void)arg;
    CHECK(run_shell("id -u; id -G; umask; sed -n 's/^Cap[PE].*:.//p;s/^Groups:.//p' /proc/self/status; tty",
                    "nobody", NULL, "/") == 1); /* tty says that there is none */
    CHECK(strncmp(output, "65534\n65534\n0022\n65534 \n0000000000000000\n0000000000000000\n", 57) == 0);
    CHECK(run_shell("pwd", "nobody", NULL, "/usr/bin") == 0 && strcmp(output, "/usr/bin\n") == 0);
    CHECK(run_shell("kill -0 $PPID", "nobody", NULL, "/") != 0); /* whoever started it */
    CHECK(run_shell("ls /proc/self/fd | wc -l", "nobody", NULL, "/") == 0 && strtoul(output, NULL, 10) == 4);
    CHECK(run_shell("true", "nobody", NULL, "/root/none") == 126 ||
          run_shell("true", "nobody", NULL, "/root/none") == 127);
    CHECK(strstr(output, "cannot enter /root/none"));
    return 0;
}

static void a_command_has_its_accounts_numbers_and_nothing_else(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* only root can become somebody else */
    assert_int_equal(in_loop(becomes_nobody), 0);
}

static int no_program(void *arg)
{
    static const char *const argv[] = {"/nonexistent/program", NULL},
                             *const not_mine[] = {"/etc/passwd", NULL}, *const none[] = {NULL};
    struct ly__become b = {.account = "nobody", .root_fd = -1, .home = "/", .env = none};
    (void)arg;
    CHECK(run(&(struct ly__launch){.argv = argv, .env = none, .cwd = "/"}, &b) == 127);
    CHECK(strstr(output, "cannot run /nonexistent/program"));
    CHECK(run(&(struct ly__launch){.argv = not_mine, .env = none, .cwd = "/"}, &b) == 126);
    return 0;
}

static void a_program_that_cannot_be_run_is_said_by_its_status(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip(); /* another account's program is found out by the new process */
    assert_int_equal(in_loop(no_program), 0);
}

/* ---- the new process ---- */

/* What it comes to for arguments that a supervisor does not give. */
static int become(int argc, char **argv)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        fclose(stderr);
        _exit(ly__become(argc, argv));
    }
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void the_new_process_runs_nothing_if_it_cannot_become_the_account(void **state)
{
    (void)state;
    static const struct {
        const char *uid, *groups;
        int status;
    } rows[] = {{"65534", "", 126},        {"65534", "x", 126},      {"65534", "65534,", 126},
                {"65534", "65534,x", 126}, {"65534", "65534x", 126}, {"65534", "-1", 126},
                {"x", "65534", 126},       {"", "65534", 126},       {"65534x", "65534", 126},
                {"-1", "65534", 126},      {"4294967295", "1", 126}, {"65534", "65534,100", 0},
                {"65534", "65534", 0}};
    char few[] = "become";
    assert_int_equal(become(1, &(char *){few}), 126);
    for (size_t i = 0; geteuid() == 0 && i < sizeof rows / sizeof *rows; i++) {
        const char *argv[] = {"become", rows[i].uid, rows[i].groups, "/", "", "/bin/true", NULL};
        int status = become(6, (char **)(uintptr_t)argv);
        if (status != rows[i].status)
            print_error("%s, %s\n", rows[i].uid, rows[i].groups);
        assert_int_equal(status, rows[i].status);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], LY__BECOME_ARGUMENT) == 0) /* as the program itself does */
        return ly__become(argc - 1, argv + 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_root_becomes_nobody_else), /* first: it forks, and loops make threads */
        cmocka_unit_test(without_an_account_nothing_runs_as_root),
        cmocka_unit_test(an_account_that_is_none_runs_nothing),
        cmocka_unit_test(variables_are_the_commands_the_accounts_and_the_servers_in_that_order),
        cmocka_unit_test(a_command_has_its_accounts_numbers_and_nothing_else),
        cmocka_unit_test(a_program_that_cannot_be_run_is_said_by_its_status),
        cmocka_unit_test(the_new_process_runs_nothing_if_it_cannot_become_the_account),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
