/* SPDX-License-Identifier: MIT */
#include "daemon/report.h"
#include <lanyard/error.h>
#include <stdio.h>

#define BUSY_MAX 256 /* sessions that one report tells of */
#define COUNT_MAX (INT64_MAX / 4)

struct report {
    struct ly_buffer *b;
    size_t n;
    int r;
};

void ly__doing_text(char out[LY__DOING], const struct ly__deed *deed)
{
    snprintf(out, LY__DOING, "%s%s%s", deed->what, *deed->object ? " " : "", deed->object);
}

static void put_busy(void *arg, uint64_t number, const struct ly__deed *deed)
{
    struct report *p = arg;
    char text[LY__DOING];
    if (p->n++ >= BUSY_MAX || p->r < 0)
        return;
    ly__doing_text(text, deed);
    p->r = ly_json_open(p->b, NULL, '{');
    if (p->r == 0)
        p->r = ly_json_put_int(p->b, "session", (int64_t)number);
    if (p->r == 0)
        p->r = ly_json_put_string(p->b, "doing", text);
    if (p->r == 0)
        p->r = ly_json_close(p->b, '}');
}

static int make(struct ly__reporter *r, struct ly_buffer *b, size_t *ret_busy)
{
    struct report p = {.b = b};
    int e = ly__channel_begin(b);
    if (e == 0)
        e = ly_json_put_string(b, "do", "report");
    if (e == 0)
        e = ly_json_put_int(b, "requests", (int64_t)r->requests);
    if (e == 0)
        e = ly_json_put_int(b, "received", (int64_t)r->received);
    if (e == 0)
        e = ly_json_put_int(b, "sent", (int64_t)r->sent);
    if (e == 0)
        e = ly_json_open(b, "busy", '[');
    if (e == 0) {
        ly__idle_each_busy(&r->service->idle, put_busy, &p);
        e = p.r;
    }
    *ret_busy = p.n;
    return e < 0 ? e : ly_json_close(b, ']');
}

int ly__report_send(struct ly__reporter *r)
{
    const struct ly__counters *c = &r->service->counters;
    const struct ly__reporter before = *r;
    struct ly_buffer b;
    r->requests = atomic_load(&c->requests);
    r->received = atomic_load(&c->received);
    r->sent = atomic_load(&c->sent);
    ly_buffer_init(&b, LY__CHANNEL_MAX);
    int e = make(r, &b, &r->busy);
    bool is_new = r->busy > 0 || before.busy > 0 || r->requests != before.requests ||
                  r->received != before.received || r->sent != before.sent;
    if (e == 0 && is_new)
        e = ly__channel_send(r->channel, &b, NULL, 0);
    ly_buffer_done(&b);
    return e;
}

/* ---- the supervisor's side ---- */

static int read_count(struct ly_json message, const char *name, uint64_t *before,
                      atomic_uint_least64_t *counter)
{
    int64_t n = 0;
    if (ly_json_int(ly_json_get(message, name), &n) < 0 || n < 0 || n > COUNT_MAX)
        return LY_EFIELD;
    if ((uint64_t)n > *before) {
        atomic_fetch_add_explicit(counter, (uint64_t)n - *before, memory_order_relaxed);
        *before = (uint64_t)n;
    }
    return 0;
}

static int read_busy(struct ly_json message, struct ly__sessions *sessions, const void *owner)
{
    struct ly_json busy = ly_json_get(message, "busy"), item;
    size_t it = 0;
    if (ly_json_type(busy) != LY_JSON_ARRAY)
        return LY_EFIELD;
    for (int n = 0; ly_json_next(busy, &it, NULL, &item); n++) {
        char text[LY__DOING];
        int64_t number = 0;
        if (n >= BUSY_MAX || ly_json_int(ly_json_get(item, "session"), &number) < 0 ||
            ly_json_string(ly_json_get(item, "doing"), text, sizeof text) < 0)
            return LY_EFIELD;
        ly__sessions_note(sessions, (uint64_t)number, owner, text);
    }
    return 0;
}

int ly__report_take(struct ly_json message, struct ly__reported *before, struct ly__counters *counters,
                    struct ly__sessions *sessions, const void *owner)
{
    int r = read_count(message, "requests", &before->requests, &counters->requests);
    if (r == 0)
        r = read_count(message, "received", &before->received, &counters->received);
    if (r == 0)
        r = read_count(message, "sent", &before->sent, &counters->sent);
    return r < 0 ? r : read_busy(message, sessions, owner);
}
