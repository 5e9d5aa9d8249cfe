/* SPDX-License-Identifier: MIT */
/* lanyard user role, disable, enable, remove, list. */
#include "cli/user.h"
#include <stdio.h>

/* ---- role ---- */

struct role {
    struct ly__cli_user_name user;
    struct ly__cli_user_rights rights;
};

static error_t parse_role(int key, char *arg, struct argp_state *state)
{
    struct role *c = state->input;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = &c->rights;
    else if (key == ARGP_KEY_ARG && state->arg_num == 1)
        ly__cli_user_roles(&c->rights, arg, state);
    else if (key == ARGP_KEY_END && c->user.name && !c->rights.set)
        argp_error(state, "say what the user may do");
    else
        return ly__cli_user_name_parse(key, arg, state);
    return 0;
}

static const struct argp_child role_children[] = {{&ly__cli_user_rights_argp, 0, NULL, 0}, {0}};
static const struct argp role_argp = {
    .options = ly__cli_json_option,
    .parser = parse_role,
    .args_doc = "NAME [ROLES]",
    .children = role_children,
    .doc =
        "Change what a user may do.\v"
        "ROLES replace those that the user had: read, write, exec, chat, admin, with commas between them; or all, or "
        "none. None implies another. What no option names stays as it is.",
};

/* ---- one change of one user ---- */

static void disable(struct ly__user *user, const void *arg)
{
    user->disabled = *(const bool *)arg;
}

static void apply(struct ly__user *user, const void *arg)
{
    ly__cli_user_apply(arg, user);
}

static int change(const char *command, const struct ly__cli_user_name *c,
                  void (*fn)(struct ly__user *user, const void *arg), const void *arg)
{
    struct ly__store *store;
    struct ly__user user;
    if (ly__cli_store_open(&store, command, false) < 0)
        return LY__EXIT_FAILURE;
    int r = ly__user_find(store, c->name, &user);
    if (r == 0) {
        fn(&user, arg);
        r = ly__user_set(store, &user);
    }
    if (r == 0 && fn == apply)
        ly__cli_user_check_directory(command, &user);
    if (r == 0 && c->json)
        r = ly__cli_user_print(&user, true);
    if (r < 0)
        ly__cli_user_say(command, c->name, r);
    ly__store_close(store);
    return r < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}

int ly__cli_user_role(int argc, char **argv)
{
    struct role c = {.rights = {.set = 0}};
    if (ly__cli_parse(&role_argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return change("user role", &c.user, apply, &c.rights);
}

static int set_disabled(const char *command, const struct argp *argp, int argc, char **argv, bool disabled)
{
    struct ly__cli_user_name c = {.name = NULL};
    if (ly__cli_parse(argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return change(command, &c, disable, &disabled);
}

int ly__cli_user_disable(int argc, char **argv)
{
    static const struct argp argp = {
        .options = ly__cli_json_option,
        .parser = ly__cli_user_name_parse,
        .args_doc = "NAME",
        .doc = "Let a user log in no more, neither with a password nor from a device, "
               "until 'lanyard user enable'. Open sessions end."};
    return set_disabled("user disable", &argp, argc, argv, true);
}

int ly__cli_user_enable(int argc, char **argv)
{
    static const struct argp argp = {.options = ly__cli_json_option,
                                     .parser = ly__cli_user_name_parse,
                                     .args_doc = "NAME",
                                     .doc = "Let a user log in again."};
    return set_disabled("user enable", &argp, argc, argv, false);
}

/* ---- remove ---- */

int ly__cli_user_remove(int argc, char **argv)
{
    static const struct argp argp = {.options = ly__cli_json_option,
                                     .parser = ly__cli_user_name_parse,
                                     .args_doc = "NAME",
                                     .doc = "Remove a user, with all devices. Files stay."};
    struct ly__cli_user_name c = {.name = NULL};
    struct ly__store *store;
    struct ly__user user;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    if (ly__cli_store_open(&store, "user remove", false) < 0)
        return LY__EXIT_FAILURE;
    int r = ly__user_find(store, c.name, &user);
    if (r == 0)
        r = ly__user_remove(store, c.name);
    if (r == 0 && c.json)
        r = ly__cli_user_print(&user, true);
    if (r < 0)
        ly__cli_user_say("user remove", c.name, r);
    ly__store_close(store);
    return r < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}

/* ---- list ---- */

struct list {
    bool json, titled;
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
    struct list *c = state->input;
    (void)arg;
    if (key != 'j')
        return ARGP_ERR_UNKNOWN;
    c->json = true;
    return 0;
}

static int list_one(void *arg, const struct ly__user *user)
{
    struct list *c = arg;
    if (!c->titled && !c->json)
        printf("%-16s %-26s %7s  %-20s\n", "NAME", "ROLES", "DEVICES", "LAST LOGIN");
    c->titled = true;
    return ly__cli_user_print(user, c->json);
}

int ly__cli_user_list(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "Print a JSON object for each user", 0}, {0}};
    static const struct argp argp = {
        .options = options, .parser = parse_list, .doc = "List the users of this machine."};
    struct list c = {.json = false};
    struct ly__store *store;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    if (ly__cli_store_open(&store, "user list", false) < 0)
        return LY__EXIT_FAILURE;
    int r = ly__user_each(store, list_one, &c);
    if (r < 0)
        ly__cli_say("user list", "cannot read the users: %s", ly__store_text(r));
    ly__store_close(store);
    return r < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}
