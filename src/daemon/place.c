/* SPDX-License-Identifier: MIT */
/*
 * The default address. A client sends its user's commands to whoever listens there, and a server runs what
 * it is sent, so the folder must be one where nobody else can put a socket.
 *
 * The directories of state and configuration decide who may log in and who is believed, so nobody else may
 * put a file there either. They are reached by way of the user's own directories, whose links are theirs.
 */
#include "daemon/place.h"
#include "daemon/account.h"
#include <errno.h>
#include <lanyard/error.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "lanyard.sock"
#define OTHERS_WRITE (S_IWGRP | S_IWOTH)

/* 0 if the folder is the user's alone; -EPERM if not; -ENOENT, ... */
static int check_private(const char *folder)
{
    struct stat st;
    if (lstat(folder, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    return st.st_uid == geteuid() && !(st.st_mode & OTHERS_WRITE) ? 0 : -EPERM;
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

/* ---- directories ---- */

/* Where one kind of directory is. */
struct kind {
    const char *root;     /* root's own */
    const char *variable; /* names where others have theirs */
    const char *in_home;  /* and where those have it who do not set that */
    bool may_be_roots;    /* whether a user takes root's word for what is in it */
};

static const struct kind state = {"/var/lib/lanyard", "XDG_STATE_HOME", ".local/state", false};
static const struct kind config = {"/etc/lanyard", "XDG_CONFIG_HOME", ".config", true};

/* account: memory for what is found */
static const char *find_home(struct ly__account *account)
{
    const char *home = getenv("HOME");
    if (home && *home == '/')
        return home;
    return ly__account_by_id(account, geteuid()) == 0 && *account->home == '/' ? account->home : NULL;
}

/* A relative $XDG_... counts as unset, as its specification says. */
static int print_directory(char *buf, size_t cap, const struct kind *k)
{
    struct ly__account account;
    const char *given = getenv(k->variable), *home = NULL;
    int n;
    if (geteuid() == 0)
        n = snprintf(buf, cap, "%s", k->root);
    else if (given && *given == '/')
        n = snprintf(buf, cap, "%s/lanyard", given);
    else if ((home = find_home(&account)))
        n = snprintf(buf, cap, "%s/%s/lanyard", home, k->in_home);
    else
        n = snprintf(buf, cap, "%s", "");
    if (n < 0 || (size_t)n >= cap)
        return LY_ETOOBIG;
    return n == 0 ? -ENOENT : 0;
}

static int check_directory(const char *path, bool may_be_roots)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return -errno;
    if (!S_ISDIR(st.st_mode))
        return -ENOTDIR;
    bool trusted = st.st_uid == geteuid() || (may_be_roots && st.st_uid == 0);
    return trusted && !(st.st_mode & OTHERS_WRITE) ? 0 : -EPERM;
}

/* Make a directory and those above it. path is changed and restored. */
static int make_directory(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int r = mkdir(path, 0700) < 0 ? -errno : 0;
        *slash = '/';
        /* what is there is left to the next step: it may be a directory that may be passed but not read */
        if (r < 0 && r != -EEXIST && r != -EACCES && r != -EROFS)
            return r;
    }
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int ly__place_state(char *buf, size_t cap, bool make)
{
    const char *given = getenv("LANYARD_STATE");
    int r = 0;
    if (given && *given) {
        int n = snprintf(buf, cap, "%s", given);
        if (n < 0 || (size_t)n >= cap)
            return LY_ETOOBIG;
        r = *given == '/' ? 0 : -EINVAL;
    } else {
        r = print_directory(buf, cap, &state);
    }
    if (r < 0)
        return r;
    r = check_directory(buf, state.may_be_roots);
    if (r != -ENOENT || !make)
        return r;
    r = make_directory(buf);
    return r < 0 ? r : check_directory(buf, state.may_be_roots);
}

int ly__place_config(char *buf, size_t cap)
{
    int r = print_directory(buf, cap, &config);
    return r < 0 ? r : check_directory(buf, config.may_be_roots);
}

const char *ly__place_below(const char *root, const char *path)
{
    size_t n = strlen(root);
    while (n > 0 && root[n - 1] == '/')
        n--;
    if (strncmp(path, root, n) != 0 || (path[n] && path[n] != '/'))
        return NULL;
    return path + n + strspn(path + n, "/");
}
