/* SPDX-License-Identifier: MIT */
/* A walk through a directory tree, depth first, that holds few descriptors however deep the tree. */
#ifndef LY_SERVICE_TREE_H
#define LY_SERVICE_TREE_H

#include "service/files/beneath.h"

#include <stdbool.h>
#include <sys/stat.h>

#define LY__TREE_HELD 16 /* directories kept open at most */

struct ly__tree_level;

enum ly__tree_event {
    LY__TREE_END = 0,   /* the walk is over */
    LY__TREE_ENTRY = 1, /* an entry of the current directory */
    LY__TREE_LEAVE = 2, /* a directory that was entered is done; dir and name say where it lies */
};

struct ly__tree {
    int dir;                     /* the current entry's directory; borrowed until the next call */
    const char *name;            /* its name there; NULL when the start itself is left */
    char path[LY__PATH_MAX + 1]; /* its path below the start; "" for the start */
    unsigned char type;          /* of LY__TREE_ENTRY: readdir's d_type, DT_UNKNOWN where it has none */
    struct stat entered;         /* of the directory opened last: the start, or the one entered */
    bool removing;               /* may be set once it is open: the caller removes all that is shown */
    /* the walk's own: */
    struct ly__tree_level *levels; /* the start, then a level each directory entered */
    size_t depth, room;            /* levels in use and allocated */
    size_t held;                   /* of them with an open directory */
};

/* Begin at a directory, which is opened (a link there is refused). Returns 0, -ENOENT, -ENOTDIR, -ELOOP,
 * -EACCES, -EMFILE, -ENOMEM. */
int ly__tree_open(struct ly__tree *t, int dir, const char *name);

/* End it anywhere. */
void ly__tree_close(struct ly__tree *t);

/*
 * Go on. Returns an event, or an error that concerns the directory at t->path, of which the rest is left out;
 * the walk may go on. LY_ECHANGED: a directory above was moved away meanwhile.
 */
int ly__tree_next(struct ly__tree *t);

/* Enter the directory that the last event showed; its entries come next. Returns 0 or an error of
 * ly__tree_open, or -ENAMETOOLONG; then it is passed over. */
int ly__tree_enter(struct ly__tree *t);

#endif
