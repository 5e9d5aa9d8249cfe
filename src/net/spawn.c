/* SPDX-License-Identifier: MIT */
/*
 * Starting a program.
 *
 * posix_spawn(3) of the C library shares the parent's memory with the child until exec, so a large server
 * starts programs as fast as a small one, and reports a failed exec as an error. It searches the parent's
 * PATH, though; the one that counts is the child's, so the search is done here.
 */
#include "net/spawn.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATH_DEFAULT "/usr/local/bin:/usr/bin:/bin"

int ly__fd_move_up(int fd)
{
    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    int up = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int r = up < 0 ? -errno : up;
    close(fd);
    return r;
}

/* ---- finding the program ---- */

static const char *search_path(const char *const *env)
{
    for (; env && *env; env++) {
        if (strncmp(*env, "PATH=", 5) == 0)
            return *env + 5;
    }
    return PATH_DEFAULT;
}

/* Whether path, seen from the child's directory, can be run: 0 or -errno. */
static int check_program(int directory, const char *path)
{
    struct stat st;
    if (fstatat(directory, path, &st, 0) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode) || faccessat(directory, path, X_OK, AT_EACCESS) < 0)
        return -EACCES;
    return 0;
}

/* The file to run: name itself if it has a slash, else the first in PATH that may be run. */
static int find_program(int directory, const char *name, const char *list, char out[PATH_MAX])
{
    int result = -ENOENT;
    if (strchr(name, '/')) {
        int n = snprintf(out, PATH_MAX, "%s", name);
        return n < PATH_MAX ? 0 : -ENAMETOOLONG;
    }
    while (*name && list) {
        size_t n = strcspn(list, ":");
        int length = snprintf(out, PATH_MAX, "%.*s%s%s", (int)n, list, n > 0 ? "/" : "./", name);
        int r = n < PATH_MAX && length < PATH_MAX ? check_program(directory, out) : -ENOENT;
        if (r == 0)
            return 0;
        if (r == -EACCES)
            result = r;
        list = list[n] ? list + n + 1 : NULL;
    }
    return result;
}

/* ---- what the child does before it becomes the program ---- */

static int add_std(posix_spawn_file_actions_t *a, int fd, const struct ly__child_fd *c)
{
    switch (c->how) {
    case LY_PIPE:
        return posix_spawn_file_actions_adddup2(a, c->fd, fd);
    case LY_NULL:
        return posix_spawn_file_actions_addopen(a, fd, "/dev/null", fd == 0 ? O_RDONLY : O_WRONLY, 0);
    case LY_TO_OUTPUT:
        return posix_spawn_file_actions_adddup2(a, STDOUT_FILENO, fd);
    case LY_INHERIT:
        break;
    }
    /* Onto itself: drops close-on-exec. */
    return fcntl(fd, F_GETFD) < 0 ? 0 : posix_spawn_file_actions_adddup2(a, fd, fd);
}

static int add_actions(posix_spawn_file_actions_t *a, const struct ly__spawn *s, int directory)
{
    int r = directory == AT_FDCWD ? 0 : posix_spawn_file_actions_addfchdir_np(a, directory);
    for (int fd = 0; fd < 3 && r == 0; fd++)
        r = add_std(a, fd, &s->std[fd]);
    return r ? r : posix_spawn_file_actions_addclosefrom_np(a, 3);
}

static int set_attributes(posix_spawnattr_t *attributes, bool new_group)
{
    sigset_t none, all;
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | (new_group ? POSIX_SPAWN_SETPGROUP : 0);
    sigemptyset(&none);
    sigfillset(&all);
    int r = posix_spawnattr_setflags(attributes, (short)flags);
    if (!r)
        r = posix_spawnattr_setsigmask(attributes, &none);
    if (!r)
        r = posix_spawnattr_setsigdefault(attributes, &all);
    return r ? r : posix_spawnattr_setpgroup(attributes, 0);
}

/* ---- starting it ---- */

static char *const *as_vector(const char *const *v)
{
    return (char *const *)(uintptr_t)v;
}

/* Returns 0 or an error number, as the functions it calls do. */
static int start(struct ly__spawn *s, const char *file, int directory, const char *const *env)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    int r = posix_spawn_file_actions_init(&actions);
    if (r)
        return r;
    r = posix_spawnattr_init(&attributes);
    if (r)
        goto out;
    r = add_actions(&actions, s, directory);
    if (!r)
        r = set_attributes(&attributes, s->options->new_group);
    if (!r)
        r = posix_spawn(&s->pid, file, &actions, &attributes, as_vector(s->options->argv), as_vector(env));
    posix_spawnattr_destroy(&attributes);
out:
    posix_spawn_file_actions_destroy(&actions);
    return r;
}

static int take_pidfd(struct ly__spawn *s)
{
    /* The number is the child's until it is waited for, which nobody but us does. */
    int fd = pidfd_open(s->pid, 0);
    int r = fd < 0 ? -errno : ly__fd_move_up(fd);
    if (r >= 0) {
        s->pidfd = r;
        return 0;
    }
    kill(s->pid, SIGKILL);
    while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return r;
}

int ly__spawn(void *arg)
{
    struct ly__spawn *s = arg;
    const struct ly_spawn_options *o = s->options;
    const char *const *env = o->env ? o->env : (const char *const *)environ;
    char file[PATH_MAX];
    int directory = !o->cwd && o->cwd_fd > 0 ? o->cwd_fd : AT_FDCWD;

    if (o->cwd) {
        directory = open(o->cwd, O_PATH | O_DIRECTORY | O_CLOEXEC);
        directory = directory < 0 ? -errno : ly__fd_move_up(directory);
        if (directory < 0)
            return directory;
    }
    int r = find_program(directory, o->argv[0], search_path(env), file);
    if (r == 0)
        r = -start(s, file, directory, env);
    if (r == 0)
        r = take_pidfd(s);
    if (o->cwd)
        close(directory);
    return r;
}
