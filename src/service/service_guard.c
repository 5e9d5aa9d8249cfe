/* SPDX-License-Identifier: MIT */
/*
 * A small process, forked while this one is small too, reads from a pipe that nobody writes to. Its other end
 * is in this process alone, so the read returns when this process is gone. Then the small one kills the
 * groups in a table that both share. To start and to end a command costs a word of memory each.
 *
 * The parent's-death signal (prctl(2), PR_SET_PDEATHSIG) would not do. It comes when the thread ends that
 * started the child, and threads of the offload pool do end; it is forgotten by a program that is setuid; and
 * it reaches the one process, not what that has started.
 *
 * A group's number is in the table until just before its leader is reaped, so it is nobody else's. What is
 * not guarded is a command in the microseconds between its start and its number's way into the table.
 *
 * The small one can be killed and stopped as any process can. It is the pipe's only reader, so that its end
 * is an event of the pipe here, and another takes its place; and it is continued when this process is gone,
 * for which the signal named above is good enough: the thread that starts it is the first and the last one.
 */
#include "service/service_guard.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLACES (1u << 17) /* more than commands and workers can be; memory is used for those that are */

static struct {
    _Atomic pid_t *groups; /* PLACES of them, shared with the guard; 0: free */
    atomic_uint next;      /* where to look for a free one */
    pid_t pid;             /* the guard */
    int fd;                /* closed when this process is gone */
} guard = {.fd = -1};

/* ---- the guard ---- */

static void kill_all(void)
{
    for (size_t i = 0; i < PLACES; i++) {
        pid_t group = atomic_load(&guard.groups[i]);
        if (group > 0)
            kill(-group, SIGKILL);
    }
}

/* It keeps nothing of what it was forked from: no descriptor, no terminal, no directory. */
static _Noreturn void watch(int fd)
{
    char byte;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    prctl(PR_SET_NAME, "lanyard-guard");
    prctl(PR_SET_PDEATHSIG, SIGCONT);
    setsid();
    if (dup2(fd, 0) < 0 || chdir("/") < 0)
        _exit(1);
    close_range(1, ~0u, 0);
    while (read(0, &byte, 1) < 0 && errno == EINTR)
        ;
    kill_all();
    _exit(0);
}

/* ---- who is guarded ---- */

static int start(void)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    guard.pid = fork();
    if (guard.pid == 0)
        watch(fds[0]);
    int r = guard.pid < 0 ? -errno : 0;
    close(fds[0]);
    if (r < 0)
        close(fds[1]);
    else
        guard.fd = fds[1];
    return r;
}

static void end(void)
{
    if (guard.fd < 0)
        return;
    close(guard.fd);
    guard.fd = -1;
    kill(guard.pid, SIGCONT); /* one that is stopped would not read that */
    while (waitpid(guard.pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int ly__guard_open(void)
{
    void *memory =
        mmap(NULL, PLACES * sizeof *guard.groups, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return -errno;
    guard.groups = memory;
    int r = start();
    if (r < 0)
        ly__guard_close();
    return r;
}

int ly__guard_fd(void)
{
    return guard.fd;
}

int ly__guard_renew(void)
{
    end();
    return start();
}

void ly__guard_close(void)
{
    end();
    if (guard.groups)
        munmap(guard.groups, PLACES * sizeof *guard.groups);
    guard.groups = NULL;
}

int ly__guard_add(pid_t group)
{
    for (unsigned i = 0; guard.groups && i < PLACES; i++) {
        unsigned place = atomic_fetch_add(&guard.next, 1) % PLACES;
        pid_t none = 0;
        if (atomic_compare_exchange_strong(&guard.groups[place], &none, group))
            return (int)place;
    }
    return LY__GUARD_NONE;
}

void ly__guard_drop(int place)
{
    if (guard.groups && place != LY__GUARD_NONE)
        atomic_store(&guard.groups[place], 0);
}
