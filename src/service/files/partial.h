/* SPDX-License-Identifier: MIT */
/* Files under their temporary name, until they are whole. Source: docs/protocol.md, 5.3, "Writing". */
#ifndef LY_SERVICE_PARTIAL_H
#define LY_SERVICE_PARTIAL_H

#include "service/files/beneath.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define LY__PARTIAL_KEPT \
    65536 /* partial files announced as longer than this are kept when a transfer breaks */

struct ly__partial {
    int fd;                      /* open for reading and writing, locked; -1: none */
    int dir;                     /* where it lies; borrowed */
    char name[LY__NAME_MAX + 1]; /* its temporary name */
};

/* The temporary name of a file. name: 1..255 bytes. */
void ly__partial_name(char out[LY__NAME_MAX + 1], const char *name);

/* The temporary name of a symbolic link, which no file of that name has. name: 1..255 bytes. */
void ly__partial_link_name(char out[LY__NAME_MAX + 1], const char *name);

/* Whether a name is a temporary one. */
bool ly__partial_is(const char *name);

/*
 * Make the partial file of dir/name, empty and with permissions mode less the umask; one left over is
 * removed. Returns 0, -EBUSY (another transfer holds it), or an error of openat(2).
 */
int ly__partial_create(struct ly__partial *p, int dir, const char *name, mode_t mode);

/* Take the partial file that an earlier transfer left; it must be a file of exactly size bytes. Returns 0,
 * LY_ECHANGED (there is none, or of another length), -EBUSY, or an error of openat(2). */
int ly__partial_resume(struct ly__partial *p, int dir, const char *name, int64_t size);

/*
 * Either call said -EBUSY: wait a moment, so that it can be tried again. Who held the file may be a transfer
 * whose client is gone, and that the server ends in a moment, too.
 *
 * until  when a transfer's patience ends, of ly_now(); 0: it has not waited yet. Kept by the caller
 *
 * Returns 0; -EBUSY (it has waited long enough), -ECANCELED, -ETIMEDOUT. Suspends.
 */
int ly__partial_await(int64_t *until);

/* Write all n bytes at an offset. Returns 0 or -errno. */
int ly__partial_write(const struct ly__partial *p, const void *bytes, size_t n, int64_t offset);

/*
 * Whether a file or a link may take a name: what has it is nothing, a file or a link. Returns 0, -EISDIR or
 * LY_ESPECIAL (a pipe, a socket, a device: somebody waits there, and would wait for ever).
 */
int ly__partial_may_replace(int dir, const char *name);

/*
 * Give it mode (when set_mode) and time (when mtime_ns is not NULL) and its final name, replacing a file or
 * link of that name; then it is closed. On an error, such as those of ly__partial_may_replace, it is removed.
 */
int ly__partial_finish(struct ly__partial *p, const char *name, const mode_t *mode, const int64_t *mtime_ns);

/* Close it, and remove it unless keep. */
void ly__partial_drop(struct ly__partial *p, bool keep);

/* The process's umask, read without changing it (0777 where it cannot be read). */
mode_t ly__umask(void);

#endif
