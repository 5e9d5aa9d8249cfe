/* SPDX-License-Identifier: MIT */
/* What the other side has of one directory already: its files by name, size, time and mode, and its
 * directories. */
#ifndef LY_SERVICE_KNOWN_H
#define LY_SERVICE_KNOWN_H

#include <lanyard/buffer.h>
#include <lanyard/json.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#define LY__KNOWN_MAX (64u << 20) /* bytes that are kept of one directory: four million entries */

/* A set of checksums, sorted once it is complete: 16 bytes an entry, however long the names. */
struct ly__known {
    struct ly_buffer keys;
};

void ly__known_init(struct ly__known *k);
void ly__known_done(struct ly__known *k);

/* Add an entry as ls and stat give it. Links and others are not kept. Returns 0, LY_EFIELD (no such entry),
 * LY_ETOOBIG or -ENOMEM. */
int ly__known_add(struct ly__known *k, struct ly_json entry);

/* All are added: from here on it may be asked. */
void ly__known_seal(struct ly__known *k);

/* Whether there is a file of that name with the same size, time and permission bits. */
bool ly__known_file(const struct ly__known *k, const char *name, const struct stat *st);

/* Whether there is a directory of that name. */
bool ly__known_directory(const struct ly__known *k, const char *name);

/* Whether an entry as ls and stat give it is a file with the size, time and permission bits of st. */
bool ly__known_same(struct ly_json entry, const struct stat *st);

#endif
