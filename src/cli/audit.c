/* SPDX-License-Identifier: MIT */
/* lanyard audit: the records of this machine's audit trail, as a table. */
#include "cli/audit.h"
#include "auth/audit_filter.h"
#include "cli/command.h"
#include "cli/entry.h"
#include "cli/number.h"
#include "daemon/nearest.h"
#include "daemon/place.h"
#include <ctype.h>
#include <errno.h>
#include <lanyard/error.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    KEY_USER = 'u',
    KEY_JSON = 'j',
    KEY_FOLLOW = 'f',
    KEY_FROM = 256,
    KEY_WHAT,
    KEY_RESULT,
    KEY_SINCE,
    KEY_UNTIL
};

struct audit {
    struct ly__audit_filter filter;
    bool json, follow;
    char **files; /* behind the options */
    int count;
    struct ly_buffer row;
    size_t shown, damaged;
    bool waited; /* all that there was has been read once */
};

static const struct argp_option options[] = {
    {"user", KEY_USER, "USER", 0, "What this user did; '' for what was done without a login", 0},
    {"from", KEY_FROM, "ADDRESS", 0, "From this address, network (192.0.2.0/24) or device", 0},
    {"what", KEY_WHAT, "WHAT", 0, "This alone: login, exec, put...", 0},
    {"result", KEY_RESULT, "RESULT", 0, "With this result: ok, begun, error (any), or an error's name", 0},
    {"since", KEY_SINCE, "TIME", 0, "Not before: 2026-11-21T09:35 (UTC), or -1h", 0},
    {"until", KEY_UNTIL, "TIME", 0, "Before this time", 0},
    {"follow", KEY_FOLLOW, NULL, 0, "Go on with records as they come", 0},
    {"json", KEY_JSON, NULL, 0, "Print the records as they are, a JSON object a line", 0},
    {0}};

/* A point in time, or how long ago: "-1h". */
static void read_time(struct argp_state *state, const char *option, const char *text, int64_t *ret_us)
{
    struct timespec now;
    int64_t ms;
    if (ly__audit_time_read(text, strlen(text), ret_us) == 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    if (*text == '-' && ly__duration_read(text + 1, &ms) == 0)
        *ret_us = ((int64_t)now.tv_sec * 1000 - ms) * 1000 + now.tv_nsec / 1000;
    else
        argp_error(state, "--%s is a time such as 2026-11-21T09:35, or -1h, not '%s'", option, text);
}

/* Every word that a server of this version writes as what was done. */
static const char *const deeds[] = {"login",        "pair",   "exec",   "put",   "get",
                                    "ls",           "stat",   "mkdir",  "mv",    "rm",
                                    "session_kill", "killed", "revoke", "audit", "partial"};

/* A word that is none of a list would silently find nothing. */
static void refuse_word(struct argp_state *state, const char *option, const char *word, const char *near,
                        const char *all)
{
    if (near)
        argp_error(state, "--%s: there is no '%s'; did you mean '%s'?", option, word, near);
    else
        argp_error(state, "--%s: there is no '%s'; there is %s", option, word, all);
}

static void check_what(struct argp_state *state, const char *word)
{
    struct ly__nearest nearest;
    ly__nearest_init(&nearest, word, strlen(word));
    for (size_t i = 0; i < sizeof deeds / sizeof *deeds; i++) {
        if (strcmp(word, deeds[i]) == 0)
            return;
        ly__nearest_try(&nearest, deeds[i]);
    }
    char all[256] = "";
    for (size_t i = 0, n = 0; i < sizeof deeds / sizeof *deeds && n < sizeof all; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%s%s", i ? ", " : "", deeds[i]);
    refuse_word(state, "what", word, nearest.name, all);
}

/* "ok", "begun", "error" or the name of an error, of the library's with or without its "LY_". */
static void check_result(struct argp_state *state, const char *word)
{
    static const char *const words[] = {"ok",    "begun",  "error",  "EDENIED",
                                        "EROLE", "ENOENT", "EACCES", "EEXIST"};
    char name[64] = "LY_";
    struct ly__nearest nearest;
    ly__nearest_init(&nearest, word, strlen(word));
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(word, words[i]) == 0)
            return;
        ly__nearest_try(&nearest, words[i]);
    }
    for (size_t i = 0; word[i] && i + 4 < sizeof name; i++) {
        name[3 + i] = (char)toupper((unsigned char)word[i]);
        name[4 + i] = 0;
    }
    if (ly_error_from_name(name) == 0 && ly_error_from_name(name + 3) == 0)
        refuse_word(state, "result", word, nearest.name,
                    "ok, begun, error (any), or an error's name such as EDENIED");
}

static error_t parse_filter(int key, char *arg, struct argp_state *state, struct ly__audit_filter *f)
{
    switch (key) {
    case KEY_USER:
        f->user = arg;
        return 0;
    case KEY_FROM:
        if (ly__audit_filter_from(f, arg) < 0)
            argp_error(state,
                       "--from is an address, a network such as 192.0.2.0/24, or a device's id, not '%s'",
                       arg);
        return 0;
    case KEY_WHAT:
        check_what(state, arg);
        f->what = arg;
        return 0;
    case KEY_RESULT:
        check_result(state, arg);
        f->result = arg;
        return 0;
    case KEY_SINCE:
        read_time(state, "since", arg, &f->since);
        return 0;
    case KEY_UNTIL:
        read_time(state, "until", arg, &f->until);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct audit *a = state->input;
    switch (key) {
    case KEY_JSON:
        a->json = true;
        return 0;
    case KEY_FOLLOW:
        a->follow = true;
        return 0;
    case ARGP_KEY_ARGS:
        a->files = state->argv + state->next;
        a->count = state->argc - state->next;
        return 0;
    case ARGP_KEY_SUCCESS:
        if (a->follow && (a->count > 1 || (a->count == 1 && strcmp(a->files[0], "-") == 0)))
            argp_error(state, "--follow takes one file");
        return 0;
    default:
        return parse_filter(key, arg, state, &a->filter);
    }
}

static const struct argp argp = {
    .options = options,
    .parser = parse,
    .args_doc = "[FILE...]",
    .doc =
        "Show the audit trail: who did what on this machine, from where, with what result.\v"
        "Without FILE it is that of this user's server on this machine. FILE may be an older part of a trail, or - "
        "for standard input.",
};

/* ---- records ---- */

static int print_row(struct audit *a, const struct ly__audit_view *v)
{
    ly_buffer_clear(&a->row);
    int r = a->shown == 0 ? ly__audit_table_head(&a->row) : 0;
    if (r == 0)
        r = ly__audit_table_row(&a->row, v);
    if (r == 0 && fwrite(ly_buffer_bytes(&a->row), 1, a->row.length, stdout) < a->row.length)
        r = -EPIPE;
    return r;
}

static int show(void *arg, const char *line, size_t n)
{
    struct audit *a = arg;
    struct ly__audit_view v;
    bool damaged = false;
    if (n == 0) /* a piece was ended that another's record had ended before */
        return 0;
    int r = ly__audit_read(&v, line, n, &damaged);
    a->damaged += r < 0 || damaged;
    if (r < 0 || !ly__audit_filter_passes(&a->filter, &v))
        return 0;
    if (a->json)
        ly__entry_print_json(v.record);
    r = a->json ? 0 : print_row(a, &v);
    a->shown++;
    return r;
}

static void say_damaged(struct audit *a)
{
    if (a->damaged > 0)
        ly__cli_say("audit", "%zu damaged %s: what is no whole record was left out", a->damaged,
                    a->damaged == 1 ? "line" : "lines");
    a->damaged = 0;
}

/* All that there is has been shown. */
static int before_wait(void *arg)
{
    struct audit *a = arg;
    say_damaged(a);
    return fflush(stdout) == 0 ? 0 : -EPIPE;
}

/* ---- files ---- */

static int say_error(const char *path, int r)
{
    if (r == -EPIPE)
        return LY__EXIT_FAILURE;
    ly__cli_say("audit", "%s: %s", path, ly_error_text(r));
    return LY__EXIT_FAILURE;
}

static int show_file(struct audit *a, const char *path)
{
    int r = a->follow ? ly__audit_follow(path, show, before_wait, a) : ly__audit_read_file(path, show, a);
    return r < 0 ? say_error(path, r) : 0;
}

static int show_default(struct audit *a)
{
    char folder[PATH_MAX] = "", path[PATH_MAX + sizeof "/" LY__AUDIT_FILE];
    int r = ly__place_state(folder, sizeof folder, false);
    if (r < 0 && r != -ENOENT)
        return say_error(*folder ? folder : "the state directory", r);
    snprintf(path, sizeof path, "%s/" LY__AUDIT_FILE, folder);
    if (access(path, F_OK) == 0 || errno != ENOENT || (a->follow && r == 0))
        return show_file(a, path);
    ly__cli_say("audit", "there is no audit trail yet: %s does not exist", path);
    return LY__EXIT_FAILURE;
}

static int show_all(struct audit *a)
{
    int status = 0;
    if (a->count == 0)
        return show_default(a);
    for (int i = 0; i < a->count; i++) {
        int one = show_file(a, a->files[i]);
        status = one ? one : status;
    }
    return status;
}

int ly__cli_audit(int argc, char **argv)
{
    struct audit a = {.filter = ly__audit_filter_any()};
    if (ly__cli_parse(&argp, argc, argv, 0, &a) != 0)
        return LY__EXIT_USAGE;
    ly_buffer_init(&a.row, LY__AUDIT_ROW_MAX);
    int status = show_all(&a);
    if (fflush(stdout) != 0)
        status = LY__EXIT_FAILURE;
    if (a.damaged > 0)
        status = LY__EXIT_FAILURE;
    say_damaged(&a);
    ly_buffer_done(&a.row);
    return status;
}
