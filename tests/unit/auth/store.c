/* SPDX-License-Identifier: MIT */
#include "auth/store.h"
#include "auth/device.h"
#include "auth/user.h"
#include "temporary.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void a_store_is_made_only_where_that_is_asked_for(void **state)
{
    (void)state;
    assert_int_equal(try_open(false), -ENOENT);
    assert_int_equal(try_open(true), 0);
    assert_int_equal(try_open(false), 0);
}

static void its_file_is_for_its_owner_alone_whatever_the_umask(void **state)
{
    (void)state;
    static const char *const names[] = {"users.db", "users.db-wal", "users.db-shm"};
    char path[128];
    mode_t before = umask(0);
    struct ly__store *store = open_store();
    add_user(store, "ada");
    umask(before);
    for (size_t i = 0; i < 3; i++) {
        struct stat st;
        path_of(path, sizeof path, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
    }
    ly__store_close(store);
}

static void what_was_written_is_there_when_it_is_opened_again(void **state)
{
    (void)state;
    struct ly__user u;
    struct ly__store *store = open_store();
    add_user(store, "ada");
    ly__store_close(store);
    store = open_store();
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_int_equal(u.roles, LY__READ);
    ly__store_close(store);
}

static void one_process_sees_at_once_what_another_writes(void **state)
{
    (void)state;
    struct ly__user u;
    struct ly__store *a = open_store(), *b = open_store();
    add_user(a, "ada");
    assert_int_equal(ly__user_find(b, "ada", &u), 0);
    assert_int_equal(ly__user_remove(b, "ada"), 0);
    assert_int_equal(ly__user_find(a, "ada", &u), -ENOENT);
    ly__store_close(a);
    ly__store_close(b);
}

static void a_file_that_others_can_read_is_refused(void **state)
{
    (void)state;
    char path[128];
    assert_int_equal(try_open(true), 0);
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(try_open(true), -EPERM);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(try_open(true), 0);
}

static void a_directory_that_others_can_write_to_is_refused(void **state)
{
    (void)state;
    assert_int_equal(chmod(folder, 0770), 0);
    assert_int_equal(try_open(true), -EPERM);
    assert_int_equal(chmod(folder, 0700), 0);
    assert_int_equal(try_open(true), 0);
}

static void a_link_in_the_place_of_the_file_is_refused(void **state)
{
    (void)state;
    char path[128], other[128];
    path_of(path, sizeof path, LY__STORE_FILE);
    path_of(other, sizeof other, "other");
    assert_int_equal(symlink(other, path), 0);
    assert_int_equal(try_open(true), LY_ESTORE);
    assert_int_equal(access(other, F_OK), -1);
}

static void a_file_that_is_no_database_is_refused_and_kept(void **state)
{
    (void)state;
    char path[128];
    struct stat st;
    char noise[5000];
    memset(noise, 'x', sizeof noise);
    write_file(noise, sizeof noise, 0);
    assert_int_equal(try_open(true), LY_ESTORE);
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, sizeof noise);
}

static void a_database_of_another_program_is_refused(void **state)
{
    (void)state;
    char path[128];
    write_file("", 0, 0);
    sql("CREATE TABLE users (name TEXT)");
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(try_open(true), LY_ESTORE);
}

static void a_damaged_store_is_refused_whichever_page_is_hit(void **state)
{
    (void)state;
    char path[128], page[4096];
    struct stat st;
    struct ly__store *store = open_store();
    for (int i = 0; i < 40; i++) {
        char name[16];
        snprintf(name, sizeof name, "user%d", i);
        add_user(store, name);
    }
    ly__store_close(store);
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 3 * (off_t)sizeof page);
    for (off_t at = 0; at < st.st_size; at += (off_t)sizeof page) {
        char kept[sizeof page];
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_int_equal(pread(fd, kept, sizeof kept, at), sizeof kept);
        close(fd);
        memset(page, 0xa5, sizeof page);
        write_file(page, sizeof page, at);
        assert_int_equal(try_open(true), LY_ESTORE);
        write_file(kept, sizeof kept, at);
    }
    assert_int_equal(try_open(true), 0);
}

static void a_store_that_another_process_has_locked_is_reported_as_busy(void **state)
{
    (void)state;
    sqlite3 *db;
    char path[128];
    struct ly__user u = {.name = "bob", .roles = LY__READ};
    struct ly__store *store = open_store();
    add_user(store, "ada");
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(try_open(true), -EBUSY);
    assert_int_equal(ly__user_add(store, &u, NULL), -EBUSY);
    assert_int_equal(ly__user_find(store, "ada", &u), 0); /* who only reads is not held up */
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    u = (struct ly__user){.name = "bob"};
    assert_int_equal(ly__user_add(store, &u, NULL), 0);
    ly__store_close(store);
}

/* ---- while another process writes ---- */

#define PATIENCE_MS 30000

/* A process of its own, and the socket by which it is told to begin to write, says that it has, and learns
 * from its end that it is to stop. */
struct writer {
    pid_t pid;
    int sock;
};

static int write_when_told(int sock)
{
    sqlite3 *db;
    char path[128], byte;
    path_of(path, sizeof path, LY__STORE_FILE);
    if (read(sock, &byte, 1) != 1 || sqlite3_open(path, &db) != SQLITE_OK ||
        sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK || write(sock, &byte, 1) != 1)
        return 1;
    return read(sock, &byte, 1) == 0 ? 0 : 1;
}

/* While no store is open here: SQLite's books of a file's locks must not come to a child. */
static struct writer fork_writer(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    struct writer w = {.pid = fork(), .sock = pair[0]};
    assert_true(w.pid >= 0);
    if (w.pid == 0) {
        close(pair[0]);
        _exit(write_when_told(pair[1]));
    }
    close(pair[1]);
    return w;
}

static void begin_to_write(const struct writer *w)
{
    char byte = 1;
    assert_int_equal(write(w->sock, &byte, 1), 1);
    assert_int_equal(read(w->sock, &byte, 1), 1);
}

static void stop_writing(const struct writer *w)
{
    int status;
    close(w->sock);
    assert_int_equal(waitpid(w->pid, &status, 0), w->pid);
    assert_int_equal(status, 0);
}

static struct ly__store *open_patient_store(void)
{
    struct ly__store *store = NULL;
    struct ly__store_options o = QUICK_STORE;
    o.patience_ms = PATIENCE_MS;
    assert_int_equal(ly__store_open(&store, folder, &o), 0);
    return store;
}

/* A change on a thread of its own. */
struct change {
    struct ly__store *store;
    _Atomic int64_t began;
    atomic_bool ended;
    int result;
};

static void *remove_ada(void *arg)
{
    struct change *c = arg;
    c->began = ly_now();
    c->result = ly__user_remove(c->store, "ada");
    c->ended = true;
    return NULL;
}

static void who_reads_does_not_wait_behind_who_waits_for_another_process(void **state)
{
    (void)state;
    struct ly__user u;
    pthread_t thread;
    int64_t now;
    struct writer w = fork_writer();
    struct change c = {.store = open_patient_store()};
    add_user(c.store, "ada");
    begin_to_write(&w);
    assert_int_equal(pthread_create(&thread, NULL, remove_ada, &c), 0);
    do { /* until the change has been waiting for a while */
        now = ly_now();
        assert_int_equal(ly__user_find(c.store, "ada", &u), 0);
    } while (c.began == 0 || now < c.began + INT64_C(200000000));
    assert_false(c.ended);
    stop_writing(&w);
    pthread_join(thread, NULL);
    assert_int_equal(c.result, 0); /* it has come to its turn */
    assert_int_equal(ly__user_find(c.store, "ada", &u), -ENOENT);
    ly__store_close(c.store);
}

static void a_login_is_not_noted_rather_than_held_up_by_another_process(void **state)
{
    (void)state;
    static const uint8_t key[LY__DEVICE_KEY] = {1};
    struct ly__user u;
    struct writer w = fork_writer();
    struct ly__store *store = open_patient_store();
    add_user(store, "ada");
    assert_int_equal(ly__user_find(store, "ada", &u), 0);
    assert_int_equal(ly__device_enrol(store, u.id, key, "laptop"), 0);
    begin_to_write(&w);
    int64_t began = ly_now();
    assert_int_equal(ly__user_logged_in(store, u.id), -EBUSY);
    assert_int_equal(ly__device_seen(store, 1), -EBUSY);
    assert_true(ly_now() - began < PATIENCE_MS * INT64_C(1000000));
    stop_writing(&w);
    assert_int_equal(ly__user_logged_in(store, u.id), 0);
    assert_int_equal(ly__device_seen(store, 1), 0);
    ly__store_close(store);
}

static int open_as_nobody(void *arg)
{
    (void)arg;
    if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
        return 99;
    struct ly__store *store;
    return -ly__store_open(&store, folder, NULL);
}

/* The process that runs the tests may be allowed everything; a child without rights is not. */
static int in_child(int (*fn)(void *arg), void *arg)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        _exit(fn(arg));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_store_that_is_somebody_elses_is_refused(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(try_open(true), 0);
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(in_child(open_as_nobody, NULL), EPERM);
}

static void a_store_that_cannot_be_written_is_refused(void **state)
{
    (void)state;
    char path[128];
    if (geteuid() != 0)
        skip();
    assert_int_equal(try_open(true), 0);
    path_of(path, sizeof path, LY__STORE_FILE);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_int_equal(chown(folder, 65534, 65534), 0);
    int error = in_child(open_as_nobody, NULL);
    assert_true(error == EROFS || error == EACCES);
}

/* ---- at once ---- */

#define THREADS 4
#define EACH 6

struct worker {
    struct ly__store *store;
    int number, result;
};

static void *add_several(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < EACH && w->result == 0; i++) {
        struct ly__user u = {.roles = LY__READ}, found;
        int64_t version;
        snprintf(u.name, sizeof u.name, "user%d.%d", w->number, i);
        w->result = ly__user_add(w->store, &u, "pass word");
        if (w->result == 0)
            w->result = ly__user_find(w->store, u.name, &found);
        if (w->result == 0)
            w->result = ly__store_version(w->store, &version);
    }
    return NULL;
}

static int count(void *arg, const struct ly__user *user)
{
    (void)user;
    ++*(int *)arg;
    return 0;
}

static void threads_use_one_store_at_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    struct worker workers[THREADS];
    struct ly__store *store = open_store();
    int users = 0;
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){store, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, add_several, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(workers[i].result, 0);
    }
    assert_int_equal(ly__user_each(store, count, &users), 0);
    assert_int_equal(users, THREADS * EACH);
    ly__store_close(store);
}

static int make_and_add(void *arg)
{
    struct worker w = {.number = *(int *)arg};
    int r = ly__store_open(&w.store, folder, &(struct ly__store_options){.make = true, .iterations = 4096});
    if (r < 0)
        return -r;
    add_several(&w);
    ly__store_close(w.store);
    return -w.result;
}

static void processes_that_make_a_store_at_once_make_one(void **state)
{
    (void)state;
    pid_t pids[THREADS];
    int users = 0;
    for (int i = 0; i < THREADS; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0)
            _exit(make_and_add(&i));
    }
    for (int i = 0; i < THREADS; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
    struct ly__store *store = open_store();
    assert_int_equal(ly__user_each(store, count, &users), 0);
    assert_int_equal(users, THREADS * EACH);
    ly__store_close(store);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_store_is_made_only_where_that_is_asked_for),
        TEST(its_file_is_for_its_owner_alone_whatever_the_umask),
        TEST(what_was_written_is_there_when_it_is_opened_again),
        TEST(one_process_sees_at_once_what_another_writes),
        TEST(a_file_that_others_can_read_is_refused),
        TEST(a_directory_that_others_can_write_to_is_refused),
        TEST(a_link_in_the_place_of_the_file_is_refused),
        TEST(a_file_that_is_no_database_is_refused_and_kept),
        TEST(a_database_of_another_program_is_refused),
        TEST(a_damaged_store_is_refused_whichever_page_is_hit),
        TEST(a_store_that_another_process_has_locked_is_reported_as_busy),
        TEST(who_reads_does_not_wait_behind_who_waits_for_another_process),
        TEST(a_login_is_not_noted_rather_than_held_up_by_another_process),
        TEST(a_store_that_is_somebody_elses_is_refused),
        TEST(a_store_that_cannot_be_written_is_refused),
        TEST(threads_use_one_store_at_once),
        TEST(processes_that_make_a_store_at_once_make_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
