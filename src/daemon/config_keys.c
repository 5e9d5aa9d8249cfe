/* SPDX-License-Identifier: MIT */
#include "daemon/config_keys.h"
#include "daemon/network.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- kinds of values ---- */

static int read_number(const char *text, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    long long n = strtoll(text, &end, 10);
    if (errno || *text < '0' || *text > '9' || *end || n < 1 || n > most)
        return LY_EFIELD;
    *ret = n;
    return 0;
}

/* The index of text among the names; LY_EFIELD: it is none. */
static int choose(const char *text, const char *const *names)
{
    for (int i = 0; names[i]; i++) {
        if (strcmp(names[i], text) == 0)
            return i;
    }
    return LY_EFIELD;
}

static bool is_absolute(const char *text)
{
    return *text == '/';
}

static bool is_address(const char *text)
{
    static const char *const schemes[] = {"tls://", "tcp://"};
    struct ly_address a;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t n = strlen(schemes[i]);
        if (strncmp(text, schemes[i], n) == 0)
            return !strpbrk(text + n, "/ \t");
    }
    return strncmp(text, "unix:", 5) == 0 && text[5] && ly_address_parse(&a, text) == 0;
}

/* ---- the settings ---- */

static int set_listen(struct ly__serve_options *o, const char *text)
{
    if (o->listens == LY__LISTEN_MAX || !*text)
        return LY_EFIELD;
    o->listen[o->listens++] = text;
    return 0;
}

static int set_insecure_loopback(struct ly__serve_options *o, const char *text)
{
    static const char *const names[] = {"no", "yes", NULL};
    int r = choose(text, names);
    o->insecure_loopback = r == 1;
    return r < 0 ? r : 0;
}

static int set_root(struct ly__serve_options *o, const char *text)
{
    o->root = text;
    return *text ? 0 : LY_EFIELD;
}

static int set_workers(struct ly__serve_options *o, const char *text)
{
    int64_t n = 0;
    int r = read_number(text, 256, &n);
    o->workers = (int)n;
    return r;
}

static int set_reactor(struct ly__serve_options *o, const char *text)
{
    static const char *const names[] = {"epoll", "io_uring", "poll", "select", NULL};
    int r = choose(text, names);
    o->reactor = r < 0 ? NULL : names[r];
    return r < 0 ? r : 0;
}

static int set_max_commands(struct ly__serve_options *o, const char *text)
{
    int64_t n = 0;
    int r = read_number(text, 100000, &n);
    o->commands_max = (unsigned)n;
    return r;
}

static int set_max_startups(struct ly__serve_options *o, const char *text)
{
    return ly__admission_parse(&o->gate, text);
}

static int set_login_time(struct ly__serve_options *o, const char *text)
{
    int64_t seconds = 0;
    int r = read_number(text, 86400, &seconds);
    o->gate.deadline_ms = 1000 * seconds;
    return r;
}

static int set_exempt(struct ly__serve_options *o, const char *text)
{
    if (o->nexempts == LY__SERVE_EXEMPTS)
        return LY_EFIELD;
    struct ly__exempt *e = &o->exempts[o->nexempts++];
    return ly_network_parse(&e->network, &e->prefix, text) < 0 ? LY_EFIELD : 0;
}

static int set_audit(struct ly__serve_options *o, const char *text)
{
    static const char *const names[] = {"try", "need", "off", NULL};
    int r = choose(text, names);
    o->audit = r < 0 ? LY__AUDIT_IS_TRIED : (enum ly__audit_choice)r;
    return r < 0 ? r : 0;
}

static int set_log_level(struct ly__serve_options *o, const char *text)
{
    static const char *const names[] = {"error", "warning", "info", "debug", NULL};
    int r = choose(text, names);
    o->log.level = r < 0 ? LY_LOG_INFO : (enum ly_log_level)r;
    return r < 0 ? r : 0;
}

static int set_log_format(struct ly__serve_options *o, const char *text)
{
    static const char *const names[] = {"logfmt", "json", NULL};
    int r = choose(text, names);
    o->log.format = r == 1 ? LY_LOG_JSON : LY_LOGFMT;
    return r < 0 ? r : 0;
}

static int set_log_file(struct ly__serve_options *o, const char *text)
{
    o->log_file = text;
    return *text ? 0 : LY_EFIELD;
}

/* ---- the table ---- */

const struct ly__config_key ly__config_keys[LY__CONFIG_KEYS] = {
    [LY__CONFIG_LISTEN] =
        {.name = "listen",
         .letter = 'l',
         .argument = "ADDRESS",
         .doc =
             "Where to listen: unix:PATH; tls://HOST[:PORT] for the network, to users that 'lanyard user' has "
             "added (port " LY__NETWORK_PORT
             "; an empty HOST: all addresses); or tcp://127.0.0.1:PORT (port 0: "
             "any) together with --insecure-loopback. May be repeated. Default: lanyard.sock in your runtime "
             "directory, for you alone",
         .expected = "unix:PATH, tls://HOST[:PORT] or tcp://127.0.0.1:PORT",
         .most = LY__LISTEN_MAX,
         .set = set_listen,
         .fits = is_address},
    [LY__CONFIG_INSECURE_LOOPBACK] =
        {.name = "insecure-loopback",
         .doc = "Allow TCP on loopback: every user of this machine can then act as you",
         .expected = "yes or no",
         .fallback = "no",
         .most = 1,
         .set = set_insecure_loopback},
    [LY__CONFIG_ROOT] =
        {.name = "root",
         .letter = 'r',
         .argument = "DIR",
         .doc = "The directory whose files are served and where commands start. Default: your home",
         .expected = "a directory from '/' on",
         .most = 1,
         .set = set_root,
         .fits = is_absolute},
    [LY__CONFIG_WORKERS] =
        {.name = "workers",
         .letter = 'w',
         .argument = "N",
         .doc =
             "Threads that serve each address, 1 to 256, and processes that serve the network. Default: 1, and a "
             "process for each processor",
         .expected = "a number from 1 to 256",
         .most = 1,
         .set = set_workers},
    [LY__CONFIG_REACTOR] = {.name = "reactor",
                            .argument = "NAME",
                            .doc = "epoll, io_uring, poll or select. Default: $LY_REACTOR, else epoll",
                            .expected = "epoll, io_uring, poll or select",
                            .most = 1,
                            .set = set_reactor},
    [LY__CONFIG_MAX_COMMANDS] =
        {.name = "max-commands",
         .argument = "N",
         .doc =
             "Commands that may run at once; one user from the network has at most half of them. Default: 256",
         .expected = "a number from 1 to 100000",
         .fallback = "256",
         .most = 1,
         .reloads = true,
         .set = set_max_commands},
    [LY__CONFIG_MAX_STARTUPS] =
        {.name = "max-startups",
         .argument = "START:RATE:FULL",
         .group = 1,
         .doc =
             "Connections that have not logged in: beyond START of them RATE in 100 are turned away, at FULL all. "
             "Default: 10:30:100",
         .expected = "START:RATE:FULL as in 10:30:100",
         .fallback = "10:30:100",
         .most = 1,
         .reloads = true,
         .set = set_max_startups},
    [LY__CONFIG_LOGIN_TIME] = {.name = "login-time",
                               .argument = "SECONDS",
                               .group = 1,
                               .doc = "Whoever has not logged in by then is cut off. Default: 30",
                               .expected = "a number from 1 to 86400",
                               .fallback = "30",
                               .most = 1,
                               .reloads = true,
                               .set = set_login_time},
    [LY__CONFIG_EXEMPT] = {.name = "exempt",
                           .argument = "NETWORK",
                           .group = 1,
                           .doc = "Never penalise who comes from there, as in 192.0.2.0/24. May be repeated",
                           .expected = "a network as in 192.0.2.0/24 or 2001:db8::/32",
                           .most = LY__SERVE_EXEMPTS,
                           .reloads = true,
                           .set = set_exempt},
    [LY__CONFIG_AUDIT] =
        {.name = "audit",
         .argument = "HOW",
         .group = 1,
         .doc =
             "The audit trail of a server on the network: 'try' (what cannot be recorded is done all the same, and "
             "counted), 'need' (it is refused) or 'off'. Default: try",
         .expected = "try, need or off",
         .fallback = "try",
         .most = 1,
         .set = set_audit},
    [LY__CONFIG_LOG_LEVEL] = {.name = "log-level",
                              .argument = "LEVEL",
                              .group = 2,
                              .doc = "error, warning, info or debug. Default: info",
                              .expected = "error, warning, info or debug",
                              .fallback = "info",
                              .most = 1,
                              .reloads = true,
                              .set = set_log_level},
    [LY__CONFIG_LOG_FORMAT] = {.name = "log-format",
                               .argument = "FORMAT",
                               .group = 2,
                               .doc = "logfmt or json. Default: logfmt",
                               .expected = "logfmt or json",
                               .fallback = "logfmt",
                               .most = 1,
                               .set = set_log_format},
    [LY__CONFIG_LOG_FILE] = {.name = "log-file",
                             .argument = "FILE",
                             .group = 2,
                             .doc = "Append to FILE, opened anew at SIGHUP. Default: standard error",
                             .expected = "a file from '/' on",
                             .most = 1,
                             .set = set_log_file,
                             .fits = is_absolute},
};

size_t ly__config_find(const char *name, size_t n)
{
    size_t i = 0;
    while (i < LY__CONFIG_KEYS &&
           (strlen(ly__config_keys[i].name) != n || memcmp(ly__config_keys[i].name, name, n) != 0))
        i++;
    return i;
}
