/* SPDX-License-Identifier: MIT */
/* Local files as put and get name them. */
#ifndef LY_CLI_LOCAL_H
#define LY_CLI_LOCAL_H

#include <stdbool.h>

/* A directory of the user's, and what is meant in it. */
struct ly__local {
    int dir;        /* held (O_PATH); -1: none */
    char name[256]; /* "." for the directory itself */
};

/* Take a path apart into its directory, which must be there, and its last component. Links on the way are the
 * user's own and are followed. Returns 0 or -errno. */
int ly__local_open(struct ly__local *ret_local, const char *path);

/* The directory at a path, and a name in it. Returns 0, -ENAMETOOLONG, or -errno. */
int ly__local_inside(struct ly__local *ret_local, const char *directory, const char *name,
                     unsigned long length);

void ly__local_close(struct ly__local *l);

/* Whether a path is a directory, perhaps by a link. */
bool ly__local_is_directory(const char *path);

/* Whether a path is a device, a pipe or a socket, or leads to one, as /dev/stdout does: a file that is put
 * there would take its place. */
bool ly__local_is_special(const char *path);

#endif
