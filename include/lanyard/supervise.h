/* SPDX-License-Identifier: MIT */
/*
 * Servers that outlive a process: several processes behind one listener, listeners that were handed over by
 * systemd or by the program's predecessor, and handing them over to a successor. A connection that comes
 * while one process ends and another begins waits in the listener; none is refused.
 */
#ifndef LANYARD_SUPERVISE_H
#define LANYARD_SUPERVISE_H

#include <lanyard/error.h>
#include <lanyard/server.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- processes ---- */

struct ly_supervise_options {
    int processes; /* 1..256; 0: as many as there are processors for this one */
    /* What each process runs with its copy of the server; index is 0..processes-1. A result below 0 counts as
     * a crash. NULL: ly_serve_forever */
    int (*run)(struct ly_server *server, int index, void *arg);
    void *arg; /* for run and the hooks; borrowed */
    /* A process that crashed is started again after backoff_ms (0: 100), then after twice as long each time,
     * up to backoff_max_ms (0: 10,000), until one has lived for settled_ms (0: 10,000) */
    int64_t backoff_ms, backoff_max_ms, settled_ms;
    /* How long a process may take to end after it was asked to, beyond the server's drain_ms, before it is
     * killed. 0: 5000; with drain_ms 0, and without a second request to stop, it is not */
    int64_t kill_ms;
    /* Handle SIGTERM and SIGINT (stop) and SIGHUP (reload) while it runs. In one thread of the program at a
     * time */
    bool signals;
    /* Before a reload, in the supervisor: read the configuration again. Below 0: there is no reload, and the
     * processes stay. May be NULL */
    int (*reload)(struct ly_server *server, void *arg);
    /* A process has been started; one has ended, with a status as of waitpid(2). Each may be NULL; then a
     * line is logged of each crash */
    void (*started)(struct ly_server *server, int index, pid_t pid, void *arg);
    void (*ended)(struct ly_server *server, int index, pid_t pid, int status, void *arg);
};

/*
 * Serve by several processes, forked from the caller, which all take from the server's listeners, each with
 * the server's policy. One that crashes (it is killed by a signal, or ends with a status other than 0) is
 * started again; one that ends with 0, because a handler shut its server down, at once. Ends as
 * ly_serve_forever does: by ly_server_shutdown or ly_server_request_shutdown in the supervisor; then each
 * process drains. A second request cancels what runs in them. They end, too, when the supervisor dies.
 *
 * Caps and statistics are those of each process. Call it before other threads are started: a process is a
 * copy of the calling thread alone.
 *
 * Returns 0, -EBUSY (it serves already), -EPERM (from a fiber), -EINVAL, -ENOMEM. Suspends.
 */
LY_API int ly_supervise(struct ly_server *server, const struct ly_supervise_options *options);

/* Have ly_supervise replace its processes one after the other: the new one starts before the old one is asked
 * to end, which finishes what it has begun. Never waits; safe in signal handlers. No effect while it does not
 * run. */
LY_API void ly_server_request_reload(struct ly_server *server);

/* ---- listeners handed over ---- */

/*
 * How many listeners this process was given and has not taken yet, by systemd's socket activation or by
 * ly_server_restart (LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES; the variables are removed, so that children
 * do not take them for theirs). Call it before other threads are started. Source: sd_listen_fds(3).
 */
LY_API int ly_listeners_inherited(void);

/*
 * Take the first of them that has this name and was not taken yet.
 *
 * name       as LISTEN_FDNAMES gives it; NULL: any
 * ret_sock   the listener; given
 *
 * Returns 0, -ENOENT (there is none), or an error of ly_sock_from_fd. A server takes all that share one
 * address by its options' address "systemd:" or "systemd:NAME".
 */
LY_API int ly_listener_inherit(struct ly_sock **ret_sock, const char *name);

/*
 * Start the program's successor and hand it the server's listeners, which it serves by the address
 * "systemd:". This server goes on; once the successor serves, end it as ever, and its running requests drain.
 *
 * argv       the program's path and arguments, NULL-terminated; the environment is this process's
 * ready_ms   how long to wait until its first ly_serve_forever; 0: LY_FOREVER; LY_POLL: not at all
 * ret_pid    its process, a child of this one, to be waited for
 *
 * Returns 0; the error of execve(2); -ECHILD (it ended before it served); -ETIMEDOUT (it does not serve yet;
 * it goes on, and *ret_pid is set); -EBADF (the server has no listener); -ENOMEM, -EMFILE, -EAGAIN. Suspends
 * the thread.
 */
LY_API int ly_server_restart(struct ly_server *server, char *const argv[], int64_t ready_ms, pid_t *ret_pid);

#ifdef __cplusplus
}
#endif
#endif
