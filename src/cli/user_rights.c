/* SPDX-License-Identifier: MIT */
/* The options that say what a user may do: those of add and of role. */
#include "cli/number.h"
#include "cli/user.h"
#include "daemon/account.h"
#include "daemon/config.h"
#include "daemon/place.h"
#include <errno.h>
#include <lanyard/error.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_ACCOUNT = 0x1000, KEY_DIRECTORY, KEY_SESSIONS, KEY_BANDWIDTH };

#define SESSIONS_MAX 100000
#define BANDWIDTH_MAX (INT64_C(1) << 50)

static const struct argp_option options[] = {
    {"roles", 'r', "ROLES", 0,
     "What the user may do: read, write, exec, chat, admin, with commas; or all, or none", 1},
    {"account", KEY_ACCOUNT, "OSUSER", 0,
     "Commands run as this account of the system. \"\": none; a server that runs as root then runs no commands "
     "for the user",
     1},
    {"directory", KEY_DIRECTORY, "DIR", 0, "Serve the user this directory. \"\": what is served to all", 1},
    {"sessions", KEY_SESSIONS, "N", 0, "Sessions that may be open at once. 0: any number", 1},
    {"bandwidth", KEY_BANDWIDTH, "BYTES/S", 0,
     "Bytes a second that all sessions move together, both ways; K, M or G behind it multiply. 0: no limit",
     1},
    {0}};

void ly__cli_user_roles(struct ly__cli_user_rights *rights, const char *text, struct argp_state *state)
{
    if (ly__roles_parse(text, &rights->values.roles) < 0)
        argp_error(state,
                   "roles are read, write, exec, chat and admin, with commas between them; or all, or none");
    rights->set |= LY__SET_ROLES;
}

/* What cannot be asked is left to whoever runs commands as it. */
static bool is_no_account(const char *name)
{
    struct ly__account account;
    int r = ly__account_by_name(&account, name);
    return r == -ENOENT || r == LY_ENAME;
}

static void read_account(struct ly__cli_user_rights *rights, const char *text, struct argp_state *state)
{
    if (strlen(text) >= sizeof rights->values.account)
        argp_error(state, "an account's name has at most %d bytes", LY__USER_ACCOUNT - 1);
    if (*text && is_no_account(text))
        argp_error(state, "there is no account '%s' on this system", text);
    strncpy(rights->values.account, text, sizeof rights->values.account - 1);
    rights->set |= LY__SET_ACCOUNT;
}

static void read_directory(struct ly__cli_user_rights *rights, const char *text, struct argp_state *state)
{
    char path[PATH_MAX] = "";
    if (*text && !realpath(text, path))
        argp_failure(state, LY__EXIT_USAGE, 0, "cannot use the directory '%s': %s", text,
                     ly_error_text(-errno));
    if (strlen(path) >= sizeof rights->values.directory)
        argp_error(state, "a directory's path has at most %d bytes", LY__USER_DIRECTORY - 1);
    memcpy(rights->values.directory, path, sizeof rights->values.directory - 1);
    rights->set |= LY__SET_DIRECTORY;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ly__cli_user_rights *rights = state->input;
    switch (key) {
    case 'r':
        ly__cli_user_roles(rights, arg, state);
        return 0;
    case KEY_ACCOUNT:
        read_account(rights, arg, state);
        return 0;
    case KEY_DIRECTORY:
        read_directory(rights, arg, state);
        return 0;
    case KEY_SESSIONS:
        if (ly__number_read(arg, 0, SESSIONS_MAX, &rights->values.sessions) < 0)
            argp_error(state, "--sessions is a number from 0 to %d", SESSIONS_MAX);
        rights->set |= LY__SET_SESSIONS;
        return 0;
    case KEY_BANDWIDTH:
        if (ly__size_read(arg, BANDWIDTH_MAX, &rights->values.bandwidth) < 0)
            argp_error(state, "--bandwidth is a number of bytes a second, such as 500K or 20M");
        rights->set |= LY__SET_BANDWIDTH;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp ly__cli_user_rights_argp = {.options = options, .parser = parse};

void ly__cli_user_apply(const struct ly__cli_user_rights *rights, struct ly__user *user)
{
    const struct ly__user *v = &rights->values;
    if (rights->set & LY__SET_ROLES)
        user->roles = v->roles;
    if (rights->set & LY__SET_ACCOUNT)
        memcpy(user->account, v->account, sizeof user->account);
    if (rights->set & LY__SET_DIRECTORY)
        memcpy(user->directory, v->directory, sizeof user->directory);
    if (rights->set & LY__SET_SESSIONS)
        user->sessions = v->sessions;
    if (rights->set & LY__SET_BANDWIDTH)
        user->bandwidth = v->bandwidth;
}

/* ---- a directory that is not served ---- */

static void tell_nobody(void *arg, const char *where, const char *what)
{
    (void)arg;
    (void)where;
    (void)what;
}

/* Without a root in the settings it is the command line of serve that decides, or whose server it is. */
void ly__cli_user_check_directory(const char *command, const struct ly__user *user)
{
    static struct ly__config config; /* a large one */
    const struct ly__config_sink sink = {.tell = tell_nobody};
    char root[PATH_MAX];
    size_t key = ly__config_find("root", strlen("root"));
    if (!*user->directory)
        return;
    config = (struct ly__config){.named = NULL};
    if (ly__config_load(&config, &config, &sink) == 0 && config.values[key].from != LY__FROM_DEFAULT &&
        realpath(config.values[key].texts[0], root) && !ly__place_below(root, user->directory))
        ly__cli_say(command,
                    "%s is not below %s, which this machine's settings serve: until one of them changes, %s "
                    "cannot log in",
                    user->directory, root, user->name);
    ly__config_done(&config);
}
