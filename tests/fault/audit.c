/* SPDX-License-Identifier: MIT */
/* The audit trail with each of its calls failing: an action that must be on record is not done without, and
 * what is missing is said. */
#include "../unit/auth/trail.h"
#include "inject.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define ACTIONS 4

static const struct {
    const char *call;
    int errors[4];
} kinds[] = {{"malloc", {ENOMEM}},
             {"calloc", {ENOMEM}},
             {"realloc", {ENOMEM}},
             {"open", {EMFILE, EROFS, ENOSPC, EACCES}},
             {"fstat", {EIO}},
             {"pread", {EIO}},
             {"write", {EIO, ENOSPC, EINTR, EDQUOT}},
             {"close", {EIO}}};

/* What came of some actions, each begun and, where that was allowed, done and ended. */
struct outcome {
    int opened, reopened;
    unsigned done, refused; /* actions */
    struct ly__audit_counts counts;
};

static void act(struct ly__audit *a, struct outcome *o)
{
    struct ly__audit_record record = {.what = "rm", .object = "x", .bytes = -1, .lasts = true};
    if (ly__audit_begin(a, &record) < 0) {
        o->refused++;
        return;
    }
    o->done++;
    (void)ly__audit_end(a, &record);
}

static struct outcome run(enum ly__audit_policy policy)
{
    struct ly__audit *a = NULL;
    struct outcome o = {.done = 0};
    o.opened = ly__audit_open(&a, &(struct ly__audit_options){.path = path, .policy = policy});
    if (o.opened < 0)
        return o;
    for (int i = 0; i < ACTIONS; i++) {
        act(a, &o);
        if (i == ACTIONS / 2)
            o.reopened = ly__audit_reopen(a);
    }
    ly__audit_count(a, &o.counts);
    ly__audit_close(a);
    return o;
}

static int descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* The sum of a number in all records that say what is missing. */
static uint64_t sum(const struct records *r, const char *name)
{
    uint64_t total = 0;
    for (size_t i = 0; i < r->n; i++) {
        int64_t n;
        if (ly_json_int(ly_json_get(r->views[i].record, name), &n) == 0)
            total += (uint64_t)n;
    }
    return total;
}

static size_t begun(const struct records *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        n += ly_json_equal(r->views[i].result, "begun");
    return n;
}

/* What holds whenever a failure has ended before the trail was closed. */
static void check(enum ly__audit_policy policy, const struct outcome *o)
{
    if (o->opened < 0)
        return;
    struct records r = read_records(path);
    assert_int_equal(o->done + o->refused, ACTIONS);
    assert_int_equal(o->counts.refused, o->refused);
    assert_int_equal(o->counts.written + o->counts.lost + o->counts.refused, 2 * o->done + o->refused);
    assert_int_equal(sum(&r, "lost"), o->counts.lost);
    assert_int_equal(sum(&r, "refused"), o->refused);
    if (policy == LY__AUDIT_REFUSE)
        assert_int_equal(begun(&r), o->done);
    else
        assert_int_equal(o->refused, 0);
    free_records(&r);
}

/* Returns whether the nth call came. */
static bool fail_one(enum ly__audit_policy policy, const char *call, int error, unsigned long nth)
{
    int before = descriptors();
    clear_folder(NULL);
    assert_int_equal(ly_fault_arm(call, nth, error), 0);
    struct outcome o = run(policy);
    bool hit = ly_fault_hits() > 0;
    ly_fault_disarm();
    assert_int_equal(descriptors(), before);
    check(policy, &o);
    if (!hit) {
        assert_int_equal(o.opened, 0);
        assert_int_equal(o.reopened, 0);
        assert_int_equal(o.counts.written, 2 * ACTIONS);
    }
    return hit;
}

static void every_call_fails_once(void **state)
{
    static const enum ly__audit_policy policies[] = {LY__AUDIT_REFUSE, LY__AUDIT_GO_ON};
    unsigned hits = 0;
    (void)state;
    for (size_t p = 0; p < 2; p++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            for (size_t e = 0; e < 4 && kinds[k].errors[e]; e++)
                for (unsigned long nth = 1; fail_one(policies[p], kinds[k].call, kinds[k].errors[e], nth);
                     nth++)
                    hits++;
    printf("# %u calls failed\n", hits);
    assert_true(hits > 80);
}

static void an_interrupted_write_is_no_failure(void **state)
{
    (void)state;
    assert_int_equal(ly_fault_arm("write", 3, EINTR), 0);
    struct outcome o = run(LY__AUDIT_REFUSE);
    assert_int_equal(ly_fault_hits(), 1);
    ly_fault_disarm();
    assert_int_equal(o.counts.written, 2 * ACTIONS);
}

/* From the nth write on the disk is full: what was begun before is on record, and nothing is done after. */
static void a_disk_that_stays_full_stops_all_that_must_be_on_record(void **state)
{
    (void)state;
    for (unsigned long nth = 1; nth <= 2 * ACTIONS; nth++) {
        clear_folder(NULL);
        assert_int_equal(ly_fault_arm_from("write", nth, ENOSPC), 0);
        struct outcome o = run(LY__AUDIT_REFUSE);
        ly_fault_disarm();
        struct records r = read_records(path);
        assert_int_equal(o.done, nth / 2);
        assert_int_equal(begun(&r), o.done);
        assert_int_equal(o.counts.error, -ENOSPC);
        free_records(&r);
    }
}

static void going_on_begins_on_a_disk_that_is_read_only(void **state)
{
    (void)state;
    assert_int_equal(ly_fault_arm_from("open", 1, EROFS), 0);
    struct outcome refusing = run(LY__AUDIT_REFUSE), going_on = run(LY__AUDIT_GO_ON);
    ly_fault_disarm();
    assert_int_equal(refusing.opened, -EROFS);
    assert_int_equal(going_on.opened, 0);
    assert_int_equal(going_on.done, ACTIONS);
    assert_int_equal(going_on.counts.lost, 2 * ACTIONS);
    assert_int_equal(going_on.counts.error, -EROFS);
}

static void a_disk_that_becomes_writable_is_noticed(void **state)
{
    (void)state;
    struct ly__audit *a = NULL;
    struct outcome o = {.done = 0};
    assert_int_equal(ly_fault_arm_from("open", 1, EROFS), 0);
    int r = ly__audit_open(&a, &(struct ly__audit_options){.path = path, .policy = LY__AUDIT_GO_ON});
    act(a, &o);
    ly_fault_disarm();
    assert_int_equal(r, 0);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600); /* somebody's piece is there by now */
    assert_true(fd >= 0 && write(fd, "{\"time\"", 7) == 7);
    close(fd);
    act(a, &o);
    ly__audit_close(a);
    struct records records = read_records(path);
    assert_int_equal(records.n, 3);
    assert_int_equal(records.text[7], '\n');
    assert_int_equal(sum(&records, "lost"), 2);
    free_records(&records);
}

static void writes_of_one_byte_write_no_record(void **state)
{
    (void)state;
    assert_int_equal(ly_fault_short("write"), 0);
    struct outcome o = run(LY__AUDIT_GO_ON);
    assert_int_equal(ly_fault_short(NULL), 0);
    assert_int_equal(o.counts.written, 0);
    assert_int_equal(o.counts.lost, 2 * ACTIONS);
    struct ly__audit *a = NULL;
    assert_int_equal(ly__audit_open(&a, &(struct ly__audit_options){.path = path}), 0);
    o = (struct outcome){.done = 0};
    act(a, &o);
    ly__audit_close(a);
    struct records r = read_records(path);
    assert_int_equal(r.n, 2);
    assert_int_equal(o.done, 1);
    free_records(&r);
}

/* ---- a real disk ---- */

/* A file system of two pages in the folder, for this process alone. */
static bool mount_small(void)
{
    return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", folder, "tmpfs", 0, "size=8192") == 0;
}

/* Fill it, find room again, and look. Returns 0 if all is as it should be, or the line that is not. */
#define EXPECT(condition)    \
    do {                     \
        if (!(condition))    \
            return __LINE__; \
    } while (0)

static int fill_disk(void)
{
    struct ly__audit *a = NULL;
    struct outcome o = {.done = 0};
    EXPECT(ly__audit_open(&a, &(struct ly__audit_options){.path = path}) == 0);
    while (o.refused < 3)
        act(a, &o);
    ly__audit_count(a, &o.counts);
    EXPECT(o.done > 10 && o.counts.error == -ENOSPC);
    EXPECT(mount("small", folder, "tmpfs", MS_REMOUNT, "size=16384") == 0);
    act(a, &o);
    ly__audit_close(a);
    struct records r = read_records(path);
    EXPECT(begun(&r) == o.done);
    EXPECT(sum(&r, "refused") == 3 && o.refused == 3);
    EXPECT(r.damaged == 1); /* the record that no longer fitted in whole */
    free_records(&r);
    return 0;
}

static void a_disk_that_fills_up_in_the_middle_of_a_record(void **state)
{
    int status;
    (void)state;
    if (geteuid() != 0)
        skip();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(mount_small() ? (fill_disk() ? 1 : 0) : 77);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip(); /* not allowed to mount */
    assert_int_equal(status, 0);
}

static void an_append_only_file_is_enough(void **state)
{
    (void)state;
    int flags = FS_APPEND_FL, none = 0;
    struct ly__audit *a = NULL;
    struct outcome o = {.done = 0};
    int fd = open(path, O_RDONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    bool can = ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    if (!can) {
        close(fd);
        skip(); /* the file system cannot do it, or we may not */
    }
    int r = ly__audit_open(&a, &(struct ly__audit_options){.path = path});
    if (r == 0)
        act(a, &o);
    ly__audit_close(a);
    assert_int_equal(ioctl(fd, FS_IOC_SETFLAGS, &none), 0);
    close(fd);
    assert_int_equal(r, 0);
    assert_int_equal(o.done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(every_call_fails_once, clear_folder),
        cmocka_unit_test_teardown(an_interrupted_write_is_no_failure, clear_folder),
        cmocka_unit_test_teardown(a_disk_that_stays_full_stops_all_that_must_be_on_record, clear_folder),
        cmocka_unit_test_teardown(going_on_begins_on_a_disk_that_is_read_only, clear_folder),
        cmocka_unit_test_teardown(a_disk_that_becomes_writable_is_noticed, clear_folder),
        cmocka_unit_test_teardown(a_disk_that_fills_up_in_the_middle_of_a_record, clear_folder),
        cmocka_unit_test_teardown(an_append_only_file_is_enough, clear_folder),
        cmocka_unit_test_teardown(writes_of_one_byte_write_no_record, clear_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
