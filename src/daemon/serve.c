/* SPDX-License-Identifier: MIT */
/*
 * The server process: the main thread waits for signals and for the end of serving; each address is served by
 * a server of its own on a thread of its own (and its workers'). What they share is one struct ly__service.
 *
 * Signals are blocked in all threads and read from a descriptor, so that no work is done in a handler. The
 * first SIGTERM or SIGINT lets running requests finish, for LY__DRAIN_MS at most; the second ends them at
 * once.
 */
#include "daemon/serve.h"
#include "daemon/authority.h"
#include "daemon/control.h"
#include "daemon/environment.h"
#include "daemon/listen.h"
#include "daemon/network.h"
#include "daemon/notify.h"
#include "daemon/place.h"
#include "daemon/reload.h"
#include "service/service_guard.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lanyard/supervise.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct daemon {
    struct ly__serve_options options;
    struct ly__reload reload;
    struct ly__service service;
    struct ly__decider decider;
    struct ly__controller controller;
    struct ly__environment environment;
    char root[PATH_MAX]; /* the served directory, absolute and without links, as the users' own are */
    struct ly__listener listeners[LY__LISTEN_MAX];
    size_t nlisteners; /* that are open */
    struct ly__network network;
    char network_text[LY__LISTEN_MAX][LY_ADDRESS_TEXT]; /* its addresses */
    size_t running;                                     /* threads that serve */
    int signal_fd, ended_fd, log_fd;
    int stops; /* signals to end that have come */
};

static int say(const char *what, const char *detail, int error)
{
    fprintf(stderr, "%slanyard serve: %s%s%s: %s\n", ly__notify_error(), what, detail ? " " : "",
            detail ? detail : "", ly_error_text(error));
    return error;
}

/* ---- the log ---- */

static int open_log(struct daemon *d)
{
    struct ly_log_options log = d->options.log;
    log.fd = STDERR_FILENO;
    if (d->options.log_file) {
        int fd = open(d->options.log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (fd < 0)
            return say("cannot open", d->options.log_file, -errno);
        d->log_fd = log.fd = fd;
    }
    log.numbered = ly__notify_is_journal(log.fd);
    ly_log_setup(&log);
    d->reload.log = log;
    return 0;
}

/* Put a newly opened file behind the descriptor that other threads log to, which never goes away meanwhile.
 */
static int reopen_log(struct daemon *d)
{
    if (d->log_fd < 0)
        return 0;
    int fd = open(d->options.log_file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int r = dup3(fd, d->log_fd, O_CLOEXEC) < 0 ? -errno : 0;
    close(fd);
    return r;
}

/* ---- signals ---- */

/* The log file and the trail anew, then other settings: what goes wrong with one does not keep the others. */
static void reload(struct daemon *d)
{
    char lines[64], changed[LY__CONFIG_KEYS * 20] = "";
    snprintf(lines, sizeof lines, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, ly_now() / 1000);
    ly__notify(lines);
    int r = reopen_log(d);
    if (r == 0 && d->network.audit)
        r = ly__audit_reopen(d->network.audit);
    if (r < 0)
        ly_log(LY_LOG_ERROR, "serve", "reloading failed: log and trail go on where they were",
               LY_STR("file", d->options.log_file), LY_ERR(r));
    if (d->network.crew.started && ly__network_announce(&d->network) < 0)
        ly_log(LY_LOG_ERROR, "serve", "the next key cannot be announced");
    int s = ly__reload(&d->reload, changed, sizeof changed);
    if (s < 0)
        ly_log(LY_LOG_ERROR, "serve", "reloading failed: the settings stay as they were", LY_ERR(s));
    if (r == 0 && s == 0)
        ly_log(LY_LOG_INFO, "serve", "reloaded", LY_STR("changed", changed));
    ly__notify("READY=1");
}

static void stop(struct daemon *d, int signal)
{
    if (d->stops++ > 0)
        atomic_store(&d->service.hurry, true);
    else
        ly__notify("STOPPING=1");
    ly_log(LY_LOG_INFO, "serve", d->stops > 1 ? "ending at once" : "ending: running requests may finish",
           LY_INT("signal", signal), LY_INT("seconds", d->stops > 1 ? 0 : LY__DRAIN_MS / 1000));
    for (size_t i = 0; i < d->nlisteners; i++)
        ly_server_request_shutdown(d->listeners[i].server);
    ly__idle_end(&d->service.idle, false);
    if (d->network.crew.started)
        ly__crew_stop(&d->network.crew, d->stops > 1);
}

static void take_signal(struct daemon *d)
{
    struct signalfd_siginfo info;
    if (read(d->signal_fd, &info, sizeof info) != sizeof info)
        return;
    if (info.ssi_signo == SIGHUP)
        reload(d);
    else
        stop(d, (int)info.ssi_signo);
}

/* One thread has ended. Unless all were asked to, that ends the others. */
static void take_end(struct daemon *d)
{
    uint64_t n = 0;
    if (read(d->ended_fd, &n, sizeof n) != sizeof n)
        return;
    d->running -= n;
    if (d->stops == 0)
        stop(d, 0);
}

/* Somebody has killed the guard. Returns the descriptor of another one, or -1. */
static int renew_guard(void)
{
    int r = ly__guard_renew();
    if (r < 0)
        ly_log(LY_LOG_ERROR, "serve", "the guard was killed: after a crash, commands go on", LY_ERR(r));
    else
        ly_log(LY_LOG_WARNING, "serve", "the guard was killed, and another takes its place");
    return ly__guard_fd();
}

static int open_signals(struct daemon *d)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (d->signal_fd < 0)
        return say("cannot watch signals", NULL, -errno);
    d->ended_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return d->ended_fd < 0 ? say("cannot make an eventfd", NULL, -errno) : 0;
}

/* ---- beginning ---- */

/* It would be read only once somebody listens on the network, or puts a client's keys there. */
static int check_state(void)
{
    char state[PATH_MAX];
    if (ly__place_state(state, sizeof state, false) != -EINVAL)
        return 0;
    fprintf(stderr, "%slanyard serve: $LANYARD_STATE must be an absolute path\n", ly__notify_error());
    return -EINVAL;
}

static int open_guard(void)
{
    int r = ly__guard_open();
    return r < 0 ? say("cannot start", NULL, r) : 0;
}

/* A connection is a descriptor: take as many as the system allows. */
static void raise_limit(struct daemon *d)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
        return;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
        d->decider.files_limit = before;
}

static int open_root(struct daemon *d)
{
    const char *root = d->options.root ? d->options.root : d->environment.home;
    int fd = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return say("cannot serve", root, -errno);
    d->service.root_fd = d->decider.root_fd = fd;
    if (!realpath(root, d->root))
        return say("cannot serve", root, -errno);
    d->decider.root = d->root;
    return 0;
}

static int open_service(struct daemon *d)
{
    int r = ly__environment_init(&d->environment);
    if (r < 0)
        return say("cannot start", NULL, r);
    d->service.authority = &d->decider.authority;
    d->decider.home = d->environment.home;
    d->decider.env = d->environment.list;
    d->service.env = d->environment.list;
    atomic_store(&d->decider.commands.most, d->options.commands_max);
    raise_limit(d);
    return open_root(d);
}

static int open_network_listener(struct daemon *d, const char *address)
{
    struct ly__network *n = &d->network;
    int r = n->wanted ? 0 : ly__network_open(n, &d->decider, &d->options);
    return r < 0 ? r : ly__network_listen(n, address, d->network_text[n->crew.nlisteners]);
}

static int open_listener(struct daemon *d, const char *address)
{
    if (ly__network_is(address))
        return open_network_listener(d, address);
    int r = ly__listener_open(&d->listeners[d->nlisteners], address, &d->options, &d->service);
    d->nlisteners += r == 0;
    return r;
}

static int open_default(struct daemon *d)
{
    char address[LY_ADDRESS_TEXT];
    const char *folder = NULL;
    int r = ly__place_default(address, sizeof address, true, &folder);
    if (r == -EPERM)
        fprintf(stderr,
                "%slanyard serve: %s is not this user's alone; remove it, or name a socket with --listen\n",
                ly__notify_error(), folder);
    else if (r < 0)
        say("cannot make", folder, r);
    return r < 0 ? r : open_listener(d, address);
}

static int open_listeners(struct daemon *d)
{
    int r = d->options.listens ? 0 : open_default(d);
    for (size_t i = 0; i < d->options.listens && r == 0; i++)
        r = open_listener(d, d->options.listen[i]);
    if (ly_listeners_inherited() > 0)
        ly_log(LY_LOG_WARNING, "serve", "the service manager listens on more than the settings name",
               LY_INT("listeners", ly_listeners_inherited()));
    return r;
}

static void say_serving(const struct daemon *d, const char *address)
{
    fprintf(stderr, "lanyard: serving %s on %s\n", d->decider.root, address);
}

static int start_network(struct daemon *d)
{
    struct ly__network *n = &d->network;
    if (!n->wanted)
        return 0;
    int r = ly__crew_start(&n->crew, d->ended_fd);
    if (r < 0)
        return say("cannot start a thread", NULL, r);
    d->running++;
    for (size_t i = 0; i < n->crew.nlisteners; i++)
        say_serving(d, d->network_text[i]);
    fprintf(stderr, "lanyard: this machine is %s\n", n->key.text);
    return 0;
}

/* What the server tells of itself, as long as nobody can ask yet. */
static void open_control(struct daemon *d)
{
    struct ly__controller *c = &d->controller;
    ly__controller_open(c, &d->decider, &d->service, &d->network);
    for (size_t i = 0; i < d->nlisteners; i++)
        c->addresses[c->naddresses++] = d->listeners[i].text;
    for (size_t i = 0; i < d->network.crew.nlisteners; i++)
        c->addresses[c->naddresses++] = d->network_text[i];
}

static int start(struct daemon *d)
{
    open_control(d);
    for (size_t i = 0; i < d->nlisteners; i++) {
        int r = ly__listener_start(&d->listeners[i], d->ended_fd);
        if (r < 0)
            return say("cannot start a thread", NULL, r);
        d->running++;
        say_serving(d, d->listeners[i].text);
    }
    int r = start_network(d);
    if (r < 0)
        return r;
    char lines[64];
    snprintf(lines, sizeof lines, "READY=1\nMAINPID=%ld", (long)getpid());
    ly__notify(lines);
    return 0;
}

/* ---- the whole ---- */

static void wait_for_end(struct daemon *d)
{
    struct pollfd p[] = {{.fd = d->signal_fd, .events = POLLIN},
                         {.fd = d->ended_fd, .events = POLLIN},
                         {.fd = ly__guard_fd()}};
    while (d->running > 0) {
        p[2].revents = 0;
        if (poll(p, 3, -1) < 0 && errno != EINTR)
            abort(); /* only a programmer's mistake makes it fail */
        take_signal(d);
        take_end(d);
        if (p[2].revents != 0)
            p[2].fd = renew_guard();
    }
}

static int close_all(struct daemon *d, int r)
{
    for (size_t i = 0; i < d->nlisteners; i++) {
        int result = ly__listener_close(&d->listeners[i]);
        if (result < 0 && r == 0)
            r = say("serving failed on", d->listeners[i].text, result);
    }
    int ended = ly__network_close(&d->network);
    if (ended < 0 && r == 0)
        r = say("serving the network failed", NULL, ended);
    int fds[] = {d->service.root_fd, d->signal_fd, d->ended_fd};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (fds[i] >= 0)
            close(fds[i]);
    }
    ly__reload_done(&d->reload);
    ly__environment_done(&d->environment);
    ly__idle_close(&d->service.idle);
    ly__decider_close(&d->decider);
    ly__guard_close();
    return r;
}

int ly__serve(const struct ly__config *config)
{
    static struct daemon d;
    d = (struct daemon){
        .signal_fd = -1, .ended_fd = -1, .log_fd = -1, .service.root_fd = -1, .decider.root_fd = -1};
    ly__config_apply(config, &d.options);
    d.reload.started = config;
    d.reload.decider = &d.decider;
    d.reload.network = &d.network;
    ly__idle_open(&d.service.idle);
    ly__decider_open(&d.decider);
    int r = open_log(&d);
    if (r == 0)
        r = check_state();
    if (r == 0)
        r = open_guard();
    if (r == 0)
        r = open_signals(&d);
    if (r == 0)
        r = open_service(&d);
    if (r == 0)
        r = open_listeners(&d);
    if (r == 0) {
        r = start(&d);
        if (r < 0)
            stop(&d, 0);
        wait_for_end(&d);
    }
    r = close_all(&d, r);
    if (r == 0)
        ly_log(LY_LOG_INFO, "serve", "ended");
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
