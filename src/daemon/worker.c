/* SPDX-License-Identifier: MIT */
/*
 * The order in a worker's life is what keeps it safe: it takes its settings and opens all that it will need,
 * gives up its rights (the user id, Landlock, seccomp), and only then takes the first connection.
 */
#include "daemon/worker.h"
#include "auth/source.h"
#include "daemon/asker.h"
#include "daemon/fault.h"
#include "daemon/relay.h"
#include "daemon/report.h"
#include "daemon/sandbox.h"
#include "daemon/setup.h"
#include "service/service.h"
#include <errno.h>
#include <grp.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <lanyard/tls.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

struct worker {
    struct ly__asker asker;
    struct ly__setup setup;
    struct ly__service service;
    struct ly_tls *tls;
    ly__worker_meet *meet;
    struct ly_scope *sessions;
    struct ly__list connections;
    size_t nsessions;
};

struct connection {
    struct worker *worker;
    struct ly__list link; /* in the worker's */
    uint64_t session;
    uint8_t challenge[LY__TLS_CHALLENGE]; /* for its client */
    struct ly_sock *sock;
};

/* ---- sessions ---- */

static int serve_connection(struct connection *c)
{
    struct ly_sock *sock = NULL;
    struct ly_address peer;
    int r = ly_sock_peer(c->sock, &peer);
    if (r == 0)
        ly__source_unmap(&peer);
    if (r == 0)
        r = ly_tls_wrap(&sock, c->sock, c->worker->tls, NULL);
    if (r < 0)
        return r;
    c->sock = sock;
    r = ly__tls_challenge(sock, c->challenge);
    if (r < 0)
        return r;
    return ly__session_run(&c->worker->service, sock, &peer, c->session);
}

static int run_connection(void *arg)
{
    struct connection *c = arg;
    struct ly__authority *a = &c->worker->asker.authority;
    ly__fault_name(c->session);
    if (c->worker->meet)
        c->worker->meet(&c->worker->asker, c->sock, c->session);
    int r = serve_connection(c);
    ly__list_remove(&c->link);
    ly_sock_free(c->sock);
    if (r < 0)
        a->calls->end(a, c->session, r);
    c->worker->nsessions--;
    free(c);
    return 0;
}

/* Take a connection; it is closed if that cannot be. */
static int take_connection(struct worker *w, uint64_t session, struct ly_json challenge, int fd)
{
    struct connection *c = calloc(1, sizeof *c);
    int r = c ? ly__hex_get(challenge, c->challenge, sizeof c->challenge) : -ENOMEM;
    if (r == 0)
        r = ly_sock_from_fd(&c->sock, fd);
    if (r < 0)
        close(fd);
    if (r == 0) {
        c->worker = w;
        c->session = session;
        w->nsessions++;
        ly__list_append(&w->connections, &c->link);
        r = ly_go(w->sessions, run_connection, c);
        if (r == 0)
            return 0;
        ly__list_remove(&c->link);
        w->nsessions--;
        ly_sock_free(c->sock);
    }
    free(c);
    w->asker.authority.calls->end(&w->asker.authority, session, r);
    return r;
}

/* Its descriptor found no room here, and the system has closed it: the others go on. */
static void lose_connection(struct worker *w, uint64_t session)
{
    ly_log(LY_LOG_WARNING, "worker", "a connection was closed: there is no descriptor for it",
           LY_ERR(-EMFILE));
    w->asker.authority.calls->end(&w->asker.authority, session, -EMFILE);
}

/* End a session from outside, whatever it does. It may not have begun yet: both messages can come at once. */
static void cut(struct worker *w, uint64_t session)
{
    ly__list_each (l, &w->connections) {
        const struct connection *c = ly__container_of(l, struct connection, link);
        if (c->session == session)
            (void)shutdown(ly_sock_fileno(c->sock), SHUT_RDWR);
    }
}

/* ---- what the supervisor says ---- */

static int end_spared(void *arg)
{
    struct worker *w = arg;
    ly_set_name("the end");
    if (ly_sleep(LY__WORKER_FIRST_MS) == 0)
        ly__idle_end(&w->service.idle, false);
    return 0;
}

static void stop(struct worker *w, bool at_once)
{
    bool spares = !at_once && ly_go(w->sessions, end_spared, w) == 0;
    ly__idle_end(&w->service.idle, spares);
    if (at_once)
        atomic_store(&w->service.hurry, true);
    if (at_once)
        ly_scope_cancel(w->sessions);
}

static int take(struct worker *w, struct ly__message *m)
{
    int64_t number = 0;
    int r = ly__asker_take(&w->asker, m);
    if (r != 0)
        return r < 0 ? r : 0;
    if (ly_json_int(ly_json_get(m->json, "serve"), &number) == 0 && m->nfds == 1) {
        m->nfds = 0;
        (void)take_connection(w, (uint64_t)number, ly_json_get(m->json, "challenge"), m->fds[0]);
        return 0;
    }
    if (number > 0 && m->is_short) {
        lose_connection(w, (uint64_t)number);
        return 0;
    }
    if (ly_json_int(ly_json_get(m->json, "cut"), &number) == 0) {
        cut(w, (uint64_t)number);
        return 0;
    }
    if (ly_json_int(ly_json_get(m->json, "stop"), &number) == 0) {
        stop(w, number != 0);
        return 0;
    }
    if (ly_json_int(ly_json_get(m->json, "log_level"), &number) == 0) {
        ly__relay_setup((enum ly_log_level)number);
        return 0;
    }
    if (ly_json_string(ly_json_get(m->json, "announce"), w->setup.next_key, sizeof w->setup.next_key) > 0) {
        w->service.next_key = w->setup.next_key;
        return 0;
    }
    return LY_EFIELD;
}

#define REPORT_MS 1000

static int report(void *arg)
{
    struct worker *w = arg;
    struct ly__reporter r = {.service = &w->service, .channel = &w->asker.channel};
    ly_set_name("reports");
    while (ly_sleep(REPORT_MS) == 0 && ly__report_send(&r) >= 0)
        ;
    return 0;
}

/* Serve until the supervisor closes the channel, which it does once the last session is over. */
static int run(void *arg)
{
    struct worker *w = arg;
    struct ly__message m;
    int r = ly__fault_watch(ly_sock_fileno(w->asker.channel.sock));
    if (r == 0)
        r = ly_scope_open(&w->sessions, &(struct ly_scope_options){.name = "sessions"});
    if (r < 0)
        return r;
    r = ly_go(w->sessions, report, w);
    if (r < 0)
        return r;
    while ((r = ly__channel_receive(&w->asker.channel, &m)) > 0) {
        r = take(w, &m);
        ly__message_done(&m);
        if (r < 0)
            break;
    }
    ly__asker_lose(&w->asker);
    ly_scope_close(w->sessions);
    return r == -ECANCELED ? 0 : r; /* all is ended at once, this task with the sessions */
}

/* ---- giving up rights ---- */

/* A server that is root can also take all other files out of the worker's sight, whatever the kernel has of
 * Landlock. Returns whether that is so. */
static bool change_root(int root_fd)
{
    return geteuid() == 0 && root_fd >= 0 && fchdir(root_fd) == 0 && chroot(".") == 0;
}

static int become(uid_t uid, gid_t gid)
{
    if (uid == geteuid())
        return 0;
    if (setgroups(0, NULL) < 0 || setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        return -errno;
    return 0;
}

static int confine(const struct worker *w, bool has_root)
{
    int parts = ly__sandbox_enter(w->service.root_fd);
    if (parts < 0)
        return parts;
    if (!(parts & LY__SANDBOX_FILES) && !has_root && geteuid() == 0)
        return -EPERM; /* root's files would be all files */
    if (!(parts & LY__SANDBOX_FILES) && !has_root)
        ly_log(LY_LOG_WARNING, "worker",
               "files are confined by their permissions only: this kernel has no Landlock");
    return 0;
}

static int fail(const char *what, int error)
{
    ly_log(LY_LOG_ERROR, "worker", what, LY_ERR(error));
    return EXIT_FAILURE;
}

/* Without tickets: where a session is resumed, nothing is signed. */
static int open_tls(struct worker *w)
{
    char why[LY_TLS_WHY] = "";
    int r = ly_tls_open(&w->tls, &(struct ly_tls_options){.server = true,
                                                          .certificate = w->setup.certificate,
                                                          .key = w->setup.key,
                                                          .verify = LY_TLS_VERIFY_NONE,
                                                          .client_certificate = LY_TLS_ASK,
                                                          .no_tickets = true,
                                                          .why = why,
                                                          .why_size = sizeof why});
    if (r == 0)
        r = ly__tls_ask_proof(w->tls);
    if (r < 0)
        ly_log(LY_LOG_ERROR, "worker", "TLS cannot be prepared", LY_STR("why", why), LY_ERR(r));
    return r;
}

static int prepare(struct worker *w)
{
    static const char *const no_variables[] = {NULL};
    int r = ly__setup_receive(&w->setup, &w->asker.channel);
    if (r < 0)
        return fail("no settings have come", r);
    ly__relay_setup(w->setup.log_level);
    w->asker.asks_first = w->setup.asks_first;
    w->service.root_fd = w->setup.root_fd;
    w->service.env = no_variables;
    w->service.next_key = *w->setup.next_key ? w->setup.next_key : NULL;
    w->service.authority = &w->asker.authority;
    ly__list_init(&w->connections);
    ly__idle_open(&w->service.idle);
    r = open_tls(w);
    ly__setup_wipe(&w->setup);
    if (r < 0)
        return EXIT_FAILURE;
    bool has_root = change_root(w->setup.root_fd);
    r = become(w->setup.uid, w->setup.gid);
    if (r == 0)
        r = confine(w, has_root);
    return r < 0 ? fail("it cannot be confined", r) : 0;
}

int ly__worker(ly__worker_meet *meet)
{
    static struct worker w;
    w.meet = meet;
    ly__relay_setup(LY_LOG_INFO);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* a terminal's is the supervisor's business */
    signal(SIGHUP, SIG_IGN);
    prctl(PR_SET_DUMPABLE, 0);
    int fd = dup(STDIN_FILENO);
    int r = fd < 0 ? -errno : ly__asker_open(&w.asker, fd);
    if (r < 0)
        return fail("it has no channel", r);
    r = prepare(&w);
    if (r != 0)
        return r;
    r = ly_run(run, &w, &(struct ly_run_options){.reactor = "epoll"});
    _exit(r < 0 ? fail("it ends", r) : EXIT_SUCCESS);
}
