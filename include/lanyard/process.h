/* SPDX-License-Identifier: MIT */
/* Child processes with pipes, waited for by pidfd; and pipes themselves. */
#ifndef LANYARD_PROCESS_H
#define LANYARD_PROCESS_H

#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One end of a pipe, or any descriptor that read(2) and write(2) serve and that can be waited for. */
struct ly_pipe;

/* Wrap a descriptor; taken on success. Its open file, which other processes may share, is left blocking. From
 * the first pipe on, SIGPIPE is ignored in this process unless it has a handler. Returns 0, -EBADF, -ENOMEM.
 */
LY_API int ly_pipe_from_fd(struct ly_pipe **ret_pipe, int fd);
LY_API void ly_pipe_close(struct ly_pipe *p); /* close and free; NULL is accepted */
LY_API int ly_pipe_fileno(const struct ly_pipe *p);

/* Read what is there, at most n bytes; 0 at the end. Suspends. Source: read(2). */
LY_API ssize_t ly_pipe_read(struct ly_pipe *p, void *buf, size_t n);
/* Write all n bytes. Returns 0, -EPIPE (no signal is raised), ... Suspends. Source: write(2). */
LY_API int ly_pipe_writeall(struct ly_pipe *p, const void *buf, size_t n);
/* Wait until a read would not block. Returns 0, -ETIMEDOUT, -ECANCELED, -EINVAL (timeout_ms below
 * LY_FOREVER). Suspends. */
LY_API int ly_pipe_wait(struct ly_pipe *p, int64_t timeout_ms);

struct ly_process;

enum ly_redirect {
    LY_INHERIT = 0, /* the parent's */
    LY_PIPE,        /* a new pipe, its other end in the ly_process */
    LY_NULL,        /* /dev/null */
    LY_TO_OUTPUT,   /* standard error only: wherever standard output goes */
};

struct ly_spawn_options {
    const char *const *argv; /* argv[0] is looked up in PATH unless it has a slash; NULL-terminated */
    const char *const *env;  /* NULL-terminated; NULL: the parent's */
    const char *cwd;         /* NULL: the parent's */
    int cwd_fd;              /* with cwd NULL and this above 0: a directory to start in; borrowed */
    enum ly_redirect in, out, err;
    bool new_group; /* the child leads a process group of its own */
    int pipe_size;  /* bytes asked of F_SETPIPE_SZ for output pipes; 0: the system's */
};

/*
 * Start a program. All descriptors but 0, 1 and 2 are closed in it, its signal mask is empty and its signal
 * dispositions are the default ones. Returns 0, -ENOENT, -EACCES, -E2BIG, -ENOTDIR, ... Suspends (the start
 * runs on the offload pool inside a loop).
 */
LY_API int ly_process_spawn(struct ly_process **ret_process, const struct ly_spawn_options *options);

/* Its process ID, until ly_process_free. */
LY_API pid_t ly_process_pid(const struct ly_process *p);

/* The parent's ends of the pipes asked for; NULL where there is none. Borrowed. */
LY_API struct ly_pipe *ly_process_stdin(struct ly_process *p);
LY_API struct ly_pipe *ly_process_stdout(struct ly_process *p);
LY_API struct ly_pipe *ly_process_stderr(struct ly_process *p);
/* Close the parent's end of standard input, so that the child reads its end. */
LY_API void ly_process_close_stdin(struct ly_process *p);

/* Wait for the end; may be called again. *ret_status (may be NULL) is as of waitpid(2). The process stays a
 * zombie until ly_process_free, so that its number and its group's stay its own. Returns 0, -ETIMEDOUT,
 * -EINVAL (timeout_ms below LY_FOREVER), -ECANCELED, -ECHILD (the program ignores SIGCHLD, or reaps others'
 * children). Suspends. */
LY_API int ly_process_wait(struct ly_process *p, int *ret_status, int64_t timeout_ms);

/* Send a signal to the process, or to its whole group if it leads one (also after it has ended: to those it
 * left behind). Returns 0, -ESRCH (it has ended and been waited for), -EPERM. */
LY_API int ly_process_kill(struct ly_process *p, int signal, bool group);

/* Kill the group (or the process) if the process still runs, reap it, close the pipes and free. NULL is
 * accepted. Suspends. */
LY_API void ly_process_free(struct ly_process *p);

#ifdef __cplusplus
}
#endif
#endif
