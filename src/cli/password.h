/* SPDX-License-Identifier: MIT */
/* Where a command gets a password from. Never from its command line, which everybody on the machine can read.
 */
#ifndef LY_CLI_PASSWORD_H
#define LY_CLI_PASSWORD_H

#include "auth/scram.h"
#include <argp.h>
#include <stdbool.h>

#define LY__PASSWORD_SIZE (LY__PASSWORD_MAX + 3) /* with a line end, and a zero byte */

struct ly__password_source {
    bool from_stdin;  /* its first line */
    const char *file; /* the file's first line */
};

/* --password-stdin and --password-file, as a child of a command's argp; its input is a struct
 * ly__password_source. */
extern const struct argp ly__password_argp;

/*
 * Get a password that is to be set: from where the source says, else twice by prompt. Says what is wrong, in
 * the name of command. Returns its length, or -1. The caller wipes it.
 */
int ly__password_choose(const struct ly__password_source *source, const char *command, const char *user,
                        char ret[LY__PASSWORD_SIZE]);

/* For a login. Get a password that there is already: from a file's first line, or by prompt. Say what is
 * wrong, in the name of command, but not that there is no terminal (-ENXIO). Return the length, or an error.
 * The caller wipes it. */
int ly__password_read(const char *command, const char *file, char ret[LY__PASSWORD_SIZE]);
int ly__password_ask(const char *command, const char *question, char ret[LY__PASSWORD_SIZE]);

#endif
