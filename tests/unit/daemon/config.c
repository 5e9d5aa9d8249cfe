/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"
#include <errno.h>
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char told[4096]; /* the mistakes, a line each */
static struct ly__config config;
static struct ly__serve_options options;
static char folder[64], path[96];

static void tell(void *arg, const char *where, const char *what)
{
    (void)arg;
    size_t n = strlen(told);
    (void)snprintf(told + n, sizeof told - n, "%s: %s\n", where, what);
}

static const struct ly__config_sink sink = {.tell = tell};

static int setup(void **state)
{
    (void)state;
    *told = 0;
    config = (struct ly__config){.path = "f"};
    (void)snprintf(folder, sizeof folder, "/tmp/lanyard-config-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof path, "%s/lanyard.conf", folder);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        char name[64] = LY__CONFIG_VARIABLE;
        for (size_t n = 0, at = strlen(name); ly__config_keys[i].name[n]; n++, at++) {
            char c = ly__config_keys[i].name[n];
            name[at] = (char)(c == '-' ? '_' : c - 'a' + 'A');
        }
        unsetenv(name);
    }
    unsetenv(LY__CONFIG_VARIABLE "CONFIG");
    unsetenv(LY__CONFIG_VARIABLE "WORKER");
    ly__config_done(&config);
    (void)unlink(path);
    return rmdir(folder);
}

static int parse(const char *text)
{
    static char copy[1024];
    (void)snprintf(copy, sizeof copy, "%s", text);
    return ly__config_parse(&config, copy, strlen(copy), &sink);
}

static void write_file(const char *text, mode_t mode)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static int load(void)
{
    config.named = path;
    int r = ly__config_load(&config, &config, &sink);
    ly__config_apply(&config, &options);
    return r;
}

/* ---- the text ---- */

static void settings_are_read_and_the_rest_has_its_defaults(void **state)
{
    (void)state;
    assert_int_equal(parse("# ours\n\n  workers = 3 # three\r\nlisten=unix:/a\nlisten = tls://#b\n"
                           "insecure-loopback = yes\nlog-format = json"),
                     0);
    ly__config_apply(&config, &options);
    assert_string_equal(told, "");
    assert_int_equal(options.workers, 3);
    assert_int_equal(options.listens, 2);
    assert_string_equal(options.listen[0], "unix:/a");
    assert_string_equal(options.listen[1], "tls://#b"); /* no blank before it */
    assert_true(options.insecure_loopback);
    assert_int_equal(options.log.format, LY_LOG_JSON);
    assert_int_equal(options.log.level, LY_LOG_INFO);
    assert_int_equal(options.commands_max, 256);
    assert_int_equal(options.gate.full, 100);
    assert_int_equal(options.gate.deadline_ms, 30000);
    assert_null(options.root);
}

static void each_mistake_is_told_with_its_line(void **state)
{
    (void)state;
    assert_int_equal(parse("worker = 1\nworkers = 0\nroot = here\nnonsense\nzzzzzzzz = 1\nlog-level = info\n"
                           "log-level = error\nlisten = foo\n = 3\nreactor =\nlog-file = /a\tb\n"),
                     LY_EFIELD);
    assert_string_equal(told,
                        "f:1: there is no key 'worker'; did you mean 'workers'?\n"
                        "f:2: workers is a number from 1 to 256, not '0'\n"
                        "f:3: root is a directory from '/' on, not 'here'\n"
                        "f:4: a line is 'key = value', not 'nonsense'\n"
                        "f:5: there is no key 'zzzzzzzz'\n"
                        "f:7: log-level has a value already, in line 6\n"
                        "f:8: listen is unix:PATH, tls://HOST[:PORT] or tcp://127.0.0.1:PORT, not 'foo'\n"
                        "f:9: there is no key ''\n"
                        "f:10: reactor is epoll, io_uring, poll or select, not ''\n"
                        "f:11: log-file is a file from '/' on, not '/a\\x09b'\n");
}

static void what_is_told_cannot_write_to_the_terminal(void **state)
{
    (void)state;
    assert_int_equal(parse("\x1b[2J = 1\n"), LY_EFIELD);
    assert_string_equal(told, "f:1: there is no key '\\x1b[2J'\n");
}

static void a_zero_byte_is_no_text(void **state)
{
    (void)state;
    char text[] = "workers = 2\0\n";
    assert_int_equal(ly__config_parse(&config, text, sizeof text - 1, &sink), LY_EFIELD);
    assert_non_null(strstr(told, "zero byte"));
    assert_int_equal(config.values[LY__CONFIG_WORKERS].n, 0);
}

static void too_many_values_of_a_key_are_told(void **state)
{
    (void)state;
    static const char line[] = "listen=unix:/a\n";
    char text[(LY__LISTEN_MAX + 1) * sizeof line] = "";
    for (size_t i = 0; i <= LY__LISTEN_MAX; i++)
        memcpy(text + i * (sizeof line - 1), line, sizeof line);
    assert_int_equal(parse(text), LY_EFIELD);
    assert_string_equal(told, "f:17: listen can be given 16 times\n");
}

static void each_key_says_no_to_a_wrong_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        const struct ly__config_key *k = &ly__config_keys[i];
        assert_int_equal(ly__config_give(&config, i, ""), LY_EFIELD);
        assert_int_equal(ly__config_find(k->name, strlen(k->name)), i);
        if (k->fallback)
            assert_int_equal(ly__config_give(&config, i, k->fallback), 0);
    }
    assert_int_equal(ly__config_find("work", 4), LY__CONFIG_KEYS);
}

/* ---- where it comes from ---- */

static void an_option_beats_the_environment_which_beats_the_file(void **state)
{
    (void)state;
    write_file("workers = 3\nmax-commands = 3\nlogin-time = 3\nexempt = 10.0.0.0/8\n", 0644);
    setenv(LY__CONFIG_VARIABLE "WORKERS", "2", 1);
    setenv(LY__CONFIG_VARIABLE "MAX_COMMANDS", "2", 1);
    setenv(LY__CONFIG_VARIABLE "EXEMPT", "192.0.2.0/24 2001:db8::/32", 1);
    setenv(LY__CONFIG_VARIABLE "AUDIT", "", 1); /* none */
    assert_int_equal(ly__config_give(&config, LY__CONFIG_WORKERS, "9"), 0);
    assert_int_equal(ly__config_give(&config, LY__CONFIG_WORKERS, "1"), 0);
    assert_int_equal(load(), 0);
    assert_int_equal(options.workers, 1);
    assert_int_equal(options.commands_max, 2);
    assert_int_equal(options.gate.deadline_ms, 3000);
    assert_int_equal(options.nexempts, 2);
    assert_int_equal(config.values[LY__CONFIG_WORKERS].from, LY__FROM_OPTION);
    assert_int_equal(config.values[LY__CONFIG_MAX_COMMANDS].from, LY__FROM_ENVIRONMENT);
    assert_int_equal(config.values[LY__CONFIG_LOGIN_TIME].from, LY__FROM_FILE);
    assert_int_equal(config.values[LY__CONFIG_LOGIN_TIME].lines[0], 3);
    assert_int_equal(config.values[LY__CONFIG_AUDIT].from, LY__FROM_DEFAULT);
}

static void a_mistake_counts_also_where_something_else_wins(void **state)
{
    (void)state;
    write_file("workers = many\n", 0644);
    assert_int_equal(ly__config_give(&config, LY__CONFIG_WORKERS, "1"), 0);
    assert_int_equal(load(), LY_EFIELD);
    assert_non_null(strstr(told, "lanyard.conf:1: workers is a number"));
}

static void a_variable_that_is_none_is_told(void **state)
{
    (void)state;
    write_file("", 0644);
    setenv(LY__CONFIG_VARIABLE "WORKER", "2", 1);
    setenv(LY__CONFIG_VARIABLE "LOGIN_TIME", "soon", 1);
    assert_int_equal(load(), LY_EFIELD);
    assert_non_null(strstr(
        told, "LANYARD_SERVE_WORKER: there is no such variable; did you mean LANYARD_SERVE_WORKERS?\n"));
    assert_non_null(
        strstr(told, "LANYARD_SERVE_LOGIN_TIME: login-time is a number from 1 to 86400, not 'soon'\n"));
}

static void the_environment_names_the_file_unless_an_option_does(void **state)
{
    (void)state;
    write_file("workers = 3\n", 0644);
    setenv(LY__CONFIG_VARIABLE "CONFIG", path, 1);
    assert_int_equal(ly__config_load(&config, &config, &sink), 0);
    assert_string_equal(config.values[LY__CONFIG_WORKERS].texts[0], "3");
    ly__config_done(&config);
    config = (struct ly__config){.named = "/no/such"};
    assert_int_equal(ly__config_load(&config, &config, &sink), -ENOENT);
}

static void what_is_read_again_keeps_the_options_only(void **state)
{
    (void)state;
    static struct ly__config again;
    write_file("workers = 3\nlogin-time = 5\n", 0644);
    assert_int_equal(ly__config_give(&config, LY__CONFIG_WORKERS, "1"), 0);
    assert_int_equal(load(), 0);
    write_file("max-commands = 9\naudit = try\n", 0644);
    assert_int_equal(ly__config_load(&again, &config, &sink), 0);
    assert_true(ly__config_same(&config, &again, LY__CONFIG_WORKERS));
    assert_false(ly__config_same(&config, &again, LY__CONFIG_LOGIN_TIME));
    assert_false(ly__config_same(&config, &again, LY__CONFIG_MAX_COMMANDS));
    assert_true(ly__config_same(&config, &again, LY__CONFIG_AUDIT)); /* it says the default */
    ly__config_done(&again);
}

/* ---- the file ---- */

static void a_file_that_others_may_write_to_does_not_count(void **state)
{
    (void)state;
    write_file("workers = 3\n", 0664);
    assert_int_equal(load(), -EPERM);
    assert_non_null(strstr(told, "others may write to it"));
    assert_int_equal(options.workers, 0);
}

static void a_file_that_is_named_must_be_there(void **state)
{
    (void)state;
    assert_int_equal(load(), -ENOENT);
    assert_non_null(strstr(told, "no such file"));
}

static void what_is_no_plain_file_is_refused_without_waiting(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(load(), -EINVAL);
    config.named = folder;
    assert_int_equal(ly__config_read(&config, &sink), -EISDIR);
}

static void a_file_beyond_the_limit_is_refused(void **state)
{
    (void)state;
    write_file("# long\n", 0600);
    assert_int_equal(truncate(path, LY__CONFIG_FILE_MAX + 1), 0);
    assert_int_equal(load(), LY_ETOOBIG);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(settings_are_read_and_the_rest_has_its_defaults),
        IN_FOLDER(each_mistake_is_told_with_its_line),
        IN_FOLDER(what_is_told_cannot_write_to_the_terminal),
        IN_FOLDER(a_zero_byte_is_no_text),
        IN_FOLDER(too_many_values_of_a_key_are_told),
        IN_FOLDER(each_key_says_no_to_a_wrong_value),
        IN_FOLDER(an_option_beats_the_environment_which_beats_the_file),
        IN_FOLDER(a_mistake_counts_also_where_something_else_wins),
        IN_FOLDER(a_variable_that_is_none_is_told),
        IN_FOLDER(the_environment_names_the_file_unless_an_option_does),
        IN_FOLDER(what_is_read_again_keeps_the_options_only),
        IN_FOLDER(a_file_that_others_may_write_to_does_not_count),
        IN_FOLDER(a_file_that_is_named_must_be_there),
        IN_FOLDER(what_is_no_plain_file_is_refused_without_waiting),
        IN_FOLDER(a_file_beyond_the_limit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
