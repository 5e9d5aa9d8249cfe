/* SPDX-License-Identifier: MIT */
/* Where a user's server is found when nobody says, and where programs of this user keep what they must
 * remember. */
#ifndef LY_DAEMON_PLACE_H
#define LY_DAEMON_PLACE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The default address, "unix:PATH", into buf: lanyard.sock in $XDG_RUNTIME_DIR; else in /run/user/UID, or
 * /run for root; else in /tmp/lanyard-UID. A folder counts only if it belongs to the user and nobody else may
 * write to it. The server (make) creates the last one with mode 0700; a client only looks. Returns 0; -EPERM
 * (what is there belongs to somebody else, or is open to others); -ENOENT (a client finds none; buf is where
 * it would be); LY_ETOOBIG; an error of mkdir(2) or lstat(2). ret_folder (may be NULL) is the folder that
 * gave the error.
 */
int ly__place_default(char *buf, size_t cap, int make, const char **ret_folder);

/*
 * The directory of keys, users, remembered peers and the audit trail, into buf (PATH_MAX bytes hold any):
 * $LANYARD_STATE, which must be absolute; else /var/lib/lanyard for root, and for others lanyard in
 * $XDG_STATE_HOME, or in .local/state of their home. Links are followed. It counts only if it belongs to this
 * user and nobody else may write to it. With make it is made where it is missing, with mode 0700, and so are
 * directories above it. Returns 0; -ENOENT (missing, and make is false; or there is no home); -EPERM (it
 * belongs to somebody else, or is open to others); -ENOTDIR; -EINVAL ($LANYARD_STATE is relative);
 * LY_ETOOBIG; an error of mkdir(2) or stat(2). Except with -EINVAL and LY_ETOOBIG buf says which it is, or
 * would be, "" if there is no home.
 */
int ly__place_state(char *buf, size_t cap, bool make);

/*
 * The directory of the configuration, in the same way: /etc/lanyard for root, else lanyard in
 * $XDG_CONFIG_HOME, or in .config of the user's home. It may also belong to root. Nothing is made.
 */
int ly__place_config(char *buf, size_t cap);

/* What is left of an absolute path below root, both without links: "" for root itself; NULL: it is not below.
 */
const char *ly__place_below(const char *root, const char *path);

#endif
