/* SPDX-License-Identifier: MIT */
/* lanyard id: who this machine is, and who it will be. */
#include "cli/command.h"
#include "cli/state.h"
#include <errno.h>
#include <lanyard/json.h>
#include <stdio.h>
#include <string.h>

struct id {
    bool json, next, rotate;
};

static const struct argp_option options[] = {
    {"next", 'n', NULL, 0, "Make the key that this machine will have next, and print its identity", 0},
    {"rotate", 'r', NULL, 0, "Replace the key by the next one", 0},
    {"json", 'j', NULL, 0, "Print a JSON object", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct id *c = state->input;
    (void)arg;
    if (key == 'j')
        c->json = true;
    else if (key == 'n')
        c->next = true;
    else if (key == 'r')
        c->rotate = true;
    else if (key != ARGP_KEY_END)
        return ARGP_ERR_UNKNOWN;
    else if (c->next && c->rotate)
        argp_error(state, "--next comes some time before --rotate, so that others learn of the new key");
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc =
        "Print this machine's identity, for others to compare. The key is made at the first use.\v"
        "A server announces the next key once it is told to reload (SIGHUP), or from its next start on: machines that connect "
        "then remember it too, and accept it after --rotate and another start. --rotate says so if no server has.",
};

/* next is NULL where there is none. */
static int put_json(struct ly_buffer *b, const char *directory, const struct ly__key *key,
                    const struct ly__key *next)
{
    char path[PATH_MAX + sizeof LY__KEY_FILE + 1];
    snprintf(path, sizeof path, "%s/" LY__KEY_FILE, directory);
    int r = ly_json_open(b, NULL, '{');
    if (r == 0)
        r = ly_json_put_string(b, "id", key->text);
    if (r == 0 && next)
        r = ly_json_put_string(b, "next", next->text);
    if (r == 0)
        r = ly_json_put_string(b, "file", path);
    if (r == 0)
        r = ly_json_close(b, '}');
    return r;
}

static int print(const struct id *c, const char *directory, const struct ly__key *key,
                 const struct ly__key *next)
{
    struct ly_buffer b;
    ly_buffer_init(&b, 8 * PATH_MAX);
    int r = c->json ? put_json(&b, directory, key, next)
                    : ly_buffer_printf(&b, "%s", c->next ? next->text : key->text);
    if (r == 0)
        r = ly_buffer_append(&b, "\n", 1);
    if (r == 0)
        fwrite(ly_buffer_bytes(&b), 1, b.length, stdout);
    ly_buffer_done(&b);
    if (r == 0 && fflush(stdout) == 0)
        return 0;
    ly__cli_say("id", "cannot print it");
    return LY__EXIT_FAILURE;
}

/* What others will see, if nobody can have learned of the key that comes. */
static void warn_unannounced(const char *directory, const char *id)
{
    if (ly__key_is_announced(directory, id))
        return;
    ly__cli_say(
        "id",
        "no server here has announced this key: every machine that remembers this one will say that it HAS "
        "ANOTHER KEY THAN BEFORE, and refuse it until its user has compared the identity and run");
    fprintf(stderr, "    lanyard known accept HOST#%s\n", id);
}

static int rotate(const char *directory)
{
    struct ly__key next;
    char id[LY__ID_TEXT] = "";
    if (ly__key_open(&next, directory, LY__KEY_NEXT_FILE, false) == 0)
        memcpy(id, next.text, sizeof id);
    ly__key_close(&next);
    int r = ly__key_rotate(directory);
    if (r == -ENOENT)
        ly__cli_say(
            "id",
            "there is no next key; 'lanyard id --next' makes one, which others learn of when they connect");
    else if (r < 0)
        ly__cli_say("id", "%s/" LY__KEY_NEXT_FILE ": %s", directory, ly__key_text(r));
    else
        ly__cli_say("id", "this machine has its next key now; a server that runs has it from its next start");
    if (r == 0)
        warn_unannounced(directory, id);
    return r;
}

static int run(const struct id *c, const char *directory)
{
    struct ly__key key, next;
    if (c->rotate && rotate(directory) < 0)
        return LY__EXIT_FAILURE;
    if (ly__cli_key("id", directory, LY__KEY_FILE, true, &key) < 0)
        return LY__EXIT_FAILURE;
    int r = ly__cli_key("id", directory, LY__KEY_NEXT_FILE, c->next, &next);
    int status = LY__EXIT_FAILURE;
    if (r == 0 || (r == -ENOENT && !c->next))
        status = print(c, directory, &key, r == 0 ? &next : NULL);
    ly__key_close(&next);
    ly__key_close(&key);
    return status;
}

int ly__cli_id(int argc, char **argv)
{
    struct id c = {.json = false};
    char directory[PATH_MAX];
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    return ly__cli_state("id", directory, true) < 0 ? LY__EXIT_FAILURE : run(&c, directory);
}
