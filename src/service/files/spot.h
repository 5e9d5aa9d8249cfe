/* SPDX-License-Identifier: MIT */
/*
 * A spot: a name in a directory, told in such a way that the other side recognises it where it has the same
 * one. A transfer's receiver tells where its entries go; the sender leaves that out of what it sends, since a
 * tree that is copied into itself has no end.
 */
#ifndef LY_SERVICE_SPOT_H
#define LY_SERVICE_SPOT_H

#include "service/files/beneath.h"
#include "service/files/hash.h"

#include <stdbool.h>
#include <sys/types.h>

struct ly__spot {
    char directory[LY__HASH_TEXT]; /* which directory of which running system; "" for no spot */
    char name[LY__NAME_MAX + 1];   /* "." for the directory itself */
};

/* The identity of a directory: a hash of device, inode and the system's boot. "" where that is not known. */
void ly__spot_identity(dev_t device, ino_t inode, char out[LY__HASH_TEXT]);

/* The spot of a name in an open directory. */
void ly__spot_at(struct ly__spot *ret, int dir, const char *name);

/* Whether it is this name in the directory of this device and inode. */
bool ly__spot_is(const struct ly__spot *spot, dev_t device, ino_t inode, const char *name);

#endif
