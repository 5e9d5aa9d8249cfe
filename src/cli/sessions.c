/* SPDX-License-Identifier: MIT */
/* lanyard sessions: who is on this machine's server, and ending their sessions. */
#include "base/escape.h"
#include "cli/client.h"
#include "cli/control.h"
#include "cli/entry.h"
#include "cli/group.h"
#include "cli/number.h"
#include "cli/user.h"
#include <inttypes.h>
#include <lanyard/json.h>
#include <stdio.h>
#include <string.h>

#define CELL 512

struct sessions {
    const char *host, *user;
    int64_t session;
    bool json;
};

/* ---- list ---- */

static error_t parse_list(int key, char *arg, struct argp_state *state)
{
    struct sessions *c = state->input;
    if (key == 'j')
        c->json = true;
    else if (key == 'u')
        c->user = arg;
    else if (key == ARGP_KEY_ARG && state->arg_num == 0)
        c->host = arg;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

/* A text of a session, fit for the terminal; "-": it has none. */
static const char *cell(struct ly_json session, const char *name, char out[CELL])
{
    char text[256];
    if (ly_json_string(ly_json_get(session, name), text, sizeof text) < 0)
        return "-";
    ly__escape(out, CELL, text, strlen(text));
    return out;
}

static int64_t number(struct ly_json session, const char *name)
{
    int64_t n = 0;
    (void)ly_json_int(ly_json_get(session, name), &n);
    return n;
}

static void print_one(struct ly_json s)
{
    char user[CELL], from[CELL], device[CELL], doing[CELL], since[LY__TIME_TEXT];
    ly__cli_time(since, number(s, "since"));
    printf("%8" PRId64 " %-16s %-32s %-20s %7" PRId64 "  %s", number(s, "session"), cell(s, "user", user),
           cell(s, "from", from), since, number(s, "idle"), cell(s, "doing", doing));
    if (strcmp(cell(s, "device", device), "-") != 0)
        printf("  (device %s)", device);
    printf("\n");
}

/* A line for each of the body's, by this function; those that are no JSON are left out. */
static void print(const struct ly_buffer *lines, void (*print_one_of)(struct ly_json session))
{
    const char *at = ly_buffer_bytes(lines), *end = at + lines->length;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        struct ly_json s;
        if (stop && ly_json_check(&s, at, (size_t)(stop - at)) == 0)
            print_one_of(s);
        at = stop ? stop + 1 : end;
    }
}

static int run_list(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"json", 'j', NULL, 0, "Print a JSON object for each session", 0},
        {"user", 'u', "USER", 0, "Only those of this user", 0},
        {0}};
    static const struct argp argp = {.options = options,
                                     .parser = parse_list,
                                     .args_doc = "[HOST]",
                                     .children = ly__client_argp,
                                     .doc = "List the open sessions of a server on this machine."};
    struct sessions c = {0};
    struct ly_buffer body;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    const struct ly__control_request q = {.cmd = "sessions", .user = c.user};
    if (ly__control_ask(c.host, "sessions list", &q, NULL, &body) < 0)
        return LY__EXIT_FAILURE;
    if (!c.json)
        printf("%8s %-16s %-32s %-20s %7s  %s\n", "SESSION", "USER", "FROM", "SINCE", "IDLE", "DOING");
    print(&body, c.json ? ly__entry_print_json : print_one);
    ly_buffer_done(&body);
    return fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}

/* ---- kill ---- */

static error_t parse_kill(int key, char *arg, struct argp_state *state)
{
    struct sessions *c = state->input;
    if (key == 'u') {
        c->user = arg;
    } else if (key == 'H') {
        c->host = arg;
    } else if (key == ARGP_KEY_ARG && state->arg_num == 0) {
        if (ly__number_read(arg, 1, INT64_MAX, &c->session) < 0)
            argp_error(state, "name the session by its number, as 'lanyard sessions' shows it");
    } else if (key == ARGP_KEY_END) {
        if ((c->session > 0) == (c->user != NULL))
            argp_error(state, "name a session by its number, or a user by --user");
    } else {
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

static int run_kill(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"user", 'u', "USER", 0, "All sessions of this user", 0},
        {"host", 'H', "HOST", 0, "The server's Unix socket, unix:PATH", 0},
        {0}};
    static const struct argp argp = {
        .options = options,
        .parser = parse_kill,
        .args_doc = "[SESSION]",
        .children = ly__client_argp,
        .doc = "End a session of a server on this machine, or all of a user's; what they run is ended too."};
    struct sessions c = {0};
    struct ly_buffer body;
    int64_t ended = 0;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    const struct ly__control_request q = {.cmd = "session_kill", .user = c.user, .session = c.session};
    if (ly__control_ask(c.host, "sessions kill", &q, &ended, &body) < 0)
        return LY__EXIT_FAILURE;
    ly_buffer_done(&body);
    if (ended == 0 && c.user) { /* of a number that is none, the server has said so */
        ly__cli_say("sessions kill", "there is no session of %s's to end", c.user);
        return LY__EXIT_FAILURE;
    }
    return printf("ended: %" PRId64 "\n", ended) < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}

/* ---- the command ---- */

static const struct ly__cli_command commands[] = {
    {"list", "list the open sessions", run_list},
    {"kill", "end a session, or all of a user's", run_kill},
};

int ly__cli_sessions(int argc, char **argv)
{
    static char list[] = "sessions list";
    static const struct ly__cli_group group = {
        "sessions", "See and end the sessions of a server on this machine.\nWithout a command: list.",
        commands, (int)(sizeof commands / sizeof *commands)};
    bool names_host = argc >= 2 && strncmp(argv[1], "unix:", 5) == 0;
    if (argc >= 2 && !names_host && (argv[1][0] != '-' || ly__cli_asks_help(argv[1])))
        return ly__cli_group_run(&group, argc, argv);
    argv[0] = list;
    return run_list(argc, argv);
}
