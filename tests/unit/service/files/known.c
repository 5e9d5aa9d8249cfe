/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "service/files/known.h"

#include <lanyard/error.h>
#include <stdio.h>
#include <string.h>

static struct ly_json json(const char *text)
{
    return (struct ly_json){text, strlen(text)};
}

static struct stat file_of(off_t size, mode_t mode, time_t seconds, long ns)
{
    return (struct stat){.st_mode = S_IFREG | mode, .st_size = size, .st_mtim = {seconds, ns}};
}

static int add(struct ly__known *k, const char *text)
{
    return ly__known_add(k, json(text));
}

static void a_file_is_known_by_name_size_time_and_mode(void **state)
{
    struct ly__known k;
    struct stat st = file_of(5, 0644, 2, 7);
    (void)state;
    ly__known_init(&k);
    assert_false(ly__known_file(&k, "f", &st));
    assert_int_equal(
        add(&k,
            "{\"name\": \"f\", \"type\": \"file\", \"size\": 5, \"mode\": 420, \"mtime_ns\": 2000000007}"),
        0);
    assert_int_equal(add(&k, "{\"name\": \"d\", \"type\": \"dir\", \"mode\": 493, \"mtime_ns\": 1}"), 0);
    assert_int_equal(add(&k, "{\"name\": \"l\", \"type\": \"link\", \"target\": \"f\", \"mtime_ns\": 1}"), 0);
    ly__known_seal(&k);
    assert_true(ly__known_file(&k, "f", &st));
    assert_false(ly__known_file(&k, "g", &st));
    assert_false(ly__known_file(&k, "d", &st));
    const struct stat others[] = {file_of(6, 0644, 2, 7), file_of(5, 0600, 2, 7), file_of(5, 0644, 3, 7),
                                  file_of(5, 0644, 2, 8)};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(ly__known_file(&k, "f", &others[i]));
    assert_true(ly__known_directory(&k, "d"));
    assert_false(ly__known_directory(&k, "f"));
    assert_false(ly__known_directory(&k, "l"));
    ly__known_done(&k);
}

static void bits_beyond_the_permissions_do_not_count(void **state)
{
    struct stat st = file_of(5, 04644, 0, 1);
    const char *entry = "{\"name\": \"f\", \"type\": \"file\", \"size\": 5, \"mode\": 420, \"mtime_ns\": 1}";
    (void)state;
    assert_true(ly__known_same(json(entry), &st));
    st.st_mode = S_IFDIR | 0644;
    assert_false(ly__known_same(json(entry), &st));
}

static void each_of_many_is_found(void **state)
{
    enum { COUNT = 5000 };
    struct ly__known k;
    char text[160];
    (void)state;
    ly__known_init(&k);
    for (int i = 0; i < COUNT; i++) {
        snprintf(text, sizeof text,
                 "{\"name\": \"n%d\", \"type\": \"file\", \"size\": %d, \"mode\": 384, \"mtime_ns\": -1}", i,
                 i);
        assert_int_equal(add(&k, text), 0);
    }
    ly__known_seal(&k);
    for (int i = 0; i < COUNT; i++) {
        struct stat st = file_of(i, 0600, -1, 999999999);
        snprintf(text, sizeof text, "n%d", i);
        assert_true(ly__known_file(&k, text, &st));
        st.st_size++;
        assert_false(ly__known_file(&k, text, &st));
    }
    ly__known_done(&k);
}

static void what_is_no_entry_is_refused(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"name\": \"f\"}",
        "{\"name\": \"f\", \"type\": 5}",
        "{\"type\": \"dir\"}",
        "{\"name\": 5, \"type\": \"dir\"}",
        "{\"name\": \"f\", \"type\": \"file\"}",
        "{\"name\": \"f\", \"type\": \"file\", \"size\": -1, \"mode\": 1, \"mtime_ns\": 1}",
        "{\"name\": \"f\", \"type\": \"file\", \"size\": 1.5, \"mode\": 1, \"mtime_ns\": 1}",
        "{\"name\": \"f\", \"type\": \"file\", \"size\": 1, \"mode\": \"1\", \"mtime_ns\": 1}",
        "[]",
    };
    struct ly__known k;
    struct stat st = file_of(1, 1, 0, 1);
    char text[600];
    (void)state;
    ly__known_init(&k);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(add(&k, bad[i]), LY_EFIELD);
        assert_false(ly__known_same(json(bad[i]), &st));
    }
    snprintf(text, sizeof text, "{\"name\": \"%0300d\", \"type\": \"dir\"}", 1);
    assert_int_equal(add(&k, text), LY_EFIELD);
    ly__known_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_known_by_name_size_time_and_mode),
        cmocka_unit_test(bits_beyond_the_permissions_do_not_count),
        cmocka_unit_test(each_of_many_is_found),
        cmocka_unit_test(what_is_no_entry_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
