/* SPDX-License-Identifier: MIT */
#include "cli/client.h"
#include "cli/number.h"

enum { KEY_PASSWORD_FILE = 0x4000, KEY_CONNECT_TIMEOUT, KEY_ACCEPT_NEW, KEY_BATCH };

struct ly__client_options ly__client_options = {.connect_ms = 10000};

#define REACH 4 /* from here on the options are about reaching a machine at all */
static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Machines on the network:", 3},
    {"password-file", KEY_PASSWORD_FILE, "FILE", 0,
     "Log in with the password in FILE, its first line, if this machine's key is not known there", 3},
    {"accept-new", KEY_ACCEPT_NEW, NULL, 0,
     "Remember a machine that is not known yet without asking. One whose key has changed is refused all the "
     "same",
     3},
    {"batch", KEY_BATCH, NULL, 0, "Ask nothing: fail where a question would come", 3},
    {"connect-timeout", KEY_CONNECT_TIMEOUT, "TIME", 0,
     "Give up when there is no connection by then. Default: 10s", 3},
    {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct ly__client_options *o = &ly__client_options;
    if (key == KEY_PASSWORD_FILE)
        o->password_file = arg;
    else if (key == KEY_ACCEPT_NEW)
        o->accept_new = true;
    else if (key == KEY_BATCH)
        o->is_batch = true;
    else if (key != KEY_CONNECT_TIMEOUT)
        return ARGP_ERR_UNKNOWN;
    else if (ly__duration_read(arg, &o->connect_ms) < 0)
        argp_error(state, "--connect-timeout needs a time such as 10, 1.5s, 200ms, 5m or 1h");
    return 0;
}

static const struct argp argp = {.options = options, .parser = parse};
static const struct argp reach_argp = {.options = options + REACH, .parser = parse};

const struct argp_child ly__client_argp[] = {{&argp, 0, NULL, 0}, {0}};
const struct argp_child ly__client_reach_argp[] = {{&reach_argp, 0, NULL, 0}, {0}};
