/* SPDX-License-Identifier: MIT */
/*
 * Fail each call of a scenario once, with each error that it can plausibly have, and look at what is left.
 *
 * sweep runs the scenario once to count its calls, then again for each call of each kind and each error. Each
 * run has to end within SWEEP_SECONDS (an alarm is the net under a hang), give 0 or an error of the library
 * but never -EINTR, and leave as many descriptors open as there were and no child. Memory is the leak
 * sanitizer's to watch. A failure says which call, which of them and which error it was.
 *
 * The counts of threads that race differ a little from run to run, so a few more are tried than the first run
 * made; a run whose order was never reached says nothing and does no harm.
 */
#ifndef LY_FAULT_SWEEP_H
#define LY_FAULT_SWEEP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inject.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/lanyard.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SWEEP_SECONDS 30 /* longer than any run takes on a busy machine */
#define SWEEP_ALL 200    /* so many calls of a kind are all failed; beyond, one in SWEEP_STEP */
#define SWEEP_STEP 17
#define SWEEP_MORE 2

/* A call and the errors that it has on Linux, for what the library asks of it. */
struct sweep_kind {
    const char *call;
    int errors[5];
};

static const struct sweep_kind sweep_kinds[] = {
    {"malloc", {ENOMEM}},
    {"calloc", {ENOMEM}},
    {"realloc", {ENOMEM}},
    {"posix_memalign", {ENOMEM}},
    {"aligned_alloc", {ENOMEM}},
    {"mmap", {ENOMEM}},
    {"mprotect", {ENOMEM}},
    {"madvise", {ENOMEM, EINVAL}},
    {"socket", {EMFILE, ENFILE, ENOMEM}},
    {"socketpair", {EMFILE}},
    {"accept4", {EMFILE, ENOMEM, ECONNABORTED, EINTR}},
    {"connect", {ECONNREFUSED, EINTR, EAGAIN, ETIMEDOUT}},
    {"bind", {EADDRINUSE, EACCES}},
    {"listen", {EADDRINUSE}},
    {"shutdown", {ENOTCONN}},
    {"getsockopt", {ENOBUFS}},
    {"setsockopt", {ENOBUFS}},
    {"getsockname", {ENOBUFS}},
    {"getpeername", {ENOBUFS}},
    {"recv", {ECONNRESET, EINTR, ETIMEDOUT}},
    {"recvmsg", {ECONNRESET, EINTR}},
    {"send", {EPIPE, ECONNRESET, EINTR, ENOBUFS}},
    {"sendmsg", {EPIPE, EINTR, ENOBUFS}},
    {"sendto", {EPERM, EINTR, ENOBUFS}},
    {"recvmmsg", {ENOMEM, EINTR, ENOBUFS}},
    {"sendmmsg", {EPERM, EINTR, ENOBUFS}},
    {"read", {EIO, EINTR}},
    {"write", {EIO, EINTR, EPIPE}},
    {"pread", {EIO, EINTR}},
    {"sendfile", {EIO, EINTR, EPIPE, EINVAL}},
    {"open", {EMFILE, ENFILE, ENOMEM}},
    {"close", {EIO, EINTR}},
    {"fcntl", {EMFILE, ENOMEM}},
    {"fstat", {ENOMEM}},
    {"fstatat", {EIO, ENOMEM}},
    {"lstat", {EIO, ENOMEM}},
    {"chmod", {EPERM}},
    {"fchmod", {EPERM}},
    {"unlink", {EACCES}},
    {"flock", {EINTR, ENOLCK}},
    {"faccessat", {EIO}},
    {"epoll_create1", {EMFILE, ENOMEM}},
    {"epoll_ctl", {ENOMEM, ENOSPC}},
    {"epoll_wait", {EINTR}},
    {"poll", {EINTR, ENOMEM}},
    {"select", {EINTR, ENOMEM}},
    {"eventfd", {EMFILE, ENFILE, ENOMEM}},
    {"pipe2", {EMFILE, ENFILE}},
    {"pthread_create", {EAGAIN}},
    {"fork", {EAGAIN, ENOMEM}},
    {"posix_spawn", {EAGAIN, ENOMEM}},
    {"waitid", {EINTR}},
    {"waitpid", {EINTR}},
    {"pidfd_open", {EMFILE, ENOMEM}},
    {"pidfd_send_signal", {EPERM}},
    {"io_uring_queue_init_params", {ENOSYS, EPERM, ENOMEM, EMFILE}},
    {"io_uring_submit", {EINTR, EAGAIN, EBUSY}},
    {"io_uring_submit_and_wait", {EINTR, EAGAIN, EBUSY}},
    {"io_uring_submit_and_wait_timeout", {EINTR, EAGAIN, EBUSY, ETIME}},
    {"io_uring_submit_and_get_events", {EINTR, EAGAIN, EBUSY}},
    {"io_uring_register_sync_cancel", {EINTR}},
    {"io_uring_ring_dontfork", {ENOMEM}},
    {"io_uring_register_ring_fd", {EINVAL, EMFILE}},
};
#define SWEEP_KINDS (sizeof sweep_kinds / sizeof *sweep_kinds)

/* Where a sweep is, for whoever has to say what went wrong. */
static struct {
    const char *scenario, *call;
    int error;
    unsigned long nth;
    const char *const *only;            /* the calls to fail, ended by NULL; NULL: all */
    unsigned long counts[SWEEP_KINDS];  /* of the last run's calls */
    unsigned long runs, hits, reported; /* of the whole program */
} sweep_now;

static inline void sweep_where(FILE *to)
{
    fprintf(to, "# in \"%s\": %s, call %lu, %s\n", sweep_now.scenario,
            sweep_now.call ? sweep_now.call : "none", sweep_now.nth,
            sweep_now.error ? ly_error_name(-sweep_now.error) : "no error");
}

static inline void sweep_hangs(int signal_number)
{
    (void)signal_number;
    ly_fault_disarm();
    sweep_where(stdout);
    printf("# it hangs\n");
    fflush(stdout);
    abort();
}

#define SWEEP_EXPECT(condition)     \
    do {                            \
        if (!(condition)) {         \
            ly_fault_disarm();      \
            sweep_where(stdout);    \
            fflush(stdout);         \
            assert_true(condition); \
        }                           \
    } while (0)

static inline int sweep_descriptors(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Run it with the nth call failing. Returns whether that call came. */
static inline bool sweep_run(ly_task_fn *run, void *arg, const char *call, unsigned long nth, int error)
{
    int before = sweep_descriptors();
    sweep_now.call = call;
    sweep_now.nth = nth;
    sweep_now.error = error;
    alarm(SWEEP_SECONDS);
    SWEEP_EXPECT(ly_fault_arm(call, nth, error) == 0);
    int r = run(arg);
    unsigned long hits = ly_fault_hits();
    for (size_t i = 0; i < SWEEP_KINDS; i++)
        sweep_now.counts[i] = ly_fault_count(sweep_kinds[i].call);
    ly_fault_disarm();
    alarm(0);
    SWEEP_EXPECT(r <= 0 && r > -6000 && r != -EINTR);
    SWEEP_EXPECT(sweep_descriptors() == before);
    SWEEP_EXPECT(waitpid(-1, NULL, WNOHANG) == -1);
    sweep_now.runs++;
    sweep_now.hits += hits > 0;
    sweep_now.reported += r < 0;
    return hits > 0;
}

static inline bool sweep_wants(const char *call)
{
    bool wants = !sweep_now.only;
    for (const char *const *one = sweep_now.only; one && *one && !wants; one++)
        wants = strcmp(*one, call) == 0;
    return wants;
}

static inline void sweep_kind(ly_task_fn *run, void *arg, const struct sweep_kind *kind, unsigned long count)
{
    for (size_t e = 0; e < sizeof kind->errors / sizeof *kind->errors && kind->errors[e]; e++)
        for (unsigned long nth = 1; nth <= count + SWEEP_MORE; nth += nth < SWEEP_ALL ? 1 : SWEEP_STEP)
            sweep_run(run, arg, kind->call, nth, kind->errors[e]);
}

/* The scenario with each of its calls failing once; without a failure it has to give 0, before and after. */
static inline void sweep(const char *scenario, ly_task_fn *run, void *arg)
{
    unsigned long counts[SWEEP_KINDS];
    sweep_now.scenario = scenario;
    signal(SIGALRM, sweep_hangs);
    SWEEP_EXPECT(run(arg) == 0); /* what the library keeps for good is there from now on */
    SWEEP_EXPECT(!sweep_run(run, arg, "malloc", (unsigned long)-1, 0));
    memcpy(counts, sweep_now.counts, sizeof counts);
    for (size_t i = 0; i < SWEEP_KINDS; i++)
        if (counts[i] > 0 && sweep_wants(sweep_kinds[i].call))
            sweep_kind(run, arg, &sweep_kinds[i], counts[i]);
    SWEEP_EXPECT(run(arg) == 0);
}

/* At the end of a program: what was done, and that something was. */
static inline int sweep_summary(void **state)
{
    (void)state;
    printf("# %lu runs, in %lu of them a call failed, %lu reported an error\n", sweep_now.runs,
           sweep_now.hits, sweep_now.reported);
    return sweep_now.hits > 0 && sweep_now.reported > 0 ? 0 : -1;
}

#endif
