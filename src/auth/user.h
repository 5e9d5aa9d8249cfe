/* SPDX-License-Identifier: MIT */
/* The users of a store. Errors are those of store.h, and what is said here. */
#ifndef LY_AUTH_USER_H
#define LY_AUTH_USER_H

#include "auth/roles.h"
#include "auth/scram.h"
#include "auth/store.h"

#define LY__USER_NAME 65        /* bytes of the longest name, with its zero byte */
#define LY__USER_ACCOUNT 33     /* of an account of the operating system */
#define LY__USER_DIRECTORY 1024 /* of a directory */

struct ly__user {
    int64_t id; /* never used again */
    char name[LY__USER_NAME];
    unsigned roles;
    bool disabled;
    bool has_password;
    char account[LY__USER_ACCOUNT];     /* commands run as this account; "": the server's own, where it is not
                                           root */
    char directory[LY__USER_DIRECTORY]; /* what is served to the user, absolute; "": what is served to all */
    int64_t sessions;                   /* that may be open at once; 0: any number */
    int64_t bandwidth;      /* bytes a second that all sessions move together, both ways; 0: no limit */
    int64_t created, login; /* seconds since 1970; login is the last one, 0: never */
    int64_t devices;        /* that are enrolled */
    int64_t generation;     /* grows whenever the user loses something, or the password changes */
};

/*
 * Whether text can be a user's name: UTF-8, at most LY__USER_NAME - 1 bytes, as SASLprep leaves it; of ASCII,
 * letters, digits and . _ - + only, and neither . nor - nor + at the start. So a name needs no quoting in a
 * host's name, a path or a shell. Returns 0 or LY_ENAME.
 */
int ly__user_name_check(const char *text);

/*
 * Add a user: name, roles, account, directory and limits are taken from *user. password may be NULL: then
 * only devices log in. Computes for a while. Returns 0; -EEXIST (there is one of that name); LY_ENAME;
 * -EINVAL (an account, a directory or a limit is none); the errors of ly__scram_derive.
 */
int ly__user_add(struct ly__store *store, const struct ly__user *user, const char *password);

/* Give another password; NULL: none. Returns 0, -ENOENT (no such user) or as ly__user_add. */
int ly__user_set_password(struct ly__store *store, const char *name, const char *password);

/* Replace roles, disabled, account, directory and limits of the user of that id. Returns 0, -ENOENT or
 * -EINVAL. */
int ly__user_set(struct ly__store *store, const struct ly__user *user);

/* With all devices and pairings. Returns 0 or -ENOENT. */
int ly__user_remove(struct ly__store *store, const char *name);

/* Returns 0 or -ENOENT. */
int ly__user_find(struct ly__store *store, const char *name, struct ly__user *ret_user);
int ly__user_find_id(struct ly__store *store, int64_t id, struct ly__user *ret_user);

/* Call fn for each user, by name, until it returns something else than 0, which is returned. fn must not use
 * the store. */
int ly__user_each(struct ly__store *store, int (*fn)(void *arg, const struct ly__user *user), void *arg);

/* Note that the user has just logged in. Hardly waits for another process that writes. Returns 0, -ENOENT,
 * -EBUSY. */
int ly__user_logged_in(struct ly__store *store, int64_t id);

/*
 * The secret that a login by this name is checked against (prepared by SASLprep; any text). Where there is no
 * such user, or one that is disabled or has no password, it is one that no password has, always the same for
 * a name, with the salt that such a user would have: salts are made from names, so that not even time shows
 * that a name came to be or went. Returns 0 whoever it is; ret_id is the user's id or 0.
 */
int ly__user_secret(struct ly__store *store, const char *name, struct ly__scram_secret *ret_secret,
                    int64_t *ret_id);

#endif
