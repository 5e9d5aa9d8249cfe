/* SPDX-License-Identifier: MIT */
#include "daemon/become.h"
#include "daemon/account.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <lanyard/clock.h>
#include <lanyard/error.h>
#include <lanyard/fiber.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_DEFAULT "PATH=/usr/local/bin:/usr/bin:/bin"
#define GROUPS_MAX 256
#define EXIT_CANNOT 126
#define EXIT_MISSING 127

/* ---- the account ---- */

/* What there is to know of an account, and how it is told; too much for a fiber's stack. */
struct look {
    const char *name;
    struct ly__account account;
    gid_t groups[GROUPS_MAX];
    size_t ngroups;
    char home[LY__ACCOUNT_LINE], user[LY__ACCOUNT_LINE], logname[LY__ACCOUNT_LINE], shell[LY__ACCOUNT_LINE];
    char uid_text[16], groups_text[GROUPS_MAX * 12];
};

/* Asking the system's databases may wait for a network. */
static int look_up(void *arg)
{
    struct look *k = arg;
    k->ngroups = GROUPS_MAX;
    int r = ly__account_by_name(&k->account, k->name);
    return r < 0 ? r : ly__account_groups(&k->account, k->groups, &k->ngroups);
}

/*
 * What was asked last is remembered for a short while: who runs a command after the other waits for it once.
 * The copies are lines, since an account points into its own.
 */
#define REMEMBERED 8
#define REMEMBERED_NS (INT64_C(10) * 1000 * 1000 * 1000)

static struct {
    pthread_mutex_t lock;
    struct remembered {
        char name[64];
        int64_t until;
        gid_t groups[GROUPS_MAX];
        size_t ngroups;
        char line[LY__ACCOUNT_LINE]; /* as of passwd(5) */
    } entry[REMEMBERED];
    size_t next;
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool recall(struct look *k)
{
    bool found = false;
    int64_t now = ly_now();
    pthread_mutex_lock(&memory.lock);
    for (size_t i = 0; i < REMEMBERED && !found; i++) {
        const struct remembered *e = &memory.entry[i];
        if (e->until <= now || strcmp(e->name, k->name) != 0)
            continue;
        memcpy(k->account.line, e->line, sizeof e->line);
        memcpy(k->groups, e->groups, e->ngroups * sizeof *e->groups);
        k->ngroups = e->ngroups;
        found = ly__account_parse(&k->account) == 0;
    }
    pthread_mutex_unlock(&memory.lock);
    return found;
}

static void remember(const struct look *k)
{
    const struct ly__account *a = &k->account;
    if (strlen(k->name) >= sizeof memory.entry[0].name)
        return;
    pthread_mutex_lock(&memory.lock);
    struct remembered *e = &memory.entry[memory.next++ % REMEMBERED];
    snprintf(e->name, sizeof e->name, "%s", k->name);
    snprintf(e->line, sizeof e->line, "%s:x:%u:%u::%s:%s", a->name, a->uid, a->gid, a->home, a->shell);
    memcpy(e->groups, k->groups, k->ngroups * sizeof *k->groups);
    e->ngroups = k->ngroups;
    e->until = ly_now() + REMEMBERED_NS;
    pthread_mutex_unlock(&memory.lock);
}

static int find_account(struct look *k)
{
    if (recall(k))
        return 0;
    int r = ly_offload(look_up, k);
    if (r == 0)
        remember(k);
    return r;
}

static bool is_named(const char *variable, const char *other)
{
    size_t n = strcspn(other, "=");
    return strncmp(variable, other, n) == 0 && variable[n] == '=';
}

static bool holds(const char *const *list, size_t n, const char *variable)
{
    for (size_t i = 0; i < n; i++) {
        if (is_named(list[i], variable))
            return true;
    }
    return false;
}

static size_t count(const char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    return n;
}

/* Add those of from that list does not name yet. */
static size_t join(const char **list, size_t n, const char *const *from)
{
    for (; from && *from; from++) {
        if (!holds(list, n, *from))
            list[n++] = *from;
    }
    return n;
}

/* ---- starting ---- */

static int start_plain(struct ly__child **ret_child, const char **ret_where, const struct ly__launch *l,
                       const struct ly__become *b)
{
    struct ly__launch own = *l;
    const char **env = calloc(count(l->env) + count(b->env) + 1, sizeof *env);
    if (!env)
        return -ENOMEM;
    join(env, join(env, 0, l->env), b->env);
    own.env = env;
    int r = ly__child_start(ret_child, ret_where, &own, b->root_fd, b->home, b->files_limit);
    free(env);
    return r;
}

#define MARK ':' /* before each variable on its way through the new process */

/* Copies of variables with the mark before them, in one piece of memory after the list. Returns NULL without
 * memory. */
static const char **mark(const char *const *list, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(list[i]) + 2;
    const char **marked = malloc((n + 1) * sizeof *marked + bytes);
    char *at = marked ? (char *)(marked + n + 1) : NULL;
    for (size_t i = 0; i < n && marked; i++) {
        size_t length = strlen(list[i]) + 1;
        marked[i] = at;
        *at++ = MARK;
        memcpy(at, list[i], length);
        at += length;
    }
    if (marked)
        marked[n] = NULL;
    return marked;
}

/*
 * become UID GROUPS HOME CWD PROGRAM ARGUMENT..., where the first group is the account's own. The variables
 * are in the new process's environment, which nobody else reads as they do its arguments; the mark keeps them
 * from meaning anything to it as long as it is root.
 */
static int start_through(struct ly__child **ret_child, const char **ret_where, const struct ly__launch *l,
                         const struct ly__become *b, const char *const numbers[2], const char *const *own)
{
    size_t n = 0;
    const char **argv = calloc(7 + count(l->argv), sizeof *argv);
    const char **env = calloc(count(l->env) + count(own) + count(b->env) + 1, sizeof *env);
    const char **marked = env ? mark(env, join(env, join(env, join(env, 0, l->env), own), b->env)) : NULL;
    int r = argv && marked ? 0 : -ENOMEM;
    if (r == 0) {
        argv[n++] = "/proc/self/exe";
        argv[n++] = LY__BECOME_ARGUMENT;
        argv[n++] = numbers[0];
        argv[n++] = numbers[1];
        argv[n++] = own[0] + strlen("HOME=");
        argv[n++] = l->cwd ? l->cwd : "";
        for (const char *const *arg = l->argv; *arg; arg++)
            argv[n++] = *arg;
        const struct ly__launch through = {.argv = argv, .env = marked, .cwd = "/", .input = l->input};
        r = ly__child_start(ret_child, ret_where, &through, -1, "/", b->files_limit);
        *ret_where = l->argv[0];
    }
    free(argv);
    free(env);
    free(marked);
    return r;
}

static void print_groups(const struct look *k, char *out, size_t size)
{
    for (size_t i = 0, n = 0; i < k->ngroups && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%u", i ? "," : "", k->groups[i]);
}

static int start_as(struct ly__child **ret_child, const char **ret_where, const struct ly__launch *l,
                    const struct ly__become *b, struct look *k)
{
    const struct ly__account *a = &k->account;
    const char *const own[] = {k->home, k->user, k->logname, k->shell, PATH_DEFAULT, NULL};
    const char *const numbers[] = {k->uid_text, k->groups_text};
    snprintf(k->home, sizeof k->home, "HOME=%s", a->home);
    snprintf(k->user, sizeof k->user, "USER=%s", a->name);
    snprintf(k->logname, sizeof k->logname, "LOGNAME=%s", a->name);
    snprintf(k->shell, sizeof k->shell, "SHELL=%s", a->shell);
    snprintf(k->uid_text, sizeof k->uid_text, "%u", a->uid);
    print_groups(k, k->groups_text, sizeof k->groups_text);
    return start_through(ret_child, ret_where, l, b, numbers, own);
}

static int start_as_account(struct ly__child **ret_child, const char **ret_where, const struct ly__launch *l,
                            const struct ly__become *b, struct look *k)
{
    int r = find_account(k);
    if (r < 0)
        return r;
    if (k->account.uid == geteuid() && geteuid() != 0)
        return start_plain(ret_child, ret_where, l, b);
    return geteuid() == 0 ? start_as(ret_child, ret_where, l, b, k) : -EPERM;
}

int ly__become_start(struct ly__child **ret_child, const char **ret_where, const struct ly__launch *l,
                     const struct ly__become *b)
{
    *ret_where = b->account;
    if (!*b->account)
        return geteuid() == 0 ? LY_EROLE : start_plain(ret_child, ret_where, l, b);
    struct look *k = malloc(sizeof *k);
    if (!k)
        return -ENOMEM;
    k->name = b->account;
    int r = start_as_account(ret_child, ret_where, l, b, k);
    free(k);
    return r;
}

/* ---- the new process ---- */

static int fail(const char *what, const char *detail)
{
    int status = errno == ENOENT ? EXIT_MISSING : EXIT_CANNOT;
    fprintf(stderr, "lanyard: %s%s: %s\n", what, detail, strerror(errno));
    return status;
}

/* A number of an account or a group, up to what ends it. What is none must not be taken for root's. */
static bool read_number(const char *text, const char *ends, const char **ret_end, uint32_t *ret_number)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);
    if (*text < '0' || *text > '9' || n >= UINT32_MAX || !strchr(ends, *end))
        return false;
    *ret_end = end;
    *ret_number = (uint32_t)n;
    return true;
}

static bool read_groups(const char *text, gid_t *ret_list, size_t *ret_n)
{
    for (size_t n = 0; n < GROUPS_MAX; text++) {
        if (!read_number(text, ",", &text, &ret_list[n]))
            return false;
        *ret_n = ++n;
        if (!*text)
            return true;
    }
    return false;
}

static int take_rights(const char *uid, const char *groups)
{
    gid_t list[GROUPS_MAX];
    size_t n;
    uid_t id;
    errno = EINVAL;
    if (!read_groups(groups, list, &n) || !read_number(uid, "", &uid, &id) || setgroups(n, list) < 0 ||
        setresgid(list[0], list[0], list[0]) < 0)
        return -1;
    return setresuid(id, id, id);
}

static int enter(const char *home, const char *cwd)
{
    if (*cwd == '/')
        return chdir(cwd);
    if (chdir(home) < 0 && (*cwd || chdir("/") < 0))
        return -1;
    return *cwd ? chdir(cwd) : 0;
}

/* A server that was started by hand has root's terminal, and what runs in a terminal can type into it
 * (TIOCSTI, ioctl_tty(2)). */
static void leave_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return; /* there is none */
    (void)ioctl(fd, TIOCNOTTY);
    close(fd);
}

/* The marked variables are the environment. */
static void unmark(void)
{
    char **to = environ;
    for (char **from = environ; from && *from; from++) {
        if (**from == MARK)
            *to++ = *from + 1;
    }
    if (to)
        *to = NULL;
}

enum { UID = 1, GROUPS, HOME, CWD, PROGRAM };

int ly__become(int argc, char **argv)
{
    if (argc <= PROGRAM)
        return EXIT_CANNOT;
    leave_terminal();
    if (take_rights(argv[UID], argv[GROUPS]) < 0)
        return fail("cannot become the account of number ", argv[UID]);
    umask(022);
    if (enter(argv[HOME], argv[CWD]) < 0)
        return fail("cannot enter ", *argv[CWD] ? argv[CWD] : argv[HOME]);
    unmark();
    execvp(argv[PROGRAM], argv + PROGRAM);
    return fail("cannot run ", argv[PROGRAM]);
}
