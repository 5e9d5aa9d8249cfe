/* SPDX-License-Identifier: MIT */
/* lanyard mv: rename there. */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/request.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mv {
    char *from, *to;
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct mv *c = state->input;
    if (key == ARGP_KEY_ARG && state->arg_num == 0)
        c->from = arg;
    else if (key == ARGP_KEY_ARG && state->arg_num == 1)
        c->to = arg;
    else if (key == ARGP_KEY_END && !c->to)
        argp_usage(state);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .parser = parse,
    .args_doc = "[HOST]:FROM [[HOST]:]TO",
    .children = ly__client_argp,
    .doc = "Rename a file or directory in what a machine serves. TO is on the same machine; a file there is "
           "replaced, and into a directory it is moved.",
};

/* TO, or TO/NAME if TO is a directory. Returns heap memory, or NULL. */
static char *find_to(struct ly__target *t, const char *from, const char *to)
{
    const char *name;
    size_t n = ly__last_name(from, &name);
    char *path = NULL;
    if (n == 0 || ly__target_type(t, to) != 'd')
        return strdup(to);
    return asprintf(&path, "%s/%.*s", to, (int)n, name) < 0 ? NULL : path;
}

/* Both names: the error may be of either. */
static void say_refused(const char *from, const char *to, struct ly_json header)
{
    char text[512];
    const char *what = ly__remote_text(header, text, sizeof text);
    if (ly_json_equal(ly_json_get(header, "error"), "EINVAL"))
        what = "a directory cannot be moved into itself";
    ly__cli_say("mv", "%s to %s: %s", from, to, what);
}

static int move(struct ly__target *t, const char *from, const char *to)
{
    struct ly_frame f;
    char *path = find_to(t, from, to);
    int r = ly__target_begin(t, "mv");
    if (r == 0)
        r = ly_json_put_string(&t->head, "from", from);
    if (r == 0)
        r = path ? ly_json_put_string(&t->head, "to", path) : -ENOMEM;
    r = ly__target_receive(t, ly__target_send(t, r), &f);
    if (r == LY_EREMOTE)
        say_refused(from, path, f.header);
    else if (r < 0)
        ly__target_say(t, r, NULL);
    free(path);
    return r;
}

int ly__cli_mv(int argc, char **argv)
{
    struct mv c = {0};
    struct ly__target t;
    char host[LY__HOST_TEXT];
    const char *to;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    ly__target_init(&t, "mv");
    int r = ly__target_take(&t, c.from);
    int named = r == 0 ? ly__host_split(c.to, host, &to) : 0;
    if (named < 0 || (named > 0 && host[0] && strcmp(host, t.host) != 0)) {
        ly__cli_say("mv", "%s: not on the same machine", c.to);
        r = LY_EADDRESS;
    }
    if (r == 0)
        r = move(&t, t.path, named > 0 ? to : c.to);
    ly__target_done(&t);
    return r < 0 ? LY__EXIT_FAILURE : 0;
}
