/* SPDX-License-Identifier: MIT */
/* lanyard user: who may log in on this machine. */
#include "cli/user.h"
#include "cli/group.h"
#include "daemon/place.h"
#include <errno.h>
#include <lanyard/error.h>
#include <lanyard/json.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct ly__cli_command commands[] = {
    {"add", "add a user", ly__cli_user_add},
    {"passwd", "set a user's password", ly__cli_user_passwd},
    {"role", "change what a user may do", ly__cli_user_role},
    {"disable", "let a user log in no more, for now", ly__cli_user_disable},
    {"enable", "let a user log in again", ly__cli_user_enable},
    {"list", "list the users", ly__cli_user_list},
    {"pair", "show a code that makes a device one of the user's", ly__cli_user_pair},
    {"remove", "remove a user, with all devices", ly__cli_user_remove},
};

int ly__cli_user(int argc, char **argv)
{
    static const struct ly__cli_group group = {"user",
                                               "Say who may log in on this machine, and what they may do.",
                                               commands, (int)(sizeof commands / sizeof *commands)};
    return ly__cli_group_run(&group, argc, argv);
}

/* ---- the store ---- */

static void say_place(const char *command, const char *directory, int r)
{
    if (r == -EINVAL)
        ly__cli_say(command, "$LANYARD_STATE is not an absolute path");
    else if (r == -EPERM)
        ly__cli_say(command, "%s belongs to somebody else, or others may write to it", directory);
    else if (!*directory)
        ly__cli_say(command, "there is no home directory to keep users in; set LANYARD_STATE");
    else
        ly__cli_say(command, "cannot use the directory %s: %s", directory, ly_error_text(r));
}

int ly__cli_store_open(struct ly__store **ret_store, const char *command, bool make)
{
    char directory[PATH_MAX] = "";
    int r = ly__place_state(directory, sizeof directory, make);
    if (r < 0 && (r != -ENOENT || !*directory)) {
        say_place(command, directory, r);
        return -1;
    }
    if (r == 0)
        r = ly__store_open(ret_store, directory, &(struct ly__store_options){.make = make});
    if (r < 0)
        ly__cli_say(command, "cannot use the users in %s/" LY__STORE_FILE ": %s", directory,
                    ly__store_text(r));
    return r < 0 ? -1 : 0;
}

void ly__cli_user_say(const char *command, const char *name, int error)
{
    if (error == -ENOENT)
        ly__cli_say(command, "there is no user %s", name);
    else if (error == -EEXIST)
        ly__cli_say(command, "there is a user %s already", name);
    else if (error == LY_ENAME)
        ly__cli_say(
            command,
            "'%s' cannot be a user's name: letters, digits and . _ - + are allowed, up to %d bytes, the first "
            "a letter, a digit or _",
            name, LY__USER_NAME - 1);
    else
        ly__cli_say(command, "%s: %s", name, ly__store_text(error));
}

/* ---- users as they are shown ---- */

void ly__cli_time(char out[LY__TIME_TEXT], int64_t seconds)
{
    struct tm tm;
    time_t t = (time_t)seconds;
    if (seconds <= 0 || !gmtime_r(&t, &tm) || !strftime(out, LY__TIME_TEXT, "%Y-%m-%d %H:%M:%SZ", &tm))
        snprintf(out, LY__TIME_TEXT, "never");
}

static int put_json(struct ly_buffer *b, const struct ly__user *u)
{
    int r = ly_json_open(b, NULL, '{');
    if (r == 0)
        r = ly_json_put_string(b, "name", u->name);
    if (r == 0)
        r = ly_json_open(b, "roles", '[');
    for (unsigned i = 0; r == 0 && ly__role_name(i); i++) {
        if (u->roles & 1u << i)
            r = ly_json_put_string(b, NULL, ly__role_name(i));
    }
    if (r == 0)
        r = ly_json_close(b, ']');
    if (r == 0)
        r = ly_json_put_bool(b, "disabled", u->disabled);
    if (r == 0)
        r = ly_json_put_bool(b, "password", u->has_password);
    if (r == 0)
        r = ly_json_put_int(b, "devices", u->devices);
    if (r == 0)
        r = ly_json_put_string(b, "account", u->account);
    if (r == 0)
        r = ly_json_put_string(b, "directory", u->directory);
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"sessions", u->sessions}, {"bandwidth", u->bandwidth}, {"created", u->created}, {"login", u->login}};
    for (size_t i = 0; r == 0 && i < sizeof numbers / sizeof *numbers; i++)
        r = ly_json_put_int(b, numbers[i].name, numbers[i].value);
    return r == 0 ? ly_json_close(b, '}') : r;
}

static int put_line(struct ly_buffer *b, const struct ly__user *u)
{
    char roles[LY__ROLES_TEXT], login[LY__TIME_TEXT];
    ly__roles_format(roles, u->roles);
    ly__cli_time(login, u->login);
    int r = ly_buffer_printf(b, "%-16s %-26s %7lld  %-20s", u->name, roles, (long long)u->devices, login);
    if (r == 0 && u->disabled)
        r = ly_buffer_printf(b, " disabled");
    if (r == 0 && !u->has_password)
        r = ly_buffer_printf(b, " no-password");
    if (r == 0 && u->account[0])
        r = ly_buffer_printf(b, " account=%s", u->account);
    if (r == 0 && u->directory[0])
        r = ly_buffer_printf(b, " directory=%s", u->directory);
    if (r == 0 && u->sessions)
        r = ly_buffer_printf(b, " sessions=%lld", (long long)u->sessions);
    if (r == 0 && u->bandwidth)
        r = ly_buffer_printf(b, " bandwidth=%lld", (long long)u->bandwidth);
    return r;
}

int ly__cli_user_print(const struct ly__user *user, bool json)
{
    struct ly_buffer b;
    ly_buffer_init(&b, 1 << 16);
    int r = json ? put_json(&b, user) : put_line(&b, user);
    if (r == 0)
        r = ly_buffer_append(&b, "\n", 1);
    if (r == 0 && fwrite(ly_buffer_bytes(&b), 1, b.length, stdout) != b.length)
        r = -EIO;
    ly_buffer_done(&b);
    return r;
}

/* ---- command lines ---- */

const struct argp_option ly__cli_json_option[] = {
    {"json", 'j', NULL, 0, "Print the user as a JSON object", 0}, {0}};

error_t ly__cli_user_name_parse(int key, char *arg, struct argp_state *state)
{
    struct ly__cli_user_name *c = state->input;
    if (key == 'j')
        c->json = true;
    else if (key == ARGP_KEY_ARG && state->arg_num == 0)
        c->name = arg;
    else if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "name the user");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}
