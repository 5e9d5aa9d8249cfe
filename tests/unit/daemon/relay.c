/* SPDX-License-Identifier: MIT */
#include "daemon/relay.h"
#include "tasks.h"
#include <lanyard/process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char logged[1 << 20];

/* Have what a worker writes relayed to a log of this format; it is in `logged` then. */
struct told {
    const char *text;
    size_t n;
    enum ly_log_format format;
};

static int feed(void *arg)
{
    const struct told *t = arg;
    struct ly__relay *relay;
    struct ly_scope *scope;
    struct ly_pipe *to;
    int fd;
    CHECK(ly__relay_open(&relay, &fd) == 0);
    ly__relay_name(relay, 4711);
    CHECK(ly_pipe_from_fd(&to, fd) == 0);
    CHECK(ly_scope_open(&scope, NULL) == 0);
    CHECK(ly_go(scope, ly__relay_run, relay) == 0);
    CHECK(ly_pipe_writeall(to, t->text, t->n) == 0);
    ly_pipe_close(to);
    CHECK(ly_scope_join(scope) == 0);
    ly_scope_close(scope);
    return 0;
}

static void relay(const char *text, size_t n, enum ly_log_format format)
{
    struct told t = {text, n, format};
    int fd = memfd_create("log", MFD_CLOEXEC);
    assert_true(fd >= 0);
    ly_log_setup(&(struct ly_log_options){.fd = fd, .level = LY_LOG_INFO, .format = format});
    assert_int_equal(ly_run(feed, &t, &(struct ly_run_options){.reactor = "epoll"}), 0);
    ly_log_setup(&(struct ly_log_options){.fd = STDERR_FILENO, .level = LY_LOG_INFO});
    ssize_t got = pread(fd, logged, sizeof logged - 1, 0);
    assert_true(got >= 0);
    logged[got] = '\0';
    close(fd);
}

static void relay_text(const char *text)
{
    relay(text, strlen(text), LY_LOGFMT);
}

static size_t count(const char *what)
{
    size_t n = 0;
    for (const char *at = logged; (at = strstr(at, what)); at++)
        n++;
    return n;
}

static void a_line_of_the_log_is_one_of_the_servers(void **state)
{
    (void)state;
    relay_text(
        "{\"time\":\"2001-01-01T00:00:00.000Z\",\"level\":\"error\",\"area\":\"crew\",\"tid\":1,\"msg\":\"it \\\"ends\\\"\","
        "\"error\":\"EIO\",\"number\":-7,\"worker\":1}\n");
    assert_int_equal(count("\n"), 1);
    assert_non_null(strstr(logged, "level=error area=worker "));
    assert_non_null(strstr(logged, "msg=\"it \\\"ends\\\"\" error=EIO number=-7 worker=4711\n"));
    assert_null(strstr(logged, "2001"));
}

static void what_is_no_line_of_the_log_is_a_warnings_text(void **state)
{
    static const char *const texts[] = {"free(): invalid pointer", "{\"msg\":7}", "[]", "{",
                                        "level=error msg=x"};
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        relay_text(texts[i]); /* without an end of line, too */
        assert_int_equal(count("level=warning area=worker "), 1);
        assert_int_equal(count("text="), 1);
        assert_int_equal(count("worker=4711\n"), 1);
    }
    assert_non_null(strstr(logged, "text=\"level=error msg=x\""));
    relay_text("\n\n");
    assert_int_equal(*logged, 0);
}

static void nothing_of_it_forges_a_line_or_reaches_a_terminal(void **state)
{
    static const char nasty[] =
        "a\x1b[2Jb\rc\0d\xff\n"
        "{\"level\":\"error\",\"msg\":\"one\\ntime=now level=error msg=two\",\"a b\":1,\"x=y\":2,\"k\":\"\\u001b[0m\"}\n";
    (void)state;
    for (int format = LY_LOGFMT; format <= LY_LOG_JSON; format++) {
        relay(nasty, sizeof nasty - 1, (enum ly_log_format)format);
        assert_int_equal(count("\n"), 2);
        assert_null(strpbrk(logged, "\x1b\r"));
        assert_null(strstr(logged, "a b"));
        assert_null(strstr(logged, "x=y"));
    }
}

static void a_line_without_end_is_cut(void **state)
{
    static char text[100000];
    (void)state;
    memset(text, 'x', sizeof text);
    memcpy(text + sizeof text - 5, "\nend\n", 5);
    relay(text, sizeof text, LY_LOG_JSON);
    assert_int_equal(count("\n"), 2);
    assert_true(strlen(logged) < 16384);
    assert_non_null(strstr(logged, "\"text\":\"end\""));
}

static void who_says_too_much_is_counted(void **state)
{
    static char text[8 * 5000];
    (void)state;
    for (size_t i = 0; i < 5000; i++)
        memcpy(text + 8 * i, "a line.\n", 8);
    relay(text, sizeof text, LY_LOGFMT);
    size_t lines = count("text="), left_out = 0;
    for (const char *at = logged; (at = strstr(at, "lines=")); at++)
        left_out += strtoul(at + 6, NULL, 10);
    assert_true(left_out > 0);
    assert_int_equal(lines + left_out, 5000);
}

static void many_fields_are_some(void **state)
{
    char text[4096] = "{\"msg\":\"m\"";
    (void)state;
    for (int i = 0; i < 26; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ",\"%c\":\"v\"", 'a' + i);
    strncat(text, "}\n", 3);
    relay_text(text);
    assert_int_equal(count("=v"), 16);
    assert_int_equal(count("worker=4711\n"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_the_log_is_one_of_the_servers),
        cmocka_unit_test(what_is_no_line_of_the_log_is_a_warnings_text),
        cmocka_unit_test(nothing_of_it_forges_a_line_or_reaches_a_terminal),
        cmocka_unit_test(a_line_without_end_is_cut),
        cmocka_unit_test(who_says_too_much_is_counted),
        cmocka_unit_test(many_fields_are_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
