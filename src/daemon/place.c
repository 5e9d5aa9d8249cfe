/* SPDX-License-Identifier: MIT */
/*
 * The default address. A client sends its user's commands to whoever listens there, and a server runs what
 * it is sent, so the folder must be one where nobody else can put a socket.
 */
#include "daemon/place.h"
#include <errno.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "lanyard.sock"

/* 0 if the folder is the user's alone; -EPERM if not; -ENOENT, ... */
static int check_private(const char *folder)
{
    struct stat st;
    if (lstat(folder, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return st.st_uid == geteuid() && !(st.st_mode & 022) ? 0 : -EPERM;
}

static int print(char *buf, size_t cap, const char *folder)
{
    int n = snprintf(buf, cap, "unix:%s/" NAME, folder);
    return n < 0 || (size_t)n >= cap ? LY_ETOOBIG : 0;
}

/* The session's folder, if the system keeps one. */
static const char *find_runtime(char *folder, size_t cap)
{
    const char *given = getenv("XDG_RUNTIME_DIR");
    if (given && *given == '/' && check_private(given) == 0)
        return given;
    if (geteuid() == 0)
        snprintf(folder, cap, "/run");
    else
        snprintf(folder, cap, "/run/user/%u", (unsigned)geteuid());
    return check_private(folder) == 0 ? folder : NULL;
}

int ly__place_default(char *buf, size_t cap, int make, const char **ret_folder)
{
    static char folder[64];
    const char *runtime = find_runtime(folder, sizeof folder);
    if (runtime)
        return print(buf, cap, runtime);
    snprintf(folder, sizeof folder, "/tmp/lanyard-%u", (unsigned)geteuid());
    if (ret_folder)
        *ret_folder = folder;
    if (make && mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    int r = check_private(folder);
    /* a client gets the name to show, but no leave to connect: whoever makes the folder now is not this user
     */
    int e = r == 0 || r == -ENOENT ? print(buf, cap, folder) : r;
    return e < 0 ? e : r;
}
