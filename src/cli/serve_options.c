/* SPDX-License-Identifier: MIT */
#include "cli/serve_options.h"
#include "cli/command.h"
#include "daemon/notify.h"
#include <lanyard/error.h>
#include <stdio.h>

enum { KEY_CONFIG = 256, KEY_FIRST };

/* Its number among the keys; LY__CONFIG_KEYS: it is none of them. */
static size_t find(int key)
{
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        int letter = ly__config_keys[i].letter;
        if (key == (letter ? letter : KEY_FIRST + (int)i))
            return i;
    }
    return LY__CONFIG_KEYS;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ly__config *c = state->input;
    size_t i = find(key);
    if (key == KEY_CONFIG) {
        c->named = arg;
        return 0;
    }
    if (i == LY__CONFIG_KEYS)
        return ARGP_ERR_UNKNOWN;
    const struct ly__config_key *k = &ly__config_keys[i];
    int r = ly__config_give(c, i, arg ? arg : "yes");
    if (r == LY_ETOOBIG)
        argp_error(state, "--%s can be given %u times", k->name, k->most);
    else if (r < 0)
        argp_error(state, "--%s is %s, not '%s'", k->name, k->expected, arg);
    return 0;
}

const struct argp *ly__cli_serve_options(void)
{
    static struct argp_option options[LY__CONFIG_KEYS + 2];
    static const struct argp argp = {.options = options, .parser = parse};
    options[0] = (struct argp_option){
        "config",
        KEY_CONFIG,
        "FILE",
        0,
        "The file of settings. Default: lanyard.conf in /etc/lanyard for root, else in ~/.config/lanyard",
        3};
    for (size_t i = 0; i < LY__CONFIG_KEYS; i++) {
        const struct ly__config_key *k = &ly__config_keys[i];
        options[i + 1] = (struct argp_option){.name = k->name,
                                              .key = k->letter ? k->letter : KEY_FIRST + (int)i,
                                              .arg = k->argument ? k->argument : "yes|no",
                                              .flags = k->argument ? 0 : OPTION_ARG_OPTIONAL,
                                              .doc = k->doc,
                                              .group = k->group};
    }
    return &argp;
}

void ly__cli_config_tell(void *name, const char *where, const char *what)
{
    fprintf(stderr, "%slanyard %s: %s: %s\n", ly__notify_error(), (const char *)name, where, what);
}
