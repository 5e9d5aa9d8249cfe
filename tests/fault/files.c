/* SPDX-License-Identifier: MIT */
/*
 * put and get with each system call and each allocation of the path failing once: the failure is reported, an
 * old file stays whole, nothing is left behind, and the same transfer succeeds afterwards. The service and
 * its client run in this process, so a call may fail at either end.
 */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */
#include "../unit/service/files/rig.h"
#include "inject.h"
#include "service/files/transfer.h"

#include <errno.h>

#define BIG 200000

/* The calls by which files are read, written and found. Those of the loop and of sockets have tests of their
 * own. */
static const char *const calls[] = {
    "openat",   "openat2",   "fstat",     "fstatat", "read",      "pread",      "preadv2",   "pwrite",
    "linkat",   "renameat",  "unlinkat",  "mkdirat", "symlinkat", "readlinkat", "fchmod",    "flock",
    "futimens", "utimensat", "fdopendir", "readdir", "sendfile",  "fcntl",      "any-alloc",
};

struct outcome {
    int result;     /* of the transfer: below 0, the connection was lost */
    int64_t failed; /* entries that were reported */
    unsigned long hits;
};

static int count_failure(void *arg, int error, const char *text, const char *path)
{
    struct outcome *o = arg;
    (void)error;
    (void)text;
    (void)path;
    o->failed++;
    return 0;
}

static void count_own_failure(void *arg, int error, const char *path)
{
    (void)count_failure(arg, error, NULL, path);
}

static const struct ly__receive_hooks receive_hooks = {.failed = count_failure};
static const struct ly__send_hooks send_hooks = {.failed = count_own_failure};

static int get(struct outcome *o)
{
    struct ly__receive *receive = NULL;
    struct ly_frame last;
    const struct ly__receive_options options = {
        .dir = tempdir, .name = "to", .prefix = "t", .id = 1, .hooks = &receive_hooks, .arg = o};
    rig_send("{\"cmd\": \"get\", \"id\": 1, \"path\": \"t\", \"recursive\": true}");
    int r = ly_stream_flush(rig.stream);
    if (r == 0)
        r = ly__receive_new(&receive, rig.stream, &options);
    if (r == 0) {
        r = ly__receive_run(receive, &last);
        if (r == 1)
            o->failed += ly_json_get(last.header, "error").length > 0;
        r = r == 1 ? 0 : r == 0 ? LY_EEOF : r;
    }
    ly__receive_free(receive);
    return r;
}

static int send_tree(void)
{
    struct outcome *o = rig.user;
    struct ly__send *send = NULL;
    int r = ly__send_new(&send, rig.stream, 2, &send_hooks, o);
    if (r == 0)
        r = ly__send_entry(send, tempdir, "root/t", "", true);
    ly__send_free(send);
    return r;
}

static int put(struct outcome *o)
{
    rig.user = o;
    const char *error = rig_ask("{\"cmd\": \"put\", \"id\": 2, \"path\": \"to\"}");
    if (*error)
        return -EIO;
    int r = send_tree();
    if (r < 0)
        return r;
    rig_send("{\"id\": 2, \"end\": true}");
    while ((r = rig_receive()) == 1 && !rig_true("ok")) {
        o->failed++;
        if (!*rig_text("path"))
            return -EIO;
    }
    return r == 1 ? 0 : LY_EEOF;
}

/* What is transferred, and the older files in its place. */
static void arrange(const char *to)
{
    char path[64];
    (void)run_in_tempdir("rm -rf to root");
    make_dir("root");
    make_dir("root/t");
    make_dir("root/t/d");
    make_file("root/t/d/small", "new");
    make_file("root/t/empty", "");
    make_link("d/small", "root/t/link");
    make_big("root/t/big", BIG);
    make_dir(to);
    (void)snprintf(path, sizeof path, "%s/empty", to);
    make_file(path, "old");
    (void)snprintf(path, sizeof path, "%s/big", to);
    make_file(path, "old");
}

static bool same(const char *a, const char *b)
{
    char command[256];
    (void)snprintf(command, sizeof command, "cmp -s %s %s", a, b);
    return run_in_tempdir(command) == 0;
}

/* Each file is the old one, the new one, or was not there before and is not now. */
static void check_files(const char *to, bool all_new)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/big", to);
    assert_true(same(path, "root/t/big") || (!all_new && !strcmp(content_of(path), "old")));
    (void)snprintf(path, sizeof path, "%s/empty", to);
    assert_true(same(path, "root/t/empty") || (!all_new && !strcmp(content_of(path), "old")));
    (void)snprintf(path, sizeof path, "%s/d/small", to);
    assert_true(same(path, "root/t/d/small") || (!all_new && !is_there(path)));
    (void)snprintf(path, sizeof path, "%s/link", to);
    assert_true(is_there(path) || !all_new);
}

static struct outcome once(int (*transfer)(struct outcome *o), const char *call, unsigned long nth, int error)
{
    struct outcome o = {0};
    rig_open();
    rig_settle();
    if (call)
        assert_int_equal(ly_fault_arm(call, nth, error), 0);
    o.result = transfer(&o);
    o.hits = ly_fault_hits();
    ly_fault_disarm();
    rig_close();
    return o;
}

/* Fail each call of one name in turn. Returns how many there were. */
static unsigned long fail_each(int (*transfer)(struct outcome *o), const char *to, const char *call)
{
    for (unsigned long nth = 1;; nth++) {
        arrange(to);
        struct outcome o = once(transfer, call, nth, 0);
        if (!o.hits) {
            assert_int_equal(o.result, 0);
            assert_int_equal(o.failed, 0);
            return nth - 1;
        }
        bool went_well = o.result == 0 && o.failed == 0;
        check_files(to, went_well);
        /* what could not be removed, or belongs to a connection that broke, may stay and is used again */
        if (o.result == 0 && strcmp(call, "unlinkat") != 0)
            assert_int_equal(count_partials(), 0);
        o = once(transfer, NULL, 0, 0);
        assert_int_equal(o.result, 0);
        assert_int_equal(o.failed, 0);
        check_files(to, true);
        assert_int_equal(count_partials(), 0);
    }
}

static void fail_all(int (*transfer)(struct outcome *o), const char *to)
{
    unsigned long sum = 0;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        sum += fail_each(transfer, to, calls[i]);
    assert_true(sum > 40);
}

static void get_reports_each_call_that_fails_and_leaves_old_files_whole(void **state)
{
    (void)state;
    fail_all(get, "to");
}

static void put_reports_each_call_that_fails_and_leaves_old_files_whole(void **state)
{
    (void)state;
    fail_all(put, "root/to");
}

static void a_full_disk_is_reported_by_each_file_it_meets(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth <= 2; nth++) {
        arrange("to");
        struct outcome o = once(get, "pwrite", nth, ENOSPC);
        assert_int_equal(o.result, 0);
        assert_int_equal(o.failed, 1);
        assert_int_equal(count_partials(), 0);
        check_files("to", false);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(get_reports_each_call_that_fails_and_leaves_old_files_whole,
                                        tempdir_setup, tempdir_teardown),
        cmocka_unit_test_setup_teardown(put_reports_each_call_that_fails_and_leaves_old_files_whole,
                                        tempdir_setup, tempdir_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_reported_by_each_file_it_meets, tempdir_setup,
                                        tempdir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
