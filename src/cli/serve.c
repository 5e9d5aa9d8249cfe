/* SPDX-License-Identifier: MIT */
/* lanyard serve: its options. */
#include "daemon/serve.h"
#include "cli/command.h"
#include "cli/number.h"
#include <errno.h>
#include <string.h>

enum {
    KEY_LOOPBACK = 256,
    KEY_REACTOR,
    KEY_FORMAT,
    KEY_LEVEL,
    KEY_FILE,
    KEY_COMMANDS,
    KEY_GATE,
    KEY_LOGIN_TIME,
    KEY_EXEMPT,
    KEY_AUDIT
};

static const struct argp_option options[] = {
    {"listen", 'l', "ADDRESS", 0,
     "Where to listen: unix:PATH; tls://HOST[:PORT] for the network, to users that 'lanyard user' has added "
     "(port 7433; an empty HOST: all addresses); or tcp://127.0.0.1:PORT (port 0: any) together with "
     "--insecure-loopback. May be repeated. Default: lanyard.sock in your runtime directory, for you alone",
     0},
    {"insecure-loopback", KEY_LOOPBACK, NULL, 0,
     "Allow TCP on loopback: every user of this machine can then act as you", 0},
    {"root", 'r', "DIR", 0,
     "The directory whose files are served and where commands start. Default: your home", 0},
    {"workers", 'w', "N", 0,
     "Threads that serve each address, 1 to 256, and processes that serve the network. Default: 1, and a process for "
     "each processor",
     0},
    {"reactor", KEY_REACTOR, "NAME", 0, "epoll, io_uring, poll or select. Default: $LY_REACTOR, else epoll",
     0},
    {"max-commands", KEY_COMMANDS, "N", 0, "Commands that may run at once. Default: 256", 0},
    {"max-startups", KEY_GATE, "START:RATE:FULL", 0,
     "Connections that have not logged in: beyond START of them RATE in 100 are turned away, at FULL all. Default: "
     "10:30:100",
     1},
    {"login-time", KEY_LOGIN_TIME, "SECONDS", 0, "Whoever has not logged in by then is cut off. Default: 30",
     1},
    {"exempt", KEY_EXEMPT, "NETWORK", 0,
     "Never penalise who comes from there, as in 192.0.2.0/24. May be repeated", 1},
    {"audit", KEY_AUDIT, "HOW", 0,
     "The audit trail of a server on the network: 'try' (what cannot be recorded is done all the same, and counted), "
     "'need' (it is refused) or 'off'. Default: try",
     1},
    {"log-format", KEY_FORMAT, "FORMAT", 0, "logfmt or json", 2},
    {"log-level", KEY_LEVEL, "LEVEL", 0, "error, warning, info or debug", 2},
    {"log-file", KEY_FILE, "FILE", 0, "Append to FILE, opened anew at SIGHUP. Default: standard error", 2},
    {0}};

/* The index of text among the names, the choices that are told; ends the program with a usage error if it is
 * none. */
static int choose(struct argp_state *state, const char *what, const char *text, const char *const *names,
                  const char *choices)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    argp_error(state, "--%s is %s, not '%s'", what, choices, text);
    return 0;
}

static int64_t number(struct argp_state *state, const char *what, const char *text, int64_t most)
{
    int64_t n = 1;
    if (ly__number_read(text, 1, most, &n) < 0)
        argp_error(state, "--%s is a number from 1 to %lld", what, (long long)most);
    return n;
}

static void add_listen(struct argp_state *state, struct ly__serve_options *o, const char *address)
{
    if (o->listens == LY__LISTEN_MAX)
        argp_error(state, "--listen can be given %d times", LY__LISTEN_MAX);
    else
        o->listen[o->listens++] = address;
}

static error_t parse_log(int key, char *arg, struct argp_state *state, struct ly__serve_options *o)
{
    static const char *const formats[] = {"logfmt", "json", NULL};
    static const char *const levels[] = {"error", "warning", "info", "debug", NULL};
    switch (key) {
    case KEY_FORMAT:
        o->log.format = choose(state, "log-format", arg, formats, "logfmt or json") ? LY_LOG_JSON : LY_LOGFMT;
        return 0;
    case KEY_LEVEL:
        o->log.level =
            (enum ly_log_level)choose(state, "log-level", arg, levels, "error, warning, info or debug");
        return 0;
    case KEY_FILE:
        o->log_file = arg;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static void add_exempt(struct argp_state *state, struct ly__serve_options *o, const char *text)
{
    if (o->nexempts == LY__SERVE_EXEMPTS)
        argp_error(state, "--exempt can be given %d times", LY__SERVE_EXEMPTS);
    struct ly__exempt *e = &o->exempts[o->nexempts++];
    if (ly_network_parse(&e->network, &e->prefix, text) < 0)
        argp_error(state, "--exempt is a network as in 192.0.2.0/24 or 2001:db8::/32, not '%s'", text);
}

static error_t parse_gate(int key, char *arg, struct argp_state *state, struct ly__serve_options *o)
{
    static const char *const audits[] = {"try", "need", "off", NULL};
    switch (key) {
    case KEY_GATE:
        if (ly__admission_parse(&o->gate, arg) < 0)
            argp_error(state, "--max-startups is START:RATE:FULL as in 10:30:100, not '%s'", arg);
        return 0;
    case KEY_LOGIN_TIME:
        o->gate.deadline_ms = 1000 * number(state, "login-time", arg, 86400);
        return 0;
    case KEY_EXEMPT:
        add_exempt(state, o, arg);
        return 0;
    case KEY_AUDIT:
        o->audit = (enum ly__audit_choice)choose(state, "audit", arg, audits, "try, need or off");
        return 0;
    default:
        return parse_log(key, arg, state, o);
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    static const char *const reactors[] = {"epoll", "io_uring", "poll", "select", NULL};
    struct ly__serve_options *o = state->input;
    switch (key) {
    case 'l':
        add_listen(state, o, arg);
        return 0;
    case KEY_LOOPBACK:
        o->insecure_loopback = true;
        return 0;
    case 'r':
        o->root = arg;
        return 0;
    case 'w':
        o->workers = (int)number(state, "workers", arg, 256);
        return 0;
    case KEY_REACTOR:
        o->reactor = reactors[choose(state, "reactor", arg, reactors, "epoll, io_uring, poll or select")];
        return 0;
    case KEY_COMMANDS:
        o->commands_max = (unsigned)number(state, "max-commands", arg, 100000);
        return 0;
    default:
        return parse_gate(key, arg, state, o);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .doc =
        "Serve this machine: run commands and move files for whoever may connect.\v"
        "SIGTERM or SIGINT: running requests may finish, for 10 seconds; a second one ends at once. SIGHUP: the log "
        "file is opened anew. With NOTIFY_SOCKET set, the service manager is told how it goes.",
};

int ly__cli_serve(int argc, char **argv)
{
    struct ly__serve_options o = {.log = {.fd = 2, .level = LY_LOG_INFO, .format = LY_LOGFMT}};
    if (ly__cli_parse(&argp, argc, argv, 0, &o) != 0)
        return LY__EXIT_USAGE;
    return ly__serve(&o);
}
