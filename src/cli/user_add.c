/* SPDX-License-Identifier: MIT */
/* lanyard user add, passwd: what needs a password. */
#include "cli/password.h"
#include "cli/user.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { KEY_NO_PASSWORD = 0x3000 };

struct add {
    struct ly__cli_user_name user;
    struct ly__password_source source;
    struct ly__cli_user_rights rights;
    bool no_password;
};

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "Print the user as a JSON object", 0},
    {"no-password", KEY_NO_PASSWORD, NULL, 0, "No password: only devices of the user log in", 2},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct add *c = state->input;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = &c->source;
        if (state->root_argp->children[1].argp)
            state->child_inputs[1] = &c->rights;
        return 0;
    }
    if (key == KEY_NO_PASSWORD) {
        c->no_password = true;
        return 0;
    }
    if (key == ARGP_KEY_END && c->no_password && (c->source.from_stdin || c->source.file))
        argp_error(state, "--no-password excludes the other ways to give one");
    return ly__cli_user_name_parse(key, arg, state);
}

static const struct argp_child add_children[] = {
    {&ly__password_argp, 0, NULL, 0}, {&ly__cli_user_rights_argp, 0, NULL, 0}, {0}};
static const struct argp add_argp = {
    .options = options,
    .parser = parse,
    .args_doc = "NAME",
    .children = add_children,
    .doc =
        "Add a user who may log in on this machine.\v"
        "The password is asked for twice unless an option says where it is. Without --roles the user may read.",
};

static const struct argp_child passwd_children[] = {{&ly__password_argp, 0, NULL, 0}, {0}};
static const struct argp passwd_argp = {
    .options = options,
    .parser = parse,
    .args_doc = "NAME",
    .children = passwd_children,
    .doc =
        "Set a user's password.\v"
        "It is asked for twice unless an option says where it is. Sessions that are open are looked at again.",
};

/* Say, or print, what has become of it. */
static int end(struct ly__store *store, const char *command, const struct ly__cli_user_name *c, int r)
{
    struct ly__user user;
    if (r == 0 && c->json) {
        r = ly__user_find(store, c->name, &user);
        if (r == 0)
            r = ly__cli_user_print(&user, true);
    }
    if (r < 0)
        ly__cli_user_say(command, c->name, r);
    ly__store_close(store);
    return r < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}

static int add(struct ly__store *store, const struct add *c, const char *password)
{
    struct ly__user user = {.roles = LY__READ};
    strncpy(user.name, c->user.name, sizeof user.name - 1);
    ly__cli_user_apply(&c->rights, &user);
    int r = ly__user_add(store, &user, password);
    if (r == 0)
        ly__cli_user_check_directory("user add", &user);
    return r;
}

/* Before a password is asked for: whether there is any use in it. */
static int check(struct ly__store *store, const char *name, bool is_new)
{
    struct ly__user user;
    int r = is_new ? ly__user_name_check(name) : 0;
    if (r == 0)
        r = ly__user_find(store, name, &user);
    return !is_new ? r : r == 0 ? -EEXIST : r == -ENOENT ? 0 : r;
}

static int run(struct add *c, const char *command, bool is_new)
{
    struct ly__store *store;
    char password[LY__PASSWORD_SIZE];
    if (is_new && ly__user_name_check(c->user.name) < 0) {
        ly__cli_user_say(command, c->user.name, ly__user_name_check(c->user.name));
        return LY__EXIT_FAILURE;
    }
    if (ly__cli_store_open(&store, command, is_new) < 0)
        return LY__EXIT_FAILURE;
    int r = check(store, c->user.name, is_new);
    if (r == 0 && !c->no_password && ly__password_choose(&c->source, command, c->user.name, password) < 0) {
        ly__store_close(store);
        return LY__EXIT_FAILURE;
    }
    const char *given = c->no_password ? NULL : password;
    if (r == 0)
        r = is_new ? add(store, c, given) : ly__user_set_password(store, c->user.name, given);
    explicit_bzero(password, sizeof password);
    return end(store, command, &c->user, r);
}

int ly__cli_user_add(int argc, char **argv)
{
    struct add c = {.no_password = false};
    if (ly__cli_parse(&add_argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return run(&c, "user add", true);
}

int ly__cli_user_passwd(int argc, char **argv)
{
    struct add c = {.no_password = false};
    if (ly__cli_parse(&passwd_argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return run(&c, "user passwd", false);
}
