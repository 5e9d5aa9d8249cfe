/* SPDX-License-Identifier: MIT */
/* lanyard ls: list a directory there, sorted by name. */
#include "cli/entry.h"
#include "cli/paths.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ls {
    struct ly__paths paths;
    int next;   /* of them, to be listed next */
    int titles; /* printed so far */
    bool details, json;
};

/* The entries that came, to be sorted: each a JSON text of its own. */
struct list {
    char **texts;
    size_t count, room;
};

static const struct argp_option options[] = {
    {"long", 'l', NULL, 0, "Mode, size, time and a link's target too", 0},
    {"all", 'a', NULL, 0, "Entries whose name begins with a dot too: this is always so", 0},
    {"one", '1', NULL, 0, "One entry a line: this is always so", 0},
    {"json", 'j', NULL, 0, "Print each entry as a JSON object, in the order of arrival", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ls *c = state->input;
    (void)arg;
    if (key == 'l')
        c->details = true;
    else if (key == 'j')
        c->json = true;
    else if (key != 'a' && key != '1')
        return ly__paths_parse(&c->paths, key, state);
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[[HOST]:PATH...]",
    .children = ly__client_argp,
    .doc = "List directories in what a machine serves; without PATH, the top.",
};

static int keep(void *arg, struct ly_json entry)
{
    struct list *l = arg;
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        char **texts = realloc(l->texts, room * sizeof *texts);
        if (!texts)
            return -ENOMEM;
        l->texts = texts;
        l->room = room;
    }
    l->texts[l->count] = strndup(entry.text, entry.length);
    if (!l->texts[l->count])
        return -ENOMEM;
    l->count++;
    return 0;
}

static struct ly_json as_json(const char *text)
{
    return (struct ly_json){text, strlen(text)};
}

static int by_name(const void *a, const void *b)
{
    char name_a[256] = "", name_b[256] = "";
    (void)ly_json_string(ly_json_get(as_json(*(char *const *)a), "name"), name_a, sizeof name_a);
    (void)ly_json_string(ly_json_get(as_json(*(char *const *)b), "name"), name_b, sizeof name_b);
    return strcmp(name_a, name_b);
}

static void print_list(struct list *l, const struct ls *c)
{
    if (l->count > 0 && !c->json)
        qsort(l->texts, l->count, sizeof *l->texts, by_name);
    for (size_t i = 0; i < l->count; i++) {
        if (c->json)
            ly__entry_print_json(as_json(l->texts[i]));
        else
            ly__entry_print(as_json(l->texts[i]), c->details);
    }
}

static int list_one(struct ly__target *t, void *arg)
{
    struct ls *c = arg;
    struct list l = {.count = 0};
    struct ly_frame last = {.size = 0};
    const char *title = c->paths.paths[c->next++];
    int r = ly__target_list(t, t->path, keep, &l, &last);
    if (r < 0)
        ly__target_say(t, r, &last);
    if (c->paths.count > 1 && !c->json && (r == 0 || l.count > 0))
        printf("%s%s:\n", c->titles++ ? "\n" : "", title);
    print_list(&l, c);
    for (size_t i = 0; i < l.count; i++)
        free(l.texts[i]);
    free(l.texts);
    return r;
}

int ly__cli_ls(int argc, char **argv)
{
    static char top[] = ":";
    static char *only_top[] = {top};
    struct ls c = {.paths = {only_top, 1}};
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return ly__paths_each(&c.paths, "ls", list_one, &c);
}
