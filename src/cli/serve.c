/* SPDX-License-Identifier: MIT */
/* lanyard serve: its settings are read, and it begins. */
#include "daemon/serve.h"
#include "cli/command.h"
#include "cli/serve_options.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
    (void)arg;
    if (key == ARGP_KEY_INIT) {
        state->child_inputs[0] = state->input;
        return 0;
    }
    return ARGP_ERR_UNKNOWN;
}

int ly__cli_serve(int argc, char **argv)
{
    static char name[] = "serve";
    static struct ly__config config;
    const struct ly__config_sink sink = {ly__cli_config_tell, name};
    const struct argp_child children[] = {{.argp = ly__cli_serve_options()}, {0}};
    const struct argp argp = {
        .parser = parse,
        .children = children,
        .doc =
            "Serve this machine: run commands and move files for whoever may connect.\v"
            "Each option is also a key of lanyard.conf and a variable of the environment, LANYARD_SERVE_...; "
            "'lanyard config show' has what counts.\n"
            "SIGTERM or SIGINT: running requests may finish, for 10 seconds; a second one ends at once. SIGHUP: the "
            "log file is opened anew, and lanyard.conf is read again. With NOTIFY_SOCKET set, the service manager is "
            "told how it goes.",
    };
    if (ly__cli_parse(&argp, argc, argv, 0, &config) != 0)
        return LY__EXIT_USAGE;
    int r = ly__config_load(&config, &config, &sink);
    if (r == 0)
        r = ly__serve(&config);
    else
        r = LY__EXIT_FAILURE;
    ly__config_done(&config);
    return r;
}
