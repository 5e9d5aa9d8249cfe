/* SPDX-License-Identifier: MIT */
/* The directories of a tree that is being received: where an entry goes, and what directories still get. */
#ifndef LY_SERVICE_PLACE_DIRS_H
#define LY_SERVICE_PLACE_DIRS_H

#include "service/files/entry.h"

struct ly__dirs_pending;

struct ly__dirs {
    int parent;                     /* the destination's parent; borrowed */
    const char *name;               /* the destination's name there; borrowed */
    int base;                       /* the destination as a directory (O_PATH); -1 until it is needed */
    int dir;                        /* the current directory (O_PATH); -1: none */
    char at[LY__PATH_MAX + 1];      /* its path below the destination */
    char deepest[LY__PATH_MAX + 1]; /* path of the last pending directory; the others' are beginnings of it */
    struct ly__dirs_pending *pending; /* directories whose mode and time are set when they are left */
    size_t count, room;               /* pending ones, and how many fit */
    /* told when a directory that is left cannot have its mode or time; path: below the destination */
    void (*failed)(void *arg, int error, const char *path);
    void *arg;
};

void ly__dirs_init(struct ly__dirs *d, int parent, const char *name);
void ly__dirs_done(struct ly__dirs *d);

/*
 * Go to where the entry at a clean path below the destination ("" is the destination) lies. Directories that
 * do not contain it are left. No link is followed.
 * Returns the directory (borrowed until the next call) and the entry's name there, or an error.
 */
int ly__dirs_go(struct ly__dirs *d, const char *path, const char **ret_name);

/* Make the directory of an entry, or take one that is there, and go into it. Returns 0 or an error. */
int ly__dirs_make(struct ly__dirs *d, const char *path, const struct ly__entry *e);

/* Leave all directories. */
void ly__dirs_leave_all(struct ly__dirs *d);

#endif
