/* SPDX-License-Identifier: MIT */
#include "daemon/setup.h"
#include "tasks.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct ly__channel supervisor, worker;
static const struct ly__setup plain = {.key = "a secret key",
                                       .certificate = "a certificate",
                                       .next_key = "{}",
                                       .uid = UINT32_MAX - 1,
                                       .gid = 7,
                                       .log_level = LY_LOG_ERROR,
                                       .asks_first = true,
                                       .root_fd = -1};

static int open_both(void)
{
    int fds[2];
    CHECK(ly__channel_pair(fds) == 0);
    CHECK(ly__channel_open(&supervisor, fds[0]) == 0 && ly__channel_open(&worker, fds[1]) == 0);
    return 0;
}

static int close_both(void)
{
    ly__channel_close(&supervisor);
    ly__channel_close(&worker);
    return 0;
}

static int next_descriptor(void)
{
    int fd = dup(0);
    close(fd);
    return fd;
}

static int arrives(void *arg)
{
    struct ly__setup s = plain, got;
    struct stat there, here;
    (void)arg;
    CHECK(open_both() == 0);
    s.root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    CHECK(ly__setup_send(&s, &supervisor) == 0 && ly__setup_receive(&got, &worker) == 0);
    CHECK(strcmp(got.key, s.key) == 0 && strcmp(got.certificate, s.certificate) == 0);
    CHECK(strcmp(got.next_key, s.next_key) == 0 && got.asks_first);
    CHECK(got.uid == s.uid && got.gid == s.gid);
    CHECK(got.log_level == s.log_level);
    CHECK(got.root_fd >= 0 && got.root_fd != s.root_fd);
    CHECK(fstat(s.root_fd, &there) == 0 && fstat(got.root_fd, &here) == 0 && there.st_ino == here.st_ino);
    close(s.root_fd);
    close(got.root_fd);
    CHECK(ly__setup_send(&plain, &supervisor) == 0 && ly__setup_receive(&got, &worker) == 0);
    CHECK(got.root_fd == -1);
    return close_both();
}

static void settings_arrive_with_the_served_directory_or_without(void **state)
{
    (void)state;
    assert_int_equal(in_loop(arrives), 0);
}

static int secrets(void *arg)
{
    struct ly__setup got;
    (void)arg;
    CHECK(open_both() == 0);
    CHECK(ly__setup_send(&plain, &supervisor) == 0 && ly__setup_receive(&got, &worker) == 0);
    CHECK(!memmem(worker.bytes, LY__CHANNEL_MAX, plain.key, strlen(plain.key)));
    ly__setup_wipe(&got);
    for (size_t i = 0; i < sizeof got.key; i++)
        CHECK(got.key[i] == 0);
    return close_both();
}

static void the_key_does_not_stay_where_it_came_through(void **state)
{
    (void)state;
    assert_int_equal(in_loop(secrets), 0);
}

#define REST "\"key\":\"k\",\"certificate\":\"c\",\"next_key\":\"\",\"asks_first\":false,\"log_level\":1"

/* What the worker makes of a message with so many descriptors, of which none stays. */
static int receive(const char *text, size_t nfds)
{
    static const int fds[] = {0, 0};
    struct ly__setup got;
    CHECK(open_both() == 0);
    int before = next_descriptor();
    CHECK(ly_send_fds(supervisor.sock, text, strlen(text), fds, nfds) > 0);
    int r = ly__setup_receive(&got, &worker);
    CHECK(got.root_fd == -1 || r == 0);
    if (got.root_fd >= 0)
        close(got.root_fd);
    CHECK(next_descriptor() == before);
    close_both();
    return r;
}

static int wrong(void *arg)
{
    static const char *const texts[] = {
        "{}",
        "{\"serve\":1}",
        "{\"setup\":\"worker\"}",
        "{\"setup\":\"other\",\"uid\":0,\"gid\":0," REST "}",
        "{\"setup\":\"worker\",\"gid\":0," REST "}",
        "{\"setup\":\"worker\",\"uid\":-1,\"gid\":0," REST "}",
        "{\"setup\":\"worker\",\"uid\":0,\"gid\":4294967296," REST "}",
        "{\"setup\":\"worker\",\"uid\":\"0\",\"gid\":0," REST "}",
        "{\"setup\":\"worker\",\"uid\":0,\"gid\":0,\"key\":\"k\"}",
    };
    static const char right[] = "{\"setup\":\"worker\",\"uid\":0,\"gid\":0," REST "}";
    (void)arg;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        CHECK(receive(texts[i], 1) == LY_EFIELD);
    CHECK(receive("[]", 1) == LY_EJSON);
    CHECK(receive(right, 2) == LY_EFIELD);
    CHECK(receive(right, 1) == 0 && receive(right, 0) == 0);
    return 0;
}

static void what_are_no_settings_is_refused_and_its_descriptors_are_closed(void **state)
{
    (void)state;
    assert_int_equal(in_loop(wrong), 0);
}

static int nobody(void *arg)
{
    struct ly__setup got;
    (void)arg;
    CHECK(open_both() == 0);
    ly__channel_close(&supervisor);
    CHECK(ly__setup_receive(&got, &worker) == -EPIPE);
    ly__channel_close(&worker);
    CHECK(open_both() == 0);
    ly__channel_close(&worker);
    CHECK(ly__setup_send(&plain, &supervisor) == -EPIPE);
    return close_both();
}

static void without_a_supervisor_or_a_worker_that_is_an_error(void **state)
{
    (void)state;
    assert_int_equal(in_loop(nobody), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_arrive_with_the_served_directory_or_without),
        cmocka_unit_test(the_key_does_not_stay_where_it_came_through),
        cmocka_unit_test(what_are_no_settings_is_refused_and_its_descriptors_are_closed),
        cmocka_unit_test(without_a_supervisor_or_a_worker_that_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
