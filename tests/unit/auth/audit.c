/* SPDX-License-Identifier: MIT */
#include "trail.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static struct ly__audit *open_trail(enum ly__audit_policy policy)
{
    struct ly__audit *a = NULL;
    assert_int_equal(ly__audit_open(&a, &(struct ly__audit_options){.path = path, .policy = policy}), 0);
    return a;
}

static struct ly__audit_counts counts(struct ly__audit *a)
{
    struct ly__audit_counts c;
    ly__audit_count(a, &c);
    return c;
}

static int record(struct ly__audit *a, const char *object)
{
    return ly__audit_end(a, &(struct ly__audit_record){.what = "put", .object = object, .bytes = -1});
}

static void a_record_has_all_its_members(void **state)
{
    (void)state;
    struct ly__audit *a = open_trail(LY__AUDIT_REFUSE);
    struct ly__audit_record record = {.who = "alice",
                                      .from = "tcp://192.0.2.7:4711",
                                      .device = "12345-67890",
                                      .session = 7,
                                      .what = "exec",
                                      .object = "make -C src",
                                      .detail = "exit 2",
                                      .result = -ETIMEDOUT,
                                      .bytes = 512};
    assert_int_equal(ly__audit_begin(a, &record), 0);
    assert_int_equal(ly__audit_end(a, &record), 0);
    ly__audit_close(a);
    struct records r = read_records(path);
    assert_int_equal(r.n, 2);
    assert_int_equal(r.damaged, 0);
    assert_text(r.views[0].result, "begun");
    assert_int_equal(r.views[0].duration_ms, -1);
    assert_int_equal(r.views[0].bytes, -1);
    const struct ly__audit_view *v = &r.views[1];
    assert_text(v->who, "alice");
    assert_text(v->from, "tcp://192.0.2.7:4711");
    assert_text(v->device, "12345-67890");
    assert_int_equal(v->session, 7);
    assert_text(v->what, "exec");
    assert_text(v->object, "make -C src");
    assert_text(v->detail, "exit 2");
    assert_text(v->result, "ETIMEDOUT");
    assert_true(v->duration_ms >= 0);
    assert_int_equal(v->bytes, 512);
    assert_true(v->action > 0);
    assert_int_equal(v->action, r.views[0].action);
    assert_true(v->time_us >= r.views[0].time_us);
    free_records(&r);
}

static void only_what_applies_is_written(void **state)
{
    (void)state;
    struct ly__audit *a = open_trail(LY__AUDIT_GO_ON);
    assert_int_equal(ly__audit_end(a, &(struct ly__audit_record){.what = "login", .who = "", .bytes = -1}),
                     0);
    ly__audit_close(a);
    struct records r = read_records(path);
    size_t it = 0, members = 0;
    while (ly_json_next(r.views[0].record, &it, NULL, &(struct ly_json){0}))
        members++;
    assert_int_equal(members, 3); /* time, what, result */
    assert_text(r.views[0].result, "ok");
    free_records(&r);
}

static void going_on_records_the_beginning_of_what_lasts(void **state)
{
    (void)state;
    struct ly__audit *a = open_trail(LY__AUDIT_GO_ON);
    struct ly__audit_record brief = {.what = "mkdir", .bytes = -1}, lasting = {.what = "exec", .lasts = true};
    assert_int_equal(ly__audit_begin(a, &brief), 0);
    assert_int_equal(ly__audit_begin(a, &lasting), 0);
    ly__audit_close(a);
    struct records r = read_records(path);
    assert_int_equal(r.n, 1);
    assert_text(r.views[0].what, "exec");
    assert_int_equal(r.views[0].action, 2);
    free_records(&r);
}

static void no_trail_records_nothing(void **state)
{
    (void)state;
    struct ly__audit_record record = {.what = "exec"};
    assert_int_equal(ly__audit_begin(NULL, &record), 0);
    assert_int_equal(ly__audit_end(NULL, &record), 0);
    assert_int_equal(ly__audit_reopen(NULL), 0);
    assert_int_equal(counts(NULL).written, 0);
    ly__audit_close(NULL);
    assert_int_equal(access(path, F_OK), -1);
}

/* A line end, an escape sequence, C1, a direction override, bytes that are no UTF-8, the end of a string. */
#define HOSTILE "a\n{\"time\": \"\x1b[31m\x7f\xc2\x9b\xe2\x80\xae\xff\xc3\",\"what\":\\"

static void strangers_texts_cannot_leave_their_place(void **state)
{
    (void)state;
    size_t n;
    struct ly__audit *a = open_trail(LY__AUDIT_REFUSE);
    struct ly__audit_record record = {.who = HOSTILE,
                                      .from = HOSTILE,
                                      .device = HOSTILE,
                                      .what = HOSTILE,
                                      .object = HOSTILE,
                                      .detail = HOSTILE};
    assert_int_equal(ly__audit_end(a, &record), 0);
    ly__audit_close(a);
    char *text = contents(path, &n);
    for (size_t i = 0; i < n; i++)
        assert_true(i == n - 1 ? text[i] == '\n' : text[i] >= 0x20 && text[i] < 0x7f);
    free(text);
    struct records r = read_records(path);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.damaged, 0);
    assert_text(r.views[0].who, HOSTILE);
    assert_text(r.views[0].object, HOSTILE);
    free_records(&r);
}

static void long_texts_are_cut_and_the_record_says_so(void **state)
{
    (void)state;
    static char long_text[LY__AUDIT_OBJECT_MAX + 5];
    memset(long_text, 'x', LY__AUDIT_OBJECT_MAX - 1);
    /* A character that lies across the border. */
    memcpy(long_text + LY__AUDIT_OBJECT_MAX - 1, "\xe4\xbd\xa0yy", 6);
    struct ly__audit *a = open_trail(LY__AUDIT_REFUSE);
    assert_int_equal(record(a, long_text), 0);
    ly__audit_close(a);
    struct records r = read_records(path);
    bool cut = false;
    assert_int_equal(ly_json_bool(ly_json_get(r.views[0].record, "cut"), &cut), 0);
    assert_true(cut);
    long_text[LY__AUDIT_OBJECT_MAX - 1] = 0;
    assert_text(r.views[0].object, long_text);
    free_records(&r);
}

static void the_longest_record_fits(void **state)
{
    (void)state;
    static char all[8192];
    memset(all, 1, sizeof all - 1);
    struct ly__audit *a = open_trail(LY__AUDIT_REFUSE);
    struct ly__audit_record record = {.who = all,
                                      .from = all,
                                      .device = all,
                                      .session = INT64_MAX,
                                      .what = all,
                                      .object = all,
                                      .detail = all,
                                      .bytes = INT64_MAX};
    assert_int_equal(ly__audit_begin(a, &record), 0);
    record.began = 1;
    assert_int_equal(ly__audit_end(a, &record), 0);
    ly__audit_close(a);
    struct records r = read_records(path);
    assert_int_equal(r.n, 2);
    assert_true(r.views[1].record.length < LY__AUDIT_LINE_MAX);
    free_records(&r);
}

/* ---- many writers ---- */

#define PROCESSES 4
#define THREADS 3
#define RECORDS 300

static void *write_many(void *arg)
{
    char object[3000];
    memset(object, 'o', sizeof object);
    for (size_t i = 0; i < RECORDS; i++) {
        object[10 * i % sizeof object] = 0;
        if (record(arg, object) < 0)
            return arg;
        object[10 * i % sizeof object] = 'o';
    }
    return NULL;
}

/* Two trails a process: one of its own, and one whose descriptor it has from its parent. */
static int write_in_threads(struct ly__audit *inherited)
{
    pthread_t threads[THREADS];
    struct ly__audit *own = open_trail(LY__AUDIT_REFUSE);
    int failed = 0;
    for (int i = 0; i < THREADS; i++)
        failed |= pthread_create(&threads[i], NULL, write_many, i ? own : inherited);
    for (int i = 0; i < THREADS; i++) {
        void *result;
        failed |= pthread_join(threads[i], &result) || result;
    }
    ly__audit_close(own);
    return failed;
}

static void records_of_threads_and_processes_do_not_mix(void **state)
{
    (void)state;
    struct ly__audit *a = open_trail(LY__AUDIT_REFUSE);
    for (int i = 0; i < PROCESSES; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0)
            _exit(write_in_threads(a));
    }
    for (int i = 0, status; i < PROCESSES; i++) {
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    ly__audit_close(a);
    struct records r = read_records(path);
    assert_int_equal(r.n, PROCESSES * THREADS * RECORDS);
    assert_int_equal(r.damaged, 0);
    free_records(&r);
}

/* ---- rotation ---- */

static void a_renamed_file_is_followed_by_a_new_one(void **state)
{
    (void)state;
    struct ly__audit *a = open_trail(LY__AUDIT_REFUSE);
    assert_int_equal(record(a, "1"), 0);
    assert_int_equal(rename(path, rotated), 0);
    assert_int_equal(record(a, "2"), 0);
    assert_int_equal(ly__audit_reopen(a), 0);
    assert_int_equal(record(a, "3"), 0);
    ly__audit_close(a);
    struct records old = read_records(rotated), new = read_records(path);
    assert_int_equal(old.n, 2);
    assert_int_equal(new.n, 1);
    assert_text(new.views[0].object, "3");
    free_records(&old);
    free_records(&new);
}

static void without_a_new_file_the_old_one_stays_in_use(void **state)
{
    (void)state;
    struct ly__audit *a = open_trail(LY__AUDIT_REFUSE);
    assert_int_equal(rename(path, rotated), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(ly__audit_reopen(a), -EISDIR);
    assert_int_equal(record(a, "1"), 0);
    assert_int_equal(rmdir(path), 0);
    ly__audit_close(a);
    struct records old = read_records(rotated);
    assert_int_equal(old.n, 1);
    free_records(&old);
}

/* ---- files that are not taken ---- */

static int try_open(void)
{
    struct ly__audit *a = NULL;
    int r = ly__audit_open(&a, &(struct ly__audit_options){.path = path, .policy = LY__AUDIT_GO_ON});
    assert_true((r == 0) == (a != NULL));
    ly__audit_close(a);
    return r;
}

static void the_file_is_for_its_owner_alone(void **state)
{
    (void)state;
    struct stat st;
    mode_t mask = umask(0);
    assert_int_equal(try_open(), 0);
    umask(mask);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(try_open(), 0);
    assert_int_equal(chmod(path, 0620), 0);
    assert_int_equal(try_open(), -EPERM);
    assert_int_equal(chmod(path, 0602), 0);
    assert_int_equal(try_open(), -EPERM);
}

static void another_users_file_is_not_taken(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(try_open(), 0);
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_int_equal(try_open(), -EPERM);
}

static void links_pipes_and_directories_are_not_taken(void **state)
{
    (void)state;
    assert_int_equal(symlink(rotated, path), 0);
    assert_int_equal(try_open(), -ELOOP);
    assert_int_equal(access(rotated, F_OK), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(try_open(), -EINVAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(try_open(), -EISDIR);
    assert_int_equal(rmdir(path), 0);
}

/* ---- no room ---- */

/* What the trail has told. */
struct told {
    int times, error;
    struct ly__audit_counts counts;
};

static void listen_to(void *arg, int error, const struct ly__audit_counts *c)
{
    struct told *t = arg;
    t->times++;
    t->error = error;
    t->counts = *c;
}

static struct ly__audit *open_telling(enum ly__audit_policy policy, struct told *t)
{
    struct ly__audit *a = NULL;
    struct ly__audit_options o = {.path = path, .policy = policy, .trouble = listen_to, .trouble_arg = t};
    assert_int_equal(ly__audit_open(&a, &o), 0);
    return a;
}

/* No file of this process may be longer: a write across the border ends early, and one beyond it fails. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void refusing_gives_the_error_before_the_action(void **state)
{
    (void)state;
    struct told told = {0};
    struct ly__audit *a = open_telling(LY__AUDIT_REFUSE, &told);
    struct ly__audit_record action = {.what = "rm", .object = "x", .bytes = -1};
    assert_int_equal(record(a, "1"), 0);
    limit_files(300);
    while (ly__audit_begin(a, &action) == 0)
        ;
    for (int i = 0; i < 3; i++)
        assert_int_equal(ly__audit_begin(a, &action), -EFBIG);
    assert_int_equal(record(a, "2"), -EFBIG);
    assert_int_equal(told.times, 1);
    assert_true(told.error < 0);
    limit_files(RLIM_INFINITY);
    assert_int_equal(ly__audit_begin(a, &action), 0);
    assert_int_equal(told.times, 2);
    assert_int_equal(told.error, 0);
    assert_int_equal(told.counts.refused, 4);
    assert_int_equal(told.counts.lost, 1);
    ly__audit_close(a);
}

static void going_on_counts_what_is_lost_and_says_so_later(void **state)
{
    (void)state;
    struct told told = {0};
    int64_t lost = 0, refused = -1;
    struct ly__audit *a = open_telling(LY__AUDIT_GO_ON, &told);
    limit_files(0);
    for (int i = 0; i < 5; i++)
        assert_int_equal(record(a, "x"), 0);
    assert_int_equal(counts(a).lost, 5);
    assert_int_equal(counts(a).error, -EFBIG);
    assert_int_equal(told.times, 1);
    limit_files(RLIM_INFINITY);
    assert_int_equal(record(a, "y"), 0);
    assert_int_equal(record(a, "z"), 0);
    assert_int_equal(told.times, 2);
    ly__audit_close(a);
    struct records r = read_records(path);
    assert_int_equal(r.n, 3);
    assert_text(r.views[0].what, "audit");
    assert_text(r.views[0].result, "EFBIG");
    assert_int_equal(ly_json_int(ly_json_get(r.views[0].record, "lost"), &lost), 0);
    assert_int_equal(ly_json_int(ly_json_get(r.views[0].record, "refused"), &refused), 0);
    assert_int_equal(lost, 5);
    assert_int_equal(refused, 0);
    assert_text(r.views[1].object, "y");
    assert_text(r.views[2].object, "z");
    free_records(&r);
}

static void what_is_missing_at_the_end_is_said_at_the_end(void **state)
{
    (void)state;
    struct told told = {0};
    struct ly__audit *a = open_telling(LY__AUDIT_GO_ON, &told);
    limit_files(0);
    assert_int_equal(record(a, "x"), 0);
    limit_files(RLIM_INFINITY);
    ly__audit_close(a);
    struct records r = read_records(path);
    assert_int_equal(r.n, 1);
    assert_text(r.views[0].what, "audit");
    free_records(&r);
}

static void a_rotation_makes_room_and_says_what_is_missing(void **state)
{
    (void)state;
    struct told told = {0};
    struct ly__audit *a = open_telling(LY__AUDIT_REFUSE, &told);
    limit_files(300);
    while (record(a, "x") == 0)
        ;
    assert_int_equal(rename(path, rotated), 0);
    assert_int_equal(ly__audit_reopen(a), 0);
    limit_files(RLIM_INFINITY);
    ly__audit_close(a);
    struct records r = read_records(path);
    assert_int_equal(r.n, 1);
    assert_text(r.views[0].what, "audit");
    free_records(&r);
}

/* At each length of the file at which a write can end early. */
static void a_piece_of_a_record_spoils_no_other(void **state)
{
    for (rlim_t room = 1; room < 60; room++) {
        struct told told = {0};
        clear_folder(state);
        struct ly__audit *a = open_telling(LY__AUDIT_GO_ON, &told);
        limit_files(room);
        assert_int_equal(record(a, "lost"), 0);
        limit_files(RLIM_INFINITY);
        assert_int_equal(record(a, "kept"), 0);
        ly__audit_close(a);
        struct records r = read_records(path);
        assert_int_equal(r.n, 2);
        assert_int_equal(r.damaged, 1);
        assert_int_equal(r.text[room], '\n');
        assert_text(r.views[0].what, "audit");
        assert_text(r.views[1].object, "kept");
        free_records(&r);
    }
}

static void anothers_record_behind_a_piece_is_found(void **state)
{
    (void)state;
    struct told told = {0};
    struct ly__audit *a = open_telling(LY__AUDIT_GO_ON, &told), *b = open_telling(LY__AUDIT_GO_ON, &told);
    limit_files(50);
    assert_int_equal(record(a, "lost"), 0);
    limit_files(RLIM_INFINITY);
    assert_int_equal(record(b, "behind"), 0);
    ly__audit_close(b);
    struct records r = read_records(path);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.damaged, 1);
    assert_text(r.views[0].object, "behind");
    free_records(&r);
    ly__audit_close(a);
}

static void a_piece_that_a_dead_process_left_is_ended(void **state)
{
    (void)state;
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "{\"time\": \"20", 12), 12);
    close(fd);
    struct ly__audit *a = open_trail(LY__AUDIT_REFUSE);
    assert_int_equal(record(a, "next"), 0);
    ly__audit_close(a);
    size_t n;
    char *text = contents(path, &n);
    assert_memory_equal(text, "{\"time\": \"20\n{\"time\": \"2", 24);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_record_has_all_its_members, clear_folder),
        cmocka_unit_test_teardown(only_what_applies_is_written, clear_folder),
        cmocka_unit_test_teardown(going_on_records_the_beginning_of_what_lasts, clear_folder),
        cmocka_unit_test_teardown(no_trail_records_nothing, clear_folder),
        cmocka_unit_test_teardown(strangers_texts_cannot_leave_their_place, clear_folder),
        cmocka_unit_test_teardown(long_texts_are_cut_and_the_record_says_so, clear_folder),
        cmocka_unit_test_teardown(the_longest_record_fits, clear_folder),
        cmocka_unit_test_teardown(records_of_threads_and_processes_do_not_mix, clear_folder),
        cmocka_unit_test_teardown(a_renamed_file_is_followed_by_a_new_one, clear_folder),
        cmocka_unit_test_teardown(without_a_new_file_the_old_one_stays_in_use, clear_folder),
        cmocka_unit_test_teardown(the_file_is_for_its_owner_alone, clear_folder),
        cmocka_unit_test_teardown(another_users_file_is_not_taken, clear_folder),
        cmocka_unit_test_teardown(links_pipes_and_directories_are_not_taken, clear_folder),
        cmocka_unit_test_teardown(refusing_gives_the_error_before_the_action, clear_folder),
        cmocka_unit_test_teardown(going_on_counts_what_is_lost_and_says_so_later, clear_folder),
        cmocka_unit_test_teardown(what_is_missing_at_the_end_is_said_at_the_end, clear_folder),
        cmocka_unit_test_teardown(a_rotation_makes_room_and_says_what_is_missing, clear_folder),
        cmocka_unit_test_teardown(a_piece_of_a_record_spoils_no_other, clear_folder),
        cmocka_unit_test_teardown(anothers_record_behind_a_piece_is_found, clear_folder),
        cmocka_unit_test_teardown(a_piece_that_a_dead_process_left_is_ended, clear_folder),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
