/* SPDX-License-Identifier: MIT */
/* lanyard stat: what a file there is. */
#include "cli/command.h"
#include "cli/entry.h"
#include "cli/request.h"
#include <stdio.h>

struct stat_command {
    char **paths;
    int count;
    bool json;
};

static const struct argp_option options[] = {{"json", 'j', NULL, 0, "Print a JSON object a line", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct stat_command *c = state->input;
    (void)arg;
    if (key == 'j')
        c->json = true;
    else if (key == ARGP_KEY_ARGS) {
        c->paths = state->argv + state->next;
        c->count = state->argc - state->next;
    } else if (key == ARGP_KEY_NO_ARGS)
        argp_usage(state);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[HOST]:PATH...",
    .doc = "Say type, permissions, size and time of files in what a machine serves.",
};

static int stat_one(struct ly__target *t, const struct stat_command *c)
{
    struct ly_frame f;
    int r = ly__target_begin(t, "stat");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", t->path);
    r = ly__target_ask(t, r, &f);
    if (r < 0)
        return r;
    struct ly_json entry = ly_json_get(f.header, "entry");
    if (c->json)
        ly__entry_print_json(entry);
    else
        ly__entry_print(entry, true);
    return 0;
}

int ly__cli_stat(int argc, char **argv)
{
    struct stat_command c = {0};
    struct ly__target t;
    int status = 0;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    ly__target_init(&t, "stat");
    for (int i = 0; i < c.count; i++)
        if (ly__target_take(&t, c.paths[i]) < 0 || stat_one(&t, &c) < 0)
            status = LY__EXIT_FAILURE;
    ly__target_done(&t);
    return fflush(stdout) == 0 ? status : LY__EXIT_FAILURE;
}
