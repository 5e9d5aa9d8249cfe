/* SPDX-License-Identifier: MIT */
/*
 * Sockets and processes with each allocation and each system call failing once, in a thread and in a loop:
 * the failure is reported or made up for, and leaves no descriptor, no file, no child.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <lanyard/fiber.h>
#include <lanyard/process.h>
#include <lanyard/stream.h>

#include "inject.h"

static char directory[] = "/tmp/lanyard-fault-net-XXXXXX";
static char path[64], address[80], file[64];

static int open_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d))
        n++;
    if (d)
        closedir(d);
    return n;
}

/* ---- the paths ---- */

/* Bytes and a file from one end to the other. */
static int talk(struct ly_sock *from, struct ly_sock *to)
{
    char buf[64];
    struct ly_stream *stream;
    int r = ly_sendall(from, "one two ", 8);
    if (r == 0)
        r = (int)ly_recvall(to, buf, 8);
    if (r < 0)
        return r;
    r = ly_stream_open(&stream, from, &(struct ly_stream_options){.borrow = true});
    if (r < 0)
        return r;
    r = ly_stream_write(stream, "three", 5);
    if (r == 0)
        r = ly_stream_flush(stream);
    ly_stream_close(stream);
    int fd = r < 0 ? r : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return r < 0 ? r : -errno;
    int64_t sent = ly_sendfile(from, fd, 0, 0);
    close(fd);
    return sent < 0 ? (int)sent : (int)ly_recvall(to, buf, 5 + (size_t)sent);
}

static int converse(void *arg)
{
    struct ly_sock *listener = NULL, *client = NULL, *server = NULL;
    struct ly_address peer;
    const struct ly_listen_options o = {.mode = 0600, .replace_stale = true};
    (void)arg;
    int r = ly_listen(&listener, address, &o);
    if (r == 0)
        r = ly_connect(&client, address, NULL);
    if (r == 0)
        r = ly_accept(listener, &server, &peer);
    if (r == 0)
        r = talk(client, server);
    ly_sock_free(listener);
    ly_sock_free(client);
    ly_sock_free(server);
    return r < 0 ? r : 0;
}

static int run_program(void *arg)
{
    struct ly_process *p;
    const char *const argv[] = {"cat", NULL};
    const struct ly_spawn_options o = {.argv = argv,
                                       .in = LY_PIPE,
                                       .out = LY_PIPE,
                                       .err = LY_NULL,
                                       .cwd = "/",
                                       .new_group = true,
                                       .pipe_size = 1 << 16};
    char buf[16];
    (void)arg;
    int r = ly_process_spawn(&p, &o);
    if (r < 0)
        return r;
    r = ly_pipe_writeall(ly_process_stdin(p), "text", 4);
    ly_process_close_stdin(p);
    ssize_t n = r;
    while (r == 0 && (n = ly_pipe_read(ly_process_stdout(p), buf, sizeof buf)) > 0)
        ;
    r = n < 0 ? (int)n : ly_process_wait(p, NULL, LY_FOREVER);
    ly_process_free(p);
    return r;
}

/* ---- failing them ---- */

struct trial {
    ly_task_fn *path;
    const char *calls;
    unsigned long nth;
    unsigned long hits; /* whether the nth call was made */
    int result;
};

static int try_once(void *arg)
{
    struct trial *t = arg;
    if (ly_fault_arm(t->calls, t->nth, 0) < 0)
        return -EINVAL;
    t->result = t->path(NULL);
    t->hits = ly_fault_hits();
    ly_fault_disarm();
    return 0;
}

static int run_in(const char *reactor, ly_task_fn *fn, void *arg)
{
    return reactor ? ly_run(fn, arg, &(struct ly_run_options){.reactor = reactor}) : fn(arg);
}

static void assert_clean(int descriptors)
{
    assert_int_equal(open_descriptors(), descriptors);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Returns how many of the failures were reported. */
static int fail_each(ly_task_fn *fn, const char *calls, const char *reactor)
{
    assert_int_equal(run_in(reactor, fn, NULL), 0);
    int descriptors = open_descriptors(), reported = 0;
    for (unsigned long nth = 1;; nth++) {
        struct trial t = {.path = fn, .calls = calls, .nth = nth};
        assert_int_equal(run_in(reactor, try_once, &t), 0);
        assert_clean(descriptors);
        if (!t.hits)
            break;
        assert_true(t.result <= 0);
        reported += t.result < 0;
    }
    assert_int_equal(run_in(reactor, fn, NULL), 0);
    return reported;
}

/* In a loop the calls are named one by one: the write that wakes a loop goes to an eventfd and cannot fail.
 */
static void fail_everything(ly_task_fn *fn)
{
    static const char *const reactors[] = {"epoll!", "poll!"};
    static const char *const calls[] = {"any-alloc",  "socket", "connect",     "accept4", "recv",
                                        "send",       "pipe2",  "posix_spawn", "waitid",  "pidfd_open",
                                        "sendfile",   "fcntl",  "epoll_ctl",   "poll",    "pthread_create",
                                        "epoll_wait", "open",   "getsockopt"};
    assert_true(fail_each(fn, "any-alloc", NULL) > 3);
    assert_true(fail_each(fn, "any-syscall", NULL) > 5);
    for (size_t i = 0; i < sizeof reactors / sizeof *reactors; i++) {
        for (size_t j = 0; j < sizeof calls / sizeof *calls; j++)
            fail_each(fn, calls[j], reactors[i]);
    }
}

static void sockets_survive_each_failure(void **state)
{
    (void)state;
    fail_everything(converse);
}

static void processes_survive_each_failure(void **state)
{
    (void)state;
    fail_everything(run_program);
}

static void a_listener_that_failed_leaves_no_file(void **state)
{
    (void)state;
    static const char *const calls[] = {"listen", "setsockopt", "fchmod", "bind", "malloc"};
    struct stat st;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct ly_sock *l = NULL;
        unlink(path);
        assert_int_equal(ly_fault_arm(calls[i], 1, 0), 0);
        int r = ly_listen(&l, address, &(struct ly_listen_options){.mode = 0600});
        unsigned long hits = ly_fault_hits();
        ly_fault_disarm();
        assert_int_equal(r<0, hits> 0);
        assert_int_equal(stat(path, &st) == 0, r == 0);
        ly_sock_free(l);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/s", directory);
    snprintf(file, sizeof file, "%s/file", directory);
    snprintf(address, sizeof address, "unix:%s", path);
    FILE *f = fopen(file, "we");
    return f && fputs("some content", f) >= 0 && fclose(f) == 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    unlink(file);
    return rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sockets_survive_each_failure),
        cmocka_unit_test(processes_survive_each_failure),
        cmocka_unit_test(a_listener_that_failed_leaves_no_file),
    };
    return cmocka_run_group_tests_name("fault/net", tests, set_up, tear_down);
}
