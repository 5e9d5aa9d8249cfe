/* SPDX-License-Identifier: MIT */
/*
 * lanyard pair: make this machine's key one that logs in as a user there.
 *
 * The code that the server shows is a password for one login, in which each side proves to the other that it
 * has it, over this very connection. So the server's key needs no question to the user: it is remembered once
 * the server has proved itself, and whatever was remembered before.
 */
#include "auth/known.h"
#include "auth/pairing.h"
#include "cli/ask.h"
#include "cli/client.h"
#include "cli/command.h"
#include "cli/entry.h"
#include "cli/prompt.h"
#include "cli/state.h"
#include <errno.h>
#include <lanyard/error.h>
#include <lanyard/json.h>
#include <stdio.h>
#include <string.h>

#define TRIES 3
#define TYPED_MAX 64

enum { KEY_STDIN = 0x5000 };

struct pair {
    const char *host;
    bool json, from_stdin;
    char name[sizeof LY__PAIRING_PREFIX + LY__PAIRING_SLOT], secret[LY__PAIRING_SECRET];
};

/* ---- the code ---- */

/* The first line of standard input. */
static int read_line(char typed[TYPED_MAX])
{
    if (!fgets(typed, TYPED_MAX, stdin))
        return LY_EEOF;
    typed[strcspn(typed, "\r\n")] = 0;
    return 0;
}

static int read_code(struct pair *p, const char *typed)
{
    char slot[LY__PAIRING_SLOT];
    int r = ly__pairing_read(typed, slot, p->secret);
    if (r == 0)
        snprintf(p->name, sizeof p->name, LY__PAIRING_PREFIX "%s", slot);
    return r;
}

static int ask_code(struct pair *p, char typed[TYPED_MAX])
{
    int r = LY_EFIELD;
    for (int i = 0; i < TRIES && r == LY_EFIELD; i++) {
        int n = ly__prompt_secret("Code that 'lanyard user pair' shows there: ", typed, TYPED_MAX);
        r = n < 0 ? n : read_code(p, typed);
        if (n == LY_ETOOBIG)
            r = LY_EFIELD;
        if (r == LY_EFIELD)
            ly__cli_say("pair", "that is no code: it has 16 letters and digits, as in 8K2M-D4QF-0TXW-93NB");
    }
    return r;
}

static int get_code(struct pair *p)
{
    char typed[TYPED_MAX];
    int r = p->from_stdin ? read_line(typed) : ask_code(p, typed);
    if (r == 0 && p->from_stdin)
        r = read_code(p, typed);
    explicit_bzero(typed, sizeof typed);
    if (r == -ENXIO)
        ly__cli_say("pair", "there is no terminal to ask for the code; use --code-stdin");
    else if (r < 0 && p->from_stdin)
        ly__cli_say("pair", "standard input has no code in its first line");
    else if (r < 0 && r != LY_EFIELD)
        ly__cli_say("pair", "cannot read the code: %s", ly_error_text(r));
    return r;
}

/* ---- pairing ---- */

static int say_failure(const struct ly__client *c, int error, const struct ly_frame *f)
{
    char why[LY__WHY];
    if (error == LY_EDENIED)
        ly__cli_say(
            "pair",
            "%s: the code is not right, or not any more: each is good for one attempt and 10 minutes. If it was "
            "typed right, somebody stands between. 'lanyard user pair' there shows another",
            c->address);
    else if (error == LY_EPEER)
        ly__cli_say(
            "pair",
            "%s cannot prove that it has shown the code: it is another machine, or somebody stands between",
            c->address);
    else if (error == LY_EREMOTE)
        ly__say_not_let_in(c, f->header);
    else
        ly__cli_say("pair", "%s: %s", c->address, ly__client_why(error, why));
    return error;
}

/* A server that knows our key has us logged in by now, and takes no code. Returns 0 if it does not. */
static int check_stranger(struct ly__client *c)
{
    struct ly_buffer head;
    struct ly_frame f = {.size = 0};
    char user[LY__PEER_USER] = "";
    ly_buffer_init(&head, 4096);
    int r = ly__client_ask(c, &head, ly__client_begin(c, &head, "hello"), &f);
    ly_buffer_done(&head);
    if (r == LY_EREMOTE && ly_json_equal(ly_json_get(f.header, "error"), "LY_ELOGIN"))
        return 0;
    if (r < 0)
        return say_failure(c, r, &f);
    (void)ly_json_string(ly_json_get(f.header, "user"), user, sizeof user);
    ly__cli_say("pair", "%s knows this machine's key already, as one of %s's", c->address, user);
    return -EALREADY;
}

/* What is remembered of the server is replaced by what it has proved. */
static int remember(struct ly__client *c)
{
    char directory[PATH_MAX], id[LY__ID_TEXT];
    struct ly__known_host before;
    ly__id_format(id, c->id);
    if (ly__cli_state("pair", directory, true) == 0 &&
        ly__known_find(directory, c->host.peer.name, id, &before) == LY__KNOWN_CHANGED)
        ly__cli_say("pair", "%s was %s", c->address, *before.id ? before.id : "(cannot be read)");
    return ly__client_remember(c);
}

static int print_json(const struct ly__client *c, const char *id, const char *user, struct ly_json roles)
{
    struct ly_buffer b;
    ly_buffer_init(&b, 8192);
    int r = ly_json_open(&b, NULL, '{');
    if (r == 0)
        r = ly_json_put_string(&b, "host", c->address);
    if (r == 0)
        r = ly_json_put_string(&b, "id", id);
    if (r == 0)
        r = ly_json_put_string(&b, "user", user);
    if (r == 0 && ly_json_type(roles) == LY_JSON_ARRAY)
        r = ly_buffer_printf(&b, ", \"roles\": %.*s", (int)roles.length, roles.text);
    if (r == 0)
        r = ly_json_close(&b, '}');
    if (r == 0)
        ly__entry_print_json((struct ly_json){ly_buffer_bytes(&b), b.length});
    if (r == 0 && ferror(stdout))
        r = -EIO;
    ly_buffer_done(&b);
    return r;
}

static int tell(const struct pair *p, struct ly__client *c, const struct ly_frame *f)
{
    char id[LY__ID_TEXT], user[LY__PEER_USER] = "";
    (void)ly_json_string(ly_json_get(f->header, "user"), user, sizeof user);
    ly__id_format(id, c->id);
    if (*c->host.peer.user && strcmp(c->host.peer.user, user) != 0)
        ly__cli_say("pair", "mind that the code was not of %s", c->host.peer.user);
    if (p->json)
        return print_json(c, id, user, ly_json_get(f->header, "roles"));
    ly__cli_say("pair", "%s knows this machine's key now, as one of %s's; it is remembered as %s", c->address,
                user, id);
    return 0;
}

static int pair(struct pair *p, struct ly__client *c)
{
    struct ly_frame f = {.size = 0};
    int r = check_stranger(c);
    if (r < 0)
        return r;
    r = ly__client_scram(c, p->name, p->secret, &f);
    if (r < 0)
        return say_failure(c, r, &f);
    r = remember(c);
    return r < 0 ? r : tell(p, c, &f);
}

/* ---- the command line ---- */

static const struct argp_option options[] = {
    {"code-stdin", KEY_STDIN, NULL, 0, "Read the code from standard input, one line", 0},
    {"json", 'j', NULL, 0, "Print a JSON object", 0},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct pair *p = state->input;
    if (key == 'j')
        p->json = true;
    else if (key == KEY_STDIN)
        p->from_stdin = true;
    else if (key == ARGP_KEY_ARG && state->arg_num == 0)
        p->host = arg;
    else if (key == ARGP_KEY_NO_ARGS)
        argp_error(state, "a host is missing");
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "HOST",
    .children = ly__client_reach_argp,
    .doc =
        "Make this machine's key one that logs in as a user of another machine, without a password.\v"
        "There, 'lanyard user pair NAME' shows a code, which is asked for here. It also proves that HOST is the "
        "machine that has shown it: HOST is remembered, and no identities need to be compared.",
};

int ly__cli_pair(int argc, char **argv)
{
    struct pair p = {.host = NULL};
    struct ly__client c;
    if (ly__cli_parse(&argp, argc, argv, 0, &p) != 0)
        return LY__EXIT_USAGE;
    int r = ly__client_begin_pairing(&c, "pair", p.host);
    if (r == 0)
        r = get_code(&p);
    if (r == 0)
        r = ly__client_reopen(&c);
    if (r == 0)
        r = pair(&p, &c);
    ly__client_close(&c);
    explicit_bzero(p.secret, sizeof p.secret);
    return r < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}
