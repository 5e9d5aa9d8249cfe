/* SPDX-License-Identifier: MIT */
/*
 * A command that runs, as the service that feeds and drains it sees it. Who started it may be this process or
 * another one that may do so: what differs is behind the calls.
 */
#ifndef LY_SERVICE_CHILD_H
#define LY_SERVICE_CHILD_H

#include <lanyard/process.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What to start. Strings are bytes. */
struct ly__launch {
    const char *const
        *argv; /* ended by NULL, not empty; argv[0] is looked up in env's PATH unless it has a '/' */
    const char *const *env; /* "NAME=value", ended by NULL */
    const char *cwd; /* absolute, or relative to the served root; NULL: the root, or the home without one */
    bool input;      /* standard input is a pipe; else /dev/null */
};

struct ly__child;

struct ly__child_calls {
    /* Wait for the end: *ret_status is as of waitpid(2). Returns 0, -ETIMEDOUT, -ECANCELED, or an error that
     * says that nobody will know. Suspends. */
    int (*wait)(struct ly__child *c, int *ret_status, int64_t timeout_ms);
    /* Send a signal to its group, also after its end: to those it left behind. */
    void (*kill)(struct ly__child *c, int signal);
    /* Close the pipe to its input, so that it reads the end. */
    void (*end_input)(struct ly__child *c);
    /* Close all its pipes here: copies of them have been given away. */
    void (*let_go)(struct ly__child *c);
    /* Kill the group if the command still runs, close the pipes and free. Suspends. */
    void (*free)(struct ly__child *c);
};

struct ly__child {
    const struct ly__child_calls *calls;
    pid_t pid;          /* for people; it may be another process's child */
    struct ly_pipe *in; /* our ends of its pipes; NULL: /dev/null, or closed */
    struct ly_pipe *out, *err;
    void (*freed)(void *arg); /* told last by free; NULL: nobody */
    void *freed_arg;
};

/*
 * Start a command as a child of this process, in a group of its own.
 *
 * root_fd      the served directory; -1: none
 * home         where it starts without a root; borrowed for the call
 * files_limit  its soft limit of open descriptors; 0: this process's own
 *
 * Returns 0; -ENOENT, -EACCES, -ENOTDIR, ... with *ret_where the text that it concerns (of l, or ".");
 * -EOPNOTSUPP (a relative cwd without a root); -ECANCELED. Suspends.
 */
int ly__child_start(struct ly__child **ret_child, const char **ret_where, const struct ly__launch *l,
                    int root_fd, const char *home, uint64_t files_limit);

#endif
