/* SPDX-License-Identifier: MIT */
#include "cli/transfer.h"

#include "cli/client.h"

enum { KEY_ALL = 256 };

/* The first is put's alone. */
static const struct argp_option options[] = {
    {"parents", 'p', NULL, 0,
     "Make missing directories above the destination, and the destination if it must be one", 0},
    {"json", 'j', NULL, 0, "Print progress, failures and the result as JSON objects, one a line", 0},
    {"quiet", 'q', NULL, 0, "Print failures only", 0},
    {"no-target-directory", 'T', NULL, 0,
     "SRC becomes DST even if that is a directory, in place of going into it: what goes on with a tree", 0},
    {"all", KEY_ALL, NULL, 0,
     "Transfer also the files that are there already with the same size, time and mode", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ly__transfer_arguments *a = state->input;
    (void)arg;
    if (key == 'j')
        a->style = LY__PROGRESS_JSON;
    else if (key == 'q')
        a->style = LY__PROGRESS_QUIET;
    else if (key == 'T')
        a->becomes = true;
    else if (key == KEY_ALL)
        a->all = true;
    else if (key == 'p')
        a->parents = true;
    else if (key == ARGP_KEY_ARGS && state->argc - state->next >= 2) {
        a->sources = state->argv + state->next;
        a->count = state->argc - state->next - 1;
        a->destination = state->argv[state->argc - 1];
        if (a->becomes && a->count > 1)
            argp_error(state, "-T is for one SRC");
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
        .options = parents ? options : options + 1,
        .parser = parse,
        .args_doc = args_doc,
        .children = ly__client_argp,
        .doc = doc,
    };
    return ly__cli_parse(&argp, argc, argv, 0, a);
}

void ly__transfer_hint(const struct ly__transfer_arguments *a, const char *command)
{
    ly__cli_say(command, "to go on where it ended: lanyard %s -T %s %s", command, a->sources[0],
                a->destination);
}

bool ly__transfer_is_there(const char *argument, const char *command)
{
    char host[LY__HOST_TEXT];
    const char *path;
    if (ly__host_split(argument, host, &path) != 0)
        return true; /* also a wrong one, which is told when it is used */
    ly__cli_say(command, "%s: that is here; on the server it is :%s, or HOST:%s", argument, argument,
                argument);
    return false;
}
