/* SPDX-License-Identifier: MIT */
/*
 * What is told here comes from the decider's books, from the workers' reports (at most a second old), and
 * from counters that are read as they are. Nothing waits for the crew's thread: whoever looks after a server
 * that hangs has to get an answer.
 */
#include "daemon/control.h"
#include "daemon/report.h"
#include <errno.h>
#include <lanyard/clock.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000000)
#define FRESH (5 * SECOND) /* what a session was seen to do so long ago, it does no more */

static struct ly__controller *controller_of(struct ly__control *c)
{
    return ly__container_of(c, struct ly__controller, control);
}

/* ---- counting ---- */

static void count_user(struct ly__facts *f, const char *name)
{
    for (size_t i = 0; i < f->nusers; i++) {
        if (strcmp(f->users[i].name, name) == 0) {
            f->users[i].sessions++;
            return;
        }
    }
    if (f->nusers == LY__FACTS_USERS)
        return;
    memcpy(f->users[f->nusers].name, name, LY__GRANT_USER);
    f->users[f->nusers++].sessions = 1;
}

static void count_one(void *arg, struct ly__entry *e)
{
    struct ly__facts *f = arg;
    if (e->state != LY__LOGGED_IN) {
        f->strangers += e->owner != NULL;
        return;
    }
    *(e->owner ? &f->logged_in : &f->local) += 1;
    count_user(f, e->grant.user);
}

struct ly__facts *ly__facts_new(struct ly__controller *c)
{
    struct ly__facts *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    ly__sessions_each(&c->decider->sessions, count_one, f);
    if (c->decider->admission)
        ly__admission_count(c->decider->admission, &f->gate);
    if (c->decider->penalties)
        ly__penalties_count(c->decider->penalties, ly_now(), &f->penalties);
    if (c->decider->audit)
        ly__audit_count(c->decider->audit, &f->audit);
    return f;
}

struct owned {
    const void *owner;
    size_t n;
};

static void count_owned(void *arg, struct ly__entry *e)
{
    struct owned *o = arg;
    o->n += e->owner == o->owner;
}

size_t ly__sessions_of(struct ly__controller *c, const void *owner)
{
    struct owned o = {.owner = owner};
    ly__sessions_each(&c->decider->sessions, count_owned, &o);
    return o.n;
}

/* ---- listing ---- */

struct listing {
    struct ly_buffer *lines;
    const char *user;
    int64_t now, wall;
    int r;
};

static void list_one(void *arg, struct ly__entry *e)
{
    struct listing *l = arg;
    bool is_in = e->state == LY__LOGGED_IN;
    if (l->r < 0 || (l->user && (!is_in || strcmp(l->user, e->grant.user) != 0)))
        return;
    struct ly_buffer *b = l->lines;
    int64_t last = e->last > e->began ? e->last : e->began;
    bool is_busy = *e->doing && l->now - e->doing_at < FRESH;
    int r = ly_json_open(b, NULL, '{');
    if (r == 0)
        r = ly_json_put_int(b, "session", (int64_t)e->number);
    if (r == 0 && is_in)
        r = ly_json_put_string(b, "user", e->grant.user);
    if (r == 0)
        r = ly_json_put_string(b, "from", e->from);
    if (r == 0 && *e->device)
        r = ly_json_put_string(b, "device", e->device);
    if (r == 0)
        r = ly_json_put_bool(b, "local", e->owner == NULL);
    if (r == 0)
        r = ly_json_put_int(b, "since", l->wall - (l->now - e->began) / SECOND);
    if (r == 0)
        r = ly_json_put_int(b, "idle", is_busy ? 0 : (l->now - last) / SECOND);
    if (r == 0 && is_busy)
        r = ly_json_put_string(b, "doing", e->doing);
    if (r == 0)
        r = ly_json_close(b, '}');
    l->r = r < 0 ? r : ly_buffer_append(b, "\n", 1);
}

static void note_busy(void *arg, uint64_t number, const struct ly__deed *deed)
{
    char text[LY__DOING];
    struct ly__controller *c = arg;
    ly__doing_text(text, deed);
    ly__sessions_note(&c->decider->sessions, number, NULL, text);
}

static int list(struct ly__control *control, const char *user, struct ly_buffer *lines)
{
    struct ly__controller *c = controller_of(control);
    struct listing l = {.lines = lines, .user = user, .wall = time(NULL)};
    ly__idle_each_busy(&c->service->idle, note_busy, c);
    l.now = ly_now();
    ly__sessions_each(&c->decider->sessions, list_one, &l);
    return l.r;
}

/* ---- ending ---- */

struct choice {
    uint64_t number, own; /* number 0: all of user, but own */
    const char *user;
    struct ly__entry *list; /* copies */
    size_t n, room;
};

static void choose(void *arg, struct ly__entry *e)
{
    struct choice *c = arg;
    bool is_it =
        c->number ? e->number == c->number
                  : e->state == LY__LOGGED_IN && e->number != c->own && strcmp(e->grant.user, c->user) == 0;
    if (is_it && c->n < c->room)
        c->list[c->n++] = *e;
}

static void end_one(struct ly__controller *c, const struct ly__entry *e, const char *by)
{
    if (e->owner)
        ly__crew_cut(&c->network->crew, e->number);
    else
        (void)ly__idle_cut(&c->service->idle, e->number);
    ly__decider_tell(c->decider, e, "killed", by, 0);
}

static int end(struct ly__control *control, uint64_t number, const char *user, uint64_t own, const char *by)
{
    struct ly__controller *c = controller_of(control);
    struct choice k = {
        .number = number, .own = own, .user = user, .room = ly__sessions_count(&c->decider->sessions) + 1};
    k.list = calloc(k.room, sizeof *k.list);
    if (!k.list)
        return -ENOMEM;
    ly__sessions_each(&c->decider->sessions, choose, &k);
    for (size_t i = 0; i < k.n; i++)
        end_one(c, &k.list[i], by);
    free(k.list);
    return (int)k.n;
}

/* ---- what ails it ---- */

static const char *ail(struct ly__control *control)
{
    struct ly__controller *c = controller_of(control);
    struct ly__audit_counts counts = {0};
    struct ly__crew_view v;
    bool serves = !c->network->has_crew;
    for (int i = 0; c->network->has_crew && ly__crew_view(&c->network->crew, i, &v); i++)
        serves = serves || v.serves;
    if (!serves)
        return "no worker serves the network";
    if (c->decider->audit)
        ly__audit_count(c->decider->audit, &counts);
    return counts.error < 0 ? "the audit trail cannot be written" : NULL;
}

/* ---- the calls ---- */

static int put_status(struct ly__control *control, struct ly_buffer *json)
{
    return ly__status_put(controller_of(control), json);
}

static int put_metrics(struct ly__control *control, struct ly_buffer *text)
{
    return ly__metrics_put(controller_of(control), text);
}

static const struct ly__control_calls calls = {put_status, list, end, put_metrics, ail};

void ly__controller_open(struct ly__controller *c, struct ly__decider *d, struct ly__service *s,
                         struct ly__network *n)
{
    *c = (struct ly__controller){
        .control.calls = &calls, .decider = d, .service = s, .network = n, .began = ly_now()};
    s->control = &c->control;
}
