/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "service/files/beneath.h"
#include "tempdir.h"

#include <errno.h>
#include <lanyard/error.h>
#include <pthread.h>
#include <stdatomic.h>

/* Every case is asked in both ways: of the kernel and by walking. */
static const int ways[] = {0, LY__BENEATH_WALK};
#define EACH_WAY(way) for (size_t w_ = 0, way = 0; w_ < 2 && ((way = (size_t)ways[w_]), true); w_++)

static int clean(const char *path, char *out)
{
    return (int)ly__path_clean(out, path);
}

/* The error of finding a place, or 0 when the parent is the directory `parent` and the name `name`. */
static int find(const char *path, int flags, const char *parent, const char *name)
{
    struct ly__place p;
    struct stat is, wanted;
    int r = ly__place_find(&p, tempdir, path, flags);
    if (r < 0)
        return r;
    assert_string_equal(p.name, name);
    assert_int_equal(fstatat(p.dir, ".", &is, 0), 0);
    assert_int_equal(fstatat(tempdir, parent, &wanted, 0), 0);
    assert_int_equal(is.st_ino, wanted.st_ino);
    ly__place_done(&p);
    return 0;
}

static void empty_and_dot_components_are_dropped(void **state)
{
    char out[LY__PATH_MAX + 1];
    (void)state;
    assert_int_equal(clean("", out), 0);
    assert_int_equal(clean("./", out), 0);
    assert_int_equal(clean("a//b/./c/", out), 5);
    assert_string_equal(out, "a/b/c");
    assert_int_equal(clean("...", out), 3);
    assert_int_equal(clean("..a/b..", out), 7);
}

static void absolute_and_dotdot_paths_lead_outside(void **state)
{
    char out[LY__PATH_MAX + 1];
    (void)state;
    assert_int_equal(clean("/", out), LY_EOUTSIDE);
    assert_int_equal(clean("/etc/passwd", out), LY_EOUTSIDE);
    assert_int_equal(clean("..", out), LY_EOUTSIDE);
    assert_int_equal(clean("a/../b", out), LY_EOUTSIDE);
    assert_int_equal(clean("a/b/..", out), LY_EOUTSIDE);
}

static void control_characters_are_not_allowed_in_names(void **state)
{
    char out[LY__PATH_MAX + 1];
    (void)state;
    assert_int_equal(clean("a\nb", out), LY_ENAME);
    assert_int_equal(clean("a/\033[2J", out), LY_ENAME);
    assert_int_equal(clean("\177", out), LY_ENAME);
    assert_int_equal(clean("\xff\xfe", out), 2);
    assert_int_equal(clean("caf\xc3\xa9 %2F", out), 9);
}

static void names_end_at_255_bytes_and_paths_at_4096(void **state)
{
    char out[LY__PATH_MAX + 1], path[LY__PATH_MAX + 3];
    (void)state;
    memset(path, 'n', sizeof path);
    path[255] = '\0';
    assert_int_equal(clean(path, out), 255);
    path[255] = 'n';
    path[256] = '\0';
    assert_int_equal(clean(path, out), LY_ENAME);
    for (size_t i = 0; i < sizeof path; i++)
        path[i] = i % 2 ? '/' : 'd';
    path[4096] = '\0';
    assert_int_equal(clean(path, out), 4095);
    path[4096] = 'd';
    path[4097] = '\0';
    assert_int_equal(clean(path, out), LY_ENAME);
}

static void a_place_is_the_parent_and_the_last_component(void **state)
{
    (void)state;
    make_dir("a");
    make_dir("a/b");
    EACH_WAY(way)
    {
        assert_int_equal(find("x", (int)way, ".", "x"), 0);
        assert_int_equal(find("a/x", (int)way, "a", "x"), 0);
        assert_int_equal(find("a/b/x/", (int)way, "a/b", "x"), 0);
        assert_int_equal(find("", (int)way, ".", "."), 0);
        assert_int_equal(find("a/none/x", (int)way, "a", "x"), -ENOENT);
    }
}

static void the_last_component_is_never_followed(void **state)
{
    (void)state;
    make_link("/etc", "out");
    make_link("nowhere", "dangling");
    EACH_WAY(way)
    {
        assert_int_equal(find("out", (int)way, ".", "out"), 0);
        assert_int_equal(find("dangling/", (int)way, ".", "dangling"), 0);
    }
    assert_true(ly__open_names(tempdir, "out") < 0);
}

static void links_that_stay_inside_are_followed_in_the_middle(void **state)
{
    (void)state;
    make_dir("a");
    make_dir("a/b");
    make_dir("c");
    make_link("a/b", "l");
    make_link("../c", "a/up");
    make_link("../../c/../a/./b", "a/b/round");
    EACH_WAY(way)
    {
        assert_int_equal(find("l/x", (int)way, "a/b", "x"), 0);
        assert_int_equal(find("a/up/x", (int)way, "c", "x"), 0);
        assert_int_equal(find("l/round/x", (int)way, "a/b", "x"), 0);
        assert_int_equal(find("l/x", (int)way | LY__BENEATH_STRICT, "a/b", "x"), -ELOOP);
    }
}

static void links_that_lead_out_are_refused(void **state)
{
    (void)state;
    make_dir("a");
    make_link("/etc", "absolute");
    make_link("/", "slash");
    make_link("../..", "a/above");
    make_link("..", "above");
    make_link("a/above", "chain");
    /* out and back in again is out all the same */
    char back[128];
    (void)snprintf(back, sizeof back, "../%s/a", strrchr(tempdir_path, '/') + 1);
    make_link(back, "back");
    EACH_WAY(way)
    {
        assert_int_equal(find("absolute/passwd", (int)way, ".", ""), LY_EOUTSIDE);
        assert_int_equal(find("slash/x", (int)way, ".", ""), LY_EOUTSIDE);
        assert_int_equal(find("a/above/x", (int)way, ".", ""), LY_EOUTSIDE);
        assert_int_equal(find("above/x", (int)way, ".", ""), LY_EOUTSIDE);
        assert_int_equal(find("chain/x", (int)way, ".", ""), LY_EOUTSIDE);
        assert_int_equal(find("back/x", (int)way, ".", ""), LY_EOUTSIDE);
    }
}

static void a_dangling_link_in_the_middle_is_not_found(void **state)
{
    (void)state;
    make_link("none", "l");
    make_link("none/deeper", "m");
    EACH_WAY(way)
    {
        assert_int_equal(find("l/x", (int)way, ".", ""), -ENOENT);
        assert_int_equal(find("m/x", (int)way, ".", ""), -ENOENT);
    }
    assert_false(is_there("none"));
}

static void circles_of_links_end(void **state)
{
    (void)state;
    make_link("b", "a");
    make_link("a", "b");
    make_link("self/self", "self");
    EACH_WAY(way)
    {
        assert_int_equal(find("a/x", (int)way, ".", ""), -ELOOP);
        assert_int_equal(find("self/x", (int)way, ".", ""), -ELOOP);
    }
}

static void exactly_forty_links_are_followed(void **state)
{
    char name[8], target[8];
    (void)state;
    make_dir("l0");
    for (int i = 1; i <= 41; i++) {
        (void)snprintf(name, sizeof name, "l%d", i);
        (void)snprintf(target, sizeof target, "l%d", i - 1);
        make_link(target, name);
    }
    EACH_WAY(way)
    {
        assert_int_equal(find("l40/x", (int)way, "l0", "x"), 0);
        assert_int_equal(find("l41/x", (int)way, "l0", "x"), -ELOOP);
    }
}

static void a_file_in_the_middle_is_no_directory(void **state)
{
    (void)state;
    make_file("f", "x");
    make_link("f", "l");
    EACH_WAY(way)
    {
        assert_int_equal(find("f/x", (int)way, ".", ""), -ENOTDIR);
        assert_int_equal(find("l/x", (int)way, ".", ""), -ENOTDIR);
    }
}

static void links_of_proc_are_not_followed(void **state)
{
    (void)state;
    int proc = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    EACH_WAY(way)
    {
        struct ly__place p;
        int r = ly__place_find(&p, proc, "cwd/x", (int)way);
        assert_true(r == LY_EOUTSIDE || r == -ELOOP);
        r = ly__place_find(&p, proc, "root/etc/passwd", (int)way);
        assert_true(r == LY_EOUTSIDE || r == -ELOOP);
    }
    close(proc);
}

static void the_walk_holds_few_descriptors_however_deep_the_path(void **state)
{
    char path[LY__PATH_MAX + 1] = "";
    (void)state;
    for (int i = 0; i < 200; i++) {
        (void)snprintf(path + 2 * i, sizeof path - 2 * (size_t)i, "d/");
        make_dir(path);
    }
    (void)snprintf(path + 400, sizeof path - 400, "x");
    struct ly__place p;
    assert_int_equal(ly__place_find(&p, tempdir, path, LY__BENEATH_WALK), 0);
    assert_true(p.dir < 64);
    ly__place_done(&p);
}

/* ---- a component that is swapped for a link, again and again, while paths are resolved ---- */

static atomic_bool swapping;

static void *swap(void *arg)
{
    (void)arg;
    while (atomic_load(&swapping)) {
        (void)renameat2(tempdir, "d", tempdir, "evil", RENAME_EXCHANGE);
        (void)renameat2(tempdir, "d", tempdir, "evil", RENAME_EXCHANGE);
    }
    return NULL;
}

static void a_component_swapped_for_a_link_never_leads_out(void **state)
{
    pthread_t thread;
    struct stat inside;
    (void)state;
    make_dir("d");
    make_dir("d/e");
    make_link("/", "evil");
    assert_int_equal(fstatat(tempdir, "d/e", &inside, 0), 0);
    atomic_store(&swapping, true);
    assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
    for (int i = 0; i < 4000; i++) {
        struct ly__place p;
        struct stat st;
        int r = ly__place_find(&p, tempdir, "d/e/x", i % 2 ? LY__BENEATH_WALK : 0);
        if (r < 0) {
            assert_true(r == LY_EOUTSIDE || r == -ENOTDIR || r == -ENOENT);
            continue;
        }
        assert_int_equal(fstat(p.dir, &st), 0);
        assert_int_equal(st.st_ino, inside.st_ino);
        ly__place_done(&p);
    }
    atomic_store(&swapping, false);
    pthread_join(thread, NULL);
}

#define IN_TEMPDIR(f) cmocka_unit_test_setup_teardown(f, tempdir_setup, tempdir_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_and_dot_components_are_dropped),
        cmocka_unit_test(absolute_and_dotdot_paths_lead_outside),
        cmocka_unit_test(control_characters_are_not_allowed_in_names),
        cmocka_unit_test(names_end_at_255_bytes_and_paths_at_4096),
        IN_TEMPDIR(a_place_is_the_parent_and_the_last_component),
        IN_TEMPDIR(the_last_component_is_never_followed),
        IN_TEMPDIR(links_that_stay_inside_are_followed_in_the_middle),
        IN_TEMPDIR(links_that_lead_out_are_refused),
        IN_TEMPDIR(a_dangling_link_in_the_middle_is_not_found),
        IN_TEMPDIR(circles_of_links_end),
        IN_TEMPDIR(exactly_forty_links_are_followed),
        IN_TEMPDIR(a_file_in_the_middle_is_no_directory),
        IN_TEMPDIR(links_of_proc_are_not_followed),
        IN_TEMPDIR(the_walk_holds_few_descriptors_however_deep_the_path),
        IN_TEMPDIR(a_component_swapped_for_a_link_never_leads_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
