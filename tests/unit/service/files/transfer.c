/* SPDX-License-Identifier: MIT */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "service/files/transfer.h"
#include "rig.h"

/* The two engines against each other, the service's end in a fiber, the test's in a thread. */

struct failures {
    int count;
    char path[256]; /* of the last */
};

static int note(void *arg, int error, const char *text, const char *path)
{
    struct failures *f = arg;
    (void)error;
    (void)text;
    f->count++;
    (void)snprintf(f->path, sizeof f->path, "%s", path);
    return 0;
}

static const struct ly__receive_hooks hooks = {.failed = note};

/* get `path` of the root into tempdir/to. */
static struct ly__transfer_counts get(const char *path, struct failures *f)
{
    char request[256];
    struct ly__receive *receive;
    struct ly_frame last;
    const struct ly__receive_options options = {
        .dir = tempdir, .name = "to", .prefix = path, .id = 1, .hooks = &hooks, .arg = f};
    (void)snprintf(request, sizeof request,
                   "{\"cmd\": \"get\", \"id\": 1, \"path\": \"%s\", \"recursive\": true}", path);
    rig_send(request);
    assert_int_equal(ly_stream_flush(rig.stream), 0);
    assert_int_equal(ly__receive_new(&receive, rig.stream, &options), 0);
    assert_int_equal(ly__receive_run(receive, &last), 1);
    struct ly__transfer_counts counts = *ly__receive_counts(receive);
    ly__receive_free(receive);
    return counts;
}

static void a_tree_of_all_sizes_arrives_as_it_was(void **state)
{
    struct failures f = {0};
    (void)state;
    assert_int_equal(
        run_in_tempdir("mkdir -p root/t/d/e && for n in 0 1 4095 65535 65536 65537 262144 262145 1000000 "
                       "5000000; do head -c $n /dev/urandom > root/t/d/$n; done && ln -s / root/t/d/e/l && "
                       "touch -d 1999-01-01 root/t/d root/t/d/1 && chmod 500 root/t/d/e"),
        0);
    struct ly__transfer_counts c = get("t", &f);
    assert_int_equal(f.count, 0);
    assert_int_equal(c.files, 10);
    assert_int_equal(run_in_tempdir("diff -r --no-dereference root/t to"), 0);
    assert_int_equal(run_in_tempdir("test \"$(cd root/t && find . -printf '%p %m %T@ %l\\n' | sort)\" = "
                                    "\"$(cd to && find . -printf '%p %m %T@ %l\\n' | sort)\""),
                     0);
    assert_int_equal(run_in_tempdir("chmod 700 root/t/d/e to/d/e"), 0);
}

static void the_path_below_a_deep_request_is_taken_off(void **state)
{
    struct failures f = {0};
    (void)state;
    assert_int_equal(run_in_tempdir("mkdir -p root/a/b/c/d && echo x > root/a/b/c/d/f"), 0);
    assert_int_equal(get("a/b/c", &f).files, 1);
    assert_string_equal(content_of("to/d/f"), "x\n");
}

static void many_files_arrive_through_small_buffers(void **state)
{
    struct failures f = {0};
    (void)state;
    assert_int_equal(
        run_in_tempdir("mkdir root/t && cd root/t && for i in $(seq 3000); do echo $i > $i; done"), 0);
    assert_int_equal(get("t", &f).files, 3000);
    assert_int_equal(run_in_tempdir("diff -r root/t to"), 0);
    assert_int_equal(count_partials(), 0);
}

static void a_file_that_is_not_to_be_had_is_told_by_its_path(void **state)
{
    struct failures f = {0};
    (void)state;
    assert_int_equal(run_in_tempdir("mkdir root/t && printf x > 'root/t/bad\nname' && echo y > root/t/good"),
                     0);
    struct ly__transfer_counts c = get("t", &f);
    assert_int_equal(c.files, 1);
    assert_int_equal(c.failed, 1);
    assert_string_equal(f.path, "t/bad\nname");
    assert_string_equal(content_of("to/good"), "y\n");
}

static void a_session_serves_one_request_after_the_other(void **state)
{
    struct failures f = {0};
    (void)state;
    make_file("root/f", "1");
    assert_string_equal(rig_ask("{\"cmd\": \"stat\", \"id\": 2, \"path\": \"f\"}"), "");
    assert_int_equal(get("f", &f).files, 1);
    assert_string_equal(rig_ask("{\"cmd\": \"rm\", \"id\": 3, \"path\": \"f\"}"), "");
    assert_int_equal(rig_number("count"), 1);
    assert_int_equal(get("f", &f).files, 0);
    assert_int_equal(f.count, 1);
    assert_string_equal(rig_ask("{\"cmd\": \"stat\", \"id\": 4, \"path\": \"f\"}"), "ENOENT");
}

#define WITH_RIG(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_RIG(a_tree_of_all_sizes_arrives_as_it_was),
        WITH_RIG(the_path_below_a_deep_request_is_taken_off),
        WITH_RIG(many_files_arrive_through_small_buffers),
        WITH_RIG(a_file_that_is_not_to_be_had_is_told_by_its_path),
        WITH_RIG(a_session_serves_one_request_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
