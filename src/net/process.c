/* SPDX-License-Identifier: MIT */
/*
 * Child processes.
 *
 * The child is waited for without being reaped: it stays a zombie until ly_process_free. Its number, which is
 * its group's as well, thus cannot pass to another process while this object lives, and a signal to the group
 * reaches the group or nobody, even when the leader has ended and left children behind. It also lets any
 * number of tasks wait for the same process.
 */
#include "net/pipe.h"
#include "net/sock.h"
#include "net/spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

struct ly_process {
    struct ly__io io; /* the pidfd: readable once the process has ended */
    pid_t pid;
    bool group;             /* it leads a group of its own */
    atomic_bool ended;      /* status is valid */
    atomic_bool lost;       /* somebody else reaped it: its number means nothing any more */
    atomic_int status;      /* as of waitpid(2) */
    struct ly_pipe *std[3]; /* our ends; NULL: none */
};

/* ---- starting ---- */

/* A pipe for the child's descriptor `which`: its end, and ours wrapped. */
static int make_pipe(struct ly_pipe **ret_ours, int *ret_theirs, int which, int size)
{
    int fd[2];
    bool reads = which == 0;
    if (pipe2(fd, O_CLOEXEC) < 0)
        return -errno;
    int ours = ly__fd_move_up(fd[reads]), theirs = ly__fd_move_up(fd[!reads]);
    if (size > 0 && !reads && ours >= 0)
        fcntl(ours, F_SETPIPE_SZ, size); /* a wish: the system has a limit */
    int r = ours < 0 ? ours : theirs;
    if (r >= 0)
        r = ly__fd_prepare(ours);
    if (r >= 0)
        r = ly__pipe_wrap(ret_ours, ours);
    if (r < 0) {
        if (ours >= 0)
            close(ours);
        if (theirs >= 0)
            close(theirs);
        return r;
    }
    *ret_theirs = theirs;
    return 0;
}

static int make_pipes(struct ly_process *p, struct ly__spawn *s)
{
    const struct ly_spawn_options *o = s->options;
    const enum ly_redirect how[3] = {o->in, o->out, o->err};
    for (int i = 0; i < 3; i++) {
        s->std[i].how = how[i];
        if (how[i] == LY_TO_OUTPUT && i != STDERR_FILENO)
            return -EINVAL;
        int r = how[i] == LY_PIPE ? make_pipe(&p->std[i], &s->std[i].fd, i, o->pipe_size) : 0;
        if (r < 0)
            return r;
    }
    return 0;
}

void ly__process_close_pipes(struct ly_process *p)
{
    for (int i = 0; i < 3; i++) {
        ly_pipe_close(p->std[i]);
        p->std[i] = NULL;
    }
}

int ly_process_spawn(struct ly_process **ret_process, const struct ly_spawn_options *options)
{
    struct ly__spawn s = {.options = options, .std = {{.fd = -1}, {.fd = -1}, {.fd = -1}}};
    if (!options->argv || !options->argv[0])
        return -EINVAL;
    struct ly_process *p = calloc(1, sizeof *p);
    if (!p)
        return -ENOMEM;
    int r = make_pipes(p, &s);
    if (r == 0)
        r = ly_offload(ly__spawn, &s);
    for (int i = 0; i < 3; i++) {
        if (s.std[i].fd >= 0)
            close(s.std[i].fd);
    }
    if (r < 0) {
        ly__process_close_pipes(p);
        free(p);
        return r;
    }
    ly__io_init(&p->io, s.pidfd);
    p->pid = s.pid;
    p->group = options->new_group;
    *ret_process = p;
    return 0;
}

/* ---- what it is made of ---- */

pid_t ly_process_pid(const struct ly_process *p)
{
    return p->pid;
}

struct ly_pipe *ly_process_stdin(struct ly_process *p)
{
    return p->std[STDIN_FILENO];
}

struct ly_pipe *ly_process_stdout(struct ly_process *p)
{
    return p->std[STDOUT_FILENO];
}

struct ly_pipe *ly_process_stderr(struct ly_process *p)
{
    return p->std[STDERR_FILENO];
}

void ly_process_close_stdin(struct ly_process *p)
{
    ly_pipe_close(p->std[STDIN_FILENO]);
    p->std[STDIN_FILENO] = NULL;
}

/* ---- its end ---- */

static int wait_status(const siginfo_t *info)
{
    if (info->si_code == CLD_EXITED)
        return (info->si_status & 0xff) << 8;
    return info->si_status | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

/* See whether it has ended. Returns 1 if so, 0 if not, -ECHILD if its status went to somebody else. */
static int look(struct ly_process *p)
{
    siginfo_t info = {0};
    int r;
    if (atomic_load(&p->ended))
        return 1;
    if (atomic_load(&p->lost))
        return -ECHILD;
    do {
        r = waitid(P_PIDFD, (id_t)p->io.fd, &info, WEXITED | WNOHANG | WNOWAIT);
    } while (r < 0 && errno == EINTR);
    if (r < 0) {
        int error = errno;
        if (error == ECHILD)
            atomic_store(&p->lost, true);
        return -error;
    }
    if (info.si_pid == 0)
        return 0;
    atomic_store(&p->status, wait_status(&info));
    atomic_store(&p->ended, true);
    return 1;
}

int ly_process_wait(struct ly_process *p, int *ret_status, int64_t timeout_ms)
{
    int64_t deadline = ly_deadline(timeout_ms);
    int r = timeout_ms < LY_FOREVER ? -EINVAL : look(p);
    while (r == 0) {
        r = ly__io_poll(&p->io, LY__IN, deadline);
        if (r == 0)
            r = look(p);
    }
    if (r < 0)
        return r == -EAGAIN ? -ETIMEDOUT : r;
    if (ret_status)
        *ret_status = atomic_load(&p->status);
    return 0;
}

int ly_process_kill(struct ly_process *p, int signal, bool group)
{
    if (atomic_load(&p->lost))
        return -ESRCH;
    if (group && p->group)
        return kill(-p->pid, signal) < 0 ? -errno : 0;
    if (atomic_load(&p->ended))
        return -ESRCH;
    return pidfd_send_signal(p->io.fd, signal, NULL, 0) < 0 ? -errno : 0;
}

/* Wait for a process that was killed, whatever is cancelled around the caller. */
static void wait_for_death(struct ly_process *p)
{
    struct ly_scope *shield;
    int r = ly_scope_open(&shield, &(struct ly_scope_options){.shield = true});
    if (r < 0)
        return; /* the reaping below waits too, though for the whole thread */
    ly_process_wait(p, NULL, LY_FOREVER);
    ly_scope_close(shield);
}

void ly_process_free(struct ly_process *p)
{
    if (!p)
        return;
    bool runs = look(p) != 1 && !atomic_load(&p->lost);
    if (runs)
        ly_process_kill(p, SIGKILL, true);
    ly__process_close_pipes(
        p); /* one that may not be killed, since it runs as somebody else, mostly ends by this */
    if (runs)
        wait_for_death(p);
    while (!atomic_load(&p->lost) && waitid(P_PIDFD, (id_t)p->io.fd, NULL, WEXITED) < 0 && errno == EINTR)
        ;
    ly__io_close(&p->io);
    free(p);
}
