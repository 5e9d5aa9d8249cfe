/* SPDX-License-Identifier: MIT */
/* lanyard status: how the server on this machine is. */
#include "base/escape.h"
#include "cli/ask.h"
#include "cli/command.h"
#include "cli/control.h"
#include "cli/entry.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct status {
    const char *host;
    bool json;
};

static const struct argp_option options[] = {{"json", 'j', NULL, 0, "Print a JSON object", 0}, {0}};

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct status *c = state->input;
    if (key == 'j')
        c->json = true;
    else if (key == ARGP_KEY_ARG && state->arg_num == 0)
        c->host = arg;
    else
        return ARGP_ERR_UNKNOWN;
    return 0;
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[HOST]",
    .children = ly__client_argp,
    .doc =
        "Say how a server on this machine is: its sessions, its workers, what it turned away. HOST is a Unix "
        "socket, unix:PATH.",
};

static int64_t number(struct ly_json object, const char *name)
{
    int64_t n = 0;
    (void)ly_json_int(ly_json_get(object, name), &n);
    return n;
}

static void print_work(const char *who, struct ly_json work)
{
    printf("%-12s %" PRId64 " requests, %" PRId64 " bytes received, %" PRId64 " bytes sent\n", who,
           number(work, "requests"), number(work, "received"), number(work, "sent"));
}

static void print_list(const char *title, struct ly_json object)
{
    struct ly_json name, value;
    size_t it = 0;
    printf("%-12s", title);
    for (bool first = true; ly_json_next(object, &it, &name, &value); first = false) {
        char text[256], shown[512];
        if (ly_json_type(value) != LY_JSON_NUMBER || ly_json_string(name, text, sizeof text) < 0)
            continue;
        ly__escape(shown, sizeof shown, text, strlen(text));
        printf("%s %.*s %s", first ? "" : ",", (int)value.length, value.text, shown);
    }
    printf("\n");
}

static void print_text(const char *title, struct ly_json value)
{
    char text[256], shown[512];
    if (ly_json_string(value, text, sizeof text) < 0)
        return;
    ly__escape(shown, sizeof shown, text, strlen(text));
    printf("%-12s %s\n", title, shown);
}

static void print(struct ly_json status)
{
    struct ly_json sessions = ly_json_get(status, "sessions"), item;
    size_t it = 0;
    print_text("version", ly_json_get(status, "version"));
    print_text("identity", ly_json_get(status, "id"));
    while (ly_json_next(ly_json_get(status, "addresses"), &it, NULL, &item))
        print_text("serves", item);
    printf("%-12s %" PRId64 " s, as process %" PRId64 "\n", "up", number(status, "uptime"),
           number(status, "pid"));
    print_list("sessions", sessions);
    print_list("users", ly_json_get(sessions, "users"));
    printf("%-12s %" PRId64 "\n", "commands", number(status, "commands"));
    print_list("gate", ly_json_get(status, "gate"));
    print_list("penalties", ly_json_get(status, "penalties"));
    print_list("audit", ly_json_get(status, "audit"));
    print_work("local", ly_json_get(status, "work"));
    it = 0;
    while (ly_json_next(ly_json_get(status, "workers"), &it, NULL, &item)) {
        bool serves = false;
        (void)ly_json_bool(ly_json_get(item, "serves"), &serves);
        printf("%-12s process %" PRId64 ", %s for %" PRId64 " s, start %" PRId64 ", %" PRId64 " sessions\n",
               "worker", number(item, "pid"), serves ? "serving" : "not serving", number(item, "age"),
               number(item, "starts"), number(item, "sessions"));
        print_work("", ly_json_get(item, "work"));
    }
}

int ly__cli_status(int argc, char **argv)
{
    struct status c = {0};
    struct ly_buffer body;
    struct ly_json json;
    if (ly__cli_parse(&argp, argc, argv, 0, &c) != 0)
        return LY__EXIT_USAGE;
    int r = ly__control_ask(c.host, "status", &(struct ly__control_request){.cmd = "status"}, NULL, &body);
    if (r < 0)
        return LY__EXIT_FAILURE;
    r = ly_json_check(&json, ly_buffer_bytes(&body), body.length);
    if (r < 0)
        ly__cli_say("status", "the server's answer is no JSON");
    else if (c.json)
        ly__entry_print_json(json);
    else
        print(json);
    ly_buffer_done(&body);
    return r < 0 || fflush(stdout) != 0 ? LY__EXIT_FAILURE : 0;
}
