/* SPDX-License-Identifier: MIT */
/* A command that is a child of this process. */
#include "service/service_child.h"
#include "net/pipe.h"
#include "service/service_guard.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/fiber.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

struct own {
    struct ly__child child;
    struct ly_process *process;
    int guarded; /* its place */
};

static struct own *own_of(struct ly__child *c)
{
    return (struct own *)c; /* its first member */
}

static int wait_for_own(struct ly__child *c, int *ret_status, int64_t timeout_ms)
{
    return ly_process_wait(own_of(c)->process, ret_status, timeout_ms);
}

static void kill_own(struct ly__child *c, int signal)
{
    ly_process_kill(own_of(c)->process, signal, true);
}

static void end_own_input(struct ly__child *c)
{
    ly_process_close_stdin(own_of(c)->process);
    c->in = NULL;
}

static void let_go_of_own(struct ly__child *c)
{
    ly__process_close_pipes(own_of(c)->process);
    c->in = c->out = c->err = NULL;
}

static void free_own(struct ly__child *c)
{
    ly__guard_drop(own_of(c)->guarded);
    ly_process_free(own_of(c)->process);
    if (c->freed)
        c->freed(c->freed_arg);
    free(own_of(c));
}

static const struct ly__child_calls own_calls = {wait_for_own, kill_own, end_own_input, let_go_of_own,
                                                 free_own};

/* ---- starting ---- */

struct place {
    int root_fd;
    const char *path;
};

static int open_directory(void *arg)
{
    const struct place *p = arg;
    int fd = openat(p->root_fd, p->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* The directory to run in, open; a network's file system may keep that waiting. */
static int find_directory(const struct ly__launch *l, int root_fd, const char *home)
{
    struct place p = {.root_fd = root_fd, .path = l->cwd ? l->cwd : "."};
    if (root_fd < 0) {
        p.root_fd = AT_FDCWD;
        if (!l->cwd)
            p.path = home;
        else if (*l->cwd != '/')
            return -EOPNOTSUPP; /* relative to what? */
    }
    return l->cwd ? ly_offload(open_directory, &p) : open_directory(&p);
}

/* The server raised its own limit of descriptors; programs that use select(2) are better off without. */
static void lower_limit(pid_t pid, uint64_t files_limit)
{
    struct rlimit limit;
    if (files_limit == 0 || prlimit(pid, RLIMIT_NOFILE, NULL, &limit) < 0)
        return;
    limit.rlim_cur = files_limit;
    prlimit(pid, RLIMIT_NOFILE, &limit, NULL);
}

static int spawn(struct own *own, const struct ly__launch *l, int cwd)
{
    int r = ly_process_spawn(&own->process, &(struct ly_spawn_options){.argv = l->argv,
                                                                       .env = l->env,
                                                                       .cwd_fd = cwd,
                                                                       .in = l->input ? LY_PIPE : LY_NULL,
                                                                       .out = LY_PIPE,
                                                                       .err = LY_PIPE,
                                                                       .new_group = true});
    if (r < 0)
        return r;
    own->guarded = ly__guard_add(ly_process_pid(own->process));
    own->child = (struct ly__child){.calls = &own_calls,
                                    .pid = ly_process_pid(own->process),
                                    .in = ly_process_stdin(own->process),
                                    .out = ly_process_stdout(own->process),
                                    .err = ly_process_stderr(own->process)};
    return 0;
}

int ly__child_start(struct ly__child **ret_child, const char **ret_where, const struct ly__launch *l,
                    int root_fd, const char *home, uint64_t files_limit)
{
    *ret_where = l->cwd ? l->cwd : ".";
    int cwd = find_directory(l, root_fd, home);
    if (cwd < 0)
        return cwd;
    *ret_where = l->argv[0];
    struct own *own = calloc(1, sizeof *own);
    int r = own ? spawn(own, l, cwd) : -ENOMEM;
    close(cwd);
    if (r < 0) {
        free(own);
        return r;
    }
    lower_limit(own->child.pid, files_limit);
    *ret_child = &own->child;
    return 0;
}
