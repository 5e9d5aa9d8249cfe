/* SPDX-License-Identifier: MIT */
/* Small files, whose content is all there before anything is made. */
#ifndef LY_SERVICE_WHOLE_H
#define LY_SERVICE_WHOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct ly__whole {
    int dir;                 /* where */
    const char *name;        /* its name there */
    const void *bytes;       /* its content */
    size_t n;                /* bytes of it */
    mode_t mode;             /* permissions */
    bool set_mode;           /* the umask takes some of them away, which it must not */
    const int64_t *mtime_ns; /* its time; NULL: now */
};

/* Make the file, replacing another of that name only once it is complete. All but the file itself is
 * borrowed. Returns 0; -EBUSY (another transfer writes it), -EISDIR, -ENOSPC, -EACCES, ... */
int ly__whole_write(const struct ly__whole *w);

#endif
