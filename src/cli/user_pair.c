/* SPDX-License-Identifier: MIT */
/* lanyard user pair: show a code. */
#include "auth/pairing.h"
#include "cli/user.h"
#include <errno.h>
#include <lanyard/error.h>
#include <lanyard/json.h>
#include <stdio.h>

struct pair {
    struct ly__cli_user_name user;
    const char *label;
};

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "Print a JSON object", 0},
    {"label", 'l', "TEXT", 0,
     "What the device is called in 'lanyard devices'. Default: the address that it comes from", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct pair *c = state->input;
    if (key != 'l')
        return ly__cli_user_name_parse(key, arg, state);
    c->label = arg;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "NAME",
    .doc =
        "Show a code that makes a device one of the user's.\v"
        "Whoever types it in at a device makes that device's key one that logs in as the user. It is good for one "
        "attempt, and for 10 minutes.",
};

static int print(const char *user, const char *code, bool json)
{
    struct ly_buffer b;
    if (!json)
        return printf("%s\n", code) < 0 ? -EIO : 0;
    ly_buffer_init(&b, 4096);
    int r = ly_json_open(&b, NULL, '{');
    if (r == 0)
        r = ly_json_put_string(&b, "user", user);
    if (r == 0)
        r = ly_json_put_string(&b, "code", code);
    if (r == 0)
        r = ly_json_put_int(&b, "seconds", LY__PAIRING_SECONDS);
    if (r == 0)
        r = ly_json_close(&b, '}');
    if (r == 0 && printf("%.*s\n", (int)b.length, ly_buffer_bytes(&b)) < 0)
        r = -EIO;
    ly_buffer_done(&b);
    return r;
}

int ly__cli_user_pair(int argc, char **argv)
{
    struct pair c = {.label = NULL};
    struct ly__store *store;
    struct ly__user user;
    char code[LY__PAIRING_CODE];
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    if (ly__cli_store_open(&store, "user pair", false) < 0)
        return LY__EXIT_FAILURE;
    int r = ly__user_find(store, c.user.name, &user);
    if (r == 0 && !user.disabled)
        r = ly__pairing_make(store, c.user.name, c.label, code);
    if (r == -EAGAIN)
        ly__cli_say("user pair", "too many codes are open; the oldest end within 10 minutes");
    else if (r == LY_ENAME)
        ly__cli_say("user pair", "a label has at most %d bytes, no control characters and no backslash",
                    LY__DEVICE_LABEL - 1);
    else if (r == 0 && user.disabled)
        ly__cli_say("user pair", "%s is disabled; 'lanyard user enable' comes first", c.user.name);
    else if (r < 0)
        ly__cli_user_say("user pair", c.user.name, r);
    ly__store_close(store);
    if (r == 0 && !user.disabled)
        r = print(c.user.name, code, c.user.json);
    return r < 0 || user.disabled || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}
