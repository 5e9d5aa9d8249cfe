/* SPDX-License-Identifier: MIT */
/* lanyard version: this program's, and with a host the server's. */
#include "base/escape.h"
#include "cli/ask.h"
#include "cli/command.h"
#include <stdio.h>
#include <string.h>

struct version {
    const char *host;
    bool json;
};

static const struct argp_option options[] = {{"json", 'j', NULL, 0, "Print a JSON object", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct version *v = state->input;
    if (key == 'j')
        v->json = true;
    else if (key == ARGP_KEY_ARG && state->arg_num == 0)
        v->host = arg;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[HOST]",
    .children = ly__client_argp,
    .doc = "Say which version this is. With HOST, ask the server there for its own too.",
};

static int print(const struct version *v, const char *server)
{
    char shown[512] = "";
    struct ly_buffer b;
    ly_buffer_init(&b, 4096);
    if (server)
        ly__escape(shown, sizeof shown, server, strlen(server));
    int r = 0;
    if (v->json) {
        r = ly_json_open(&b, NULL, '{');
        if (r == 0)
            r = ly_json_put_string(&b, "program", "lanyard " LY__VERSION);
        if (r == 0)
            r = ly_json_put_int(&b, "protocol", 1);
        if (r == 0 && server)
            r = ly_json_put_string(&b, "server", server);
        if (r == 0)
            r = ly_json_close(&b, '}');
        if (r == 0)
            r = ly_buffer_append(&b, "\n", 1);
    } else {
        r = ly_buffer_printf(&b, "lanyard %s\n", LY__VERSION);
        if (r == 0 && server)
            r = ly_buffer_printf(&b, "server: %s\n", shown);
    }
    if (r == 0)
        fwrite(ly_buffer_bytes(&b), 1, b.length, stdout);
    ly_buffer_done(&b);
    return r < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}

int ly__cli_version(int argc, char **argv)
{
    struct version v = {0};
    struct ly__client c;
    struct ly_frame f;
    char server[512];
    if (ly__cli_parse(&argp, argc, argv, 0, &v) != 0)
        return LY__EXIT_USAGE;
    if (!v.host)
        return print(&v, NULL);
    if (ly__client_open(&c, "version", v.host) < 0)
        return LY__EXIT_FAILURE;
    int status = LY__EXIT_FAILURE;
    if (ly__ask(&c, "version", "version", 1, &f) == 0) {
        if (ly_json_string(ly_json_get(f.header, "server"), server, sizeof server) < 0)
            snprintf(server, sizeof server, "unknown");
        status = print(&v, server);
    }
    ly__client_close(&c);
    return status;
}
