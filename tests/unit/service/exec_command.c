/* SPDX-License-Identifier: MIT */
#include "service/exec_command.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *const base[] = {"PATH=/bin", "HOME=/h", "LANG=C", NULL};
static const struct ly__service service = {.root_fd = -1, .env = base};

static int read_text(struct ly__command *c, const char *text)
{
    struct ly_json header;
    assert_int_equal(ly_json_check(&header, text, strlen(text)), 0);
    return ly__command_read(c, header, &service);
}

static int verdict(const char *text)
{
    struct ly__command c;
    int r = read_text(&c, text);
    ly__command_done(&c);
    return r;
}

static void an_argument_vector_is_decoded(void **state)
{
    (void)state;
    struct ly__command c;
    assert_int_equal(
        read_text(&c,
                  "{\"argv\": [\"a\", \"\", \"b c\\u00e9\", \"\\udcff\"], \"cwd\": \"d\", \"stdin\": true, "
                  "\"timeout_ms\": 5}"),
        0);
    assert_string_equal(c.argv[0], "a");
    assert_string_equal(c.argv[1], "");
    assert_string_equal(c.argv[2], "b c\xc3\xa9");
    assert_string_equal(c.argv[3], "\xff");
    assert_null(c.argv[4]);
    assert_string_equal(c.cwd, "d");
    assert_true(c.input);
    assert_int_equal(c.timeout_ms, 5);
    ly__command_done(&c);
}

static void defaults_are_no_input_no_limit_and_the_servers_environment(void **state)
{
    (void)state;
    struct ly__command c;
    assert_int_equal(read_text(&c, "{\"shell\": \"x | y\"}"), 0);
    assert_string_equal(c.argv[0], "/bin/sh");
    assert_string_equal(c.argv[2], "x | y");
    assert_null(c.cwd);
    assert_false(c.input);
    assert_int_equal(c.timeout_ms, LY_FOREVER);
    for (size_t i = 0; base[i]; i++)
        assert_string_equal(c.env[i], base[i]);
    assert_null(c.env[3]);
    ly__command_done(&c);
}

static void a_given_variable_stands_in_place_of_the_servers(void **state)
{
    (void)state;
    struct ly__command c;
    assert_int_equal(
        read_text(&c, "{\"argv\": [\"a\"], \"env\": {\"PATH\": \"/x=y\", \"PAT\": \"\", \"HOMER\": \"1\"}}"),
        0);
    static const char *const expected[] = {"PATH=/x=y", "PAT=", "HOMER=1", "HOME=/h", "LANG=C", NULL};
    for (size_t i = 0; expected[i]; i++)
        assert_string_equal(c.env[i], expected[i]);
    assert_null(c.env[5]);
    ly__command_done(&c);
}

static void fields_that_will_not_do_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"argv\": []}",
        "{\"argv\": {}}",
        "{\"argv\": [\"\"]}",
        "{\"argv\": [1]}",
        "{\"argv\": [\"a\"], \"shell\": \"b\"}",
        "{\"shell\": null}",
        "{\"argv\": [\"a\"], \"env\": [\"A=b\"]}",
        "{\"argv\": [\"a\"], \"env\": {\"\": \"b\"}}",
        "{\"argv\": [\"a\"], \"env\": {\"A=\": \"b\"}}",
        "{\"argv\": [\"a\"], \"env\": {\"A\": null}}",
        "{\"argv\": [\"a\"], \"cwd\": 1}",
        "{\"argv\": [\"a\"], \"stdin\": \"yes\"}",
        "{\"argv\": [\"a\"], \"timeout_ms\": -1}",
        "{\"argv\": [\"a\"], \"timeout_ms\": 1e3}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(verdict(texts[i]), LY_EFIELD);
}

static void the_thousand_and_twenty_fifth_argument_is_too_many(void **state)
{
    (void)state;
    static char text[8192];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"argv\": [\"a\"");
    for (int i = 1; i < 1024; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",\"b\"");
    snprintf(text + n, sizeof text - n, "]}");
    assert_int_equal(verdict(text), 0);
    snprintf(text + n, sizeof text - n, ",\"c\"]}");
    assert_int_equal(verdict(text), LY_ETOOBIG);
}

static void the_thousand_and_twenty_fifth_variable_is_too_many(void **state)
{
    (void)state;
    static char text[16384];
    size_t n = (size_t)snprintf(text, sizeof text, "{\"argv\": [\"a\"], \"env\": {\"v0\": \"\"");
    for (int i = 1; i < 1024; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, ",\"v%d\":\"\"", i);
    snprintf(text + n, sizeof text - n, "}}");
    assert_int_equal(verdict(text), 0);
    snprintf(text + n, sizeof text - n, ",\"w\":\"\"}}");
    assert_int_equal(verdict(text), LY_ETOOBIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_argument_vector_is_decoded),
        cmocka_unit_test(defaults_are_no_input_no_limit_and_the_servers_environment),
        cmocka_unit_test(a_given_variable_stands_in_place_of_the_servers),
        cmocka_unit_test(fields_that_will_not_do_are_refused),
        cmocka_unit_test(the_thousand_and_twenty_fifth_argument_is_too_many),
        cmocka_unit_test(the_thousand_and_twenty_fifth_variable_is_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
