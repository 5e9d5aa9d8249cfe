/* SPDX-License-Identifier: MIT */
#include "cli/group.h"
#include "daemon/nearest.h"
#include <stdio.h>
#include <string.h>

bool ly__cli_asks_help(const char *word)
{
    return !strcmp(word, "help") || !strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "-?");
}

static void print_help(FILE *to, const struct ly__cli_group *g)
{
    fprintf(to, "Usage: lanyard %s COMMAND [ARGUMENT...]\n%s\n\n", g->name, g->doc);
    for (int i = 0; i < g->count; i++)
        fprintf(to, "  %-9s %s\n", g->commands[i].name, g->commands[i].summary);
    fprintf(to, "\n'lanyard %s COMMAND --help' has the rest.\n", g->name);
}

static int run(const struct ly__cli_group *g, const struct ly__cli_command *c, int argc, char **argv)
{
    char name[64];
    snprintf(name, sizeof name, "%s %s", g->name, c->name);
    argv[1] = name;
    return c->run(argc - 1, argv + 1);
}

static int refuse(const struct ly__cli_group *g, const char *word)
{
    struct ly__nearest nearest;
    ly__nearest_init(&nearest, word, strlen(word));
    for (int i = 0; i < g->count; i++)
        ly__nearest_try(&nearest, g->commands[i].name);
    if (nearest.name)
        ly__cli_say(g->name, "there is no '%s'; did you mean '%s'?", word, nearest.name);
    else
        ly__cli_say(g->name, "there is no '%s'; 'lanyard %s --help' lists what there is", word, g->name);
    return LY__EXIT_USAGE;
}

int ly__cli_group_run(const struct ly__cli_group *g, int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr, g);
        return LY__EXIT_USAGE;
    }
    for (int i = 0; i < g->count; i++) {
        if (strcmp(argv[1], g->commands[i].name) == 0)
            return run(g, &g->commands[i], argc, argv);
    }
    if (ly__cli_asks_help(argv[1])) {
        print_help(stdout, g);
        return fflush(stdout) == 0 ? 0 : LY__EXIT_FAILURE;
    }
    return refuse(g, argv[1]);
}
