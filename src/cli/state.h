/* SPDX-License-Identifier: MIT */
/* This user's state directory, for commands. */
#ifndef LY_CLI_STATE_H
#define LY_CLI_STATE_H

#include "auth/key.h"
#include <limits.h>
#include <stdbool.h>

/*
 * Where it is (ly__place_state); made where it is missing, if asked. What is wrong is said in the name of
 * command; that it is missing is not, without make, as long as directory says where it would be. Returns 0 or
 * the error.
 */
int ly__cli_state(const char *command, char directory[PATH_MAX], bool make);

/* Open a key in it, in the same way. */
int ly__cli_key(const char *command, const char *directory, const char *file, bool make, struct ly__key *key);

#endif
