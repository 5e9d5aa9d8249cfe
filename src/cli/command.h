/* SPDX-License-Identifier: MIT */
/* The program's commands: a file each, and a row in main.c's table. */
#ifndef LY_CLI_COMMAND_H
#define LY_CLI_COMMAND_H

#include <argp.h>
#include <stdbool.h>

#define LY__EXIT_FAILURE 1 /* a command failed, and has said why */
#define LY__EXIT_USAGE 2   /* it was not understood */
#define LY__EXIT_EXEC 255  /* exec: a failure of our own, not of the command */

struct ly__cli_command {
    const char *name;
    const char *summary; /* half a line, for `lanyard help` */
    /* argv[0] is the command's name. Returns the exit status. */
    int (*run)(int argc, char **argv);
};

int ly__cli_serve(int argc, char **argv);
int ly__cli_exec(int argc, char **argv);
int ly__cli_ping(int argc, char **argv);
int ly__cli_config(int argc, char **argv);
int ly__cli_audit(int argc, char **argv);
int ly__cli_version(int argc, char **argv);
int ly__cli_pair(int argc, char **argv);
int ly__cli_id(int argc, char **argv);
int ly__cli_known(int argc, char **argv);
int ly__cli_put(int argc, char **argv);
int ly__cli_get(int argc, char **argv);
int ly__cli_ls(int argc, char **argv);
int ly__cli_rm(int argc, char **argv);
int ly__cli_mkdir(int argc, char **argv);
int ly__cli_mv(int argc, char **argv);
int ly__cli_stat(int argc, char **argv);
int ly__cli_user(int argc, char **argv);
int ly__cli_devices(int argc, char **argv);
int ly__cli_status(int argc, char **argv);
int ly__cli_sessions(int argc, char **argv);

/* argp_parse for a command: usage errors exit with LY__EXIT_USAGE, and messages begin with "lanyard NAME". */
int ly__cli_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input);

/* Say on standard error, after "lanyard NAME: ", why a command fails. One line; control characters that a
 * peer may have put into the text are escaped. */
void ly__cli_say(const char *name, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
