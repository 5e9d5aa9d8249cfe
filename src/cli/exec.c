/* SPDX-License-Identifier: MIT */
/* lanyard exec: its command line. */
#include "cli/command.h"
#include "cli/exec_remote.h"
#include "cli/host.h"
#include "cli/number.h"
#include <lanyard/error.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { KEY_SHELL = 256, KEY_TIMEOUT, KEY_CWD, KEY_ENV, KEY_NO_STDIN };

#define ENV_MAX 256

struct exec {
    struct ly__remote_options remote;
    const char *env[ENV_MAX + 1];
    size_t nenv;
    bool no_stdin;
    bool has_dashes; /* a "--" was there, whatever stands behind it */
};

static const struct argp_option options[] = {
    {"shell", KEY_SHELL, "LINE", 0, "Run LINE by /bin/sh in place of a COMMAND", 0},
    {"timeout", KEY_TIMEOUT, "TIME", 0, "End the command after that long: 10, 1.5s, 200ms, 5m, 1h", 0},
    {"cwd", KEY_CWD, "DIR", 0, "Run in DIR: absolute, or relative to the served root, which is the default",
     0},
    {"env", KEY_ENV, "NAME=VALUE", 0, "Set a variable for the command. May be repeated", 0},
    {"json", 'j', NULL, 0, "Print events in place of the output: a JSON object a line (see the manual)", 0},
    {"no-stdin", KEY_NO_STDIN, NULL, 0, "The command reads nothing, as from /dev/null", 0},
    {0}};

static void add_variable(struct argp_state *state, struct exec *e, const char *variable)
{
    const char *equals = strchr(variable, '=');
    if (!equals || equals == variable)
        argp_error(state, "--env needs NAME=VALUE");
    else if (e->nenv == ENV_MAX)
        argp_error(state, "--env can be given %d times", ENV_MAX);
    else
        e->env[e->nenv++] = variable;
}

/* Whether a word without a command so far is a HOST: the line for the shell may still come. */
static bool is_before_shell(const char *arg, const struct argp_state *state)
{
    bool comes = false;
    for (int i = state->next; i < state->argc; i++)
        comes = comes || strncmp(state->argv[i], "--s", 3) == 0;
    return state->arg_num == 0 && (comes || ly__host_is(arg));
}

/* The command without its dashes; if a further word follows, this one may have been meant as the HOST. */
static void refuse_word(struct argp_state *state, const char *host, const char *arg)
{
    const char *next = state->next < state->argc ? state->argv[state->next] : "-";
    if (host || *next == '-')
        argp_error(state, "the command stands behind --, as in: lanyard exec %s%s-- %s", host ? host : "",
                   host ? " " : "", arg);
    else
        argp_error(state,
                   "the command stands behind --, as in: lanyard exec -- %s %s, or: lanyard exec %s -- %s",
                   arg, next, arg, next);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct exec *e = state->input;
    switch (key) {
    case KEY_SHELL:
        e->remote.shell = arg;
        return 0;
    case KEY_TIMEOUT:
        if (ly__duration_read(arg, &e->remote.timeout_ms) < 0)
            argp_error(state, "--timeout needs a time such as 10, 1.5s, 200ms, 5m or 1h");
        return 0;
    case KEY_CWD:
        e->remote.cwd = arg;
        return 0;
    case KEY_ENV:
        add_variable(state, e, arg);
        return 0;
    case 'j':
        e->remote.json = true;
        return 0;
    case KEY_NO_STDIN:
        e->no_stdin = true;
        return 0;
    case ARGP_KEY_ARG:
        if (e->has_dashes && !e->remote.argv && !e->remote.shell)
            argp_error(state, "no command stands behind --, as in: lanyard exec %s -- id", arg);
        if (!e->remote.argv && !e->remote.shell && !is_before_shell(arg, state))
            refuse_word(state, e->remote.host, arg);
        if (state->arg_num > 0)
            argp_error(state, "'%s' is too much: one HOST, and the command behind --", arg);
        e->remote.host = arg;
        return 0;
    case ARGP_KEY_END:
        if (!e->remote.argv == !e->remote.shell)
            argp_error(state, "exactly one of -- COMMAND and --shell LINE is needed");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[HOST] -- COMMAND [ARGUMENT...]\n[HOST] --shell LINE",
    .children = ly__client_argp,
    .doc =
        "Run a command there, with standard input, output and error here.\v"
        "The exit status is the command's; 128+N if signal N ended it; 124 if --timeout did; 255 if it could not be "
        "run or the connection was lost. Control-C is passed on; the second one ends at once, which ends the command "
        "too.",
};

/* Whether there is anything to pass on: a standard input that is open and is not /dev/null. */
static bool has_input(void)
{
    struct stat st;
    if (fstat(STDIN_FILENO, &st) < 0)
        return false;
    return !(S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3));
}

/* What stands behind the first "--" is the command, untouched; argp sees what stands before. */
static char **find_command(int *argc, char **argv, bool *ret_has_dashes)
{
    for (int i = 1; i < *argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            char **command = argv + i + 1;
            argv[i] = NULL;
            *argc = i;
            *ret_has_dashes = true;
            return *command ? command : NULL;
        }
    }
    return NULL;
}

int ly__cli_exec(int argc, char **argv)
{
    struct exec e = {.remote = {.timeout_ms = LY_FOREVER}};
    e.remote.argv = (const char *const *)find_command(&argc, argv, &e.has_dashes);
    /* In order: of "exec ls -l" the word that is out of place is told, not the option of somebody else. */
    argp_err_exit_status = LY__EXIT_EXEC;
    if (ly__cli_parse(&argp, argc, argv, ARGP_IN_ORDER, &e) != 0)
        return LY__EXIT_EXEC;
    e.remote.env = e.env;
    e.remote.input = !e.no_stdin && has_input();
    return ly__remote_run(&e.remote);
}
