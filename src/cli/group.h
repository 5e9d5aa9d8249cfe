/* SPDX-License-Identifier: MIT */
/* Commands of two words: `lanyard user add`. */
#ifndef LY_CLI_GROUP_H
#define LY_CLI_GROUP_H

#include "cli/command.h"

struct ly__cli_group {
    const char *name; /* the first word */
    const char *doc;  /* a line for --help */
    const struct ly__cli_command *commands;
    int count;
};

/* Run the command that argv[1] names, as "lanyard NAME WORD". Returns its exit status. */
int ly__cli_group_run(const struct ly__cli_group *group, int argc, char **argv);

/* Whether a word asks for help instead of naming a command. */
bool ly__cli_asks_help(const char *word);

#endif
