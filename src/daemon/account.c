/* SPDX-License-Identifier: MIT */
#include "daemon/account.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/error.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define GETENT "/usr/bin/getent"
#define GETENT_NONE 2 /* its exit status where there is no such entry */
#define ANSWER_MAX 65536

/* ---- a line ---- */

static int read_id(const char *text, unsigned *ret)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (end == text || *end || errno || n > UINT_MAX || *text < '0' || *text > '9')
        return LY_EFIELD;
    *ret = (unsigned)n;
    return 0;
}

int ly__account_parse(struct ly__account *a)
{
    char *fields[7], *rest = a->line;
    for (int i = 0; i < 7; i++)
        fields[i] = strsep(&rest, i < 6 ? ":" : "\n");
    if (!fields[6] || !*fields[0] || read_id(fields[2], &a->uid) < 0 || read_id(fields[3], &a->gid) < 0)
        return LY_EFIELD;
    a->name = fields[0];
    a->home = *fields[5] ? fields[5] : "/";
    a->shell = *fields[6] ? fields[6] : "/bin/sh";
    return 0;
}

/* ---- /etc/passwd ---- */

static bool is_wanted(const char *line, const char *name, uid_t uid)
{
    if (name)
        return strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':';
    const char *id = strchr(line, ':');
    id = id ? strchr(id + 1, ':') : NULL;
    return id && id[1] >= '0' && id[1] <= '9' && strtoul(id + 1, NULL, 10) == uid;
}

/* name NULL: by the number. */
static int search_file(struct ly__account *a, const char *name, uid_t uid)
{
    FILE *f = fopen("/etc/passwd", "re");
    int r = -ENOENT;
    if (!f)
        return r;
    while (r == -ENOENT && fgets(a->line, sizeof a->line, f)) {
        if (is_wanted(a->line, name, uid) && ly__account_parse(a) == 0)
            r = 0;
    }
    fclose(f);
    return r;
}

/* ---- getent ---- */

static int spawn(char *const *argv, int output, pid_t *ret_pid)
{
    static char *const env[] = {NULL};
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);
    if (r)
        return -r;
    r = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!r)
        r = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (!r)
        r = posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    if (!r)
        r = posix_spawn(ret_pid, GETENT, &actions, NULL, argv, env);
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static ssize_t read_all(int fd, char *buf, size_t cap)
{
    size_t n = 0;
    while (n < cap) {
        ssize_t r = read(fd, buf + n, cap - n);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            return (ssize_t)n;
        n += (size_t)r;
    }
    return LY_ETOOBIG;
}

/* Run getent; buf gets what it says, ended by a zero byte. Returns its status as of waitpid(2), or an error.
 */
static int run(char *const *argv, char *buf, size_t cap)
{
    int fd[2], status = 0;
    pid_t pid = 0;
    if (pipe2(fd, O_CLOEXEC) < 0)
        return -errno;
    int r = spawn(argv, fd[1], &pid);
    close(fd[1]);
    ssize_t n = r == 0 ? read_all(fd[0], buf, cap - 1) : r;
    close(fd[0]);
    while (r == 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (n < 0)
        return (int)n;
    buf[n] = 0;
    return status;
}

/* Ask for an entry of a database; buf gets its line, ended by a zero byte. Returns 0, -ENOENT or an error. */
static int ask(const char *database, const char *key, char *buf, size_t cap)
{
    char *argv[] = {(char[]){"getent"}, strdup(database), (char[]){"--"}, strdup(key), NULL};
    *buf = 0;
    int r = argv[1] && argv[3] ? run(argv, buf, cap) : -ENOMEM;
    free(argv[1]);
    free(argv[3]);
    if (r < 0)
        return r;
    if (!WIFEXITED(r) || (WEXITSTATUS(r) != 0 && WEXITSTATUS(r) != GETENT_NONE))
        return -EIO;
    return WEXITSTATUS(r) == GETENT_NONE || !*buf ? -ENOENT : 0;
}

/* ---- accounts ---- */

/* What a name may hold is the administrator's affair; what would mean something else in a file or to getent
 * is not one.
 */
static bool is_name(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n < 256 && !strpbrk(name, ":\n/ ") && *name != '-' && !(*name >= '0' && *name <= '9');
}

int ly__account_by_name(struct ly__account *ret, const char *name)
{
    if (!is_name(name))
        return LY_ENAME;
    int r = search_file(ret, name, 0);
    if (r == -ENOENT)
        r = ask("passwd", name, ret->line, sizeof ret->line);
    else
        return r;
    return r < 0 ? r : ly__account_parse(ret);
}

int ly__account_by_id(struct ly__account *ret, uid_t uid)
{
    char text[16];
    int r = search_file(ret, NULL, uid);
    if (r != -ENOENT)
        return r;
    snprintf(text, sizeof text, "%u", uid);
    r = ask("passwd", text, ret->line, sizeof ret->line);
    return r < 0 ? r : ly__account_parse(ret);
}

int ly__account_groups(const struct ly__account *a, gid_t *ret_groups, size_t *count)
{
    char *answer = malloc(ANSWER_MAX), *rest, *word;
    size_t n = 0;
    if (!answer)
        return -ENOMEM;
    int r = *count > 0 ? ask("initgroups", a->name, answer, ANSWER_MAX) : LY_ETOOBIG;
    rest = answer;
    if (r == 0)
        strtok_r(rest, " \t\n", &rest); /* its name */
    ret_groups[n++] = a->gid;
    while (r == 0 && (word = strtok_r(NULL, " \t\n", &rest))) {
        unsigned id;
        if (read_id(word, &id) < 0)
            r = LY_EFIELD;
        else if (n == *count)
            r = LY_ETOOBIG;
        else if (id != a->gid)
            ret_groups[n++] = id;
    }
    free(answer);
    *count = n;
    return r == -ENOENT ? 0 : r; /* of no other group */
}
