/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "service/files/tree.h"
#include "tempdir.h"

#include <errno.h>
#include <lanyard/error.h>

static int count_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Walk all of "t", entering each directory. Returns the entries; *left, the directories left; *most, the
 * descriptors held at most. */
static int walk(int *left, int *most)
{
    struct ly__tree t;
    int event, entries = 0, before = count_descriptors();
    *left = *most = 0;
    assert_int_equal(ly__tree_open(&t, tempdir, "t"), 0);
    while ((event = ly__tree_next(&t)) != LY__TREE_END) {
        assert_true(event > 0);
        int held = count_descriptors() - before;
        *most = held > *most ? held : *most;
        if (event == LY__TREE_LEAVE) {
            ++*left;
            continue;
        }
        entries++;
        if (t.type == DT_DIR)
            assert_int_equal(ly__tree_enter(&t), 0);
    }
    ly__tree_close(&t);
    assert_int_equal(count_descriptors(), before);
    return entries;
}

static void every_entry_is_shown_once_and_every_directory_left(void **state)
{
    int left, most;
    (void)state;
    assert_int_equal(run_in_tempdir("mkdir -p t/a/b t/c && touch t/1 t/a/2 t/a/b/3 t/c/4 && ln -s / t/c/l"),
                     0);
    assert_int_equal(walk(&left, &most), 8);
    assert_int_equal(left, 4);
}

static void a_deep_tree_with_entries_on_every_level_needs_few_descriptors(void **state)
{
    int left, most;
    (void)state;
    assert_int_equal(run_in_tempdir("p=t; for i in $(seq 300); do mkdir $p; for j in 1 2 3 4 5 6 7; do "
                                    "touch $p/f$j; mkdir $p/e$j; done; p=$p/d; done"),
                     0);
    assert_int_equal(walk(&left, &most), 300 * 14 + 299);
    assert_int_equal(left, 300 * 8);
    assert_true(most <= LY__TREE_HELD + 2);
}

static void a_directory_that_is_moved_away_while_below_it_ends_its_part(void **state)
{
    struct ly__tree t;
    int event, errors = 0;
    (void)state;
    assert_int_equal(run_in_tempdir("p=t; for i in $(seq 40); do mkdir $p; p=$p/d; done; mkdir other"), 0);
    assert_int_equal(ly__tree_open(&t, tempdir, "t"), 0);
    for (int i = 0; i < 39; i++) {
        assert_int_equal(ly__tree_next(&t), LY__TREE_ENTRY);
        assert_int_equal(ly__tree_enter(&t), 0);
    }
    /* put a link in the place of one of the levels that are closed now */
    assert_int_equal(run_in_tempdir("mv t/d/d other/moved && ln -s ../../other/moved t/d/d"), 0);
    while ((event = ly__tree_next(&t)) != LY__TREE_END)
        errors += event < 0;
    assert_true(errors > 0);
    ly__tree_close(&t);
}

static void a_link_is_not_walked(void **state)
{
    struct ly__tree t;
    (void)state;
    make_link("/", "t");
    int r = ly__tree_open(&t, tempdir, "t");
    assert_true(r == -ENOTDIR || r == -ELOOP);
    assert_int_equal(ly__tree_open(&t, tempdir, "none"), -ENOENT);
}

static void a_path_that_becomes_too_long_is_an_error_and_the_walk_goes_on(void **state)
{
    struct ly__tree t;
    int event, errors = 0, entries = 0;
    (void)state;
    char name[251];
    memset(name, 'n', 250);
    name[250] = '\0';
    make_dir("t");
    int at = openat(tempdir, "t", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 18; i++) {
        assert_int_equal(mkdirat(at, name, 0700), 0);
        int below = openat(at, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        close(at);
        at = below;
    }
    close(at);
    assert_int_equal(ly__tree_open(&t, tempdir, "t"), 0);
    while ((event = ly__tree_next(&t)) != LY__TREE_END) {
        errors += event == -ENAMETOOLONG;
        if (event != LY__TREE_ENTRY)
            continue;
        entries++;
        if (t.type == DT_DIR)
            assert_int_equal(ly__tree_enter(&t), 0);
    }
    ly__tree_close(&t);
    assert_int_equal(errors, 1);
    assert_int_equal(entries, 16);
    assert_int_equal(run_in_tempdir("rm -rf t"), 0);
}

#define IN_TEMPDIR(f) cmocka_unit_test_setup_teardown(f, tempdir_setup, tempdir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_TEMPDIR(every_entry_is_shown_once_and_every_directory_left),
        IN_TEMPDIR(a_deep_tree_with_entries_on_every_level_needs_few_descriptors),
        IN_TEMPDIR(a_directory_that_is_moved_away_while_below_it_ends_its_part),
        IN_TEMPDIR(a_link_is_not_walked),
        IN_TEMPDIR(a_path_that_becomes_too_long_is_an_error_and_the_walk_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
