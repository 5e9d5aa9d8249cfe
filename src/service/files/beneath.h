/* SPDX-License-Identifier: MIT */
/*
 * The one resolver of paths: from a held directory and a stranger's path to a held parent directory and the
 * last component, which every operation then takes (openat, mkdirat, renameat, unlinkat, ...). No path string
 * ever reaches the system again, so nothing that happens to the tree meanwhile can lead an operation astray.
 */
#ifndef LY_SERVICE_BENEATH_H
#define LY_SERVICE_BENEATH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define LY__PATH_MAX 4096 /* bytes of a path */
#define LY__NAME_MAX 255  /* bytes of a component */
#define LY__LINKS_MAX 40  /* symbolic links followed in one path, as the kernel's own limit */

enum ly__beneath_flags {
    LY__BENEATH_STRICT = 1, /* follow no link at all: -ELOOP */
    LY__BENEATH_WALK = 2,   /* do not ask openat2(2), walk: the tests compare the two */
};

struct ly__place {
    int dir;                     /* the parent directory (O_PATH) */
    bool held;                   /* dir is to be closed; else it is the root that was given */
    char name[LY__NAME_MAX + 1]; /* the last component; "." for the root itself */
};

/* Whether a component may be named by a stranger: 1..255 bytes, no '/', no control character, not ".", "..".
 */
bool ly__name_allowed(const char *name, size_t length);

/*
 * Check a path and write it without empty and "." components.
 * Returns its length, 0 for the root. LY_EOUTSIDE: absolute, or with "..". LY_ENAME: too long, or a component
 * with a control character.
 */
ssize_t ly__path_clean(char out[LY__PATH_MAX + 1], const char *path);

/*
 * Find where a path lies. root: borrowed, and it must outlive the place. The last component is not looked at,
 * need not exist and is never followed.
 * Returns 0. Errors: those of ly__path_clean; LY_EOUTSIDE (a link leads out); -ENOENT, -ENOTDIR, -EACCES,
 * -ELOOP, -EMFILE.
 */
int ly__place_find(struct ly__place *ret_place, int root, const char *path, int flags);

/* Let go of the parent. */
void ly__place_done(struct ly__place *p);

/* Open the directory at a path (O_PATH), its last component too being followed or not as flags say.
 * Returns the descriptor or an error of ly__place_find. */
int ly__beneath_dir(int root, const char *path, int flags);

/* Open a directory at a place for reading its names; a link there is refused (-ELOOP or -ENOTDIR). */
int ly__open_names(int dir, const char *name);

#endif
