/* SPDX-License-Identifier: MIT */
/* A command that does one thing to each of the paths it is given. */
#ifndef LY_CLI_PATHS_H
#define LY_CLI_PATHS_H

#include "cli/command.h"
#include "cli/request.h"

struct ly__paths {
    char **paths;
    int count;
};

/* For an argp parser, the keys that are no option of its own: keep the paths; none ends the program with a
 * usage error, unless some are there already. */
error_t ly__paths_parse(struct ly__paths *p, int key, struct argp_state *state);

/* Do it to each path (t->path, on the machine it names); one says what fails and returns below 0. Returns the
 * exit status. */
int ly__paths_each(const struct ly__paths *p, const char *command,
                   int (*one)(struct ly__target *t, void *arg), void *arg);

#endif
