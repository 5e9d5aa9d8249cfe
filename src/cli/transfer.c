/* SPDX-License-Identifier: MIT */
#include "cli/transfer.h"

static const struct argp_option options[] = {
    {"json", 'j', NULL, 0, "Print progress, failures and the result as JSON objects, one a line", 0},
    {"quiet", 'q', NULL, 0, "Print failures only", 0},
    {0}};

static const struct argp_option put_options[] = {
    {"json", 'j', NULL, 0, "Print progress, failures and the result as JSON objects, one a line", 0},
    {"quiet", 'q', NULL, 0, "Print failures only", 0},
    {"parents", 'p', NULL, 0,
     "Make missing directories above the destination, and the destination if it must be one", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ly__transfer_arguments *a = state->input;
    (void)arg;
    if (key == 'j')
        a->style = LY__PROGRESS_JSON;
    else if (key == 'q')
        a->style = LY__PROGRESS_QUIET;
    else if (key == 'p')
        a->parents = true;
    else if (key == ARGP_KEY_ARGS && state->argc - state->next >= 2) {
        a->sources = state->argv + state->next;
        a->count = state->argc - state->next - 1;
        a->destination = state->argv[state->argc - 1];
    } else if (key == ARGP_KEY_ARGS || key == ARGP_KEY_NO_ARGS)
        argp_usage(state);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int ly__transfer_parse(struct ly__transfer_arguments *a, int argc, char **argv, bool parents,
                       const char *args_doc, const char *doc)
{
    const struct argp argp = {
        .options = parents ? put_options : options,
        .parser = parse,
        .args_doc = args_doc,
        .doc = doc,
    };
    return ly__cli_parse(&argp, argc, argv, 0, a);
}
