/* SPDX-License-Identifier: MIT */
/*
 * The file of users: who there is, what they may do, their passwords' keys and their devices.
 *
 * Every function here and in user.h, device.h and pairing.h may wait for the disk, or for another process
 * that writes: run them on the offload pool. They may be called from any thread. Several processes may have
 * the file open; what one writes the others see at once. A child made by fork must not use what its parent
 * opened.
 *
 * What cannot be read is an error, never "no such user": whoever gets one refuses.
 */
#ifndef LY_AUTH_STORE_H
#define LY_AUTH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LY__STORE_FILE "users.db" /* its name in the state directory */

/* Rounds of PBKDF2 for every password of a new store: some 0.2 s of a processor for each guess. All users of
 * a store have the same number, since another one would tell an unknown name from a user's. */
#define LY__STORE_ITERATIONS 600000

struct ly__store;

struct ly__store_options {
    bool make;           /* make it where there is none; else that is -ENOENT */
    int patience_ms;     /* how long to wait for another writer. 0: 5 seconds */
    uint32_t iterations; /* of a store that is made. 0: LY__STORE_ITERATIONS */
};

/*
 * Open the store in a directory, and bring one of an older version up to this one. options may be NULL.
 * Returns 0 or -ENOENT   there is none, or no such directory -EPERM    the file or the directory belongs to
 * somebody else, or is open to others -EACCES, -EROFS   it cannot be opened, or not for writing -EBUSY
 * another process has held it all the time LY_ESTORE it is damaged, or no store of ours; LY_ENEWER a newer
 * version's -ENOSPC, -EIO, -ENOMEM, ...
 */
int ly__store_open(struct ly__store **ret_store, const char *directory,
                   const struct ly__store_options *options);

/* NULL is allowed. */
void ly__store_close(struct ly__store *store);

/*
 * A number that grows when somebody loses something: a user is removed, disabled, or gets other roles, limits
 * or another password, a device is revoked. Sessions that are open are looked at again then. Cheap to ask
 * for.
 */
int ly__store_version(struct ly__store *store, int64_t *ret_version);

/* What an error of the store means to whoever runs it: half a sentence to stand behind the file's name. */
const char *ly__store_text(int error);

#endif
