/* SPDX-License-Identifier: MIT */
/* lanyard config: whether a file of settings is good, and which settings a server would have. */
#include "cli/command.h"
#include "cli/group.h"
#include "cli/serve_options.h"
#include <lanyard/json.h>
#include <stdio.h>

/* ---- check ---- */

static error_t parse_check(int key, char *arg, struct argp_state *state)
{
    struct ly__config *c = state->input;
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    if (c->named)
        argp_error(state, "one FILE can be checked at a time");
    c->named = arg;
    return 0;
}

static int check(int argc, char **argv)
{
    static char name[] = "config check";
    static struct ly__config c;
    static const struct argp argp = {
        .parser = parse_check,
        .args_doc = "[FILE]",
        .doc =
            "Check a file of settings, by default the one that 'lanyard serve' would read. All mistakes are told, "
            "with their lines.\vThe exit status is 0 if there are none, 1 if there are some.",
    };
    const struct ly__config_sink sink = {ly__cli_config_tell, name};
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    int r = ly__config_read(&c, &sink);
    if (r == 0)
        printf("%s: %s\n", c.path, c.has_file ? "good" : "there is no such file; nothing is set");
    ly__config_done(&c);
    return r == 0 && fflush(stdout) == 0 ? 0 : LY__EXIT_FAILURE;
}

/* ---- show ---- */

struct show {
    struct ly__config *config;
    bool json;
};

static const char *const origins[] = {"default", "file", "environment", "option"};

static error_t parse_show(int key, char *arg, struct argp_state *state)
{
    struct show *s = state->input;
    (void)arg;
    if (key == ARGP_KEY_INIT)
        state->child_inputs[0] = s->config;
    else if (key == 'j')
        s->json = true;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

/* Where value i comes from, for a comment behind it. */
static void print_origin(const struct ly__config *c, size_t key, unsigned i)
{
    const struct ly__config_value *v = &c->values[key];
    if (v->from == LY__FROM_FILE)
        printf("  # %s:%u\n", c->path, v->lines[i]);
    else if (v->from == LY__FROM_OPTION)
        printf("  # --%s\n", ly__config_keys[key].name);
    else
        printf("  # %s\n", origins[v->from]);
}

/* As lines of lanyard.conf. What depends on where it runs has a comment in place of a value. */
static void print_key(const struct ly__config *c, size_t key)
{
    const struct ly__config_key *k = &ly__config_keys[key];
    const struct ly__config_value *v = &c->values[key];
    for (unsigned i = 0; i < v->n; i++) {
        printf("%s = %s", k->name, v->texts[i]);
        print_origin(c, key, i);
    }
    if (v->n > 0)
        return;
    printf(k->fallback ? "%s = %s" : "# %s =%s", k->name, k->fallback ? k->fallback : "");
    print_origin(c, key, 0);
}

static int put_values(struct ly_buffer *b, const struct ly__config *c, size_t key)
{
    const struct ly__config_value *v = &c->values[key];
    const char *fallback = ly__config_keys[key].fallback;
    int r = ly_json_open(b, "values", '[');
    for (unsigned i = 0; i < v->n && r == 0; i++)
        r = ly_json_put_string(b, NULL, v->texts[i]);
    if (r == 0 && v->n == 0 && fallback)
        r = ly_json_put_string(b, NULL, fallback);
    return r == 0 ? ly_json_close(b, ']') : r;
}

static int print_json(const struct ly__config *c, size_t key)
{
    const struct ly__config_value *v = &c->values[key];
    struct ly_buffer b;
    ly_buffer_init(&b, 8 * LY__CONFIG_FILE_MAX);
    int r = ly_json_open(&b, NULL, '{');
    if (r == 0)
        r = ly_json_put_string(&b, "key", ly__config_keys[key].name);
    if (r == 0)
        r = put_values(&b, c, key);
    if (r == 0)
        r = ly_json_put_string(&b, "from", origins[v->from]);
    if (r == 0 && v->from == LY__FROM_FILE)
        r = ly_json_put_string(&b, "file", c->path);
    if (r == 0 && v->from == LY__FROM_FILE)
        r = ly_json_put_int(&b, "line", v->lines[v->n - 1]);
    if (r == 0)
        r = ly_json_close(&b, '}');
    if (r == 0)
        printf("%.*s\n", (int)b.length, ly_buffer_bytes(&b));
    ly_buffer_done(&b);
    return r;
}

static int show(int argc, char **argv)
{
    static char name[] = "config show";
    static struct ly__config c;
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "Print a JSON object for each setting", -1}, {0}};
    const struct argp_child children[] = {
        {.argp = ly__cli_serve_options(), .header = "And those of 'lanyard serve':", .group = 1}, {0}};
    const struct argp argp = {
        .options = options,
        .parser = parse_show,
        .children = children,
        .doc =
            "Print the settings that 'lanyard serve' with the same options would have, and where each comes from: "
            "the command line, else the environment, else the file, else the default.",
    };
    const struct ly__config_sink sink = {ly__cli_config_tell, name};
    struct show s = {.config = &c};
    if (ly__cli_parse(&argp, argc, argv, 0, &s) != 0)
        return LY__EXIT_USAGE;
    int r = ly__config_load(&c, &c, &sink);
    for (size_t i = 0; i < LY__CONFIG_KEYS && r == 0; i++) {
        if (s.json)
            r = print_json(&c, i);
        else
            print_key(&c, i);
    }
    ly__config_done(&c);
    return r == 0 && fflush(stdout) == 0 ? 0 : LY__EXIT_FAILURE;
}

/* ---- the group ---- */

int ly__cli_config(int argc, char **argv)
{
    static const struct ly__cli_command commands[] = {
        {"check", "say what is wrong with a file of settings", check},
        {"show", "print the settings, and where each comes from", show},
    };
    static const struct ly__cli_group group = {"config", "The settings of the server.", commands,
                                               sizeof commands / sizeof *commands};
    return ly__cli_group_run(&group, argc, argv);
}
