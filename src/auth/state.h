/* SPDX-License-Identifier: MIT */
/*
 * Small files in the state directory: read whole, and written so that others see all of the old content or
 * all of the new, whenever the machine stops.
 *
 * Reading needs no lock. Whoever changes a file takes the directory's lock first and reads what he changes
 * under it. These functions wait for the disk, and the lock for other processes.
 */
#ifndef LY_AUTH_STATE_H
#define LY_AUTH_STATE_H

#include <lanyard/buffer.h>
#include <stdbool.h>
#include <sys/types.h>

#define LY__STATE_LOCK "lock" /* the file that is locked; it stays, and stays empty */

/* Permissions that a file may not have: of a secret, and of what one goes by. */
#define LY__STATE_SECRET 077
#define LY__STATE_TRUSTED 022

/* A state directory. */
struct ly__state {
    int dir;  /* its descriptor */
    int lock; /* of its lock, while that is held; else -1 */
};

/* Open the directory and, if asked, take its lock. Returns 0, -ENOENT or another -errno. */
int ly__state_open(struct ly__state *s, const char *directory, bool lock);
void ly__state_close(struct ly__state *s);

/*
 * Read a file into b, whose maximum is the longest that is taken. Returns 0; -ENOENT; -EPERM (it belongs to
 * somebody else, has a permission of forbidden, or is no file); LY_ETOOBIG; -errno.
 */
int ly__state_read(const struct ly__state *s, const char *name, mode_t forbidden, struct ly_buffer *b);

/*
 * Make a file of mode 0600 under the lock, or replace it. It is on the disk when this returns. Returns 0;
 * -EEXIST (it is there, and replace is false); -ENOSPC and others of -errno: then the old one, if there was
 * one, is as it was.
 */
int ly__state_write(const struct ly__state *s, const char *name, const void *bytes, size_t n, bool replace);

/* Give a file another's name under the lock, and that on the disk. */
int ly__state_rename(const struct ly__state *s, const char *from, const char *to);

#endif
