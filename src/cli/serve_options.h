/* SPDX-License-Identifier: MIT */
/* The command line of a server, made from the table of its settings. */
#ifndef LY_CLI_SERVE_OPTIONS_H
#define LY_CLI_SERVE_OPTIONS_H

#include "daemon/config.h"
#include <argp.h>

/* To be a child of a command's own argp; its input is a struct ly__config. */
const struct argp *ly__cli_serve_options(void);

/* Mistakes of a configuration as messages of "lanyard NAME"; NAME is the sink's arg. */
void ly__cli_config_tell(void *name, const char *where, const char *what);

#endif
