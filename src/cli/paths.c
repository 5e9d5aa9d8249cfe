/* SPDX-License-Identifier: MIT */
#include "cli/paths.h"

#include <stdio.h>

error_t ly__paths_parse(struct ly__paths *p, int key, struct argp_state *state)
{
    if (key == ARGP_KEY_ARGS) {
        p->paths = state->argv + state->next;
        p->count = state->argc - state->next;
    } else if (key == ARGP_KEY_NO_ARGS && p->count == 0)
        argp_usage(state);
    else if (key != ARGP_KEY_NO_ARGS)
        return ARGP_ERR_UNKNOWN;
    return 0;
}

int ly__paths_each(const struct ly__paths *p, const char *command,
                   int (*one)(struct ly__target *t, void *arg), void *arg)
{
    struct ly__target t;
    int status = 0;
    ly__target_init(&t, command);
    for (int i = 0; i < p->count; i++)
        if (ly__target_take(&t, p->paths[i]) < 0 || one(&t, arg) < 0)
            status = LY__EXIT_FAILURE;
    ly__target_done(&t);
    return fflush(stdout) == 0 ? status : LY__EXIT_FAILURE;
}
