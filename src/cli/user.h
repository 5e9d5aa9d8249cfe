/* SPDX-License-Identifier: MIT */
/* What lanyard user's commands share: the store of this machine, and how a user is shown. */
#ifndef LY_CLI_USER_H
#define LY_CLI_USER_H

#include "auth/user.h"
#include "cli/command.h"

/* Open this machine's store; make: also where there is none. Says what is wrong, in the name of command.
 * Returns 0 or -1. */
int ly__cli_store_open(struct ly__store **ret_store, const char *command, bool make);

/* Say what the store has answered about a user. */
void ly__cli_user_say(const char *command, const char *name, int error);

/* Print a user as a line of a table, or as a JSON object. Returns 0 or a negative error. */
int ly__cli_user_print(const struct ly__user *user, bool json);

/* A time as people read it, in UTC; "never" for 0. */
#define LY__TIME_TEXT 24
void ly__cli_time(char out[LY__TIME_TEXT], int64_t seconds);

/* The user's name that a command has as argument, and --json. The input of its parser begins with this. */
struct ly__cli_user_name {
    const char *name;
    bool json;
};
extern const struct argp_option ly__cli_json_option[];
error_t ly__cli_user_name_parse(int key, char *arg, struct argp_state *state);

/* What add and role set. set says which. */
enum {
    LY__SET_ROLES = 1,
    LY__SET_ACCOUNT = 2,
    LY__SET_DIRECTORY = 4,
    LY__SET_SESSIONS = 8,
    LY__SET_BANDWIDTH = 16
};
struct ly__cli_user_rights {
    unsigned set;
    struct ly__user values;
};

/* Their options, as a child of a command's argp; its input is a struct ly__cli_user_rights. */
extern const struct argp ly__cli_user_rights_argp;

/* Read roles, or end the program with a usage error. */
void ly__cli_user_roles(struct ly__cli_user_rights *rights, const char *text, struct argp_state *state);

/* Say so if the user's directory is not below the one that this machine's settings name to be served. */
void ly__cli_user_check_directory(const char *command, const struct ly__user *user);

/* Copy what is set. */
void ly__cli_user_apply(const struct ly__cli_user_rights *rights, struct ly__user *user);

int ly__cli_user_add(int argc, char **argv);
int ly__cli_user_passwd(int argc, char **argv);
int ly__cli_user_role(int argc, char **argv);
int ly__cli_user_disable(int argc, char **argv);
int ly__cli_user_enable(int argc, char **argv);
int ly__cli_user_list(int argc, char **argv);
int ly__cli_user_pair(int argc, char **argv);
int ly__cli_user_remove(int argc, char **argv);

#endif
