/* SPDX-License-Identifier: MIT */
/* Where a user's server is found when nobody says. */
#ifndef LY_DAEMON_PLACE_H
#define LY_DAEMON_PLACE_H

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

#endif
