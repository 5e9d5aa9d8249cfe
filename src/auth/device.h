/* SPDX-License-Identifier: MIT */
/* The devices of users: keys that log in without a password. Errors are those of store.h, and what is said
 * here. */
#ifndef LY_AUTH_DEVICE_H
#define LY_AUTH_DEVICE_H

#include "auth/user.h"

#define LY__DEVICE_KEY 32   /* bytes of a key's identity: SHA-256 of its SubjectPublicKeyInfo */
#define LY__DEVICE_LABEL 65 /* bytes of the longest label, with its zero byte */

struct ly__device {
    int64_t id; /* never used again */
    int64_t user;
    char user_name[LY__USER_NAME];
    uint8_t key[LY__DEVICE_KEY];
    char label[LY__DEVICE_LABEL]; /* without control characters */
    int64_t created, seen;        /* seconds since 1970; seen: to within ten minutes, 0: never */
};

/*
 * Make a key a device of a user. One that is somebody's device already becomes this user's: who holds the key
 * has asked for it. label is a stranger's text: it is escaped and cut. Returns 0, or -ENOENT (no such user).
 */
int ly__device_enrol(struct ly__store *store, int64_t user, const uint8_t key[LY__DEVICE_KEY],
                     const char *label);

/*
 * Whose device a key is, which has proved that it is held by who connects. Returns 0; -ENOENT: nobody's, or
 * of a user who is disabled.
 */
int ly__device_find(struct ly__store *store, const uint8_t key[LY__DEVICE_KEY], struct ly__user *ret_user,
                    int64_t *ret_device);

/* Note that a device has logged in; writes at most every ten minutes, and hardly waits for another process
 * that writes. Returns 0, -ENOENT, -EBUSY. */
int ly__device_seen(struct ly__store *store, int64_t device);

/* Returns 0 or -ENOENT. */
int ly__device_revoke(struct ly__store *store, int64_t device);

/*
 * Whether what a session stands on is as it was: its user with what was granted (the generation that ly__user
 * had), and the device that logged in (0: a password). Returns 1 or 0. ly__store_version tells when to ask.
 */
int ly__device_holds(struct ly__store *store, int64_t user, int64_t generation, int64_t device);

/* Call fn for each device of a user, or of all (user 0), oldest first, until it returns something else than
 * 0, which is returned. fn must not use the store. */
int ly__device_each(struct ly__store *store, int64_t user,
                    int (*fn)(void *arg, const struct ly__device *device), void *arg);

#endif
