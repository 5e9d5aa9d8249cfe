/* SPDX-License-Identifier: MIT */
/* lanyard stat: what a file there is. */
#include "cli/entry.h"
#include "cli/paths.h"

struct stat_command {
    struct ly__paths paths;
    bool json;
};

static const struct argp_option options[] = {{"json", 'j', NULL, 0, "Print a JSON object a line", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct stat_command *c = state->input;
    (void)arg;
    if (key == 'j')
        c->json = true;
    else
        return ly__paths_parse(&c->paths, key, state);
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[HOST]:PATH...",
    .children = ly__client_argp,
    .doc = "Say type, permissions, size and time of files in what a machine serves.",
};

static int stat_one(struct ly__target *t, void *arg)
{
    const struct stat_command *c = arg;
    struct ly_frame f;
    int r = ly__target_stat(t, t->path, &f);
    struct ly_json entry = r < 0 ? (struct ly_json){0} : ly_json_get(f.header, "entry");
    if (r == 0 && ly_json_type(entry) != LY_JSON_OBJECT)
        r = LY_EFRAME;
    if (r < 0) {
        ly__target_say(t, r, &f);
        return r;
    }
    if (c->json)
        ly__entry_print_json(entry);
    else
        ly__entry_print(entry, true);
    return 0;
}

int ly__cli_stat(int argc, char **argv)
{
    struct stat_command c = {.json = false};
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return ly__paths_each(&c.paths, "stat", stat_one, &c);
}
