/* SPDX-License-Identifier: MIT */
/*
 * Starting a successor with the listeners.
 *
 * Between fork and exec there is only what is async-signal-safe, because the program may have threads: the
 * environment is made before, with room for the number of the process that is not known yet. The listeners
 * have to be descriptors 3, 4, ..., any of which may be in use for something else, one of the listeners too;
 * so all are moved out of the way first.
 */
#include "server/server.h"
#include <errno.h>
#include <fcntl.h>
#include <lanyard/supervise.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST 3
#define PID_DIGITS 20
#define REAP_MS 1000

extern char **environ;

struct successor {
    struct ly_server *server;
    char *const *argv;
    char **env;
    char pid_text[sizeof "LISTEN_PID=" + PID_DIGITS];
    char count_text[32], ready_text[40];
    char *names;
    int ready[2]; /* a socket pair: what the successor says */
};

/* ---- the environment ---- */

static bool is_ours(const char *variable)
{
    return strncmp(variable, "LISTEN_PID=", 11) == 0 || strncmp(variable, "LISTEN_FDS=", 11) == 0 ||
           strncmp(variable, "LISTEN_FDNAMES=", 15) == 0 || strncmp(variable, "LANYARD_READY_FD=", 17) == 0;
}

static int make_names(struct successor *u)
{
    static const char one[] = "lanyard:";
    size_t n = (size_t)u->server->listeners, head = sizeof "LISTEN_FDNAMES=" - 1;
    u->names = malloc(head + n * (sizeof one - 1) + 1);
    if (!u->names)
        return -ENOMEM;
    memcpy(u->names, "LISTEN_FDNAMES=", head);
    for (size_t i = 0; i < n; i++)
        memcpy(u->names + head + i * (sizeof one - 1), one, sizeof one - 1);
    u->names[head + n * (sizeof one - 1) - 1] = 0; /* instead of the last colon */
    return 0;
}

static int make_environment(struct successor *u)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    u->env = calloc(n + 5, sizeof *u->env);
    int r = u->env ? make_names(u) : -ENOMEM;
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++)
        if (!is_ours(environ[i]))
            u->env[kept++] = environ[i];
    snprintf(u->count_text, sizeof u->count_text, "LISTEN_FDS=%d", u->server->listeners);
    snprintf(u->ready_text, sizeof u->ready_text, "LANYARD_READY_FD=%d", FIRST + u->server->listeners);
    snprintf(u->pid_text, sizeof u->pid_text, "LISTEN_PID=");
    u->env[kept++] = u->count_text;
    u->env[kept++] = u->ready_text;
    u->env[kept++] = u->names;
    u->env[kept] = u->pid_text;
    return 0;
}

/* ---- in the child ---- */

static void write_pid(char *at)
{
    char digits[PID_DIGITS];
    int n = 0;
    for (pid_t pid = getpid(); pid > 0 && n < PID_DIGITS; pid /= 10)
        digits[n++] = (char)('0' + pid % 10);
    while (n > 0)
        *at++ = digits[--n];
    *at = 0;
}

/* Put each descriptor in its place. */
static int move_all(int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, FIRST + n);
        if (fds[i] < 0)
            return -errno;
    }
    for (int i = 0; i < n; i++)
        if (dup2(fds[i], FIRST + i) < 0)
            return -errno;
    return 0;
}

static _Noreturn void become(struct successor *u, int *fds, int n, const sigset_t *mask)
{
    int told = fcntl(u->ready[1], F_DUPFD_CLOEXEC, FIRST + 2 * n);
    int r = told < 0 ? -errno : move_all(fds, n);
    if (r == 0) {
        write_pid(u->pid_text + sizeof "LISTEN_PID=" - 1);
        sigprocmask(SIG_SETMASK, mask, NULL);
        execve(u->argv[0], u->argv, u->env);
        r = -errno;
    }
    send(told < 0 ? u->ready[1] : told, &r, sizeof r, MSG_NOSIGNAL);
    _exit(127);
}

/* ---- in the parent ---- */

static pid_t start(struct successor *u)
{
    int n = u->server->listeners + 1;
    int *fds = calloc((size_t)n, sizeof *fds);
    sigset_t all, mask;
    if (!fds)
        return -ENOMEM;
    for (int i = 0; i < n - 1; i++)
        fds[i] = ly_sock_fileno(u->server->listener[i]);
    fds[n - 1] = u->ready[1];
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &mask);
    pid_t pid = fork();
    if (pid == 0)
        become(u, fds, n, &mask);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    free(fds);
    return pid < 0 ? -error : pid;
}

/* Wait for what the successor says. Returns 0, its error, -ECHILD or -ETIMEDOUT. */
static int await_ready(int fd, int64_t ready_ms)
{
    int64_t deadline = ready_ms == 0 ? LY_NEVER : ly_deadline(ready_ms == LY_POLL ? 0 : ready_ms);
    union {
        char bytes[sizeof(int)];
        int error;
    } said;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline == LY_NEVER ? -1 : (deadline - ly_now() + 999999) / 1000000;
        int n = poll(&p, 1, deadline == LY_NEVER ? -1 : left < 0 ? 0 : left > 60000 ? 60000 : (int)left);
        if (n > 0)
            break;
        if (n < 0 && errno != EINTR)
            return -errno;
        if (deadline != LY_NEVER && ly_now() >= deadline)
            return -ETIMEDOUT;
    }
    ssize_t n = read(fd, said.bytes, sizeof said.bytes);
    return n == sizeof said.bytes ? said.error : n == 1 ? 0 : -ECHILD;
}

/* The successor has closed its end and said nothing. It will have ended, unless it is a program that knows
 * nothing of this and closes what it does not know. */
static int reap(pid_t pid, int error)
{
    for (int i = 0; i < REAP_MS; i++) {
        pid_t r = waitpid(pid, NULL, WNOHANG);
        if (r == pid || (r < 0 && errno != EINTR))
            return error;
        poll(NULL, 0, 1);
    }
    return 0;
}

static int start_and_wait(struct successor *u, int64_t ready_ms, pid_t *ret_pid)
{
    int r = make_environment(u);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, u->ready) < 0)
        return -errno;
    pid_t pid = start(u);
    close(u->ready[1]);
    r = pid < 0 ? (int)pid : await_ready(u->ready[0], ready_ms);
    close(u->ready[0]);
    if (r == -ETIMEDOUT && ready_ms == LY_POLL)
        r = 0;
    else if (pid > 0 && r < 0 && r != -ETIMEDOUT)
        r = reap(pid, r);
    if (r == 0 || r == -ETIMEDOUT)
        *ret_pid = pid;
    return r;
}

int ly_server_restart(struct ly_server *s, char *const argv[], int64_t ready_ms, pid_t *ret_pid)
{
    struct successor u = {.server = s, .argv = argv};
    if (ready_ms < 0 && ready_ms != LY_POLL)
        return -EINVAL;
    if (s->listeners == 0)
        return -EBADF;
    int r = start_and_wait(&u, ready_ms, ret_pid);
    if (r == 0)
        atomic_store(&s->has_successor, true);
    free(u.env);
    free(u.names);
    return r;
}
