/* SPDX-License-Identifier: MIT */
/* The status as JSON, and the metrics as Prometheus reads them. Each metric is described in docs/metrics.md.
 */
#include "daemon/control.h"
#include <errno.h>
#include <inttypes.h>
#include <lanyard/clock.h>
#include <stdlib.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

/* A number with a name: a field of JSON, or a label's value. */
struct number {
    const char *name;
    uint64_t value;
};

static int put_numbers(struct ly_buffer *b, const char *name, const struct number *list, size_t n)
{
    int r = ly_json_open(b, name, '{');
    for (size_t i = 0; i < n && r == 0; i++)
        r = ly_json_put_int(b, list[i].name, (int64_t)list[i].value);
    return r < 0 ? r : ly_json_close(b, '}');
}
#define PUT_NUMBERS(b, name, list) put_numbers((b), (name), (list), sizeof(list) / sizeof *(list))

/* ---- the status ---- */

static int put_sessions(struct ly_buffer *b, const struct ly__facts *f)
{
    int r = ly_json_open(b, "sessions", '{');
    if (r == 0)
        r = ly_json_put_int(b, "local", (int64_t)f->local);
    if (r == 0)
        r = ly_json_put_int(b, "network", (int64_t)f->logged_in);
    if (r == 0)
        r = ly_json_put_int(b, "strangers", (int64_t)f->strangers);
    if (r == 0)
        r = ly_json_open(b, "users", '{');
    for (size_t i = 0; i < f->nusers && r == 0; i++)
        r = ly_json_put_int(b, f->users[i].name, (int64_t)f->users[i].sessions);
    if (r == 0)
        r = ly_json_close(b, '}');
    return r < 0 ? r : ly_json_close(b, '}');
}

static int put_counters(struct ly_buffer *b, const char *name, const struct ly__counters *c)
{
    const struct number list[] = {{"requests", atomic_load(&c->requests)},
                                  {"received", atomic_load(&c->received)},
                                  {"sent", atomic_load(&c->sent)}};
    return PUT_NUMBERS(b, name, list);
}

static int put_worker(struct ly__controller *c, struct ly_buffer *b, const struct ly__crew_view *v)
{
    int r = ly_json_open(b, NULL, '{');
    if (r == 0)
        r = ly_json_put_int(b, "pid", v->pid);
    if (r == 0)
        r = ly_json_put_bool(b, "serves", v->serves);
    if (r == 0)
        r = ly_json_put_int(b, "age", v->started ? (ly_now() - v->started) / SECOND : 0);
    if (r == 0)
        r = ly_json_put_int(b, "starts", v->starts);
    if (r == 0)
        r = ly_json_put_int(b, "sessions", (int64_t)ly__sessions_of(c, v->owner));
    if (r == 0)
        r = put_counters(b, "work", v->counters);
    return r < 0 ? r : ly_json_close(b, '}');
}

static int put_workers(struct ly__controller *c, struct ly_buffer *b)
{
    struct ly__crew_view v;
    int r = ly_json_open(b, "workers", '[');
    for (int i = 0; r == 0 && c->network->has_crew && ly__crew_view(&c->network->crew, i, &v); i++)
        r = put_worker(c, b, &v);
    return r < 0 ? r : ly_json_close(b, ']');
}

static int put_guards(struct ly_buffer *b, const struct ly__facts *f)
{
    struct number gate[LY__VERDICTS + 1] = {{"waiting", f->gate.waiting}};
    const struct number penalties[] = {{"in_force", f->penalties.in_force},
                                       {"offences", f->penalties.offences},
                                       {"refusals", f->penalties.refusals}};
    const struct number audit[] = {{"written", f->audit.written},
                                   {"lost", f->audit.lost},
                                   {"refused", f->audit.refused},
                                   {"failing", f->audit.error < 0}};
    for (int i = 0; i < LY__VERDICTS; i++)
        gate[i + 1] = (struct number){ly__verdict_name((enum ly__verdict)i), f->gate.verdicts[i]};
    int r = PUT_NUMBERS(b, "gate", gate);
    if (r == 0)
        r = PUT_NUMBERS(b, "penalties", penalties);
    return r < 0 ? r : PUT_NUMBERS(b, "audit", audit);
}

static int put_head(struct ly__controller *c, struct ly_buffer *b)
{
    int r = ly_json_put_string(b, "version", LY__VERSION);
    if (r == 0)
        r = ly_json_put_int(b, "pid", getpid());
    if (r == 0)
        r = ly_json_put_int(b, "uptime", (ly_now() - c->began) / SECOND);
    if (r == 0 && c->network->has_crew)
        r = ly_json_put_string(b, "id", c->network->key.text);
    if (r == 0)
        r = ly_json_open(b, "addresses", '[');
    for (size_t i = 0; i < c->naddresses && r == 0; i++)
        r = ly_json_put_string(b, NULL, c->addresses[i]);
    if (r == 0)
        r = ly_json_close(b, ']');
    return r < 0 ? r : ly_json_put_int(b, "commands", atomic_load(&c->decider->commands.running));
}

int ly__status_put(struct ly__controller *c, struct ly_buffer *json)
{
    struct ly__facts *f = ly__facts_new(c);
    int r = f ? ly_json_open(json, NULL, '{') : -ENOMEM;
    if (r == 0)
        r = put_head(c, json);
    if (r == 0)
        r = put_sessions(json, f);
    if (r == 0)
        r = put_guards(json, f);
    if (r == 0)
        r = put_counters(json, "work", &c->service->counters);
    if (r == 0)
        r = put_workers(c, json);
    free(f);
    return r < 0 ? r : ly_json_close(json, '}');
}

/* ---- the metrics ---- */

static int put_title(struct ly_buffer *b, const char *name, const char *type, const char *help)
{
    return ly_buffer_printf(b, "# HELP lanyard_%s %s\n# TYPE lanyard_%s %s\n", name, help, name, type);
}

static int put_metric(struct ly_buffer *b, const char *name, const char *type, const char *help,
                      uint64_t value)
{
    int r = put_title(b, name, type, help);
    return r < 0 ? r : ly_buffer_printf(b, "lanyard_%s %" PRIu64 "\n", name, value);
}

/* One metric with a label. */
static int put_family(struct ly_buffer *b, const char *name, const char *type, const char *help,
                      const char *label, const struct number *list, size_t n)
{
    int r = put_title(b, name, type, help);
    for (size_t i = 0; i < n && r == 0; i++)
        r = ly_buffer_printf(b, "lanyard_%s{%s=\"%s\"} %" PRIu64 "\n", name, label, list[i].name,
                             list[i].value);
    return r;
}

static int put_guard_metrics(struct ly_buffer *b, const struct ly__facts *f)
{
    struct number gate[LY__VERDICTS];
    const struct number audit[] = {
        {"written", f->audit.written}, {"lost", f->audit.lost}, {"refused", f->audit.refused}};
    for (int i = 0; i < LY__VERDICTS; i++)
        gate[i] = (struct number){ly__verdict_name((enum ly__verdict)i), f->gate.verdicts[i]};
    int r = put_family(b, "connections_total", "counter",
                       "Connections from the network, by the gate's verdict.", "verdict", gate, LY__VERDICTS);
    if (r == 0)
        r = put_metric(b, "strangers", "gauge", "Connections that have not logged in.", f->gate.waiting);
    if (r == 0)
        r = put_metric(b, "penalties", "gauge", "Sources that are refused now.", f->penalties.in_force);
    if (r == 0)
        r = put_metric(b, "offences_total", "counter", "Offences charged to sources.", f->penalties.offences);
    if (r == 0)
        r = put_family(b, "audit_records_total", "counter", "Records of the audit trail.", "fate", audit, 3);
    return r < 0 ? r
                 : put_metric(b, "audit_failing", "gauge", "1 while the audit trail cannot be written.",
                              f->audit.error < 0);
}

/* One line for this machine's sessions, one for each worker. */
static int put_work(struct ly__controller *c, struct ly_buffer *b, const char *name, const char *help,
                    uint64_t (*value)(const struct ly__crew_view *v))
{
    struct ly__crew_view v = {.serves = true, .starts = 1, .started = 1, .counters = &c->service->counters};
    int r = put_title(b, name, "counter", help);
    if (r == 0)
        r = ly_buffer_printf(b, "lanyard_%s{worker=\"local\"} %" PRIu64 "\n", name, value(&v));
    for (int i = 0; r == 0 && c->network->has_crew && ly__crew_view(&c->network->crew, i, &v); i++)
        r = ly_buffer_printf(b, "lanyard_%s{worker=\"%d\"} %" PRIu64 "\n", name, i, value(&v));
    return r;
}

static uint64_t requests_of(const struct ly__crew_view *v)
{
    return atomic_load(&v->counters->requests);
}

static uint64_t received_of(const struct ly__crew_view *v)
{
    return atomic_load(&v->counters->received);
}

static uint64_t sent_of(const struct ly__crew_view *v)
{
    return atomic_load(&v->counters->sent);
}

static uint64_t starts_of(const struct ly__crew_view *v)
{
    return v->starts;
}

static int put_all(struct ly__controller *c, struct ly_buffer *b, const struct ly__facts *f)
{
    const struct number sessions[] = {
        {"local", f->local}, {"network", f->logged_in}, {"stranger", f->strangers}};
    const struct number build[] = {{LY__VERSION, 1}};
    int r = put_family(b, "build_info", "gauge", "The version that runs.", "version", build, 1);
    if (r == 0)
        r = put_metric(b, "uptime_seconds", "gauge", "Seconds since the start.",
                       (uint64_t)((ly_now() - c->began) / SECOND));
    if (r == 0)
        r = put_family(b, "sessions", "gauge", "Open sessions.", "kind", sessions, 3);
    if (r == 0)
        r = put_metric(b, "commands", "gauge", "Commands that run.",
                       atomic_load(&c->decider->commands.running));
    if (r == 0)
        r = put_guard_metrics(b, f);
    if (r == 0)
        r = put_work(c, b, "requests_total", "Requests, by who served them.", requests_of);
    if (r == 0)
        r = put_work(c, b, "received_bytes_total", "Bytes of files and of commands' input.", received_of);
    if (r == 0)
        r = put_work(c, b, "sent_bytes_total", "Bytes of files and of commands' output.", sent_of);
    return r < 0 ? r
                 : put_work(c, b, "starts_total", "Starts; a worker's beyond the first are accidents.",
                            starts_of);
}

int ly__metrics_put(struct ly__controller *c, struct ly_buffer *text)
{
    struct ly__facts *f = ly__facts_new(c);
    int r = f ? put_all(c, text, f) : -ENOMEM;
    free(f);
    return r;
}
