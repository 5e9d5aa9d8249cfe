/* SPDX-License-Identifier: MIT */
/*
 * Listeners that this process was given.
 *
 * The protocol is systemd's: descriptors from 3 on, LISTEN_FDS of them, meant for the process LISTEN_PID,
 * with names in LISTEN_FDNAMES that colons part. ly_server_restart speaks it as well, so a program needs to
 * know one way only, and adds LANYARD_READY_FD: a socket on which its predecessor hears that it serves. All
 * is read once, before there are threads, and removed from the environment.
 */
#include "server/inherit.h"
#include "net/sock.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST 3
#define MOST 512
#define NAME_SIZE 64

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int count, left;
    bool taken[MOST];
    char name[MOST][NAME_SIZE];
} given;
static atomic_int ready_fd = -1;

/* A whole decimal number of the environment; -1: none. */
static long read_number(const char *variable)
{
    const char *text = getenv(variable);
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    errno = 0;
    long n = strtol(text, &end, 10);
    return errno || *end ? -1 : n;
}

static void read_names(void)
{
    const char *at = getenv("LISTEN_FDNAMES");
    for (int i = 0; i < given.count && at; i++) {
        size_t n = strcspn(at, ":");
        if (n < NAME_SIZE)
            memcpy(given.name[i], at, n);
        at = at[n] ? at + n + 1 : NULL;
    }
}

static void read_environment(void)
{
    long pid = read_number("LISTEN_PID"), n = read_number("LISTEN_FDS"),
         ready = read_number("LANYARD_READY_FD");
    if (pid == getpid()) {
        given.count = given.left = n < 0 ? 0 : n > MOST ? MOST : (int)n;
        read_names();
        if (ready >= FIRST && ready < 1 << 20 && fcntl((int)ready, F_SETFD, FD_CLOEXEC) == 0)
            atomic_store(&ready_fd, (int)ready);
    }
    for (int i = 0; i < given.count; i++)
        fcntl(FIRST + i, F_SETFD, FD_CLOEXEC);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    unsetenv("LANYARD_READY_FD");
}

int ly_listeners_inherited(void)
{
    pthread_once(&once, read_environment);
    pthread_mutex_lock(&lock);
    int left = given.left;
    pthread_mutex_unlock(&lock);
    return left;
}

/* ---- taking one ---- */

static bool is_wanted(int i, const char *name, const struct ly_address *address)
{
    struct ly_address a = {.length = sizeof a.u};
    if (given.taken[i] || (name && strcmp(name, given.name[i]) != 0))
        return false;
    if (!address)
        return true;
    int type = 0;
    socklen_t length = sizeof type;
    return getsockname(FIRST + i, &a.u.any, &a.length) == 0 && ly_address_equal(&a, address) &&
           getsockopt(FIRST + i, SOL_SOCKET, SO_TYPE, &type, &length) == 0 &&
           type == (address->type ? address->type : SOCK_STREAM);
}

static int take(struct ly_sock **ret_sock, const char *name, const struct ly_address *address)
{
    int r = -ENOENT;
    pthread_once(&once, read_environment);
    pthread_mutex_lock(&lock);
    for (int i = 0; i < given.count && r == -ENOENT; i++) {
        if (!is_wanted(i, name, address))
            continue;
        r = ly_sock_from_fd(ret_sock, FIRST + i);
        given.taken[i] = r == 0;
        given.left -= r == 0;
    }
    pthread_mutex_unlock(&lock);
    return r;
}

int ly_listener_inherit(struct ly_sock **ret_sock, const char *name)
{
    return take(ret_sock, name, NULL);
}

int ly__listener_inherit_like(struct ly_sock **ret_sock, const struct ly_address *address)
{
    return take(ret_sock, NULL, address);
}

/* ---- for the predecessor ---- */

void ly__tell_ready(void)
{
    int fd = atomic_exchange(&ready_fd, -1);
    if (fd < 0)
        return;
    while (send(fd, "R", 1, MSG_NOSIGNAL) < 0 && errno == EINTR)
        ; /* any other error: nobody waits for it any more */
    close(fd);
}
