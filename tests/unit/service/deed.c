/* SPDX-License-Identifier: MIT */
#include "service/service.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char object[LY__DEED_OBJECT];

static const char *object_of(const char *text)
{
    struct ly_json header;
    assert_int_equal(ly_json_check(&header, text, strlen(text)), 0);
    memset(object, 'x', sizeof object);
    ly__deed_object(object, header);
    return object;
}

static void a_request_is_told_by_its_paths_or_its_command(void **state)
{
    (void)state;
    assert_string_equal(object_of("{\"cmd\": \"get\", \"path\": \"a/\\u00e9\"}"), "'a/\xc3\xa9'");
    assert_string_equal(object_of("{\"from\": \"a\", \"to\": \"b c\"}"), "a 'b c'");
    assert_string_equal(object_of("{\"argv\": [\"ls\", \"-l\", \"\"]}"), "ls -l ''");
    assert_string_equal(object_of("{\"shell\": \"x | y\"}"), "/bin/sh -c 'x | y'");
    assert_string_equal(object_of("{\"cmd\": \"exec\", \"argv\": 7, \"path\": [\"x\"]}"), "");
}

static void the_words_of_a_command_can_be_told_apart(void **state)
{
    (void)state;
    assert_string_equal(object_of("{\"argv\": [\"make\", \"-C\", \"src/x\", \"A=1\"]}"), "make -C src/x A=1");
    assert_string_equal(object_of("{\"argv\": [\"a\", \"b c\"]}"), "a 'b c'");
    assert_string_equal(object_of("{\"argv\": [\"a\", \"b\", \"c\"]}"), "a b c");
    assert_string_equal(object_of("{\"argv\": [\"\", \"x\", \"\"]}"), "'' x ''");
    assert_string_equal(object_of("{\"argv\": [\"it's\", \"$HOME\", \"*\", \"a\\nb\"]}"),
                        "'it'\\''s' '$HOME' '*' 'a\nb'");
    assert_string_equal(object_of("{\"argv\": [\"/bin/sh\", \"-c\", \"x | y\"]}"),
                        object_of("{\"shell\": \"x | y\"}"));
}

static void names_that_come_can_be_told_apart(void **state)
{
    struct ly__deed_names names = {.length = 0};
    char full[2000];
    (void)state;
    ly__deed_add_name(&names, "", "a");
    ly__deed_add_name(&names, "d", "b c");
    assert_string_equal(names.text, "a 'd/b c'");
    ly__deed_add_name(&names, "e", "f");
    assert_string_equal(names.text, "a 'd/b c' e/f");
    memset(full, 'x', sizeof full);
    full[sizeof full - 1] = 0;
    ly__deed_add_name(&names, "e", full);
    assert_true(names.cut && strlen(names.text) == sizeof names.text - 1);
    assert_string_equal(names.text + sizeof names.text - 5, "x...");
    ly__deed_add_name(NULL, "", "a");
}

static void what_is_long_is_cut_and_says_so(void **state)
{
    char text[8192], a[4096];
    (void)state;
    memset(a, 'a', sizeof a);
    for (int n = 480; n < 4000; n += n < 520 ? 1 : 500) {
        snprintf(text, sizeof text, "{\"path\": \"%.*s\"}", n, a);
        size_t length = strlen(object_of(text));
        assert_true(length < sizeof object);
        assert_true(n <= LY__DEED_OBJECT - 4 ? length == (size_t)n
                                             : strcmp(object + length - 4, "a...") == 0);
        snprintf(text, sizeof text, "{\"argv\": [\"%.*s\", \"b\", \"c\"]}", n, a);
        assert_true(strlen(object_of(text)) < sizeof object);
    }
}

static void a_text_too_long_to_decode_is_told_as_it_was_written(void **state)
{
    static const char before[] = "{\"path\": \"";
    char text[8192];
    size_t n = sizeof before - 1;
    (void)state;
    memcpy(text, before, n);
    for (int i = 0; i < 1100; i++, n += 2)
        memcpy(text + n, "\\n", 2);
    memcpy(text + n, "\"}", 3);
    assert_int_equal(strncmp(object_of(text), "'\\n\\n", 5), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_told_by_its_paths_or_its_command),
        cmocka_unit_test(the_words_of_a_command_can_be_told_apart),
        cmocka_unit_test(names_that_come_can_be_told_apart),
        cmocka_unit_test(what_is_long_is_cut_and_says_so),
        cmocka_unit_test(a_text_too_long_to_decode_is_told_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
