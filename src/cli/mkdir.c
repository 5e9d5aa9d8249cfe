/* SPDX-License-Identifier: MIT */
/* lanyard mkdir: make directories there. */
#include "cli/paths.h"
#include <stdlib.h>

struct mkdir {
    struct ly__paths paths;
    bool parents;
    long mode; /* -1: the server's default */
};

static const struct argp_option options[] = {
    {"parents", 'p', NULL, 0, "Make missing directories above too; no error if it exists", 0},
    {"mode", 'm', "MODE", 0, "Permissions, octal. Default: 755", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct mkdir *c = state->input;
    char *end;
    if (key == 'p')
        c->parents = true;
    else if (key == 'm') {
        c->mode = strtol(arg, &end, 8);
        if (!*arg || *end || c->mode < 0 || c->mode > 0777)
            argp_error(state, "--mode is an octal number up to 777");
    } else
        return ly__paths_parse(&c->paths, key, state);
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[HOST]:PATH...",
    .children = ly__client_argp,
    .doc = "Make directories in what a machine serves.",
};

static int make_one(struct ly__target *t, void *arg)
{
    const struct mkdir *c = arg;
    struct ly_frame f;
    int r = ly__target_begin(t, "mkdir");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", t->path);
    if (r == 0 && c->parents)
        r = ly_json_put_bool(&t->head, "parents", true);
    if (r == 0 && c->mode >= 0)
        r = ly_json_put_int(&t->head, "mode", c->mode);
    return ly__target_ask(t, r, &f);
}

int ly__cli_mkdir(int argc, char **argv)
{
    struct mkdir c = {.mode = -1};
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return ly__paths_each(&c.paths, "mkdir", make_one, &c);
}
