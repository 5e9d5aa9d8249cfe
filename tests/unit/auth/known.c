/* SPDX-License-Identifier: MIT */
#include "auth/known.h"
#include "folder.h"
#include <errno.h>
#include <lanyard/error.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>

#include <cmocka.h>

#define A "00000-00000-00000-00000-00000-00000-00000-00001"
#define B "00000-00000-00000-00000-00000-00000-00000-00002"
#define C "00000-00000-00000-00000-00000-00000-00000-00003"

static int find(const char *name, const char *id)
{
    return ly__known_find(folder, name, id, NULL);
}

static void check_file(const char *expected)
{
    char text[4096];
    assert_string_equal(read_file(LY__KNOWN_FILE, text, sizeof text), expected);
}

static void a_host_is_remembered_and_forgotten(void **state)
{
    (void)state;
    struct ly__known_host h;
    assert_int_equal(find("db:1", A), LY__KNOWN_NOT);
    assert_int_equal(ly__known_remember(folder, "db:1", A), 0);
    assert_int_equal(find("db:1", A), LY__KNOWN_SAME);
    assert_int_equal(find("db:1", B), LY__KNOWN_CHANGED);
    assert_int_equal(find("db:2", A), LY__KNOWN_NOT);
    assert_int_equal(ly__known_find(folder, "db:1", B, &h), LY__KNOWN_CHANGED);
    assert_string_equal(h.id, A);
    assert_int_equal(ly__known_remember(folder, "db:1", B), 0);
    assert_int_equal(find("db:1", B), LY__KNOWN_SAME);
    check_file("db:1 " B "\n");
    assert_int_equal(ly__known_forget(folder, "db:1"), 0);
    assert_int_equal(ly__known_forget(folder, "db:1"), -ENOENT);
    assert_int_equal(find("db:1", B), LY__KNOWN_NOT);
    check_file("");
}

static void a_directory_that_is_missing_remembers_nothing(void **state)
{
    (void)state;
    assert_int_equal(ly__known_find(in_folder("none"), "db:1", A, NULL), LY__KNOWN_NOT);
    assert_int_equal(ly__known_remember(in_folder("none"), "db:1", A), -ENOENT);
}

static void what_is_none_of_ours_stays_as_it_is(void **state)
{
    (void)state;
    assert_int_equal(write_file(LY__KNOWN_FILE,
                                "# a remark\n\n  db:1   " A " \r\n@cert-authority *.example " A "\n"
                                "db:2\t" B " " C " later\n\xff\xfe\ndb:1 " C "\nno newline",
                                0600),
                     0);
    assert_int_equal(find("db:1", A), LY__KNOWN_SAME);
    assert_int_equal(find("db:2", C), LY__KNOWN_NEXT);
    assert_int_equal(ly__known_remember(folder, "db:1", B), 0); /* the second line of db:1 goes */
    assert_int_equal(ly__known_remember(folder, "db:3", A), 0);
    check_file("# a remark\n\ndb:1 " B "\n@cert-authority *.example " A "\ndb:2\t" B " " C
               " later\n\xff\xfe\nno newline\ndb:3 " A "\n");
}

static void a_line_by_hand_may_have_the_short_form_of_a_host(void **state)
{
    (void)state;
    assert_int_equal(write_file(LY__KNOWN_FILE, "DB.Example " A "\n[0:0::1] " B, 0600), 0);
    assert_int_equal(find("db.example:7433", A), LY__KNOWN_SAME);
    assert_int_equal(find("[::1]:7433", B), LY__KNOWN_SAME);
}

static void an_identity_that_cannot_be_read_is_a_changed_one(void **state)
{
    (void)state;
    struct ly__known_host h;
    static const char *const lines[] = {"db:1\n", "db:1 12345\n", "db:1 " A "x\n", "db:1 # " A "\n",
                                        "db:1 ? " A "\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(write_file(LY__KNOWN_FILE, lines[i], 0600), 0);
        assert_int_equal(ly__known_find(folder, "db:1", A, &h), LY__KNOWN_CHANGED);
        assert_string_equal(h.id, "");
        assert_int_equal(ly__known_promote(folder, "db:1", A), LY_EPEER);
    }
    assert_int_equal(ly__known_remember(folder, "db:1", A), 0);
    check_file("db:1 " A "\n");
}

static void a_file_that_others_may_change_is_not_believed(void **state)
{
    (void)state;
    assert_int_equal(write_file(LY__KNOWN_FILE, "db:1 " A "\n", 0664), 0);
    assert_int_equal(find("db:1", A), -EPERM);
    assert_int_equal(ly__known_remember(folder, "db:2", B), -EPERM);
    check_file("db:1 " A "\n");
    assert_int_equal(chmod(in_folder(LY__KNOWN_FILE), 0644), 0);
    assert_int_equal(find("db:1", A), LY__KNOWN_SAME);
}

static void a_file_beyond_the_limit_is_told(void **state)
{
    (void)state;
    int fd = open(in_folder(LY__KNOWN_FILE), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)LY__KNOWN_FILE_MAX), 0); /* one line of zero bytes */
    (void)close(fd);
    assert_int_equal(find("db:1", A), LY__KNOWN_NOT);
    assert_int_equal(ly__known_remember(folder, "db:1", A), LY_ETOOBIG);
    assert_int_equal(truncate(in_folder(LY__KNOWN_FILE), (off_t)LY__KNOWN_FILE_MAX + 1), 0);
    assert_int_equal(find("db:1", A), LY_ETOOBIG);
}

static int append(void *list, const struct ly__known_host *host)
{
    char *text = list;
    size_t n = strlen(text);
    (void)snprintf(text + n, 1024 - n, "%s,%s,%s;", host->name, host->id, host->next);
    return 0;
}

static int stop(void *arg, const struct ly__known_host *host)
{
    (void)host;
    ++*(int *)arg;
    return 7;
}

static void all_hosts_are_listed(void **state)
{
    (void)state;
    char text[1024] = "";
    int calls = 0;
    assert_int_equal(ly__known_list(folder, append, text), 0);
    assert_string_equal(text, "");
    assert_int_equal(write_file(LY__KNOWN_FILE, "# \nb " A "\na " B " " C "\nc\n", 0600), 0);
    assert_int_equal(ly__known_list(folder, append, text), 0);
    assert_string_equal(text, "b:7433," A ",;a:7433," B "," C ";c:7433,,;");
    assert_int_equal(ly__known_list(folder, stop, &calls), 7);
    assert_int_equal(calls, 1);
}

/* ---- announced keys ---- */

static void an_announced_key_is_accepted_when_it_comes(void **state)
{
    (void)state;
    struct ly__key key, next;
    struct ly__announcement a;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    assert_int_equal(ly__key_open(&next, folder, LY__KEY_NEXT_FILE, true), 0);
    assert_int_equal(ly__key_announce(&a, &key, &next), 0);
    assert_int_equal(ly__known_learn(folder, "db:1", key.id, &a), -ENOENT); /* a stranger teaches nothing */
    assert_int_equal(ly__known_remember(folder, "db:1", key.text), 0);
    assert_int_equal(find("db:1", next.text), LY__KNOWN_CHANGED);
    assert_int_equal(ly__known_promote(folder, "db:1", next.text), LY_EPEER);
    assert_int_equal(ly__known_learn(folder, "db:1", key.id, &a), 1);
    assert_int_equal(ly__known_learn(folder, "db:1", key.id, &a), 0);
    assert_int_equal(find("db:1", key.text), LY__KNOWN_SAME);
    assert_int_equal(find("db:1", next.text), LY__KNOWN_NEXT);
    assert_int_equal(ly__known_promote(folder, "db:1", next.text), 0);
    assert_int_equal(find("db:1", next.text), LY__KNOWN_SAME);
    assert_int_equal(find("db:1", key.text), LY__KNOWN_CHANGED);
    assert_int_equal(ly__known_learn(folder, "db:1", key.id, &a), -ENOENT); /* a replay */
    ly__key_close(&key);
    ly__key_close(&next);
}

static void a_forged_announcement_is_not_learned(void **state)
{
    (void)state;
    struct ly__key key, next;
    struct ly__announcement a;
    assert_int_equal(ly__key_open(&key, folder, LY__KEY_FILE, true), 0);
    assert_int_equal(ly__key_open(&next, folder, LY__KEY_NEXT_FILE, true), 0);
    assert_int_equal(ly__known_remember(folder, "db:1", key.text), 0);
    assert_int_equal(ly__key_announce(&a, &next, &next), 0);
    assert_int_equal(ly__known_learn(folder, "db:1", key.id, &a), LY_EPEER);
    assert_int_equal(find("db:1", next.text), LY__KNOWN_CHANGED);
    ly__key_close(&key);
    ly__key_close(&next);
}

/* ---- several at once ---- */

static void processes_that_remember_at_once_lose_nothing(void **state)
{
    (void)state;
    enum { USERS = 6, HOSTS = 10 };
    char name[32];
    for (int i = 0; i < USERS; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child > 0)
            continue;
        for (int n = 0; n < HOSTS; n++) {
            (void)snprintf(name, sizeof name, "h%d-%d:1", i, n);
            if (ly__known_remember(folder, name, A) < 0)
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < USERS; i++) {
        int status = 0;
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
    }
    for (int i = 0; i < USERS * HOSTS; i++) {
        (void)snprintf(name, sizeof name, "h%d-%d:1", i / HOSTS, i % HOSTS);
        assert_int_equal(find(name, A), LY__KNOWN_SAME);
    }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(a_host_is_remembered_and_forgotten),
        IN_FOLDER(a_directory_that_is_missing_remembers_nothing),
        IN_FOLDER(what_is_none_of_ours_stays_as_it_is),
        IN_FOLDER(a_line_by_hand_may_have_the_short_form_of_a_host),
        IN_FOLDER(an_identity_that_cannot_be_read_is_a_changed_one),
        IN_FOLDER(a_file_that_others_may_change_is_not_believed),
        IN_FOLDER(a_file_beyond_the_limit_is_told),
        IN_FOLDER(all_hosts_are_listed),
        IN_FOLDER(an_announced_key_is_accepted_when_it_comes),
        IN_FOLDER(a_forged_announcement_is_not_learned),
        IN_FOLDER(processes_that_remember_at_once_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
