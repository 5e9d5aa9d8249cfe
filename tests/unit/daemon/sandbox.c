/* SPDX-License-Identifier: MIT */
#include "daemon/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/ly-sandbox-XXXXXX";
static int root_fd = -1, listener_fd = -1;
static int parts; /* that are in force, in a confined process */
static bool has_files, has_network;

/* Run body confined, in a process of its own: its result, or 128 + the signal that ended it. */
static int confined(int (*body)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        parts = ly__sandbox_enter(root_fd);
        _exit(parts < 0 || !(parts & LY__SANDBOX_CALLS) ? 99 : body());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* ---- what a worker does ---- */

static void *nothing(void *arg)
{
    return arg;
}

static int start_thread(void)
{
    pthread_t t;
    return pthread_create(&t, NULL, nothing, NULL) || pthread_join(t, NULL);
}

static int use_files(void)
{
    char byte = 0;
    struct stat st;
    int fd = openat(root_fd, "a", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, "x", 1, 0) != 1 || pread(fd, &byte, 1, 0) != 1 || byte != 'x')
        return 1;
    /* The C library would say "not supported", as of a file system without it, and each read would go to a
     * thread. */
    struct iovec iov = {&byte, 1};
    if (syscall(SYS_preadv2, fd, &iov, 1, 0, 0, RWF_NOWAIT) < 0 && errno == ENOSYS)
        return 5;
    if (ftruncate(fd, 0) < 0 || fstat(fd, &st) < 0 || close(fd) < 0)
        return 2;
    if (mkdirat(root_fd, "d", 0700) < 0 || renameat(root_fd, "a", root_fd, "d/b") < 0)
        return 3;
    return unlinkat(root_fd, "d/b", 0) < 0 || unlinkat(root_fd, "d", AT_REMOVEDIR) < 0 ? 4 : 0;
}

static int accept_connection(void)
{
    char byte;
    int fd = accept4(listener_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    return fd < 0 || recv(fd, &byte, 1, 0) != -1 || errno != EAGAIN;
}

static int use_memory(void)
{
    void *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return p == MAP_FAILED || mprotect(p, 4096, PROT_NONE) < 0 || munmap(p, 1 << 20) < 0;
}

static void a_confined_process_can_serve(void **state)
{
    (void)state;
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof a;
    listener_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener_fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(listener_fd, 1), 0);
    assert_int_equal(getsockname(listener_fd, (struct sockaddr *)&a, &length), 0);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&a, length), 0);
    assert_int_equal(confined(accept_connection), 0);
    assert_int_equal(confined(start_thread), 0);
    assert_int_equal(confined(use_files), 0);
    assert_int_equal(confined(use_memory), 0);
    close(client);
    close(listener_fd);
}

/* ---- files elsewhere ---- */

static int read_shadow(void)
{
    return open("/etc/shadow", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES;
}

static int climb_out(void)
{
    return openat(root_fd, "../../etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || errno != EACCES;
}

static int follow_link_out(void)
{
    if (symlinkat("/etc/passwd", root_fd, "out") < 0)
        return 2;
    int fd = openat(root_fd, "out", O_RDONLY | O_CLOEXEC);
    int r = fd >= 0 || errno != EACCES;
    unlinkat(root_fd, "out", 0);
    return r;
}

static int make_file_elsewhere(void)
{
    return open("/tmp/ly-sandbox-out", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) >= 0 || errno != EACCES;
}

static void files_outside_the_directory_are_out_of_reach(void **state)
{
    (void)state;
    if (!has_files)
        skip(); /* this kernel has no Landlock */
    assert_int_equal(confined(read_shadow), 0);
    assert_int_equal(confined(climb_out), 0);
    assert_int_equal(confined(follow_link_out), 0);
    assert_int_equal(confined(make_file_elsewhere), 0);
}

/* ---- reaching out ---- */

static int run_program(void)
{
    return execl("/bin/true", "true", (char *)NULL);
}

static int make_process(void)
{
    return (int)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) < 0;
}

static int make_socket(void)
{
    return socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) < 0;
}

static int make_ring(void)
{
    return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int kill_parent(void)
{
    return kill(getppid(), 0);
}

static int trace_parent(void)
{
    return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
}

static int become_another(void)
{
    return (int)syscall(SYS_setuid, 65534);
}

static int give_file_away(void)
{
    return fchown(root_fd, 1, 1);
}

static void reaching_out_ends_the_process(void **state)
{
    int (*const attempts[])(void) = {run_program,  make_socket,    make_ring,     kill_parent,
                                     trace_parent, become_another, give_file_away};
    (void)state;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++)
        assert_int_equal(confined(attempts[i]), 128 + SIGSYS);
}

static int map_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? 0 : 1;
}

static void no_process_and_no_code_can_be_made(void **state)
{
    (void)state;
    assert_int_equal(confined(make_process), 1); /* ENOSYS: threads are made by the same call */
    assert_int_equal(confined(map_code), 0);
}

/* ---- Landlock alone: what the filter of calls would have stopped first ---- */

static void connections_are_refused_by_the_second_fence_as_well(void **state)
{
    (void)state;
    int status = 0;
    if (!has_network)
        skip(); /* this kernel's Landlock knows no network */
    pid_t pid = fork();
    if (pid == 0) {
        struct sockaddr_in a = {
            .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = 9};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        syscall(SYS_prctl, 38 /* PR_SET_NO_NEW_PRIVS */, 1, 0, 0, 0);
        if (ly__sandbox_confine_files(-1) < 0)
            _exit(2);
        _exit(connect(fd, (struct sockaddr *)&a, sizeof a) == 0 || errno != EACCES);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- all ---- */

static int tell_parts(void)
{
    return parts;
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    root_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int told = confined(tell_parts);
    has_files = told & LY__SANDBOX_FILES;
    has_network = told & LY__SANDBOX_NETWORK;
    return root_fd < 0 ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    close(root_fd);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confined_process_can_serve),
        cmocka_unit_test(files_outside_the_directory_are_out_of_reach),
        cmocka_unit_test(reaching_out_ends_the_process),
        cmocka_unit_test(no_process_and_no_code_can_be_made),
        cmocka_unit_test(connections_are_refused_by_the_second_fence_as_well),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
