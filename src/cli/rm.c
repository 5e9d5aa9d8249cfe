/* SPDX-License-Identifier: MIT */
/* lanyard rm: remove files and trees there. */
#include "cli/command.h"
#include "cli/request.h"

struct rm {
    char **paths;
    int count;
    bool recursive;
};

static const struct argp_option options[] = {
    {"recursive", 'r', NULL, 0, "Directories too, with all they hold", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct rm *c = state->input;
    (void)arg;
    if (key == 'r')
        c->recursive = true;
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
    .doc = "Remove files in what a machine serves.",
};

static int remove_one(struct ly__target *t, const struct rm *c)
{
    struct ly_frame f;
    int r = ly__target_begin(t, "rm");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", t->path);
    if (r == 0 && c->recursive)
        r = ly_json_put_bool(&t->head, "recursive", true);
    return ly__target_ask(t, r, &f);
}

int ly__cli_rm(int argc, char **argv)
{
    struct rm c = {0};
    struct ly__target t;
    int status = 0;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    ly__target_init(&t, "rm");
    for (int i = 0; i < c.count; i++)
        if (ly__target_take(&t, c.paths[i]) < 0 || remove_one(&t, &c) < 0)
            status = LY__EXIT_FAILURE;
    ly__target_done(&t);
    return status;
}
