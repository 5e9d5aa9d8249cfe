/* SPDX-License-Identifier: MIT */
/* lanyard devices: the keys that log in without a password. */
#include "auth/device.h"
#include "auth/id.h"
#include "cli/group.h"
#include "cli/number.h"
#include "cli/user.h"
#include <errno.h>
#include <lanyard/json.h>
#include <stdio.h>
#include <string.h>

/* ---- list ---- */

struct list {
    const char *user;
    bool json, titled;
};

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
    struct list *c = state->input;
    if (key == 'j')
        c->json = true;
    else if (key == ARGP_KEY_ARG && state->arg_num == 0)
        c->user = arg;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static int print_json(const struct ly__device *d, const char *id)
{
    struct ly_buffer b;
    ly_buffer_init(&b, 1 << 14);
    int r = ly_json_open(&b, NULL, '{');
    if (r == 0)
        r = ly_json_put_int(&b, "device", d->id);
    if (r == 0)
        r = ly_json_put_string(&b, "user", d->user_name);
    if (r == 0)
        r = ly_json_put_string(&b, "label", d->label);
    if (r == 0)
        r = ly_json_put_string(&b, "id", id);
    if (r == 0)
        r = ly_json_put_int(&b, "created", d->created);
    if (r == 0)
        r = ly_json_put_int(&b, "seen", d->seen);
    if (r == 0)
        r = ly_json_close(&b, '}');
    if (r == 0 && printf("%.*s\n", (int)b.length, ly_buffer_bytes(&b)) < 0)
        r = -EIO;
    ly_buffer_done(&b);
    return r;
}

static int list_one(void *arg, const struct ly__device *d)
{
    struct list *c = arg;
    char id[LY__ID_TEXT], created[LY__TIME_TEXT], seen[LY__TIME_TEXT];
    ly__id_format(id, d->key);
    if (c->json)
        return print_json(d, id);
    if (!c->titled)
        printf("%6s %-16s %-47s %-20s  %-20s  %s\n", "DEVICE", "USER", "ID", "PAIRED", "LAST SEEN", "LABEL");
    c->titled = true;
    ly__cli_time(created, d->created);
    ly__cli_time(seen, d->seen);
    return printf("%6lld %-16s %-47s %-20s  %-20s  %s\n", (long long)d->id, d->user_name, id, created, seen,
                  d->label) < 0
               ? -EIO
               : 0;
}

static int run_list(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "Print a JSON object for each device", 0}, {0}};
    static const struct argp argp = {.options = options,
                                     .parser = parse_list,
                                     .args_doc = "[NAME]",
                                     .doc = "List the devices of a user, or all."};
    struct list c = {.user = NULL};
    struct ly__store *store;
    struct ly__user user = {.id = 0};
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    if (ly__cli_store_open(&store, "devices list", false) < 0)
        return LY__EXIT_FAILURE;
    int r = c.user ? ly__user_find(store, c.user, &user) : 0;
    if (r < 0)
        ly__cli_user_say("devices list", c.user, r);
    if (r == 0) {
        r = ly__device_each(store, user.id, list_one, &c);
        if (r < 0)
            ly__cli_say("devices list", "cannot read the devices: %s", ly__store_text(r));
    }
    ly__store_close(store);
    return r < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}

/* ---- revoke ---- */

struct revoke {
    const char *text;
    int64_t number; /* 0: text is an id's form */
    char id[LY__ID_TEXT];
};

static error_t parse_revoke(int key, char *arg, struct argp_state *state)
{
    struct revoke *c = state->input;
    if (key == ARGP_KEY_ARG && state->arg_num == 0) {
        c->text = arg;
        if (ly__number_read(arg, 1, INT64_MAX, &c->number) < 0 && ly__id_parse(c->id, arg, strlen(arg)) < 0)
            argp_error(state, "name the device by its number or its id, as 'lanyard devices' shows them");
    } else if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "name the device by its number or its id, as 'lanyard devices' shows them");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

/* The number of the device of this id. */
static int find_one(void *arg, const struct ly__device *d)
{
    struct revoke *c = arg;
    char id[LY__ID_TEXT];
    ly__id_format(id, d->key);
    if (strcmp(id, c->id) == 0)
        c->number = d->id;
    return 0;
}

static int run_revoke(int argc, char **argv)
{
    static const struct argp argp = {.parser = parse_revoke,
                                     .args_doc = "DEVICE",
                                     .doc = "Let a device log in no more. Its open sessions end."};
    struct revoke c = {.text = NULL};
    struct ly__store *store;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    if (ly__cli_store_open(&store, "devices revoke", false) < 0)
        return LY__EXIT_FAILURE;
    int r = c.number ? 0 : ly__device_each(store, 0, find_one, &c);
    if (r == 0)
        r = ly__device_revoke(store, c.number);
    if (r == -ENOENT)
        ly__cli_say("devices revoke", "there is no device %s", c.text);
    else if (r < 0)
        ly__cli_say("devices revoke", "cannot revoke the device: %s", ly__store_text(r));
    ly__store_close(store);
    return r < 0 ? LY__EXIT_FAILURE : 0;
}

/* ---- the command ---- */

static const struct ly__cli_command commands[] = {
    {"list", "list the devices of a user, or all", run_list},
    {"revoke", "let a device log in no more", run_revoke},
};

int ly__cli_devices(int argc, char **argv)
{
    static char list[] = "devices list";
    static const struct ly__cli_group group = {
        "devices",
        "See and revoke the devices that log in on this machine without a password.\nWithout a command: list.",
        commands, (int)(sizeof commands / sizeof *commands)};
    if (argc >= 2 && (argv[1][0] != '-' || ly__cli_asks_help(argv[1])))
        return ly__cli_group_run(&group, argc, argv);
    argv[0] = list;
    return run_list(argc, argv);
}
