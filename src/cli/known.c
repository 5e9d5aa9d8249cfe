/* SPDX-License-Identifier: MIT */
/* lanyard known: the machines that are remembered here. */
#include "auth/known.h"
#include "cli/command.h"
#include "cli/greet.h"
#include "cli/state.h"
#include "cli/trust.h"
#include <errno.h>
#include <lanyard/error.h>
#include <lanyard/json.h>
#include <stdio.h>
#include <string.h>

struct known {
    const struct action *action;
    struct ly__peer peer;
    bool has_peer, json;
};

struct action {
    const char *name;
    bool needs_peer;
    int (*run)(const struct known *c, const char *directory); /* the exit status */
};

/* ---- list ---- */

static int put_json(struct ly_buffer *b, const struct ly__known_host *h)
{
    int r = ly_json_open(b, NULL, '{');
    if (r == 0)
        r = ly_json_put_string(b, "host", h->name);
    if (r == 0 && *h->id) /* without one it cannot be read */
        r = ly_json_put_string(b, "id", h->id);
    if (r == 0 && *h->next)
        r = ly_json_put_string(b, "next", h->next);
    return r < 0 ? r : ly_json_close(b, '}');
}

static int print_json(void *arg, const struct ly__known_host *h)
{
    struct ly_buffer b;
    (void)arg;
    ly_buffer_init(&b, 4096);
    int r = put_json(&b, h);
    if (r == 0)
        printf("%.*s\n", (int)b.length, ly_buffer_bytes(&b));
    ly_buffer_done(&b);
    return r;
}

static int print_text(void *arg, const struct ly__known_host *h)
{
    (void)arg;
    printf("%-31s %s%s%s\n", h->name, *h->id ? h->id : "(cannot be read)", *h->next ? "  next: " : "",
           h->next);
    return 0;
}

static int list(const struct known *c, const char *directory)
{
    int r = ly__known_list(directory, c->json ? print_json : print_text, NULL);
    if (r < 0) {
        ly__trust_say("known", directory, r);
        return LY__EXIT_FAILURE;
    }
    return fflush(stdout) == 0 ? 0 : LY__EXIT_FAILURE;
}

/* ---- accept, forget ---- */

/* The identity that is to be remembered: the one named, or the one that the machine has, if its user says so.
 */
static int find_id(const struct known *c, const char *directory, char ret_id[LY__ID_TEXT])
{
    struct ly__known_host before;
    const struct ly__peer *p = &c->peer;
    if (*p->id) {
        memcpy(ret_id, p->id, LY__ID_TEXT);
        return 0;
    }
    int r = ly__greet("known", p, ret_id);
    if (r < 0)
        return r;
    int answer = ly__known_find(directory, p->name, ret_id, &before);
    if (answer < 0)
        ly__trust_say("known", directory, answer);
    if (answer < 0 || answer == LY__KNOWN_SAME)
        return answer < 0 ? answer : 0;
    return ly__trust_ask("known", p, ret_id, answer == LY__KNOWN_NOT ? NULL : &before);
}

static int accept_peer(const struct known *c, const char *directory)
{
    struct ly__known_host before;
    const struct ly__peer *p = &c->peer;
    char id[LY__ID_TEXT];
    if (find_id(c, directory, id) < 0)
        return LY__EXIT_FAILURE;
    int answer = ly__known_find(directory, p->name, id, &before);
    int r = answer < 0 || answer == LY__KNOWN_SAME ? answer : ly__known_remember(directory, p->name, id);
    if (r < 0) {
        ly__trust_say("known", directory, r);
        return LY__EXIT_FAILURE;
    }
    if (answer == LY__KNOWN_CHANGED || answer == LY__KNOWN_NEXT)
        ly__cli_say("known", "%s was %s", p->name, *before.id ? before.id : "(cannot be read)");
    ly__cli_say("known", "%s is remembered as %s", p->name, id);
    return 0;
}

static int forget_peer(const struct known *c, const char *directory)
{
    int r = ly__known_forget(directory, c->peer.name);
    if (r == -ENOENT)
        ly__cli_say("known", "%s is not remembered", c->peer.name);
    else if (r < 0)
        ly__trust_say("known", directory, r);
    return r < 0 ? LY__EXIT_FAILURE : 0;
}

/* ---- the command line ---- */

static const struct action actions[] = {
    {"list", false, list}, {"accept", true, accept_peer}, {"forget", true, forget_peer}};

static const struct argp_option options[] = {{"json", 'j', NULL, 0, "list: print a JSON object a line", 0},
                                             {0}};

static void parse_action(struct known *c, const char *arg, struct argp_state *state)
{
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++) {
        if (strcmp(arg, actions[i].name) == 0)
            c->action = &actions[i];
    }
    if (!c->action)
        argp_error(state, "'%s' is none of list, accept, forget", arg);
}

static void check_complete(const struct known *c, const struct argp_state *state)
{
    if (!c->action)
        argp_error(state, "one of list, accept, forget is missing");
    else if (c->action->needs_peer != c->has_peer)
        argp_error(state, c->has_peer ? "%s takes no host" : "%s needs a host", c->action->name);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct known *c = state->input;
    if (key == 'j')
        c->json = true;
    else if (key == ARGP_KEY_ARG && state->arg_num == 0)
        parse_action(c, arg, state);
    else if (key == ARGP_KEY_ARG && state->arg_num == 1) {
        c->has_peer = true;
        if (ly__peer_parse(&c->peer, arg, strlen(arg)) < 0)
            argp_error(
                state,
                "the host is not of the form HOST[:PORT][#ID], with all eight groups of the ID if there is one");
    } else if (key == ARGP_KEY_END)
        check_complete(c, state);
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "list\naccept HOST[#ID]\nforget HOST",
    .doc =
        "The machines that this user's lanyard remembers, with their identities.\v"
        "Without ID, accept connects to HOST, shows its identity and asks. "
        "After accept, HOST is trusted if it has that identity, and with no other, until it announces one.",
};

int ly__cli_known(int argc, char **argv)
{
    struct known c = {.action = NULL};
    char directory[PATH_MAX];
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    int r = ly__cli_state("known", directory, c.action->run == accept_peer);
    if (r < 0 && (r != -ENOENT || !*directory)) /* what is not there remembers nothing */
        return LY__EXIT_FAILURE;
    return c.action->run(&c, directory);
}
