/* SPDX-License-Identifier: MIT */
/* lanyard rm: remove files and trees there. */
#include "cli/paths.h"
#include "service/files/beneath.h"

struct rm {
    struct ly__paths paths;
    bool recursive, force;
};

static const struct argp_option options[] = {
    {"recursive", 'r', NULL, 0, "Directories too, with all they hold", 0},
    {"force", 'f', NULL, 0, "What is missing is no failure", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct rm *c = state->input;
    (void)arg;
    if (key == 'r')
        c->recursive = true;
    else if (key == 'f')
        c->force = true;
    else
        return ly__paths_parse(&c->paths, key, state);
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[HOST]:PATH...",
    .children = ly__client_argp,
    .doc = "Remove files in what a machine serves.",
};

static int remove_one(struct ly__target *t, void *arg)
{
    const struct rm *c = arg;
    struct ly_frame f;
    char clean[LY__PATH_MAX + 1];
    int r = ly__target_begin(t, "rm");
    if (r == 0)
        r = ly_json_put_string(&t->head, "path", t->path);
    if (r == 0 && c->recursive)
        r = ly_json_put_bool(&t->head, "recursive", true);
    r = ly__target_receive(t, ly__target_send(t, r), &f);
    if (r == LY_EREMOTE && c->force && ly_json_equal(ly_json_get(f.header, "error"), "ENOENT"))
        return 0;
    if (r == LY_EREMOTE && ly__path_clean(clean, t->path) == 0)
        ly__cli_say("rm", "the served directory itself cannot be removed, only what is in it");
    else if (r < 0)
        ly__target_say(t, r, &f);
    return r;
}

int ly__cli_rm(int argc, char **argv)
{
    struct rm c = {.recursive = false};
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return ly__paths_each(&c.paths, "rm", remove_one, &c);
}
