/* SPDX-License-Identifier: MIT */
/* What put and get have in common on the command line. */
#ifndef LY_CLI_TRANSFER_H
#define LY_CLI_TRANSFER_H

#include "cli/command.h"
#include "cli/progress.h"

#define LY__EXIT_PARTIAL 23 /* some entries failed, the others were transferred */
#define LY__EXIT_OURS 255   /* no connection, or lost; not understood by the server */

struct ly__transfer_arguments {
    char **sources;
    int count;
    char *destination;
    bool parents;
    bool becomes; /* the source becomes the destination, also where that is a directory */
    bool all;     /* also the files that are there already */
    enum ly__progress_style style;
};

/* A transfer has ended early: say how to go on with a directory that has become `destination`. */
void ly__transfer_hint(const struct ly__transfer_arguments *a, const char *command);

/* Whether an argument names something on a machine, as [HOST]:PATH does; it is said if not. */
bool ly__transfer_is_there(const char *argument, const char *command);

/* Read the arguments of put (parents: it has that option) or get. Ends the process where they are wrong. */
int ly__transfer_parse(struct ly__transfer_arguments *a, int argc, char **argv, bool parents,
                       const char *args_doc, const char *doc);

#endif
