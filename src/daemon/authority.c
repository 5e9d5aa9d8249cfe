/* SPDX-License-Identifier: MIT */
#include "daemon/authority.h"
#include "auth/roles.h"
#include "daemon/account.h"
#include "daemon/become.h"
#include "daemon/place.h"
#include <errno.h>
#include <lanyard/clock.h>
#include <lanyard/fiber.h>
#include <lanyard/log.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct ly__decider *decider_of(struct ly__authority *a)
{
    return ly__container_of(a, struct ly__decider, authority);
}

/* ---- the trail ---- */

static struct ly__audit_record record_of(const struct ly__entry *e, const char *what)
{
    return (struct ly__audit_record){.who = e->state == LY__LOGGED_IN ? e->grant.user : NULL,
                                     .from = e->from,
                                     .device = *e->device ? e->device : NULL,
                                     .session = e->number,
                                     .what = what,
                                     .bytes = -1};
}

struct entry_in_trail {
    struct ly__audit *audit;
    struct ly__audit_record *record;
    int (*call)(struct ly__audit *a, struct ly__audit_record *record);
};

static int call_trail(void *arg)
{
    const struct entry_in_trail *t = arg;
    return t->call(t->audit, t->record);
}

static int end_record(struct ly__audit *a, struct ly__audit_record *record)
{
    return ly__audit_end(a, record);
}

/* It waits for the disk; who is cancelled meanwhile has done what is told all the same. */
static int tell_trail(struct ly__decider *d, struct ly__audit_record *r,
                      int (*call)(struct ly__audit *a, struct ly__audit_record *record))
{
    struct ly_scope *shield;
    struct entry_in_trail t = {d->audit, r, call};
    if (!d->audit)
        return 0;
    int e = ly_scope_open(&shield, &(struct ly_scope_options){.shield = true, .name = "the trail"});
    if (e < 0)
        return e;
    e = ly_offload(call_trail, &t);
    ly_scope_close(shield);
    return e;
}

void ly__decider_tell(struct ly__decider *d, const struct ly__entry *e, const char *what, const char *object,
                      int result)
{
    struct ly__audit_record r = record_of(e, what);
    r.object = object;
    r.result = result;
    (void)tell_trail(d, &r, end_record);
}

/* A login by password, or a pairing: who is in was in by which of them; who is not named whom. */
static void tell_login(struct ly__decider *d, const struct ly__entry *e, int result)
{
    bool is_pairing = e->login && ly__login_is_pairing(e->login);
    const char *name = e->login ? ly__login_name(e->login) : NULL, *how = is_pairing ? "pairing" : "password";
    struct ly__audit_record r = record_of(e, result == 0 && is_pairing ? "pair" : "login");
    r.object = result == 0 || !name || !*name ? how : name;
    r.detail = r.object == how ? NULL : how;
    r.result = result;
    (void)tell_trail(d, &r, end_record);
}

/* A login by a key. Of one that failed, the user whose device it is stands where the name that was given
 * would. */
static void tell_device(struct ly__decider *d, const struct ly__entry *e, const char *user, int result)
{
    struct ly__audit_record r = record_of(e, "login");
    r.object = result == 0 || !*user ? "device" : user;
    r.detail = result == 0 || !*user ? NULL : "device";
    r.result = result;
    (void)tell_trail(d, &r, end_record);
}

/* ---- who it is: this machine's ---- */

static void name_user(char name[LY__GRANT_USER], uid_t uid)
{
    struct ly__account a;
    if (ly__account_by_id(&a, uid) == 0)
        snprintf(name, LY__GRANT_USER, "%s", a.name);
    else
        snprintf(name, LY__GRANT_USER, "uid %lu", (unsigned long)uid);
}

/*
 * Whoever reaches a listener of this kind may do everything: the mode of a Unix socket's file let them in, or
 * the operator said that all on this machine may (daemon/listen.c).
 */
static void grant_everything(struct ly__grant *g, const struct ly__origin *o)
{
    *g = (struct ly__grant){.roles = LY__ROLES_ALL};
    if (o->is_local)
        name_user(g->user, o->uid);
    else
        snprintf(g->user, sizeof g->user, "loopback");
}

static int begin_own(struct ly__decider *d, const struct ly__origin *o, uint64_t *number,
                     struct ly__grant *ret_grant)
{
    struct ly__entry *e = ly__sessions_add(&d->sessions, o->peer, NULL);
    if (!e)
        return -ENOMEM;
    grant_everything(ret_grant, o);
    ly__sessions_lock(&d->sessions);
    e->grant = *ret_grant;
    e->state = LY__LOGGED_IN;
    ly__sessions_unlock(&d->sessions);
    *number = e->number;
    return 1;
}

/* ---- who it is: the network's ---- */

/* A user's directory, absolute in the store, as a path below the served one. */
static int find_directory(const struct ly__decider *d, const char *directory,
                          char ret_below[LY__GRANT_DIRECTORY])
{
    const char *below = *directory ? ly__place_below(d->root, directory) : "";
    if (!below)
        return LY_EOUTSIDE;
    int length = snprintf(ret_below, LY__GRANT_DIRECTORY, "%s", below);
    return length < LY__GRANT_DIRECTORY ? 0 : LY_ENAME;
}

struct count {
    int64_t user_id;
    int64_t sessions;
};

static void count_of_user(void *arg, struct ly__entry *e)
{
    struct count *c = arg;
    c->sessions += e->user_id == c->user_id;
}

/* Let a user in. Returns 1, or why that cannot be. */
static int enter(struct ly__decider *d, struct ly__entry *e, const struct ly__user *u,
                 struct ly__grant *ret_grant)
{
    struct count c = {.user_id = u->id};
    struct ly__grant g = {.roles = u->roles, .bandwidth = u->bandwidth};
    int r = find_directory(d, u->directory, g.directory);
    if (r < 0) {
        ly_log(
            LY_LOG_ERROR, "login",
            "a user's directory is not below the served one: give another by 'lanyard user role --directory'",
            LY_STR("user", u->name), LY_STR("directory", u->directory), LY_STR("root", d->root));
        return r;
    }
    if (e->ends_at)
        return -ECANCELED; /* it was told to end meanwhile */
    ly__sessions_each(&d->sessions, count_of_user, &c);
    if (u->sessions > 0 && c.sessions >= u->sessions)
        return LY_ESESSIONS;
    snprintf(g.user, sizeof g.user, "%s", u->name);
    snprintf(e->account, sizeof e->account, "%s", u->account);
    e->user_id = u->id;
    e->generation = u->generation;
    ly__sessions_lock(&d->sessions);
    e->grant = *ret_grant = g;
    e->state = LY__LOGGED_IN;
    ly__sessions_unlock(&d->sessions);
    ly__admission_leave(d->admission, &e->ticket);
    return 1;
}

/* A key that a worker says was proved to be the peer's. It is believed when that has been seen here, too. */
struct claim {
    const struct ly__decider *decider;
    const struct ly__tls_proof *proof;
    const uint8_t *challenge;
    uint8_t key[LY__KEY_HASH];
    int found; /* 0: it is a device's; else why not */
    struct ly__user user;
    int64_t device;
};

static int check_claim(void *arg)
{
    struct claim *c = arg;
    struct ly__store *store = c->decider->store;
    int r = ly__proof_check(c->proof, &c->decider->shown, c->challenge, c->key);
    if (r < 0)
        return r;
    c->found = ly__device_find(store, c->key, &c->user, &c->device);
    if (c->found == 0)
        (void)ly__device_seen(store, c->device);
    return 0;
}

static int enter_by_device(struct ly__decider *d, struct ly__entry *e, const struct claim *c,
                           struct ly__grant *ret_grant)
{
    int r = c->found;
    if (r == -ENOENT)
        return 0; /* nobody's: it may still be somebody by a password */
    if (r == 0)
        r = enter(d, e, &c->user, ret_grant);
    e->has_failed = r < 0; /* we know who it is: that it goes now is no stranger's silence */
    e->device_id = c->device;
    tell_device(d, e, c->user.name, r < 0 ? r : 0);
    return r;
}

/* From here on it is a stranger; c is NULL where no key was shown. */
static void note_stranger(struct ly__decider *d, struct ly__entry *e, const struct claim *c)
{
    ly__sessions_lock(&d->sessions);
    e->has_key = c != NULL;
    if (c) {
        memcpy(e->key, c->key, sizeof e->key);
        ly__id_format(e->device, e->key);
    }
    e->state = LY__STRANGER;
    ly__sessions_unlock(&d->sessions);
}

static int begin_foreign(struct ly__decider *d, const struct ly__origin *o, uint64_t number,
                         struct ly__grant *ret_grant)
{
    struct ly__entry *e = ly__sessions_find(&d->sessions, number);
    if (!e || !o->is_bound || !d->store)
        return LY_EREFUSED;
    if (e->ends_at)
        return -ECANCELED;
    struct claim c = {.decider = d, .proof = o->proof, .challenge = e->challenge};
    int r = o->proof ? ly_offload(check_claim, &c) : 0;
    if (r < 0)
        return r;
    memcpy(e->binding, o->binding, sizeof e->binding);
    note_stranger(d, e, o->proof ? &c : NULL);
    return o->proof ? enter_by_device(d, e, &c, ret_grant) : 0;
}

static int begin(struct ly__authority *a, const struct ly__origin *o, uint64_t *number,
                 struct ly__grant *ret_grant)
{
    struct ly__decider *d = decider_of(a);
    return *number == 0 ? begin_own(d, o, number, ret_grant) : begin_foreign(d, o, *number, ret_grant);
}

/* ---- logging in ---- */

struct step {
    struct ly__login *login;
    const char *data;
    size_t n;
    struct ly_buffer *answer;
};

static int take_step(void *arg)
{
    struct step *s = arg;
    return ly__login_step(s->login, s->data, s->n, s->answer);
}

static int start_login(struct ly__decider *d, struct ly__entry *e, const char *mechanism)
{
    return ly__login_new(&e->login,
                         &(struct ly__login_options){.store = d->store,
                                                     .failures = d->failures,
                                                     .binding = e->binding,
                                                     .key = e->has_key ? e->key : NULL,
                                                     .label = e->from},
                         mechanism);
}

/*
 * It has failed. A wrong name, password or message charges the source, and the answer takes the time that it
 * always takes; it says for how long the source is refused now, which hangs on what came from there and not
 * on the name. Who is turned away though nothing was wrong with what they said (too many sessions, a
 * directory that is gone, a users' file that cannot be read or is locked, no memory) is not charged.
 */
static int deny(struct ly__decider *d, struct ly__entry *e, int error, struct ly__grant *ret_grant)
{
    e->has_failed = true;
    if (error == LY_EDENIED)
        ly__penalties_add(d->penalties, &e->peer, LY__OFFENCE_LOGIN, ly_now());
    tell_login(d, e, error);
    if (error != LY_EDENIED)
        return error;
    if (e->login)
        (void)ly_sleep(ly__login_wait(e->login));
    ret_grant->wait_ms = ly__penalties_ahead(d->penalties, &e->peer, ly_now());
    return error;
}

static int login(struct ly__authority *a, uint64_t number, const char *mechanism, const char *data, size_t n,
                 struct ly_buffer *ret_answer, struct ly__grant *ret_grant)
{
    struct ly__decider *d = decider_of(a);
    struct ly__entry *e = ly__sessions_find(&d->sessions, number);
    if (!e || e->state != LY__STRANGER || e->has_failed)
        return LY_EFIELD;
    int r = e->login ? 0 : start_login(d, e, mechanism);
    struct step s = {e->login, data, n, ret_answer};
    if (r == 0)
        r = ly_offload(take_step, &s);
    if (r == 0)
        return 0;
    if (r > 0)
        r = enter(d, e, ly__login_user(e->login), ret_grant);
    if (r < 0)
        return deny(d, e, r, ret_grant);
    tell_login(d, e, 0);
    return 1;
}

/* ---- what they do ---- */

static int start_as_user(struct ly__decider *d, const struct ly__entry *e, const struct ly__launch *l,
                         struct ly__child **ret_child, const char **ret_where)
{
    if (!e->owner)
        return ly__child_start(ret_child, ret_where, l, d->root_fd, d->home, d->files_limit);
    return ly__become_start(ret_child, ret_where, l,
                            &(struct ly__become){.account = e->account,
                                                 .root_fd = d->root_fd,
                                                 .home = d->home,
                                                 .env = d->env,
                                                 .files_limit = d->files_limit});
}

static int start(struct ly__authority *a, uint64_t number, const struct ly__launch *l,
                 struct ly__child **ret_child, char ret_where[LY__LAUNCH_WHERE])
{
    struct ly__decider *d = decider_of(a);
    const struct ly__entry *e = ly__sessions_find(&d->sessions, number);
    struct ly__commands_user *place;
    const char *where = "";
    if (!e || e->state != LY__LOGGED_IN || !(e->grant.roles & LY__EXEC))
        return LY_EROLE;
    if (e->ends_at || (d->asks_first && !e->deed.action))
        return -ECANCELED; /* it is over, or would not be in the trail */
    int r = ly__commands_enter(&d->commands, e->user_id, &place);
    if (r < 0)
        return r;
    r = start_as_user(d, e, l, ret_child, &where);
    if (r < 0) {
        ly__commands_leave(place);
        snprintf(ret_where, LY__LAUNCH_WHERE, "%s", where);
        return r;
    }
    (*ret_child)->freed = ly__commands_leave;
    (*ret_child)->freed_arg = place;
    return 0;
}

static int allow(struct ly__authority *a, uint64_t number, const char *what)
{
    struct ly__decider *d = decider_of(a);
    struct ly__entry *e = d->asks_first ? ly__sessions_find(&d->sessions, number) : NULL;
    if (!e)
        return 0;
    snprintf(e->what, sizeof e->what, "%s", what);
    e->deed = record_of(e, e->what);
    int r = tell_trail(d, &e->deed, ly__audit_begin);
    if (r < 0)
        e->deed.action = 0;
    return r;
}

static void note(struct ly__authority *a, uint64_t number, const struct ly__deed *deed)
{
    char detail[32];
    struct ly__decider *d = decider_of(a);
    struct ly__entry *e = ly__sessions_find(&d->sessions, number);
    if (!e)
        return;
    ly__sessions_note(&d->sessions, number, e->owner, "");
    if (!d->audit)
        return;
    struct ly__audit_record r = d->asks_first && e->deed.action ? e->deed : record_of(e, deed->what);
    r.object = deed->object;
    r.result = deed->result;
    r.bytes = deed->bytes;
    r.began = deed->began;
    if (deed->exit >= 0) {
        snprintf(detail, sizeof detail, "exit %d", deed->exit);
        r.detail = detail;
    }
    (void)tell_trail(d, &r, end_record);
    e->deed.action = 0;
}

/* ---- the end ---- */

static void charge(struct ly__decider *d, const struct ly__entry *e, int result)
{
    bool is_malformed =
        result == LY_ETLS || result == LY_EFRAME || result == LY_EJSON || result == LY_ETOOBIG;
    bool is_ours =
        result == -EMFILE || result == -ENFILE || result == -ENOMEM; /* what was missing was missing here */
    if (e->state == LY__LOGGED_IN || e->has_failed || is_ours || !d->penalties)
        return;
    ly__penalties_add(d->penalties, &e->peer, is_malformed ? LY__OFFENCE_PROTOCOL : LY__OFFENCE_SILENT,
                      ly_now());
}

void ly__decider_drop(struct ly__decider *d, struct ly__entry *e)
{
    if (d->admission)
        ly__admission_leave(d->admission, &e->ticket);
    ly__sessions_remove(&d->sessions, e);
    ly__entry_free(e);
}

static void end(struct ly__authority *a, uint64_t number, int result)
{
    struct ly__decider *d = decider_of(a);
    struct ly__entry *e = ly__sessions_find(&d->sessions, number);
    if (!e)
        return;
    charge(d, e, result);
    ly__decider_drop(d, e);
}

static int64_t spend(struct ly__authority *a, uint64_t number, int64_t bytes)
{
    struct ly__decider *d = decider_of(a);
    const struct ly__entry *e = ly__sessions_find(&d->sessions, number);
    if (!e || !e->user_id || e->grant.bandwidth <= 0)
        return 0;
    return ly__pace_spend(&d->pace, e->user_id, e->grant.bandwidth, bytes, ly_now());
}

static const struct ly__authority_calls calls = {begin, login, start, allow, note, end, spend};

void ly__decider_open(struct ly__decider *d)
{
    d->authority.calls = &calls;
    ly__commands_open(&d->commands);
    ly__sessions_open(&d->sessions);
    ly__pace_open(&d->pace);
}

void ly__decider_close(struct ly__decider *d)
{
    ly__sessions_close(&d->sessions);
    ly__pace_close(&d->pace);
    ly__commands_close(&d->commands);
}
