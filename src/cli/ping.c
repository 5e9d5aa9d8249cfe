/* SPDX-License-Identifier: MIT */
/* lanyard ping: round trips, one at a time over one connection. */
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/number.h"
#include <inttypes.h>
#include <stdio.h>

struct ping {
    const char *host;
    int64_t count;
    bool json;
};

static const struct argp_option options[] = {{"count", 'c', "N", 0, "Round trips. Default: 1", 0},
                                             {"json", 'j', NULL, 0, "Print a JSON object a line", 0},
                                             {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ping *p = state->input;
    if (key == 'j')
        p->json = true;
    else if (key == ARGP_KEY_ARG && state->arg_num == 0)
        p->host = arg;
    else if (key != 'c')
        return ARGP_ERR_UNKNOWN;
    else if (ly__number_read(arg, 1, INT64_MAX, &p->count) < 0)
        argp_error(state, "--count is a number of at least 1");
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[HOST]",
    .children = ly__client_argp,
    .doc = "Ask a server for an answer, and say how long the round trips took.",
};

static int print(const struct ping *p, const struct ly__client *c, int64_t number, int64_t ns)
{
    double us = (double)ns / 1000;
    int n = p->json ? printf("{\"id\": %" PRId64 ", \"microseconds\": %.1f}\n", number, us)
                    : printf("%s: answer %" PRId64 " in %.1f us\n", c->address, number, us);
    return n < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}

static int ping(const struct ping *p, struct ly__client *c)
{
    int status = 0;
    for (int64_t i = 1; i <= p->count && status == 0; i++) {
        struct ly_frame f;
        int64_t start = ly_now();
        if (ly__ask(c, "ping", "ping", i, &f) < 0)
            return LY__EXIT_FAILURE;
        status = print(p, c, i, ly_now() - start);
    }
    return status;
}

int ly__cli_ping(int argc, char **argv)
{
    struct ping p = {.count = 1};
    struct ly__client c;
    if (ly__cli_parse(&argp, argc, argv, 0, &p) != 0)
        return LY__EXIT_USAGE;
    if (ly__client_open(&c, "ping", p.host) < 0)
        return LY__EXIT_FAILURE;
    int status = ping(&p, &c);
    ly__client_close(&c);
    return status;
}
