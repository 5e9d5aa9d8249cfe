/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "service/files/whole.h"
#include "service/files/partial.h"
#include "tempdir.h"

#include <errno.h>
#include <lanyard/error.h>

static int write_file(const char *name, const char *content)
{
    int64_t ns = 1500000000;
    struct ly__whole w = {.dir = tempdir,
                          .name = name,
                          .bytes = content,
                          .n = strlen(content),
                          .mode = 0646,
                          .set_mode = true,
                          .mtime_ns = &ns};
    return ly__whole_write(&w);
}

static void a_new_file_has_content_mode_and_time(void **state)
{
    struct stat st;
    (void)state;
    assert_int_equal(write_file("f", "content"), 0);
    assert_string_equal(content_of("f"), "content");
    assert_int_equal(fstatat(tempdir, "f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0646);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(st.st_mtim.tv_nsec, 500000000);
    assert_int_equal(write_file("empty", ""), 0);
    assert_string_equal(content_of("empty"), "");
}

static void an_old_file_is_replaced_not_written_to(void **state)
{
    (void)state;
    make_file("f", "old");
    int reader = openat(tempdir, "f", O_RDONLY | O_CLOEXEC);
    char buf[8] = "";
    assert_int_equal(write_file("f", "new"), 0);
    assert_int_equal(read(reader, buf, sizeof buf - 1), 3);
    assert_string_equal(buf, "old");
    assert_string_equal(content_of("f"), "new");
    assert_int_equal(count_partials(), 0);
    close(reader);
}

static void what_is_neither_file_nor_link_is_not_replaced(void **state)
{
    struct ly__partial p;
    (void)state;
    assert_int_equal(mkfifoat(tempdir, "f", 0600), 0);
    assert_int_equal(mkdirat(tempdir, "d", 0700), 0);
    assert_int_equal(write_file("f", "new"), LY_ESPECIAL);
    assert_int_equal(write_file("d", "new"), -EISDIR);
    assert_int_equal(ly__partial_create(&p, tempdir, "f", 0600), 0);
    assert_int_equal(ly__partial_finish(&p, "f", NULL, NULL), LY_ESPECIAL);
    assert_int_equal(ly__partial_may_replace(tempdir, "f"), LY_ESPECIAL);
    assert_int_equal(ly__partial_may_replace(tempdir, "none"), 0);
    assert_int_equal(count_partials(), 0);
    assert_int_equal(unlinkat(tempdir, "f", 0), 0);
}

static void a_link_is_replaced_not_followed(void **state)
{
    (void)state;
    make_file("victim", "kept");
    make_link("victim", "f");
    make_link("victim", ".f.lanyard-partial");
    make_link("created", "g");
    assert_int_equal(write_file("f", "new"), 0);
    assert_int_equal(write_file("g", "new"), 0);
    assert_string_equal(content_of("victim"), "kept");
    assert_string_equal(content_of("f"), "new");
    assert_string_equal(content_of("g"), "new");
    assert_false(is_there("created"));
}

static void a_directory_is_not_replaced_and_nothing_is_left(void **state)
{
    (void)state;
    make_dir("d");
    assert_int_equal(write_file("d", "new"), -EISDIR);
    assert_int_equal(count_partials(), 0);
}

static void a_file_that_another_transfer_writes_is_busy(void **state)
{
    struct ly__partial p;
    (void)state;
    make_file("f", "old");
    assert_int_equal(ly__partial_create(&p, tempdir, "f", 0600), 0);
    assert_int_equal(write_file("f", "new"), -EBUSY);
    ly__partial_drop(&p, false);
    assert_int_equal(write_file("f", "new"), 0);
}

#define IN_TEMPDIR(f) cmocka_unit_test_setup_teardown(f, tempdir_setup, tempdir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPDIR(a_new_file_has_content_mode_and_time),
        IN_TEMPDIR(an_old_file_is_replaced_not_written_to),
        IN_TEMPDIR(what_is_neither_file_nor_link_is_not_replaced),
        IN_TEMPDIR(a_link_is_replaced_not_followed),
        IN_TEMPDIR(a_directory_is_not_replaced_and_nothing_is_left),
        IN_TEMPDIR(a_file_that_another_transfer_writes_is_busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
