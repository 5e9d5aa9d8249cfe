/* SPDX-License-Identifier: MIT */
#include "daemon/network.h"
#include "auth/announcement.h"
#include "daemon/account.h"
#include "daemon/listen.h"
#include "daemon/notify.h"
#include "daemon/place.h"
#include "server/inherit.h"
#include <errno.h>
#include <lanyard/log.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SCHEME "tls://"
#define BACKLOG 1024
#define DESCRIPTORS 32       /* what serving needs with no worker: about 20, and some for who connects */
#define WORKER_DESCRIPTORS 3 /* for each: its channel, its log and its end */
#define ACCOUNT "lanyard"    /* what workers run as where the server is root and there is such an account */

bool ly__network_is(const char *address)
{
    return strncmp(address, SCHEME, strlen(SCHEME)) == 0;
}

static int say(const char *what, const char *name, const char *why, int error)
{
    fprintf(stderr, "%slanyard serve: %s%s: %s\n", ly__notify_error(), what, name, why);
    return error;
}

static int say_file(const struct ly__network *n, const char *file, const char *why, int error)
{
    fprintf(stderr, "%slanyard serve: %s/%s: %s\n", ly__notify_error(), n->state, file, why);
    return error;
}

/* ---- what is kept ---- */

static int open_state(struct ly__network *n)
{
    int r = ly__place_state(n->state, sizeof n->state, true);
    if (r < 0)
        return say("cannot use the state directory ", n->state,
                   r == -EPERM ? "it belongs to somebody else, or others may write to it" : ly_error_text(r),
                   r);
    r = ly__key_open(&n->key, n->state, LY__KEY_FILE, true);
    if (r < 0)
        return say_file(n, LY__KEY_FILE, ly__key_text(r), r);
    r = ly__store_open(&n->store, n->state, &(struct ly__store_options){.make = true});
    return r < 0 ? say_file(n, LY__STORE_FILE, ly__store_text(r), r) : 0;
}

/* Better told now than by each of their logins. */
static int tell_outside(void *arg, const struct ly__user *u)
{
    const struct ly__decider *d = arg;
    if (*u->directory && !ly__place_below(d->root, u->directory))
        ly_log(LY_LOG_WARNING, "serve",
               "a user cannot log in: their directory is not below the served one; give another by "
               "'lanyard user role --directory'",
               LY_STR("user", u->name), LY_STR("directory", u->directory), LY_STR("root", d->root));
    return 0;
}

static int open_gate(struct ly__network *n, const struct ly__serve_options *o)
{
    struct ly__admission_options gate = o->gate;
    int r = ly__failures_new(&n->failures);
    if (r == 0)
        r = ly__penalties_new(&n->penalties,
                              &(struct ly__penalty_options){.exempt = o->exempts, .exempts = o->nexempts});
    gate.penalties = n->penalties;
    if (r == 0)
        r = ly__admission_new(&n->admission, &gate);
    return r < 0 ? say("cannot start", "", ly_error_text(r), r) : 0;
}

/* ---- the trail ---- */

static void tell_trouble(void *arg, int error, const struct ly__audit_counts *counts)
{
    (void)arg;
    if (error < 0)
        ly_log(LY_LOG_ERROR, "audit", "the trail cannot be written", LY_ERR(error));
    else
        ly_log(LY_LOG_WARNING, "audit", "the trail is written again", LY_INT("lost", (int64_t)counts->lost),
               LY_INT("refused", (int64_t)counts->refused));
}

static int open_trail(struct ly__network *n, struct ly__decider *d, const struct ly__serve_options *o)
{
    char path[PATH_MAX + sizeof "/" LY__AUDIT_FILE];
    if (o->audit == LY__AUDIT_IS_OFF)
        return 0;
    snprintf(path, sizeof path, "%s/" LY__AUDIT_FILE, n->state);
    d->asks_first = o->audit == LY__AUDIT_IS_NEEDED;
    int r = ly__audit_open(
        &n->audit, &(struct ly__audit_options){.path = path,
                                               .policy = d->asks_first ? LY__AUDIT_REFUSE : LY__AUDIT_GO_ON,
                                               .trouble = tell_trouble});
    d->audit = n->audit;
    return r < 0 ? say_file(n, LY__AUDIT_FILE, ly_error_text(r), r) : 0;
}

/* ---- what workers get ---- */

/* Whom workers are to be: somebody who owns nothing, where that can be chosen. */
static void choose_account(struct ly__setup *s)
{
    struct ly__account a;
    bool is_there = geteuid() == 0 && ly__account_by_name(&a, ACCOUNT) == 0;
    s->uid = is_there ? a.uid : geteuid();
    s->gid = is_there ? a.gid : getegid();
}

static int take_pem(struct ly_buffer *pem, char *ret_text, int r)
{
    if (r == 0 && pem->length >= LY__SETUP_PEM)
        r = LY_ETOOBIG;
    if (r == 0)
        memcpy(ret_text, ly_buffer_bytes(pem), pem->length + 1);
    ly__key_wipe(pem);
    return r;
}

/* The next key, if there is one by now, is told to whoever asks who we are. */
static int announce(const struct ly__network *n, char ret_json[LY__SETUP_NEXT])
{
    struct ly__key next;
    struct ly__announcement a;
    struct ly_buffer json;
    int r = ly__key_open(&next, n->state, LY__KEY_NEXT_FILE, false);
    if (r < 0)
        return r == -ENOENT ? 0 : say_file(n, LY__KEY_NEXT_FILE, ly__key_text(r), r);
    ly_buffer_init(&json, LY__SETUP_NEXT - 1);
    r = ly__key_announce(&a, &n->key, &next);
    if (r == 0)
        r = ly__announcement_put(&json, NULL, &a);
    if (r == 0)
        snprintf(ret_json, LY__SETUP_NEXT, "%.*s", (int)json.length, ly_buffer_bytes(&json));
    if (r == 0)
        (void)ly__key_note_announced(n->state, next.text); /* else "id --rotate" warns without need */
    ly_buffer_done(&json);
    ly__key_close(&next);
    return r < 0 ? say("cannot announce the next key", "", ly_error_text(r), r) : 0;
}

int ly__network_announce(struct ly__network *n)
{
    char json[LY__SETUP_NEXT] = "";
    int r = announce(n, json);
    if (r == 0 && *json) /* none: what was announced before stays so until the next start */
        ly__crew_announce(&n->crew, json);
    return r;
}

static int make_setup(struct ly__network *n, struct ly__decider *d, const struct ly__serve_options *o)
{
    struct ly__setup *s = &n->crew.setup;
    struct ly_buffer pem;
    *s = (struct ly__setup){.log_level = o->log.level, .asks_first = d->asks_first, .root_fd = d->root_fd};
    choose_account(s);
    int r = announce(n, s->next_key);
    if (r < 0)
        return r;
    ly_buffer_init(&pem, LY__SETUP_PEM);
    r = take_pem(&pem, s->key, ly__key_private_pem(&n->key, &pem));
    if (r < 0)
        return r;
    ly_buffer_init(&pem, LY__SETUP_PEM);
    r = take_pem(&pem, s->certificate, ly__key_certificate_pem(&n->key, &pem));
    return r < 0 ? r : ly__proof_server(&d->shown, s->certificate);
}

static int count_workers(const struct ly__serve_options *o)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    return o->workers > 0 ? o->workers : processors > 0 && processors < 256 ? (int)processors : 1;
}

/* Said now, and not by workers that cannot be started: that would leave a server that serves nobody. */
static int check_descriptors(int workers)
{
    struct rlimit limit; /* raised already */
    rlim_t needed = DESCRIPTORS + (rlim_t)workers * WORKER_DESCRIPTORS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= needed)
        return 0;
    fprintf(
        stderr,
        "%slanyard serve: cannot prepare the workers: %d of them need %llu descriptors at least, and the limit is "
        "%llu: raise it (ulimit -n, or LimitNOFILE= of a unit), or ask for fewer by --workers\n",
        ly__notify_error(), workers, (unsigned long long)needed, (unsigned long long)limit.rlim_cur);
    return -EMFILE;
}

static int open_crew(struct ly__network *n, struct ly__decider *d, const struct ly__serve_options *o)
{
    int r = ly__crew_open(&n->crew, d, n->admission, count_workers(o));
    if (r == 0) {
        n->has_crew = true;
        r = make_setup(n, d, o);
    }
    return r < 0 ? say("cannot prepare the workers", "", ly_error_text(r), r) : 0;
}

int ly__network_open(struct ly__network *n, struct ly__decider *d, const struct ly__serve_options *o)
{
    n->wanted = true;
    int r = check_descriptors(count_workers(o));
    if (r == 0)
        r = open_state(n);
    if (r == 0)
        r = open_gate(n, o);
    if (r == 0)
        r = open_trail(n, d, o);
    if (r < 0)
        return r;
    d->store = n->store;
    d->failures = n->failures;
    d->admission = n->admission;
    d->penalties = n->penalties;
    (void)ly__user_each(n->store, tell_outside, d); /* a store that cannot be read says so at each login */
    return open_crew(n, d, o);
}

/* ---- addresses ---- */

/* "tls://host" or "tls://host:port" as the address of a plain listener: TLS is the workers' business. */
static int plain_address(const char *address, char out[LY_ADDRESS_TEXT])
{
    const char *host = address + strlen(SCHEME), *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');
    bool has_port = colon && (!bracket || colon > bracket) && (bracket || strchr(host, ':') == colon);
    int n = snprintf(out, LY_ADDRESS_TEXT, "tcp://%s%s", host, has_port ? "" : ":" LY__NETWORK_PORT);
    return n < LY_ADDRESS_TEXT ? 0 : LY_EADDRESS;
}

/* The service manager's listener, if it has one for this address: then nobody is refused while we restart. */
static int take_inherited(struct ly_sock **ret_listener, const char *plain)
{
    struct ly_address list[8];
    int n = ly_listeners_inherited() > 0 ? ly_resolve(plain, true, list, sizeof list / sizeof *list) : 0;
    for (int i = 0; i < n; i++) {
        int r = ly__listener_inherit_like(ret_listener, &list[i]);
        if (r != -ENOENT)
            return r;
    }
    return -ENOENT;
}

static int open_listener(struct ly_sock **ret_listener, const char *plain, bool *ret_inherited)
{
    int r = take_inherited(ret_listener, plain);
    *ret_inherited = r == 0;
    if (r != -ENOENT)
        return r;
    return ly_listen(ret_listener, plain, &(struct ly_listen_options){.backlog = BACKLOG});
}

int ly__network_listen(struct ly__network *n, const char *address, char *ret_text)
{
    char plain[LY_ADDRESS_TEXT];
    struct ly_sock *listener;
    struct ly_address bound;
    bool is_inherited = false;
    int r = plain_address(address, plain);
    if (r == 0)
        r = open_listener(&listener, plain, &is_inherited);
    if (r < 0)
        return say("cannot listen on ", address, ly__listen_why(address, r), r);
    r = ly_sock_local(listener, &bound);
    if (r == 0)
        r = ly__crew_listen(&n->crew, listener, is_inherited);
    if (r < 0) {
        ly_sock_free(listener);
        return say("cannot listen on ", address, ly_error_text(r), r);
    }
    ly_address_format(&bound, plain, sizeof plain);
    snprintf(ret_text, LY_ADDRESS_TEXT, SCHEME "%.*s", LY_ADDRESS_TEXT - 8, plain + strlen("tcp://"));
    return 0;
}

int ly__network_close(struct ly__network *n)
{
    if (!n->wanted)
        return 0;
    int r = n->has_crew ? ly__crew_close(&n->crew) : 0;
    ly__admission_free(n->admission);
    ly__penalties_free(n->penalties);
    ly__failures_free(n->failures);
    ly__audit_close(n->audit);
    ly__store_close(n->store);
    ly__key_close(&n->key);
    return r;
}
